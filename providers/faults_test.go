package providers_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/providers/lab/wsman"
	"meshrotate/state"
)

// watch notes what could go wrong: every message to Admin, Engine, the first relay and the API, and every op there.
func (w *world) watch() {
	for _, h := range []*lab.Host{w.lab.Admin, w.lab.EngineHost, w.lab.Relays[0]} {
		h.Wire(func(e wsman.Event) wsman.Fault {
			w.pass(fmt.Sprintf("%s %s %d", h.Name, e.Action, e.N))
			return wsman.Fault{}
		})
		h.Points(func(p machine.Point) machine.Action {
			if p.Op != "start" {
				w.pass(fmt.Sprintf("%s %s %s/%s", h.Name, p.When, p.Op, p.Object))
			}
			return machine.Action{}
		})
	}
	w.lab.WireSQL(func(e wsman.Event) wsman.Fault {
		if e.N <= 3 || alters(e) {
			w.pass(fmt.Sprintf("%s %s %d", sql, e.Action, e.N))
		}
		return wsman.Fault{}
	})
	w.lab.WireAPI(func(e wsman.Event) wsman.Fault {
		if e.N <= 3 { // a wait asks again and again: one of these is as good as another
			w.pass(fmt.Sprintf("%s %s %d", api, e.Action, e.N))
		}
		return wsman.Fault{}
	})
}

// api is the Admin API among the hosts.
const api, sql = "@api", "@sql"

func (w *world) pass(point string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Contains(w.passed, point) {
		w.passed = append(w.passed, point)
	}
}

// wireFaults are what happens to a message. The last two are the end of this process, before it was sent and after it had
// its effect.
var wireFaults = map[string]wsman.Kind{"cut-before": wsman.CutBefore, "cut-after": wsman.CutAfter, "cut-mid": wsman.CutMid, "hang": wsman.Hang,
	"kill-before": 0, "kill-after": wsman.CutAfter}

// points names everything that can go wrong: each message cut, left hanging, and killed at; each op with a crash.
func (w *world) points() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []string
	slices.Sort(w.passed)
	for _, p := range w.passed {
		if strings.Contains(p, "/") && !strings.HasPrefix(p, "@") {
			all = append(all, p+"|crash")
			continue
		}
		for _, way := range slices.Sorted(maps.Keys(wireFaults)) {
			all = append(all, p+"|"+way)
		}
	}
	return all
}

// arm makes one of the points happen, once.
func (w *world) arm(point string, kill func()) {
	name, way, _ := strings.Cut(point, "|")
	host, what, _ := strings.Cut(name, " ")
	var once sync.Once
	wire := func(e wsman.Event) (f wsman.Fault) {
		if fmt.Sprintf("%s %d", e.Action, e.N) == what {
			once.Do(func() {
				if f.Kind = wireFaults[way]; strings.HasPrefix(way, "kill") {
					kill()
					w.kill()
				}
			})
		}
		return f
	}
	switch host {
	case api:
		w.lab.WireAPI(wire)
		return
	case sql:
		w.lab.WireSQL(wire)
		return
	}
	h := w.lab.Host(host)
	if way != "crash" {
		h.Wire(wire)
		return
	}
	h.Points(func(p machine.Point) (a machine.Action) {
		if fmt.Sprintf("%s %s/%s", p.When, p.Op, p.Object) == what {
			once.Do(func() { a.End = machine.EndCrash })
		}
		return a
	})
}

// Admin listens later than its start is watched: taking the license back must wait for it.
func TestASlowAdminTakesTheLicenseBack(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorldAt(t, lab.Config{Relays: 1, Memory: true, Time: lab.Timing{AdminReady: 18 * time.Second}})
		w.doc.Product.API.ReadyTimeout.Seconds = 10
		_, o := w.run()
		says(t, o.Err, "admin is not ready")
		if len(o.With(state.Proven)) > 0 {
			t.Errorf("not taken back: %v", o)
		}
		w.await("the old key works again", func() bool { return w.keyWorks(w.old, "") == nil })
		if err := w.licensed(lab.OldLicense); err != nil {
			t.Error(err)
		}
		w.doc.Product.API.ReadyTimeout.Seconds = 120
		w.converged()
	})
}
