package providers_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"meshrotate/providers"
	"meshrotate/providers/appsettings"
	"meshrotate/providers/lab"
	_ "meshrotate/providers/lab/labcli" // a cached result must not outlive what the program is made of
	"meshrotate/providers/lab/machine"
	"meshrotate/providers/values"
	"meshrotate/reconciler/cli"
	"meshrotate/reconciler/rotationtest"
	"meshrotate/reconciler/secret"
	"meshrotate/specs"
	"meshrotate/state/file"
)

// TestAFurtherSecret builds the program with a kind of secret that it does not have, and rotates it. What is put in its
// place is one package, one line (with its import), and the schema that `go generate ./specs` makes of them. Nothing else
// of the program knows it.
func TestAFurtherSecret(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: the program is not built")
	}
	t.Parallel()
	e := newEighth(t)
	program := e.build(t)
	l, dir := e.lab(t)
	var stops atomic.Int32
	l.EngineHost.Points(func(p machine.Point) machine.Action {
		if p.Op == "service.stop" && p.When == machine.Before {
			stops.Add(1)
		}
		return machine.Action{}
	})
	var said bytes.Buffer
	run := func(code int, says string, args ...string) {
		t.Helper()
		cmd := exec.Command(program, args...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "NO_COLOR=1")
		for _, name := range []string{"IM_LAB_PASSWORD", values.DefaultIdentity} {
			v, _ := l.Env(name)
			cmd.Env = append(cmd.Env, name+"="+v)
		}
		out, err := cmd.CombinedOutput()
		said.Write(out)
		if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != code || !bytes.Contains(out, []byte(says)) {
			t.Errorf("%v ended with %v, and not with code %d and %q:\n%s", args, err, code, says, out)
		}
	}
	run(cli.ExitOK, "toy 1", "validate")
	run(cli.ExitOK, `"toy"`, "schema")
	run(cli.ExitPending, "toy token", "plan")
	run(cli.ExitOK, "toy token", "apply", "--yes")
	run(cli.ExitOK, "toy token", "plan")
	run(cli.ExitOK, "toy", "history")
	if n := stops.Load(); n != 1 {
		t.Errorf("Engine was stopped %d times: the license wants it once, and this secret with it", n)
	}
	first := e.live(t, l)
	if kept := e.kept(t, l, dir, "1"); first != kept || len(first) < 40 {
		t.Errorf("Engine's file does not hold version 1")
	}

	rewrite(t, filepath.Join(dir, "meshrotate.yaml"), "toy:\n    version: 1\n", "toy:\n    version: 2\n")
	run(cli.ExitPending, "toy token", "plan")
	run(cli.ExitOK, "toy token", "apply", "--yes", "--only", "toy")
	run(cli.ExitOK, "toy token", "plan")
	second := e.live(t, l)
	if second == first || second != e.kept(t, l, dir, "2") {
		t.Error("Engine's file does not hold version 2")
	}
	if t.Failed() {
		t.Logf("%s", l.Show())
	}
	rotationtest.Search(t, map[string][]byte{"version 1": []byte(first), "version 2": []byte(second)}, map[string][]byte{"what was said": said.Bytes()})
}

// lab is one whose Engine reads a further secret, with a document that declares it.
func (e *eighth) lab(t *testing.T) (*lab.Lab, string) {
	t.Helper()
	dir := filepath.Join(e.dir, "lab")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := lab.Start(lab.Config{Relays: 1, Dir: dir, Vendor: vendor(), Time: quick})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	write(t, l.EngineHost, lab.EngineSettings, func(b []byte) []byte {
		return bytes.Replace(b, []byte("{"), []byte("{\r\n  \"Toy\": { \"Token\": \"as it was delivered\" },"), 1)
	})
	document := filepath.Join(dir, "meshrotate.yaml")
	rewrite(t, document, "\nsecrets:\n", "\nsecrets:\n"+e.section)
	if _, err := specs.LoadFile(document, providers.Sections()); err == nil || !strings.Contains(err.Error(), "toy") {
		t.Errorf("the program as it is takes the document: %v", err)
	}
	return l, dir
}

// live is the token in Engine's file.
func (e *eighth) live(t *testing.T, l *lab.Lab) string {
	t.Helper()
	b, _, err := l.EngineHost.Machine.FS.Read(lab.EngineSettings)
	if err != nil {
		t.Fatal(err)
	}
	s, err := appsettings.Get(b, "Toy:Token")
	if err != nil || !s.Found {
		t.Fatalf("no token in Engine's file: %v", err)
	}
	return string(s.Value.Expose())
}

// kept is a version of it in the store.
func (e *eighth) kept(t *testing.T, l *lab.Lab, dir, version string) string {
	t.Helper()
	store, err := file.Open(filepath.Join(dir, ".meshrotate"))
	if err != nil {
		t.Fatal(err)
	}
	seal, err := values.SealFrom(nil, values.Config{LookupEnv: l.Env, Deployment: lab.Name})
	if err != nil {
		t.Fatal(err)
	}
	v, err := values.NewKeep(store, seal).Get(t.Context(), secret.Ref{Name: "toy", Version: version})
	if err != nil {
		t.Error(err)
		return ""
	}
	return string(v.Expose())
}
