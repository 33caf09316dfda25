package labcli_test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"meshrotate/state"
)

// files are a folder's files with their content and time of change.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		text, err := os.ReadFile(path)
		all[path] = info.ModTime().String() + string(text)
		return err
	}))
	return all
}

// TestExitCodes asks every verb in every state, as text and as JSON, and shows that only apply writes.
func TestExitCodes(t *testing.T) {
	t.Parallel()
	w := startWorld(t)
	ask := func(when string, codes map[string]int) {
		t.Helper()
		before := files(t, w.dir)
		for verb, code := range codes {
			text := w.run(code, verb)
			if text.out == "" {
				t.Errorf("%s: %s says nothing", when, verb)
			}
			r := w.run(code, verb, "-o", "json")
			var report map[string]any
			r.json(t, &report)
			for line := range strings.Lines(r.err) { // progress and errors are JSON too
				if !json.Valid([]byte(line)) {
					t.Errorf("%s: %s -o json: on standard error: %s", when, verb, line)
				}
			}
		}
		after := files(t, w.dir)
		for path := range before {
			if after[path] != before[path] {
				t.Errorf("%s: %s was changed by a verb that only looks", when, path)
			}
		}
		if len(after) != len(before) {
			t.Errorf("%s: %d files, now %d", when, len(before), len(after))
		}
	}
	verbs := func(look int) map[string]int {
		return map[string]int{"plan": look, "drift": look, "status": look, "history": 0, "validate": 0, "schema": 0, "version": 0}
	}
	ask("a rotation is asked for", verbs(2))

	w.run(1, "apply").says(t, "there is nobody to ask", "nothing was changed", "say --yes")
	var outcome struct {
		OK      bool
		Secrets []struct{ Ending state.Outcome }
	}
	w.run(0, "apply", "--yes", "-o", "json").json(t, &outcome)
	if !outcome.OK || len(outcome.Secrets) != 2 || outcome.Secrets[0].Ending != state.Proven || outcome.Secrets[1].Ending != state.Proven {
		t.Errorf("%+v", outcome)
	}
	ask("everything is as declared", verbs(0))
	w.run(0, "apply", "--yes").says(t, "nothing to do")
	w.run(0, "unlock")

	w.breaks("key", "relay-03")
	ask("a relay has another key", verbs(2))
	w.breaks("unplug", "relay-02")
	ask("another one does not answer, and nothing is taken from it", verbs(2))
	w.run(3, "apply", "--yes").says(t, "relay-02", "1 target left behind")
	w.breaks("plug", "relay-02")
	w.run(0, "apply", "--yes")
	w.breaks("unplug", "relay-02")
	ask("a relay does not answer", map[string]int{"plan": 1, "status": 1, "drift": 2})
}

// TestUnplugged rotates while a relay is away: refused, tolerated by name, tolerated by number; and finished later.
func TestUnplugged(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ reason, policy string }{
		{"by name", "policy: {unreachable: {tolerate: [relay-02.lab.example]}}"},
		{"by number", "policy: {unreachable: {count: 1}}"},
	} {
		t.Run(c.reason, func(t *testing.T) {
			t.Parallel()
			w := startWorld(t)
			w.breaks("unplug", "relay-02")
			w.run(1, "apply", "--yes").says(t, "nothing was changed", "relay-02", "hint: ")
			w.rewrite("secrets:", c.policy+"\n\nsecrets:")
			w.run(2, "plan").says(t, "relay-02")
			r := w.run(3, "apply", "--yes")
			r.says(t, "applied in part", "relay-02.lab.example", "then `meshrotate apply`: finished hosts are left alone")
			w.run(3, "drift").says(t, "relay-02.lab.example", "left behind by the last rotation", "CUT OFF: relay-02.lab.example")
			w.run(0, "history").says(t, "left relay-02.lab.example")
			w.breaks("plug", "relay-02")
			w.run(2, "plan").says(t, "relay-02.lab.example")
			w.run(0, "apply", "--yes")
			w.converged()
		})
	}
}

// TestCutOff makes a host unreachable while services are down. Depending on the moment it is left behind or everything is
// taken back. What could not be seen is never claimed, and the next run finishes.
func TestCutOff(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"relay-02", "im-admin"} {
		t.Run(host, func(t *testing.T) {
			t.Parallel()
			w := startWorld(t)
			w.rewrite("secrets:", "policy: {hostTimeout: 20s}\n\nsecrets:") // else nobody gives up for minutes
			r := w.start("apply", "--yes")
			r.reaches("switch: began")
			w.breaks("unplug", host)
			got := r.wait()
			if got.code != 3 && got.code != 1 {
				t.Errorf("exit code %d\n%s\n%s", got.code, got.out, got.err)
			}
			got.says(t, host+".lab.example", "next ", "error: ", "hint: ")
			_, end, _ := strings.Cut(got.out, "how it ended")
			switch proven := strings.Contains(end, "relays connected"); {
			case proven && (!strings.Contains(end, "2 relays connected") || !strings.Contains(end, "left behind") && !strings.Contains(end, "DOWN  "+host)):
				t.Errorf("it claims what nobody saw:\n%s", end)
			case !proven && !strings.Contains(end, "UNKNOWN") && !strings.Contains(end, "put back as it was"):
				t.Errorf("it does not say how it ended:\n%s", end)
			}
			w.breaks("plug", host)
			w.run(0, "apply", "--yes")
			w.converged()
		})
	}
}

// TestDemoJSON is the contract of `demo -o json`.
func TestDemoJSON(t *testing.T) {
	t.Parallel()
	r := once(t, 0, "demo", "-o", "json")
	var demo struct {
		OK      bool
		Secrets []struct {
			Kind, Before, After string
			Proven              *bool
		}
	}
	r.json(t, &demo)
	kinds := map[string]string{}
	for _, s := range demo.Secrets {
		if s.Proven == nil || !*s.Proven {
			t.Errorf("%s is not proven", s.Kind)
		}
		kinds[s.Kind] = s.Before + " → " + s.After
	}
	if !demo.OK || len(demo.Secrets) != 8 || len(kinds) != 7 || kinds["dpapi"] == "" || kinds["codesigning"] != "B499 → B499+E438" || kinds["serviceaccount"] != "2 → 3" || kinds["connector"] != "3 → 4" || kinds["sqllogin"] != "11 → 12" || kinds["relaykey"] != "6 → 7" || kinds["license"] != "2025-11 → 2026-11" {
		t.Errorf("%s", r.out)
	}
}

// TestBenchJSON is the contract of `bench -o json`. Of its numbers only the counts are the same on every machine.
func TestBenchJSON(t *testing.T) {
	t.Parallel()
	r := once(t, 0, "bench", "-o", "json", "--relays", "20", "--runs", "1")
	var bench map[string]any
	r.json(t, &bench)
	positive := func(in any, names ...string) {
		for _, name := range names {
			if v, _ := in.(map[string]any)[name].(float64); v <= 0 {
				t.Errorf("%s is %v in %v", name, v, in)
			}
		}
	}
	https, _ := bench["https"].(map[string]any)
	for _, verb := range []any{bench, bench["apply"], bench["drift"], https["plan"], https["apply"], https["drift"]} {
		positive(verb, "client_cpu_ms_per_host", "allocs_per_host", "bytes_per_host", "requests_per_host", "powershell_per_host")
	}
	positive(bench, "outage_relay_over_floor", "outage_fleet_over_one", "plan_over_floor", "machine_over_floor", "memory_mb", "start_cpu_ms", "plan_json_mb", "ledger_kb")
	peers, _ := bench["peers"].([]any)
	for _, p := range peers {
		if peer := p.(map[string]any); peer["absent"] == nil {
			positive(peer, "hosts", "client_cpu_ms_per_host")
		}
	}
	if len(peers) != 3 {
		t.Errorf("peers: %v", peers)
	}
	if requests, processes := bench["requests_per_host"].(float64), bench["powershell_per_host"].(float64); requests > 8 || processes != 1 {
		t.Errorf("%v requests and %v PowerShell processes for each host", requests, processes)
	}
}

// TestOffline runs the verbs that need nothing.
func TestOffline(t *testing.T) {
	t.Parallel()
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if r := once(t, 0, "completion", shell); !strings.Contains(r.out, "meshrotate") || len(r.out) < 1000 {
			t.Errorf("completion for %s: %.100s", shell, r.out)
		}
	}
	var any map[string]any
	once(t, 0, "schema").json(t, &any)
	once(t, 0, "version", "-o", "json").json(t, &any)
	if any["version"] == "" || any["go"] == "" {
		t.Errorf("%v", any)
	}
	once(t, 0, "--help").says(t, "Every day:", "Exit codes:")
	once(t, 1, "plan").says(t, "there is no meshrotate.yaml here", "`meshrotate lab` makes one to try")
	once(t, 1, "aply").says(t, "did you mean `meshrotate apply`?")
	once(t, 1, "plan", "--onyl", "license").says(t, "did you mean --only?")
}

// TestHelp reads every help page as it is on a terminal of 80 columns.
func TestHelp(t *testing.T) {
	t.Parallel()
	for _, verb := range []string{"", "plan", "apply", "drift", "status", "history", "validate", "explain", "schema", "unlock", "lab", "lab break",
		"lab show", "demo", "bench", "version"} {
		r := once(t, 0, append(strings.Fields(verb), "--help")...)
		if !strings.Contains(r.out, "Usage:") || r.err != "" {
			t.Errorf("%s: %s%s", verb, r.out, r.err)
		}
		for line := range strings.Lines(r.out) {
			if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > 80 {
				t.Errorf("%s: %d columns: %s", verb, n, line)
			}
		}
		if verb != "" && !strings.Contains(r.out, "Examples:") {
			t.Errorf("%s has no example", verb)
		}
	}
}

// once runs the program in an empty folder, with no lab.
func once(t *testing.T, code int, args ...string) result {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), env: append(os.Environ(), "NO_COLOR=1")}
	r := w.run(code, args...)
	if bytes.Contains(w.said.Bytes(), []byte("\x1b[")) {
		t.Errorf("%v: escapes on a pipe", args)
	}
	return r
}
