package engine_test

import (
	"context"
	"io"
	"os"
	"strings"
	"testing"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/engine"
	"meshrotate/providers/rotations/connector"
	"meshrotate/reconciler/rotationtest"
	"meshrotate/specs"
)

// TestMain is also the programs of the product, which a host's PowerShell starts.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "lab" && os.Args[2] == "play" {
		os.Exit(engine.Play(os.Args[3:], os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// counts notes with which arguments the program is started.
func (w *world) counts() (starts func() [][]string) {
	calls, m := make(chan []string, 1000), w.lab.EngineHost.Machine
	tool := m.Tool(lab.SecretsCLI)
	m.SetTool(lab.SecretsCLI, func(ctx context.Context, args []string, stdin io.Reader, stdout io.Writer) uint32 {
		calls <- args
		return tool(ctx, args, stdin, stdout)
	})
	return func() (all [][]string) {
		for len(calls) > 0 {
			all = append(all, <-calls)
		}
		return all
	}
}

// Connectors' secrets go from their source to the product's program through the real script, which starts it. It is as it is
// documented: it may end with 0 and have stored nothing, and it writes the value that it was given.
func TestPwshSetsConnectorsSecrets(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		cli  lab.CLI
		argv string
		way  string
	}{
		{"on its standard input", lab.CLI{Stdin: true, Echoes: true}, "refused", "stdin"},
		{"in a file", lab.CLI{Stdin: true, Echoes: true}, "refused", "file"},
		{"as an argument, where that is permitted", lab.CLI{Echoes: true}, "permitted", "stdin"},
	} {
		t.Run(c.name, func(t *testing.T) {
			need(t, "pwsh")
			e, err := engine.OpenPwsh()
			if err != nil {
				t.Fatal(err)
			}
			w := newWorldAt(t, e, lab.Config{Connectors: 2})
			for key := range w.doc.Secrets {
				if key != "connectors" {
					delete(w.doc.Secrets, key)
				}
			}
			spec := w.doc.Secrets["connectors"].(*connector.Spec)
			c.cli.File = c.way == "file"
			spec.Value, spec.Argv, spec.Syncs.Timeout = c.way, c.argv, specs.MustDuration("30s")
			refs, values := w.lab.Refs(), map[string][]byte{}
			for _, ref := range refs {
				old, next := w.lab.ConnectorSecrets(ref)
				values["old "+ref], values["new "+ref] = []byte(old), []byte(next)
			}

			c.cli.Lies, c.cli.Only = true, refs[:1]
			w.lab.SetCLI(c.cli)
			starts := w.counts()
			_, out := w.run()
			if out.Err == nil || !strings.Contains(out.Err.Error(), "before the push") || !w.stores(refs[1], true) || !w.stores(refs[0], false) {
				t.Errorf("an exit code of 0 is believed: %v", out)
			}
			sets, argv := 0, false
			for _, args := range starts() {
				if args[0] == "set" {
					sets++
					argv = argv || args[2] != "--stdin"
				}
			}
			if sets < 2 || argv != (c.argv == "permitted") {
				t.Errorf("%d secrets were set, on a command line: %v", sets, argv)
			}

			c.cli.Lies = false
			w.lab.SetCLI(c.cli)
			w.rotate(1)
			if dir := `C:\Program Files\IdentityMesh.Service`; strings.Contains(strings.Join(w.lab.EngineHost.Machine.FS.Names(dir), " "), "value") {
				t.Errorf("a file is left: %q", w.lab.EngineHost.Machine.FS.Names(dir))
			}
			if !w.stores(refs[0], true) || !w.stores(refs[1], true) {
				t.Error("they are not stored")
			}
			w.lab.Close() // a process's log is complete when it has ended
			logs := w.everything()
			if c.argv == "permitted" { // the one log that has command lines
				delete(logs, "4688")
			}
			rotationtest.Search(t, values, logs)
		})
	}
}

// stores says whether the new value of a reference is stored.
func (w *world) stores(ref string, next bool) bool {
	old, want := w.lab.ConnectorSecrets(ref)
	if !next {
		want = old
	}
	got, _, ok := w.lab.Stored(ref)
	return ok && got == want
}
