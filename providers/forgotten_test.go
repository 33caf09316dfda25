package providers_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/reconciler"
	"meshrotate/reconciler/render"
	"meshrotate/state"
)

// A run is cut off with a service down, and then the request is taken back: the document names the secret, or the host, no more.
// It is said all the same, and asked for where the document names the host.
func TestWhatATakenBackRequestLeftDown(t *testing.T) {
	vendor()
	for _, c := range []struct {
		name string
		host func(w *world) *lab.Host
		then func(w *world, h *lab.Host)
		says string // "" is nothing
		down bool
	}{
		{"the relays' key", func(w *world) *lab.Host { return w.relay(1) }, func(w *world, _ *lab.Host) { delete(w.doc.Secrets, "relayKey") }, "is down", true},
		{"the license", func(w *world) *lab.Host { return w.lab.EngineHost }, func(w *world, _ *lab.Host) { delete(w.doc.Secrets, "license") }, "is down", true},
		{"the key, and its host is away", func(w *world) *lab.Host { return w.relay(1) }, func(w *world, h *lab.Host) {
			delete(w.doc.Secrets, "relayKey")
			h.Unplug(true)
		}, "may be DOWN", true},
		{"the key, and somebody has started it, with the old one", func(w *world) *lab.Host { return w.relay(1) }, func(w *world, h *lab.Host) {
			delete(w.doc.Secrets, "relayKey")
			_ = h.Machine.Start(lab.RelayService)
		}, "cut off since", true},
		{"the key, and somebody has mended and started it", func(w *world) *lab.Host { return w.relay(1) }, func(w *world, h *lab.Host) {
			delete(w.doc.Secrets, "relayKey")
			_, _ = w.lab.Break("mend", h.Name)
			_ = h.Machine.Start(lab.RelayService)
			time.Sleep(2 * time.Minute)
		}, "", false},
		{"the relay", func(w *world) *lab.Host { return w.relay(1) }, func(w *world, h *lab.Host) {
			w.doc.Hosts.Relays = slices.DeleteFunc(w.doc.Relays(), func(r string) bool { return r == h.Name })
		}, lab.RelayService + " down", true},
		{"the relay, and somebody has started it: nobody asks there", func(w *world) *lab.Host { return w.relay(1) }, func(w *world, h *lab.Host) {
			w.doc.Hosts.Relays = slices.DeleteFunc(w.doc.Relays(), func(r string) bool { return r == h.Name })
			_ = h.Machine.Start(lab.RelayService)
			_, _ = w.lab.Break("unlisted", h.Name)
		}, lab.RelayService + " down", true},
		{"the relay, and Admin hears of it", func(w *world) *lab.Host { return w.relay(1) }, func(w *world, h *lab.Host) {
			w.doc.Hosts.Relays = slices.DeleteFunc(w.doc.Relays(), func(r string) bool { return r == h.Name })
			_, _ = w.lab.Break("mend", h.Name) // it has Admin's key
			_ = h.Machine.Start(lab.RelayService)
			time.Sleep(2 * time.Minute)
		}, "", false},
		{"the relay, and Admin hears of it while the run is at work", func(w *world) *lab.Host { return w.relay(1) }, func(w *world, h *lab.Host) {
			w.doc.Hosts.Relays = slices.DeleteFunc(w.doc.Relays(), func(r string) bool { return r == h.Name })
			_, _ = w.lab.Break("mend", h.Name)
			_ = h.Machine.Start(lab.RelayService)
		}, lab.RelayService + " down", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 3, "relaykey", "license")
				h := c.host(w)
				h.Points(func(p machine.Point) (a machine.Action) {
					if p.Op == "service.stop" && p.When == machine.After {
						w.kill()
						a.End = machine.EndCrash // the host does not go on either
					}
					return a
				})
				s := w.process()
				s.apply(nil)
				s.close()
				h.Points(nil)
				time.Sleep(5 * time.Minute)
				if service := h.Machine.Service(serviceOf(h)); service.State != "stopped" {
					t.Fatalf("%s is %s", h.Name, service.State)
				}
				c.then(w, h)
				s = w.process()
				p, o := s.apply(nil)
				s.close()
				i := slices.IndexFunc(p.Fleet, func(f reconciler.Finding) bool { return f.Code == "down-elsewhere" && slices.Contains(f.Hosts, h.Name) })
				if (i >= 0) != (c.says != "") || i >= 0 && (!strings.Contains(p.Fleet[i].Text, c.says) || p.Fleet[i].Hint == "") {
					t.Errorf("%+v", p.Fleet)
				}
				r := render.OutcomeOf(p, "run", 0, o)
				if named := slices.ContainsFunc(r.Down, func(d render.Down) bool { return d.Host == h.Name }); named != c.down || r.OK == c.down {
					t.Errorf("ok %v, down %+v", r.OK, r.Down)
				}
				if len(o.With(state.Unknown)) > 0 {
					t.Errorf("%v", o)
				}
			})
		})
	}
}

// A run was killed after the stop of a relay that the document does not name any more: it may have left it down. The runs after it cannot
// look there either, and know no more.
func TestWhatARunThatWasKilledMayHaveLeftElsewhere(t *testing.T) {
	vendor()
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 3, "relaykey", "license")
		h := w.relay(1)
		w.killed(h, "service.stop", machine.After)
		h.Points(nil)
		time.Sleep(5 * time.Minute)
		w.doc.Hosts.Relays = slices.DeleteFunc(w.doc.Relays(), func(r string) bool { return r == h.Name })
		_, _ = w.lab.Break("unlisted", h.Name)
		var said []string
		for range 3 {
			p, o := w.run()
			for _, f := range p.Fleet {
				if f.Code == "down-elsewhere" {
					said = append(said, f.Text)
				}
			}
			if r := render.OutcomeOf(p, "run", 0, o); len(r.Down) != 1 || !r.Down[0].Unsure {
				t.Errorf("%+v", r.Down)
			}
			time.Sleep(time.Minute)
		}
		if said = slices.Compact(said); len(said) != 1 || !strings.Contains(said[0], "a run that was cut off may have left "+lab.RelayService+" down") {
			t.Errorf("%q", said)
		}
	})
}
