//go:build linux

package labcli_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/providers/lab/wsman"
	"meshrotate/providers/winhost"
	"meshrotate/reconciler/render"
	"meshrotate/state"
)

// outcome applies, and reads how it ended: with one of these codes.
func (w *world) outcome(r *running, codes ...int) render.Outcome {
	w.t.Helper()
	got := r.wait()
	var o render.Outcome
	got.json(w.t, &o)
	if !slices.Contains(codes, got.code) {
		w.t.Errorf("exit code %d, want %d\n%s\n%s", got.code, codes, got.out, got.err)
	}
	return o
}

// TestAway takes a host's WinRM away for some seconds, in each phase. The run waits for it: everything is proven, or the license is back
// where Engine's disk was full, and the relay key with it unless it was live by then. Nobody is left behind.
func TestAway(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"im-admin", "im-engine", "relay-02"} {
		for _, phase := range []string{"prepare", "switch", "verify", "retire", "undo"} {
			for _, away := range []time.Duration{2 * time.Second, 4 * time.Second, 20 * time.Second} {
				t.Run(fmt.Sprint(host, " ", phase, " ", away), func(t *testing.T) {
					t.Parallel()
					w, l := startHere(t, lab.Config{Relays: 3})
					codes, mark := []int{0}, `"phase":"`+phase+`"`
					if phase == "undo" {
						codes, mark = []int{1, 3}, `"kind":"undoing"`
						l.EngineHost.Points(machine.Faults(machine.Fault{Op: "file.swap", When: machine.Before, Action: machine.Action{Fail: machine.ErrDiskFull}}))
					}
					r := w.start("apply", "--yes", "-o", "json")
					r.reaches(mark)
					l.Host(host).Unplug(true)
					plugged := make(chan struct{})
					time.AfterFunc(away, func() { l.Host(host).Unplug(false); close(plugged) })
					if o := w.outcome(r, codes...); o.OK != (phase != "undo") || len(o.Left)+len(o.Down) > 0 || o.Halted {
						t.Errorf("%+v", o)
					}
					<-plugged // the run may have done without that host by then
					if phase == "undo" {
						l.EngineHost.Points(nil)
						w.run(0, "apply", "--yes")
					}
					w.converged()
				})
			}
		}
	}
}

// TestAwayInLookAndAccept does the same while hosts are looked at, and while an account's new password is tried on them before anything
// is stopped. A look waits for some seconds only: then the plan is refused. A password is not tried again whose answer was lost, for wrong
// ones lock an account out: then everything goes back. Either way nothing was stopped, and the next run finishes.
func TestAwayInLookAndAccept(t *testing.T) {
	t.Parallel()
	for phase, hosts := range map[string][]string{"look": {"im-admin", "im-engine", "relay-02"}, "accept": {"im-admin", "im-engine"}} {
		for _, host := range hosts {
			for _, away := range []time.Duration{2 * time.Second, 4 * time.Second, 20 * time.Second} {
				t.Run(fmt.Sprint(host, " ", phase, " ", away), func(t *testing.T) {
					t.Parallel()
					w, l := startHere(t, lab.Config{Relays: 3, Account: "now"})
					back := func() chan struct{} {
						plugged := make(chan struct{})
						l.Host(host).Unplug(true)
						time.AfterFunc(away, func() { l.Host(host).Unplug(false); close(plugged) })
						return plugged
					}
					var plugged chan struct{}
					refused := phase == "look" && away > 10*time.Second
					if phase == "look" {
						plugged = back()
					}
					r := w.start("apply", "--yes", "-o", "json")
					if phase == "accept" {
						r.reaches(`"phase":"accept"`)
						plugged = back()
					}
					codes := []int{0}
					switch {
					case refused:
						codes = []int{1}
					case phase == "accept":
						codes = []int{0, 1}
					}
					o := w.outcome(r, codes...)
					if len(o.Left)+len(o.Down) > 0 || o.Halted || refused && len(o.Secrets) > 0 {
						t.Errorf("%+v", o)
					}
					for _, s := range o.Secrets {
						if s.Ending != map[bool]state.Outcome{true: state.Proven, false: state.Back}[o.OK] || len(s.Outages) > 0 && !o.OK {
							t.Errorf("%+v", s)
						}
					}
					<-plugged
					if !o.OK {
						w.run(0, "apply", "--yes")
					}
					w.converged()
				})
			}
		}
	}
}

// TestBadAnswers has a host answer nonsense several times in a row: a proxy's 502, an answer that is cut off, a fault.
func TestBadAnswers(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"im-admin", "im-engine", "relay-02"} {
		for _, f := range []wsman.Fault{{Kind: wsman.Status, Status: 502}, {Kind: wsman.CutMid}, {Kind: wsman.WSManFault, Code: 1726}} {
			for n := 2; n <= 3; n++ {
				t.Run(fmt.Sprint(host, f.Kind, n), func(t *testing.T) {
					t.Parallel()
					w, l := startHere(t, lab.Config{Relays: 3})
					var left atomic.Int64
					stopping := false // by the hooks of one host, one at a time
					h := l.Host(host)
					h.Points(func(p machine.Point) machine.Action {
						if p.Op == "service.stop" && !stopping {
							stopping = true
							left.Store(int64(n))
						}
						return machine.Action{}
					})
					h.Wire(func(e wsman.Event) wsman.Fault {
						if left.Add(-1) >= 0 {
							return f
						}
						return wsman.Fault{}
					})
					if o := w.outcome(w.start("apply", "--yes", "-o", "json"), 0); !o.OK {
						t.Errorf("%+v", o)
					}
					if !stopping {
						t.Error("nothing went wrong")
					}
					w.converged()
				})
			}
		}
	}
}

// TestHung stops the process that answers for a host, in the switch: it takes connections and says nothing. A relay is left
// behind, the others are proven and nobody waits for it with a service down; Admin and Engine are waited for.
func TestHung(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		host string
		hung time.Duration
		code int
	}{{"relay-02", 0, 3}, {"relay-02", 20 * time.Second, 0}, {"im-engine", 20 * time.Second, 0}, {"im-admin", 20 * time.Second, 0}} {
		t.Run(fmt.Sprint(c.host, " ", c.hung), func(t *testing.T) {
			t.Parallel()
			w, l := startHere(t, lab.Config{Relays: 3})
			p := w.between(l.Host(c.host).Name)
			r := w.start("apply", "--yes", "-o", "json")
			r.reaches(`"phase":"switch"`)
			must(t, p.Signal(syscall.SIGSTOP))
			if c.hung > 0 {
				time.AfterFunc(c.hung, func() { _ = p.Signal(syscall.SIGCONT) })
			}
			o := w.outcome(r, c.code)
			if c.code == 0 {
				w.converged()
				return
			}
			for _, s := range o.Secrets {
				if s.Ending != state.Proven {
					t.Errorf("%s: %s", s.Title, s.Ending)
				}
				for _, out := range s.Outages {
					if out.What == "relays" || out.What == "relays cut off" || out.What == l.Host(c.host).Name {
						continue // with the one that hangs
					}
					if out.Measured > o.Seconds/4 || !out.Since.IsZero() {
						t.Errorf("%s was down for %.1f s of %.1f", out.What, out.Measured, o.Seconds)
					}
				}
			}
			if len(o.Left) != 1 || len(o.Down) != 1 || o.Down[0].Host != l.Host(c.host).Name || o.Down[0].Service != lab.RelayService || o.Down[0].Hint == "" {
				t.Errorf("left %v, down %v", o.Left, o.Down)
			}
			must(t, p.Signal(syscall.SIGCONT))
			w.run(0, "apply", "--yes")
			w.converged()
		})
	}
}

// TestFullDisk fills the state's file system while services are down. What is written has its room: the run ends as any other.
// A file system that has no such room, of 64 KiB, ends the run before anything is stopped; with more, the next one goes on.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	for size, fits := range map[string]bool{"64k": false, "128k": true} {
		t.Run(size, func(t *testing.T) {
			t.Parallel()
			w, l := startHere(t, lab.Config{Relays: 3})
			dir := w.smallState(size)
			filled := make(chan error, 1)
			var stops atomic.Int64
			for _, h := range l.Hosts() {
				h.Points(func(p machine.Point) machine.Action {
					if p.Op == "service.stop" && p.When == machine.After && stops.Add(1) == 1 {
						filled <- fill(dir)
					}
					return machine.Action{}
				})
			}
			got := w.start("apply", "--yes").wait()
			if !fits {
				if n := stops.Load(); got.code != 1 || n > 0 {
					t.Errorf("exit code %d, %d services stopped\n%s\n%s", got.code, n, got.out, got.err)
				}
				got.says(t, "everything is as it was before", "no space left on device", "before switch", "the disk has room")
				must(t, syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, "size=1m"))
				stops.Store(1) // and nobody fills it again
				w.run(0, "apply", "--yes")
				w.converged()
				return
			}
			must(t, <-filled)
			if got.code != 0 || strings.Contains(got.out, "DOWN") {
				t.Errorf("exit code %d\n%s\n%s", got.code, got.out, got.err)
			}
			must(t, os.Remove(filepath.Join(dir, "filler")))
			w.converged()
		})
	}
}

// smallState puts the state on a file system of its own.
func (w *world) smallState(size string) string {
	w.t.Helper()
	dir := filepath.Join(w.dir, ".meshrotate")
	must(w.t, os.Rename(dir, dir+".old"))
	must(w.t, os.Mkdir(dir, 0o700))
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		if os.Getenv("CI") != "" {
			w.t.Fatal(err)
		}
		w.t.Skipf("mount a file system: %v", err)
	}
	w.t.Cleanup(func() { // what is searched for secrets stays
		must(w.t, os.CopyFS(dir+".end", os.DirFS(dir)))
		must(w.t, syscall.Unmount(dir, syscall.MNT_DETACH)) // a child of another test, not yet exec, may hold its files
		must(w.t, os.Remove(dir))
		must(w.t, os.Rename(dir+".end", dir))
	})
	must(w.t, os.CopyFS(dir, os.DirFS(dir+".old")))
	return dir
}

// fill takes all that is left of a disk.
func fill(dir string) error {
	f, err := os.Create(filepath.Join(dir, "filler"))
	if err != nil {
		return err
	}
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		return err
	}
	return f.Close()
}

// TestUnlockedInTheSwitch takes the lock of a living run away while Admin is stopped, and Engine with it where the login or the account
// has a new password. Nobody has the lock after that: the run goes back, nothing stays down or cut off, and no relay was stopped. The
// next run finishes.
func TestUnlockedInTheSwitch(t *testing.T) {
	t.Parallel()
	for _, c := range []lab.Config{{Relays: 20}, {Relays: 2, Login: "alternating"}, {Relays: 2, Login: "single"}, {Relays: 2, Account: "now"}} {
		t.Run("login "+c.Login+", account "+c.Account, func(t *testing.T) {
			t.Parallel()
			unlockedInTheSwitch(t, c)
		})
	}
}

func unlockedInTheSwitch(t *testing.T, c lab.Config) {
	w, l := startHere(t, c)
	taken := make(chan struct{})
	stops := atomic.Int64{}
	for _, h := range l.Relays {
		h.Points(func(p machine.Point) machine.Action {
			select {
			case <-taken:
				if p.Op == "service.stop" && p.When == machine.Before {
					stops.Add(1)
				}
			default:
			}
			return machine.Action{}
		})
	}
	h := l.Admin
	stopped := make(chan struct{}, 1)
	h.Points(func(p machine.Point) machine.Action {
		if p.Op == "service.stop" && p.When == machine.After {
			select {
			case stopped <- struct{}{}:
			default:
			}
			<-taken // the host's disk is slow
		}
		return machine.Action{}
	})
	r := w.start("apply", "--yes")
	<-stopped
	unlock := w.start("unlock", "--yes", "--fence", "1").wait()
	close(taken)
	if unlock.code != 0 {
		t.Fatalf("unlock: exit code %d\n%s\n%s", unlock.code, unlock.out, unlock.err)
	}
	got := r.wait()
	if want := map[bool]int{true: 3, false: 1}[c.Account != ""]; got.code != want { // the account's new password has no way back: it is proven
		t.Errorf("exit code %d, want %d\n%s\n%s", got.code, want, got.out, got.err)
	}
	got.says(t, "the lock (fence 1) was lost", "nobody else was at work, so this run took it anew, only to bring up what it had stopped")
	for service, h := range map[string]*lab.Host{lab.AdminService: l.Admin, lab.EngineService: l.EngineHost} {
		if got := h.Machine.Service(service).State; got != winhost.Running {
			t.Errorf("%s is %v", service, got)
		}
	}
	w.eventually("all relays are connected", w.connected)
	if n := stops.Load(); n > 0 {
		t.Errorf("%d relays were stopped without the lock", n)
	}
	h.Points(nil)
	w.run(0, "apply", "--yes")
	w.converged()
}

// TestFoundDown: a relay that a person has stopped is named at the end of a run whose turn for it never came, and of one that
// was refused; the next one starts it.
func TestFoundDown(t *testing.T) {
	t.Parallel()
	w, l := startHere(t, lab.Config{Relays: 3})
	w.breaks("stop", "relay-01")
	l.Host("relay-02").Unplug(true)
	for _, verb := range [][]string{{"apply", "--yes"}, {"plan"}, {"status"}, {"drift"}} {
		w.run(3, verb...).says(t, "found DOWN, stopped by no run that the ledger knows: relay-01.lab.example (IdentityMeshRelayAgent)")
	}
	if o := w.outcome(w.start("apply", "--yes", "-o", "json"), 3); len(o.Down) != 1 || !strings.Contains(o.Down[0].Why, "found stopped") || !o.Down[0].Since.IsZero() || o.OK {
		t.Errorf("%+v", o)
	}
	l.Host("relay-02").Unplug(false)
	denied := func(object string) {
		l.Admin.Points(func(p machine.Point) (a machine.Action) {
			if p.Op == "file.swap" && strings.HasSuffix(p.Object, object) {
				a.Fail = 5
			}
			return a
		})
	}
	denied("meshrotate.run.json")
	w.run(3, "apply", "--yes").says(t, "nothing was changed", "cannot be made", "found DOWN", "relay-01.lab.example")
	denied("appsettings.json")
	if o := w.outcome(w.start("apply", "--yes", "-o", "json"), 3); len(o.Down) != 1 || o.Down[0].Host != "relay-01.lab.example" {
		t.Errorf("ended before its turn: %+v", o)
	}
	l.Admin.Points(nil)
	w.run(0, "apply", "--yes")
	w.converged()
}

// TestDownSinceAnEarlierRun kills a run, and its script on a relay, between the stop and the start. Whatever the next runs do, a
// plan, a refusal, they name what is down and since when; the one that starts it counts the outage from the stop.
func TestDownSinceAnEarlierRun(t *testing.T) {
	t.Parallel()
	w, l := startHere(t, lab.Config{Relays: 3})
	h := l.Host("relay-01")
	w.killedAtAStop(h)
	w.run(2, "plan").says(t, "[still-down]", "down since")
	w.run(2, "drift").says(t, "[still-down]", "relay-01.lab.example")
	w.breaks("argument", "relay-02")
	w.run(3, "apply", "--yes").says(t, "nothing was changed", "an earlier run has left DOWN: relay-01.lab.example (IdentityMeshRelayAgent), since")
	if o := w.outcome(w.start("apply", "--yes", "-o", "json"), 3); len(o.Down) == 0 || !strings.Contains(o.Down[0].Why, "an earlier run that was cut off stopped it") || o.OK || o.Error == "" { // whoever reads no errors, too
		t.Errorf("%+v", o)
	}
	w.breaks("plain", "relay-02")
	looks := make(chan struct{}, 1)
	h.Points(func(p machine.Point) (a machine.Action) {
		if p.Op == "service.query" {
			a.End = machine.EndHang
			select {
			case looks <- struct{}{}:
			default:
			}
		}
		return a
	})
	r := w.start("apply", "--yes") // whoever ends the look is told what the ledger knows
	<-looks
	w.run(3, "apply", "--yes").says(t, "the deployment is locked by", "for nothing was looked at: may be DOWN", "relay-[01..03].lab.example (IdentityMeshRelayAgent), since") // so is whoever comes while it looks
	if o := w.outcome(w.start("apply", "--yes", "-o", "json"), 3); len(o.Down) != 5 || !o.Down[0].Unsure || !strings.Contains(o.Error, "locked by") {
		t.Errorf("%+v", o)
	}
	r.signal(os.Interrupt)
	if r := r.wait(); r.code != 3 {
		t.Errorf("exit code %d\n%s", r.code, r.err)
	} else {
		r.says(t, "interrupted by Ctrl-C while looking; nothing was changed", "for nothing was looked at: may be DOWN", "relay-[01..03].lab.example (IdentityMeshRelayAgent), since")
	}
	h.Points(nil)
	h.Unplug(true) // and now nobody can look at the one that is down
	w.breaks("argument", "relay-02")
	since := "may be DOWN since "
	for _, verb := range []string{"plan", "drift", "status"} {
		w.run(3, verb).says(t, "[still-down]", since, "may be DOWN, and could not be looked at: relay-01.lab.example (IdentityMeshRelayAgent), since")
	}
	w.run(3, "apply", "--yes").says(t, "nothing was changed", "may be DOWN, and could not be looked at: relay-01.lab.example (IdentityMeshRelayAgent), since")
	h.Unplug(false)
	w.breaks("plain", "relay-02")
	for range 2 { // one that is limited to another secret, also where it has nothing to do
		w.run(3, "apply", "--yes", "--only", "license").says(t, "relay-01.lab.example", "DOWN")
	}
	w.run(3, "drift", "--only", "license").says(t, "[still-down]", "apply without --only starts it", "1 service of other secrets down")
	o := w.outcome(w.start("apply", "--yes", "-o", "json"), 0)
	for _, s := range o.Secrets {
		for _, out := range s.Outages {
			if out.What == "relay-01.lab.example" && (out.Measured < 3 || !out.Since.IsZero()) {
				t.Errorf("counted from its start only: %+v", out)
			}
		}
	}
	w.converged()
}
