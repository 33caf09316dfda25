package values_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"meshrotate/providers/values"
	"meshrotate/reconciler/secret"
	"meshrotate/specs"
)

// script is a program for a test.
func script(t *testing.T, text string) string {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the program is a shell script")
	}
	file := filepath.Join(t.TempDir(), "op")
	if err := os.WriteFile(file, []byte("#!/bin/sh\n"+text+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return file
}

// storeOf is a store that is a program.
func storeOf(spec specs.Exec, c values.Config) *values.Stores {
	if spec.Timeout.IsZero() {
		spec.Timeout = specs.MustDuration("30s")
	}
	e := values.NewExec("op", spec, c)
	return values.NewStores(map[string]func(context.Context) (values.Store, error){"op": func(context.Context) (values.Store, error) { return e, nil }})
}

func from(t *testing.T, stores *values.Stores, path string) (secret.Value, error) {
	t.Helper()
	source, err := values.From(specs.Source{Item: specs.Item{Place: specs.Place{Store: "op", Path: path}}}, values.Text, values.Config{Stores: stores})
	if err != nil {
		t.Fatal(err)
	}
	return source.Get(t.Context(), ref7)
}

// TestExec: what a program is given, and what is made of what it does.
func TestExec(t *testing.T) {
	t.Setenv("MESHROTATE_AGE_IDENTITY", "identity")
	t.Setenv("IM_PASSWORD", "password")
	t.Setenv("OP_TOKEN", "token")
	program := script(t, `printf '%s\n' "$*" "$PWD" "$(env | cut -d= -f1 | sort | tr '\n' ' ')" "$(cat)" >"$(dirname "$0")/given"; echo `+canary)
	v, err := from(t, storeOf(specs.Exec{Program: program, Args: []string{"read", "two words"}, Env: []string{"OP_TOKEN", "NOT_SET"}}, values.Config{}), "op://IM/relay/password; $HOME")
	if err != nil || string(v.Expose()) != canary {
		t.Fatalf("%q, %v", v.Expose(), err)
	}
	data, err := os.ReadFile(filepath.Join(filepath.Dir(program), "given"))
	if err != nil {
		t.Fatal(err)
	}
	given := strings.Split(string(data), "\n")
	if given[0] != "read two words op://IM/relay/password; $HOME" || given[1] != filepath.Dir(program) {
		t.Errorf("it was run with %q in %q", given[0], given[1])
	}
	if env := given[2]; !strings.Contains(env, "OP_TOKEN ") || !strings.Contains(env, "PATH ") || strings.Contains(env, "MESHROTATE") || strings.Contains(env, "IM_PASSWORD") {
		t.Errorf("it was given %s", env)
	}

	sealed := func(path string) ([]byte, error) {
		if path != "secrets.enc.yaml" {
			return nil, errors.New(path + ": no such file")
		}
		return []byte("relay: " + canary), nil
	}
	stdin := storeOf(specs.Exec{Program: script(t, `[ $# = 1 ] && [ "$1" = decrypt ] && sed 's/relay: //'`), Args: []string{"decrypt"}, Stdin: true}, values.Config{ReadFile: sealed})
	if v, err := from(t, stdin, "secrets.enc.yaml"); err != nil || string(v.Expose()) != canary {
		t.Errorf("%q, %v", v.Expose(), err)
	}
	_, err = from(t, stdin, "other.yaml")
	wantError(t, err, "store op: other.yaml: no such file")

	for _, c := range []struct {
		reason, script string
		want           string
	}{
		{"it says why", `echo other; echo "[ERROR] not signed in" >&2; exit 3`, "relaykey 7: store op: op for a/b failed: exit status 3; what it wrote on standard error may hold a value, and is not shown"},
		{"it says why, with the value", `echo "error: password is ` + canary + `" >&2; exit 3`, "exit status 3; what it wrote on standard error may hold a value, and is not shown"},
		{"a line of its own came first", `echo "Warning: old"; echo "cannot verify ` + canary + `" >&2; exit 1`, "exit status 1; what it wrote on standard error may hold a value, and is not shown"},
		{"it says what it was given", `echo other; echo "401: token $OP_TOKEN is not valid" >&2; exit 1`, "exit status 1; what it wrote on standard error may hold a value, and is not shown"},
		{"what it says holds the value", `printf ` + canary + `; echo "cannot store ` + canary + `" >&2; exit 1`, "exit status 1; what it wrote on standard error may hold a value, and is not shown"},
		{"a value, and a failure", `echo ` + canary + `; exit 1`, "failed: exit status 1"},
		{"nothing", `exit 0`, "store op/a/b: is empty"},
		{"without an end", `while :; do echo ` + canary + `; done`, "wrote more than 1 MiB"},
		{"a signal", `kill -9 $$`, "signal: killed"},
	} {
		t.Run(c.reason, func(t *testing.T) {
			_, err := from(t, storeOf(specs.Exec{Program: script(t, c.script), Env: []string{"OP_TOKEN"}}, values.Config{LookupEnv: func(string) (string, bool) { return "tok-5aa66bb", true }}), "a/b")
			if err != nil && (strings.Contains(err.Error(), canary) || strings.Contains(err.Error(), "5aa66bb")) {
				t.Error(err)
			}
			wantError(t, err, c.want)
		})
	}
	_, err = from(t, storeOf(specs.Exec{Program: filepath.Join(t.TempDir(), "none")}, values.Config{}), "a")
	wantError(t, err, "store op: none for a could not be run: no such file or directory")
}

// TestExecIsEnded: one that does not end is ended with what it has started, and so is one that nobody waits for any more.
func TestExecIsEnded(t *testing.T) {
	folder := t.TempDir()
	waits := script(t, `echo $$ >`+folder+`/pid; sleep 600 & sleep 600`)
	_, err := from(t, storeOf(specs.Exec{Program: waits, Timeout: specs.MustDuration("1s")}, values.Config{}), "a")
	wantError(t, err, "was ended after 1s")
	pid, err := os.ReadFile(folder + "/pid")
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("ps", "-o", "pid=", "-g", strings.TrimSpace(string(pid))).Output(); err == nil && strings.TrimSpace(string(out)) != "" {
		t.Errorf("left running: %s", out)
	}
	ctx, cancel := context.WithCancel(t.Context())
	source, err := values.From(specs.Source{Item: specs.Item{Place: specs.Place{Store: "op", Path: "a"}}}, values.Text, values.Config{Stores: storeOf(specs.Exec{Program: script(t, `cat; sleep 600`)}, values.Config{})})
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(100*time.Millisecond, cancel)
	if _, err := source.Get(ctx, ref7); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// TestStoreIsAskedOnce: of many who want it at once, and again only where it failed.
func TestStoreIsAskedOnce(t *testing.T) {
	folder := t.TempDir()
	stores := storeOf(specs.Exec{Program: script(t, `echo x >>`+folder+`/"$1"; [ "$1" != bad ] && echo `+canary)}, values.Config{})
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			if _, err := from(t, stores, []string{"a", "b"}[i%2]); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for range 2 {
		_, err := from(t, stores, "bad")
		wantError(t, err, "failed: exit status 1")
	}
	for name, want := range map[string]int{"a": 1, "b": 1, "bad": 2} {
		if data, err := os.ReadFile(filepath.Join(folder, name)); err != nil || strings.Count(string(data), "x") != want {
			t.Errorf("%s was asked for %d times, want %d", name, strings.Count(string(data), "x"), want)
		}
	}
	if _, err := values.From(specs.Source{Item: specs.Item{Place: specs.Place{Store: "op", Path: "a"}}}, values.Text, values.Config{}); err == nil {
		t.Error("a store was taken where there is none")
	}
}
