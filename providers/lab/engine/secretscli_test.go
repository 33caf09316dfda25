package engine_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/engine"
	"meshrotate/providers/rotations/connector"
	"meshrotate/reconciler/rotationtest"
	"meshrotate/specs"
)

// TestMain is also the program secretscli.exe, a process of its own that a host's PowerShell starts. What it is asked it passes to
// the lab, by the socket that a file beside it names.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == "secretscli.exe" {
		os.Exit(secretscli())
	}
	os.Exit(m.Run())
}

type asked struct {
	Args []string
	In   []byte
}

// private reads a file that this account alone may read.
func private(file string) ([]byte, error) {
	stat, err := os.Stat(file)
	if err == nil && stat.Mode().Perm() != 0o600 {
		err = os.ErrPermission
	}
	if err != nil {
		return nil, err
	}
	return os.ReadFile(file)
}

type answered struct {
	Out  []byte
	Exit uint32
}

func secretscli() int {
	in, err := io.ReadAll(os.Stdin)
	args := os.Args[1:]
	if err == nil && len(args) == 4 && args[2] == "--value-file" { // the lab knows this machine's paths not
		in, err = private(args[3])
		args = []string{args[0], args[1], "--stdin"}
	}
	if err != nil {
		return 90
	}
	socket, err := os.ReadFile(os.Args[0] + ".socket")
	if err != nil {
		return 90
	}
	conn, err := net.Dial("unix", string(socket))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 91
	}
	defer conn.Close()
	var a answered
	if json.NewEncoder(conn).Encode(asked{args, in}) != nil || json.NewDecoder(conn).Decode(&a) != nil {
		return 92
	}
	_, _ = os.Stdout.Write(a.Out)
	return int(a.Exit)
}

// installs puts the program on the Engine host's disk. It counts how often it was started.
func (w *world) installs(e *engine.Pwsh) (starts func() [][]string) {
	w.Helper()
	host := w.lab.EngineHost
	file := filepath.Join(e.Root(), host.Name, filepath.FromSlash(strings.ReplaceAll(strings.Replace(lab.SecretsCLI, ":", "", 1), `\`, "/")))
	if _, err := os.Stat(filepath.Dir(file)); err != nil {
		w.Fatal(err)
	}
	self, err := os.Executable()
	if err == nil {
		err = os.Symlink(self, file)
	}
	dir, wrong := os.MkdirTemp("", "cli") // a socket's name is short
	if err = errors.Join(err, wrong); err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	ln, err := net.Listen("unix", socket)
	if err == nil {
		err = os.WriteFile(file+".socket", []byte(socket), 0o600)
	}
	if err != nil {
		w.Fatal(err)
	}
	done, calls := make(chan struct{}), make(chan []string, 1000)
	go func() {
		defer close(done)
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			var q asked
			if json.NewDecoder(conn).Decode(&q) == nil {
				calls <- q.Args
				var out bytes.Buffer
				exit := host.Machine.Tool(lab.SecretsCLI)(w.Context(), q.Args, bytes.NewReader(q.In), &out)
				_ = json.NewEncoder(conn).Encode(answered{out.Bytes(), exit})
			}
			_ = conn.Close()
		}
	}()
	w.Cleanup(func() { _ = ln.Close(); <-done })
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
			starts := w.installs(e)
			refs, values := w.lab.Refs(), map[string][]byte{}
			for _, ref := range refs {
				old, next := w.lab.ConnectorSecrets(ref)
				values["old "+ref], values["new "+ref] = []byte(old), []byte(next)
			}

			c.cli.Lies, c.cli.Only = true, refs[:1]
			w.lab.SetCLI(c.cli)
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
			rotationtest.Search(t, values, w.everything())
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
