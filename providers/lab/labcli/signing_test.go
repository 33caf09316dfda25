//go:build unix

package labcli_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/providers/winhost"
)

// signers are the certificates of the stories, by the names that they call them by.
func signers() map[string]winhost.Signer {
	old, next := lab.Certificates()
	return map[string]winhost.Signer{"old": old, "next": next}
}

// TestSigningStories runs the stories of code signing, each in a lab with a build host: what is committed, typed and deployed, where
// a run is killed, and what relays and the build host have in the end.
func TestSigningStories(t *testing.T) {
	t.Parallel()
	w, l := startHere(t, lab.Config{Relays: 3, Signing: true, Build: true})
	demand := func(ts *testscript.TestScript, err error) {
		if err != nil {
			ts.Fatalf("%v", err)
		}
	}
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "signing"),
		Setup: func(e *testscript.Env) error {
			e.Cd = w.dir
			for _, v := range w.env {
				if name, value, _ := strings.Cut(v, "="); name != "PATH" && name != "HOME" {
					e.Setenv(name, value)
				}
			}
			for name, s := range signers() {
				e.Setenv(name, s.SHA1)
			}
			e.Setenv("PATH", filepath.Dir(program)+":"+e.Getenv("PATH"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			// signed says that the build host signs with a certificate, and has built everything with it.
			"signed": func(ts *testscript.TestScript, _ bool, args []string) {
				demand(ts, signsWith(l, signers()[args[0]].SHA1))
			},
			// accepts says which certificates every relay has loaded, and that it refuses no connector.
			"accepts": func(ts *testscript.TestScript, _ bool, args []string) {
				var want []string
				for _, name := range args {
					want = append(want, signers()[name].SHA1)
				}
				demand(ts, loads(l, want))
			},
			// deploy gives relays connectors that are signed so.
			"deploy": func(ts *testscript.TestScript, _ bool, args []string) {
				for _, h := range args[1:] {
					demand(ts, l.Redeploy(l.Host(h), "signed with the "+args[0]+" one", signers()[args[0]]))
				}
				w.eventually("the relays are connected again", w.connected)
			},
			// pin lets the build host sign with a certificate, and unbuilt takes a signature off, behind everybody's back.
			"pin": func(ts *testscript.TestScript, _ bool, args []string) { demand(ts, l.Pin(signers()[args[0]].SHA1)) },
			"unbuilt": func(ts *testscript.TestScript, _ bool, args []string) {
				demand(ts, l.BuildHost.Write(lab.BuildFolder+`\`+args[0], lab.Connector("by hand")))
			},
			// declares commits another list of certificates: the first of them is the one to sign with.
			"declares": func(ts *testscript.TestScript, _ bool, args []string) {
				demand(ts, declares(w.dir, args))
			},
			// killed kills a run with SIGKILL when a host comes to an op: NAME, before or after.
			"killed": func(ts *testscript.TestScript, _ bool, args []string) {
				demand(ts, w.killedAt(l.Host(args[0]), args[1], args[2], args[3:]))
			},
		},
	})
}

func signsWith(l *lab.Lab, sha1 string) error {
	pinned, by := l.Pinned()
	if pinned != sha1 || len(by) != len(lab.RelayConnectors()) {
		return fmt.Errorf("the build host signs with %s: %v", pinned, by)
	}
	for name, s := range by {
		if s != sha1 {
			return fmt.Errorf("%s is signed with %s", name, s)
		}
	}
	return nil
}

func loads(l *lab.Lab, want []string) error {
	slices.Sort(want)
	for _, h := range l.Relays {
		if got := slices.Sorted(slices.Values(l.Accepting(h))); !slices.Equal(got, want) || len(l.Rejected()[h.Name]) > 0 {
			return fmt.Errorf("%s accepts %v, and not %v; it refuses %v", h.Name, got, want, l.Rejected()[h.Name])
		}
	}
	return nil
}

func declares(dir string, names []string) error {
	path := filepath.Join(dir, "meshrotate.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, rest, _ := strings.Cut(string(text), "    thumbprints:\n")
	_, after, _ := strings.Cut(rest, "    buildHost:\n")
	for i, name := range names {
		before += map[bool]string{true: "    thumbprints:\n"}[i == 0] + "      - {sha1: " + signers()[name].SHA1 + map[bool]string{true: ", use: signing"}[i == 0] + "}\n"
	}
	return os.WriteFile(path, []byte(before+"    buildHost:\n"+after), 0o600)
}

// killedAt starts the program and kills it when a host comes to an op, which goes on to its end there.
func (w *world) killedAt(h *lab.Host, op, when string, args []string) error {
	at := make(chan struct{})
	var once sync.Once
	h.Points(func(p machine.Point) machine.Action {
		if p.Op == op && p.When == map[string]machine.When{"before": machine.Before, "after": machine.After}[when] {
			once.Do(func() { close(at) })
			return machine.Action{Delay: 200 * time.Millisecond} // the signal comes first
		}
		return machine.Action{}
	})
	defer h.Points(nil)
	r := w.start(args...)
	select {
	case <-at:
	case <-time.After(time.Minute):
		r.signal(syscall.SIGKILL)
		return fmt.Errorf("it never came to %s: %s", op, r.wait().err)
	}
	r.signal(syscall.SIGKILL)
	if got := r.wait(); got.code != -1 {
		return fmt.Errorf("it had ended with %d", got.code)
	}
	return nil
}
