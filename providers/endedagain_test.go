package providers_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/reconciler/render"
	"meshrotate/state"
)

// A relay that was found stopped, was started by the run, and ended again, is down at the end of it: in every format, in the
// ledger, and in the next plan. That Admin still lists it as connected refutes nothing.
func TestFoundStoppedStartedAndEndedAgain(t *testing.T) {
	vendor()
	before := map[string]func(w *world, h *lab.Host){
		"before a rotation": func(_ *world, h *lab.Host) { h.Machine.Kill(lab.RelayService) },
		"as declared":       func(w *world, h *lab.Host) { w.run(); h.Machine.Kill(lab.RelayService) },
		"left down by an earlier run": func(w *world, h *lab.Host) {
			when(h, "service.start", machine.After, func() { h.Machine.Kill(lab.RelayService) })
			w.run()
		},
	}
	ends := map[string]func(h *lab.Host){
		"it ends": func(h *lab.Host) {
			when(h, "service.start", machine.After, func() { h.Machine.Kill(lab.RelayService) })
		},
		"it ends once it was connected": func(h *lab.Host) {
			when(h, "service.start", machine.After, func() {
				time.AfterFunc(1500*time.Millisecond, func() { h.Machine.Kill(lab.RelayService) })
			})
		},
		"it does not start": func(h *lab.Host) {
			when(h, "service.start", machine.Before, func() { startMode(h, "disabled") })
		},
	}
	for first, was := range before {
		for how, end := range ends {
			for _, connects := range []time.Duration{0, 8 * time.Second} {
				t.Run(first+", "+how+", "+connects.String(), func(t *testing.T) {
					t.Parallel()
					virtual(t, func(t *testing.T) {
						w := newWorldAt(t, lab.Config{Relays: 3, Memory: true, Time: lab.Timing{RelayConnect: connects}}, "relaykey")
						h := w.relay(1)
						was(w, h)
						time.Sleep(3 * time.Minute)
						end(h)
						p, o := w.run()
						w.saysDown(render.OutcomeOf(p, "run", 0, o), h.Name)
						s := w.process()
						f := stillDown(s.look().Plan, h.Name)
						s.close()
						if !strings.Contains(f.Text, "down since "+o.Down[0].Since.Format("2006-01-02 15:04:05 UTC")) {
							t.Errorf("the next plan: %+v", f)
						}
						h.Points(nil)
						startMode(h, "auto")
						w.run()
						p, o = w.run()
						if err := w.up(); err != nil || !p.Empty() || len(o.Down) > 0 {
							t.Errorf("afterwards: %v, %+v, %v", err, p.Changes, o)
						}
					})
				})
			}
		}
	}
}

func startMode(h *lab.Host, mode string) {
	_ = h.Machine.Change(lab.RelayService, func(s *machine.Service) { s.StartMode = mode })
}

// saysDown demands that this host's relay is down at the end of a run, wherever that is told.
func (w *world) saysDown(r render.Outcome, host string) {
	w.t.Helper()
	if r.OK || len(r.Down) != 1 || r.Down[0].Host != host || r.Down[0].Service != lab.RelayService || r.Down[0].Since.IsZero() || r.Down[0].Hint == "" {
		w.t.Fatalf("%+v", r)
	}
	for f, told := range map[render.Format]string{render.Text: "DOWN", render.Markdown: "DOWN", render.JSON: `"down"`} {
		var b bytes.Buffer
		if err := render.Write(&b, render.Style{Format: f}, r); err != nil || !strings.Contains(b.String(), told) {
			w.t.Errorf("%s: %v %s", f, err, &b)
		}
	}
	noted := func(o state.Outage) bool {
		return o.Host == host && o.Service == lab.RelayService && o.Since.Equal(r.Down[0].Since)
	}
	entries, err := w.state.Ledger.Entries(w.t.Context())
	if err != nil || !slices.ContainsFunc(entries, func(e state.Entry) bool { return slices.ContainsFunc(e.Outages, noted) }) {
		w.t.Errorf("the ledger does not say so: %v %+v", err, entries[len(entries)-1])
	}
}
