package providers_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/reconciler"
	"meshrotate/state"
)

func TestSituations(t *testing.T) {
	for _, c := range []struct {
		name, reason string
		run          func(t *testing.T, w *world)
	}{
		{"a relay's key was changed behind our back", "only that relay is touched", func(t *testing.T, w *world) {
			w.converged()
			pid := w.relay(2).Machine.Service(lab.RelayService).PID
			w.do("key", "relay-01")
			w.converged()
			if w.relay(2).Machine.Service(lab.RelayService).PID != pid {
				t.Error("another relay was restarted")
			}
		}},
		{"Admin's key was changed behind our back", "Admin gets the declared key again", func(t *testing.T, w *world) {
			w.converged()
			w.do("key", "im-admin")
			w.converged()
		}},
		{"a service was stopped", "it is started and proven", func(t *testing.T, w *world) {
			w.converged()
			w.do("stop", "relay-01")
			w.await("it is down", func() bool { return w.up() != nil })
			w.converged()
		}},
		{"Admin was stopped", "its API is silent, and that is explained", func(t *testing.T, w *world) {
			w.do("stop", "im-admin")
			w.await("it is down", func() bool { return w.lab.Admin.Machine.Service(lab.AdminService).State == "stopped" })
			w.converged()
		}},
		{"a file changed between plan and apply", "the saved plan is refused, naming host and field", func(t *testing.T, w *world) {
			s := w.process()
			b, err := json.Marshal(s.look().Plan)
			s.close()
			if err != nil {
				t.Fatal(err)
			}
			saved, err := reconciler.ReadSaved(b)
			if err != nil {
				t.Fatal(err)
			}
			w.do("edit", "relay-01")
			s = w.process()
			defer s.close()
			v := s.look()
			err = saved.Check(v.Plan, v.History)
			says(t, err, "relay-01.lab.example", "appsettings.json", "nothing was changed")
			hinted(t, err)
			w.converged()
		}},
		{"something harmless changed where the plan has nothing to do", "the saved plan is still true, until there is something to do there", func(t *testing.T, w *world) {
			w.converged()
			w.do("license", "im-admin")
			s := w.process()
			b, err := json.Marshal(s.look().Plan)
			s.close()
			if err != nil {
				t.Fatal(err)
			}
			saved, err := reconciler.ReadSaved(b)
			if err != nil {
				t.Fatal(err)
			}
			check := func() error {
				s := w.process()
				defer s.close()
				v := s.look()
				if v.Plan.Empty() || slices.EqualFunc(v.Plan.Seen, saved.Seen, func(a, b reconciler.HostFacts) bool { return slices.Equal(a.Facts, b.Facts) }) {
					t.Error("nothing is to be done, or nothing has changed")
				}
				return saved.Check(v.Plan, v.History)
			}
			w.do("dependent", "relay-01")
			if err := check(); err != nil {
				t.Error(err)
			}
			w.do("key", "relay-01")
			err = check()
			says(t, err, "relay-01.lab.example", "nothing was changed")
			hinted(t, err)
			w.converged()
		}},
		{"a file changed after the look", "it is never overwritten, and what was staged is removed", func(t *testing.T, w *world) {
			s := w.process()
			_, o := s.apply(func() { w.do("edit", "relay-01") })
			s.close()
			says(t, o.Err, "relay-01.lab.example", lab.RelaySettings[strings.LastIndex(lab.RelaySettings, `\`)+1:], "conflict")
			hinted(t, o.Err)
			if err := w.keyWorks(w.old, ""); err != nil || o.Halted {
				t.Errorf("%v %v", err, o)
			}
			w.converged()
		}},
		{"a relay's file changed in the switch", "that relay is left behind, stopped; the others are done", func(t *testing.T, w *world) {
			when(w.relay(1), "service.stop", machine.After, func() { w.do("edit", "relay-01") })
			_, o := w.run()
			if o.Err != nil || len(o.Left) != 1 || o.Left[0].Target.Name != w.relay(1).Name {
				t.Errorf("%v", o)
			} else {
				says(t, o.Left[0].Why, "relay-01", "conflict")
				hinted(t, o.Left[0].Why)
			}
			w.converged()
		}},
		{"a relay is unplugged before the plan", "it would be cut off", func(t *testing.T, w *world) {
			w.relay(1).Unplug(true)
			w.refused("relay-unreachable", "relay-01")
			w.relay(1).Unplug(false)
			w.converged()
		}},
		{"a tolerated relay is unplugged before the plan", "the next run finishes it", func(t *testing.T, w *world) {
			w.doc.Policy.Unreachable.Tolerate = []string{w.relay(1).Name}
			w.relay(1).Unplug(true)
			_, o := w.run()
			if o.Err != nil || len(o.Left) != 1 || len(o.With(state.Proven)) != 2 {
				t.Errorf("%v", o)
			}
			w.relay(1).Unplug(false)
			w.converged()
		}},
		{"a relay is unplugged after its file was staged", "Admin has switched when that shows: the relay is left behind, and named", func(t *testing.T, w *world) {
			when(w.relay(1), "file.stage", machine.After, func() { w.relay(1).Unplug(true) })
			_, o := w.run()
			if o.Err != nil || len(o.Left) != 1 || o.Left[0].Target.Name != w.relay(1).Name || len(o.With(state.Proven)) != 2 {
				t.Errorf("%v", o)
			}
			w.relay(1).Unplug(false)
			w.converged()
		}},
		{"a tolerated relay is unplugged after its file was staged", "the others go on", func(t *testing.T, w *world) {
			w.doc.Policy.Unreachable.Count = 1
			when(w.relay(1), "file.stage", machine.After, func() { w.relay(1).Unplug(true) })
			_, o := w.run()
			if o.Halted {
				t.Logf("halted: %v", o.Err)
			}
			w.relay(1).Unplug(false)
			w.converged()
		}},
		{"a relay is unplugged in its stop", "", func(t *testing.T, w *world) {
			when(w.relay(1), "service.stop", machine.Before, func() { w.relay(1).Unplug(true) })
			_, o := w.run()
			if o.Err != nil {
				says(t, o.Err, "relay-01")
			}
			w.relay(1).Unplug(false)
			w.converged()
		}},
		{"a relay is unplugged while its file is replaced", "", func(t *testing.T, w *world) {
			when(w.relay(1), "file.swap", machine.Before, func() { w.relay(1).Unplug(true) })
			_, o := w.run()
			if o.Err == nil && len(o.Left) == 0 {
				t.Errorf("%v", o)
			}
			w.relay(1).Unplug(false)
			w.converged()
		}},
		{"a relay is unplugged after its start", "its proof is missing, the others' is not", func(t *testing.T, w *world) {
			when(w.relay(1), "service.start", machine.After, func() { w.relay(1).Unplug(true) })
			_, o := w.run()
			if o.Halted {
				t.Errorf("%v", o)
			}
			w.relay(1).Unplug(false)
			w.converged()
		}},
		{"Admin is unplugged in the switch", "what was sent is done; nobody runs half rotated, and nothing is called proven", func(t *testing.T, w *world) {
			when(w.lab.Admin, "service.stop", machine.After, func() { w.lab.Admin.Unplug(true) })
			_, o := w.run()
			says(t, o.Err, "im-admin")
			if !o.Halted || len(o.With(state.Proven)) > 0 {
				t.Errorf("%v", o)
			}
			if err := w.together(); err != nil {
				t.Error(err)
			}
			w.lab.Admin.Unplug(false)
			w.converged()
		}},
		{"Admin is never ready", "everything goes back, and nobody says that it was seen to work again", func(t *testing.T, w *world) {
			w.doc.Product.API.ReadyTimeout.Seconds = 1
			pid := w.relay(1).Machine.Service(lab.RelayService).PID
			when(w.lab.Admin, "service.stop", machine.After, func() { w.lab.Ail(true) })
			_, o := w.run()
			says(t, o.Err, "admin is not ready")
			hinted(t, o.Err)
			if len(o.With(state.Proven)) > 0 || len(o.With(state.Unknown)) == 0 || len(o.Down) != 1 || !o.Down[0].Unwell {
				t.Errorf("%v", o)
			}
			if w.relay(1).Machine.Service(lab.RelayService).PID != pid {
				t.Error("Admin refused the key, and a relay was restarted")
			}
			w.lab.Ail(false)
			w.await("the old key works again", func() bool { return w.keyWorks(w.old, "") == nil })
			if err := w.licensed(lab.OldLicense); err != nil {
				t.Error(err)
			}
			w.converged()
		}},
		{"a relay dies with an empty key: 1067", "it stays behind; the others are done", func(t *testing.T, w *world) {
			when(w.relay(1), "file.swap", machine.After, func() {
				write(t, w.relay(1), lab.RelaySettings, func([]byte) []byte { return []byte(`{"Relay":{"ApiKey":""}}`) })
			})
			_, o := w.run()
			if o.Err != nil || len(o.Left) != 1 {
				t.Fatalf("%v", o)
			}
			says(t, o.Left[0].Why, "relay-01", "1067")
			hinted(t, o.Left[0].Why)
			w.converged()
		}},
		{"every relay dies at its start", "without one relay nothing is proven: it is taken back", func(t *testing.T, w *world) {
			for _, h := range w.lab.Relays {
				h.Points(machine.Faults(machine.Fault{Op: "service.start", When: machine.Before, Times: 1, Action: machine.Action{Fail: 1067}}))
			}
			_, o := w.run()
			says(t, o.Err, "relay")
			hinted(t, o.Err)
			if o.Halted || !slices.ContainsFunc(o.With(state.Back), func(e reconciler.Ended) bool { return e.Change.Secret.Name == "relaykey" }) {
				t.Errorf("%v", o)
			}
			w.await("the old key works again", func() bool { return w.keyWorks(w.old, "") == nil })
			w.converged()
		}},
		{"a relay's file is broken: 1053", "it stays behind until somebody mends the file", func(t *testing.T, w *world) {
			var whole []byte
			when(w.relay(1), "file.swap", machine.After, func() {
				write(t, w.relay(1), lab.RelaySettings, func(b []byte) []byte { whole = slices.Clone(b); return b[:len(b)/2] })
			})
			_, o := w.run()
			if o.Err != nil || len(o.Left) != 1 {
				t.Fatalf("%v", o)
			}
			says(t, o.Left[0].Why, "relay-01", "1053")
			hinted(t, o.Left[0].Why)
			p, _ := w.run()
			if f, ok := finding(p, "settings-refused"); !ok || !slices.Contains(f.Hosts, w.relay(1).Name) {
				t.Errorf("a broken file is not refused: %+v", p.Changes)
			}
			write(t, w.relay(1), lab.RelaySettings, func([]byte) []byte { return whole })
			w.converged()
		}},
		{"a relay's disk is full", "found before anything is stopped", func(t *testing.T, w *world) {
			pid := w.lab.Admin.Machine.Service(lab.AdminService).PID
			w.relay(1).Points(machine.Faults(machine.Fault{Op: "file.stage", When: machine.Before, Times: 1, Action: machine.Action{Fail: machine.ErrDiskFull}}))
			_, o := w.run()
			says(t, o.Err, "relay-01", "diskFull")
			hinted(t, o.Err)
			if w.lab.Admin.Machine.Service(lab.AdminService).PID != pid || o.Halted {
				t.Errorf("something was stopped: %v", o)
			}
			w.converged()
		}},
		{"a read-only file", "found before anything is stopped", func(t *testing.T, w *world) {
			set := func(to bool) {
				if err := w.relay(1).Machine.FS.(*machine.Memory).Set(lab.RelaySettings, func(i *machine.Info) { i.ReadOnly = to }); err != nil {
					t.Fatal(err)
				}
			}
			set(true)
			p, o := w.run()
			if len(p.Blocked()) == 0 {
				says(t, o.Err, "relay-01", "read-only")
				hinted(t, o.Err)
			}
			if err := w.keyWorks(w.old, ""); err != nil {
				t.Error(err)
			}
			set(false)
			w.converged()
		}},
		{"the license file is cut short", "refused before anything is touched", func(t *testing.T, w *world) {
			path := filepath.Join(w.dir, "licenses", lab.NewLicense+".key")
			whole, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range []int{0, 10, len(whole) / 2, len(whole) - 20} {
				if err := os.WriteFile(path, whole[:n], 0o600); err != nil {
					t.Fatal(err)
				}
				p, _ := w.run()
				if len(p.Blocked()) == 0 {
					t.Errorf("cut to %d bytes, and not refused", n)
				}
			}
			if err := os.WriteFile(path, whole, 0o600); err != nil {
				t.Fatal(err)
			}
			w.converged()
		}},
		{"a host's clock is off", "found before the first change: no time on that host proves anything", func(t *testing.T, w *world) {
			for _, h := range []*lab.Host{w.relay(1), w.lab.EngineHost} {
				h.Skew(10 * time.Minute)
				w.refused("clock-skew", h.Name, "ahead")
				h.Skew(-10 * time.Minute)
				w.refused("clock-skew", h.Name, "behind")
				h.Skew(0)
			}
			w.converged()
		}},
		{"a variable overrides the key", "an edit would change nothing", func(t *testing.T, w *world) {
			w.do("env", "relay-01")
			w.refused("setting-overridden", "relay-01", "Relay__ApiKey")
			w.do("unenv", "relay-01")
			w.converged()
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			t.Log(c.reason)
			virtual(t, func(t *testing.T) { c.run(t, newWorld(t, 2)) })
		})
	}
}
