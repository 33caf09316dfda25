package engine_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/engine"
	"meshrotate/providers/lab/machine"
	"meshrotate/reconciler/rotationtest"
)

func openPwsh(t *testing.T, relays int) (*world, *engine.Pwsh) {
	t.Helper()
	need(t, "pwsh")
	e, err := engine.OpenPwsh()
	if err != nil {
		t.Fatal(err)
	}
	return newWorld(t, e, relays, ""), e
}

// Relays accept a further certificate, through the real script: signatures are the lab's, and the files are real.
func TestPwshWidensTrust(t *testing.T) {
	t.Parallel()
	need(t, "pwsh")
	e, err := engine.OpenPwsh()
	if err != nil {
		t.Fatal(err)
	}
	w := newWorldAt(t, e, lab.Config{Relays: 2, Signing: true})
	old, next := lab.Certificates()
	before := w.read(w.lab.Relays[0], lab.RelaySettings)
	w.rotate(3)
	for _, h := range w.lab.Relays {
		if got := w.lab.Accepting(h); !slices.Equal(got, []string{old.SHA1, next.SHA1}) || len(w.lab.Rejected()) > 0 {
			t.Errorf("%s accepts %v, and refuses %v", h.Name, got, w.lab.Rejected())
		}
	}
	line := old.SHA1 + "\" // until 2027" // which is said of the old one
	key, want := w.key(lab.NewKey), strings.Replace(string(before), line, old.SHA1+"\", // until 2027\n\t\t\t\""+next.SHA1+"\"", 1)
	if got := strings.ReplaceAll(string(w.read(w.lab.Relays[0], lab.RelaySettings)), key, "KEY"); got != strings.ReplaceAll(want, w.key(lab.OldKey), "KEY") {
		t.Errorf("more was changed than the key and the list:\n%s", got)
	}
	wantNoLeftovers(t, e.Root())
}

// A build host gets the certificate, signs with it, and what it has built carries it. Nothing gets into the stores of whoever runs the lab.
func TestPwshBuilds(t *testing.T) {
	t.Parallel()
	need(t, "pwsh")
	e, err := engine.OpenPwsh()
	if err != nil {
		t.Fatal(err)
	}
	w := newWorldAt(t, e, lab.Config{Relays: 1, Signing: true, Build: true})
	w.rotate(4)
	_, next := lab.Certificates()
	for _, name := range lab.RelayConnectors() {
		if _, signers := machine.Signature(w.read(w.lab.BuildHost, lab.BuildFolder+`\`+name)); len(signers) != 1 || signers[0].SHA1 != next.SHA1 {
			t.Errorf("%s is signed by %+v", name, signers)
		}
	}
	if w.lab.Built() != 1 {
		t.Errorf("it has built %d times", w.lab.Built())
	}
	if stores, err := filepath.Glob(filepath.Join(e.Root(), "*.home/.dotnet/corefx/cryptography/x509stores/my", next.SHA1+".pfx")); err != nil || len(stores) != 1 {
		t.Errorf("the certificate lies in %q, %v", stores, err)
	}
	wantNoLeftovers(t, e.Root())
}

// The password of an account goes from its source to the service manager through the real script, and into no log.
func TestPwshRotatesAnAccount(t *testing.T) {
	t.Parallel()
	need(t, "pwsh")
	e, err := engine.OpenPwsh()
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, e, 0, "now")
	old := w.key(lab.OldKey)
	w.rotate(3)
	_, next := w.lab.AccountPasswords()
	for h, service := range map[*lab.Host]string{w.lab.Admin: lab.AdminService, w.lab.EngineHost: lab.EngineService} {
		if account, password, ok := h.Machine.LoggedOn(service); !ok || account != lab.Account || password != next {
			t.Errorf("%s runs as %s, with another password than the new one", service, account)
		}
	}
	w.lab.Close() // a process's log is complete when it has ended
	rotationtest.Search(t, w.values(old), w.everything())
}

// Everything that is real here: the program, WinRM with sealed NTLM, the script and its bootstrap, the PowerShell
// engine with its logging, the files.
func TestPwshRotates(t *testing.T) {
	t.Parallel()
	w, e := openPwsh(t, 2)
	old := w.key(lab.OldKey)
	hosts := append([]*lab.Host{w.lab.Admin}, w.lab.Relays...)
	var before [][]byte
	for _, h := range hosts {
		before = append(before, w.read(h, h.Settings()))
	}
	argv := watchProcesses(t, e.Root())
	w.rotate(2)
	w.wantNewKey(old)
	for i, h := range hosts {
		w.wantEdited(h, before[i], old)
	}
	license, err := os.ReadFile(filepath.Join(w.dir, "licenses", lab.NewLicense+".key"))
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range []*lab.Host{w.lab.Admin, w.lab.EngineHost} {
		if !bytes.Equal(w.read(h, lab.LicenseFile), license) {
			t.Errorf("%s has another license", h.Name)
		}
	}
	wantNoLeftovers(t, e.Root())

	w.lab.Close() // a process's log is complete when it has ended
	said := w.everything()
	said["the processes"] = argv()
	rotationtest.Search(t, w.values(old), said)
	if n, started := len(w.recorded("events")), len(w.recorded("4688")); n != started || n < 8 {
		t.Errorf("%d event logs of %d processes", n, started)
	}
	for i, text := range w.recorded("events") {
		// The script's text, and a cmdlet that it calls: both kinds of events are there.
		if !holdsScript(text) || !strings.Contains(text, "ConvertFrom-Json") {
			t.Errorf("event log %d (%d bytes) does not hold what the engine logs: it proves nothing", i, len(text))
		}
	}
	if !bytes.Contains(said["the processes"], []byte("-EncodedCommand")) {
		t.Error("no process was seen: their command lines prove nothing")
	}
	if _, err := os.Stat(e.Root()); !os.IsNotExist(err) {
		t.Errorf("the disks are still there: %v", err)
	}
}

// holdsScript says that an event log holds the host script. The engine cuts a long script into records at places that
// are random, so that any one name may be cut in two; of several that are far apart one is whole.
func holdsScript(log string) bool {
	for _, name := range []string{"function Resolve-HostPath", "function Get-HostAccess", "function Invoke-FileSwap"} {
		if strings.Contains(log, name) {
			return true
		}
	}
	return false
}

// A kill is a real one: the process is gone, at once, with what it had done by then.
func TestPwshKilled(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, reason string
		host         func(*lab.Lab) *lab.Host
		fault        machine.Fault
	}{
		{"before Admin's start", "nothing runs then: the next run must find out and start it",
			func(l *lab.Lab) *lab.Host { return l.Admin }, machine.Fault{Op: "service.start", When: machine.Before}},
		{"after a relay's swap", "the file is new and nobody was told: the next run must see that by itself",
			func(l *lab.Lab) *lab.Host { return l.Relays[0] }, machine.Fault{Op: "file.swap", When: machine.After}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, _ := openPwsh(t, 1)
			delete(w.doc.Secrets, "license")
			old := w.key(lab.OldKey)
			c.fault.Times, c.fault.Action = 1, machine.Action{End: machine.EndCrash}
			var struck atomic.Bool
			strike := machine.Faults(c.fault)
			c.host(w.lab).Points(func(p machine.Point) machine.Action {
				a := strike(p)
				if a.End != machine.EndNone {
					struck.Store(true)
				}
				return a
			})
			_, out := w.run()
			if !struck.Load() {
				t.Fatalf("nothing was killed (%s): %+v", c.reason, out)
			}
			if plan, _ := w.run(); plan.Empty() && out.Err != nil {
				t.Errorf("the first run failed (%v), and the second had nothing to do", out.Err)
			}
			if plan, _ := w.run(); !plan.Empty() {
				t.Errorf("the third plan is not empty (%s): %+v", c.reason, plan.Changes)
			}
			w.wantNewKey(old)
			w.lab.Close()
			rotationtest.Search(t, w.values(old), w.everything())
		})
	}
}

// wantNoLeftovers demands that no backup and no staged file is left on the disks.
func wantNoLeftovers(t *testing.T, root string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, _ os.DirEntry, err error) error {
		if err == nil && strings.Contains(filepath.Base(path), ".meshrotate-") {
			t.Errorf("left behind: %s", path)
		}
		return nil // what is gone again is not left behind
	})
	if err != nil {
		t.Error(err)
	}
}

// watchProcesses collects the command lines and environments of the processes that this lab started, as any
// administrator of the machine could. It needs Linux's /proc.
func watchProcesses(t *testing.T, root string) (seen func() []byte) {
	all := map[string]bool{}
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-quit:
				return
			case <-time.After(30 * time.Millisecond):
			}
			found, _ := filepath.Glob("/proc/[0-9]*/cmdline")
			for _, path := range found {
				line, _ := os.ReadFile(path)
				if !bytes.Contains(line, []byte("-EncodedCommand")) {
					continue
				}
				env, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "environ"))
				if bytes.Contains(env, []byte(root)) {
					all[string(line)+"\n"+string(env)] = true
				}
			}
		}
	}()
	return func() []byte {
		close(quit)
		<-done
		var b bytes.Buffer
		for text := range all {
			b.WriteString(text + "\n")
		}
		return b.Bytes()
	}
}
