package examples_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// The script beside the systemd unit opens one issue, updates it, and closes it, with a token that is on no command line.
func TestDriftTicketOfTheUnit(t *testing.T) {
	credentials := t.TempDir()
	write(t, filepath.Join(credentials, "ticket-token"), []byte(hidden))
	script := "set -- meshrotate drift --repo r --path contoso.yaml -o markdown\n" + read(t, "pipelines/drift-ticket.sh")
	const drift = "meshrotate drift --repo r --path contoso.yaml -o markdown"
	const ours = `[{"number": 11, "title": "Drift in my boat"}, {"number": 12, "title": "Drift: contoso.yaml", "pull_request": {}}, {"number": 13, "title": "Drift: contoso.yaml"}]`
	for name, s := range map[string]step{
		"no drift":        {code: 0, answer: `[]`, calls: []string{drift, "https://git/api/issues?state=open&labels=drift"}, never: []string{"--data"}},
		"drift":           {code: 2, answer: `[]`, calls: []string{"--data @body.json https://git/api/issues"}, never: []string{"PATCH"}, body: []string{`"title": "Drift: contoso.yaml"`, "the report", `"drift"`}, exitCode: 2},
		"drift still":     {code: 2, answer: ours, calls: []string{"--request PATCH --data @body.json https://git/api/issues/13"}, body: []string{"the report"}, exitCode: 2},
		"drift that ends": {code: 0, answer: ours, calls: []string{"--request PATCH --data @body.json https://git/api/issues/13"}, body: []string{`"state": "closed"`}},
		"nobody knows":    {code: 1, answer: `[]`, calls: []string{"--data @body.json"}, body: []string{"the progress"}, exitCode: 1},
	} {
		s.env = []string{"CREDENTIALS_DIRECTORY=" + credentials}
		t.Run(name, func(t *testing.T) { s.run(t, "drift-ticket.sh", script) })
	}
}

// The script beside the task does the same, against a server that notes what it is sent.
func TestDriftTicketOfTheTask(t *testing.T) {
	pwsh := tool(t, "pwsh")
	if out, err := exec.Command(pwsh, "-Lint51", "pipelines/drift-ticket.ps1").CombinedOutput(); err != nil {
		t.Errorf("not for Windows PowerShell 5.1: %s", out)
	}
	dir := t.TempDir()
	program := filepath.Join(dir, "mesh rotate")
	write(t, program, []byte("#!/bin/sh\nprintf 'the report é of %s\\n' \"$*\"; echo 'the progress' >&2; exit $CODE\n"))
	if err := os.Chmod(program, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "token"), []byte(hidden+"\n"))
	var answer string
	var sent []string
	var mu sync.Mutex
	forge := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if r.Header.Get("Authorization") != "Bearer "+hidden {
			t.Errorf("the header is %q", r.Header.Get("Authorization"))
		}
		w.Header().Set("Content-Type", "application/json")
		if r.Method == http.MethodGet {
			if got := r.URL.String(); got != "/issues?state=open&labels=drift&per_page=100" {
				t.Errorf("it asks for %s", got)
			}
			_, _ = io.WriteString(w, answer)
			return
		}
		var body struct {
			Title, Body, State string
			Labels             []string
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		sent = append(sent, strings.Join(append([]string{r.Method, r.URL.Path, body.Title, body.State, body.Body}, body.Labels...), "|"))
		_, _ = io.WriteString(w, "{}")
	}))
	defer forge.Close()
	script := read(t, "pipelines/drift-ticket.ps1")
	for was, is := range map[string]string{"https://api.github.com/repos/contoso/rotation": forge.URL, "deployments/contoso.yaml": "contoso.yaml", `C:\ProgramData\meshrotate\secrets\ticket-token`: filepath.Join(dir, "token")} {
		if !strings.Contains(script, was) {
			t.Fatalf("the script has no %s", was)
		}
		script = strings.ReplaceAll(script, was, is)
	}
	file := filepath.Join(dir, "drift-ticket.ps1")
	write(t, file, []byte(script))
	const ours = `[{"number": 11, "title": "Drift in my boat"}, {"number": 12, "title": "Drift: contoso.yaml", "pull_request": {}}, {"number": 13, "title": "Drift: contoso.yaml"}]`
	const report = "the report é of drift --repo r --path a b --output markdown\n"
	for _, c := range []struct{ name, code, answer, sent string }{
		{"no drift", "0", `[]`, ""},
		{"somebody's own", "0", `[{"number": 11, "title": "Drift in my boat"}]`, ""},
		{"drift", "2", `[]`, "POST|/issues|Drift: contoso.yaml||" + report + "|drift"},
		{"drift still", "2", ours, "PATCH|/issues/13|Drift: contoso.yaml||" + report + "|drift"},
		{"drift that ends", "0", ours, "PATCH|/issues/13||closed|"},
		{"nobody knows", "1", `[]`, "POST|/issues|Drift: contoso.yaml||" + report + "\nWhat it said:\n\n    the progress\n|drift"},
	} {
		mu.Lock()
		answer, sent = c.answer, nil
		mu.Unlock()
		cmd := exec.Command(pwsh, "-NoProfile", "-NonInteractive", "-File", file, program, "drift", "--repo", "r", "--path", "a b", "--output", "markdown")
		cmd.Env = append(os.Environ(), "CODE="+c.code)
		out, err := cmd.CombinedOutput()
		code := "0"
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			code = string(rune('0' + exit.ExitCode()))
		}
		mu.Lock()
		if code != c.code || strings.Join(sent, "\n") != c.sent {
			t.Errorf("%s: exit code %s, want %s; it sent\n%q, want\n%q\n%s", c.name, code, c.code, sent, c.sent, out)
		}
		mu.Unlock()
		if strings.Contains(string(out), hidden) || !strings.Contains(string(out), "the report") || !strings.Contains(string(out), "the progress") {
			t.Errorf("%s: it prints\n%s", c.name, out)
		}
	}
}
