package providers_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/providers/lab/wsman"
)

// watch notes what could go wrong: every message to Admin, Engine and the first relay, and every op there.
func (w *world) watch() {
	for _, h := range []*lab.Host{w.lab.Admin, w.lab.EngineHost, w.lab.Relays[0]} {
		h.Wire(func(e wsman.Event) wsman.Fault {
			if e.Action == wsman.Send || e.Action == wsman.Receive {
				w.pass(fmt.Sprintf("%s %s %d", h.Name, e.Action, e.N))
			}
			return wsman.Fault{}
		})
		h.Points(func(p machine.Point) machine.Action {
			if p.Op != "start" {
				w.pass(fmt.Sprintf("%s %s %s/%s", h.Name, p.When, p.Op, p.Object))
			}
			return machine.Action{}
		})
	}
}

func (w *world) pass(point string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Contains(w.passed, point) {
		w.passed = append(w.passed, point)
	}
}

// wireFaults are what happens to a message.
var wireFaults = map[string]wsman.Kind{"cut-before": wsman.CutBefore, "cut-after": wsman.CutAfter, "cut-mid": wsman.CutMid, "hang": wsman.Hang}

// points names everything that can go wrong: each message cut in three ways and left hanging, each op with a crash.
// Without MESHROTATE_ALL_FAULTS one of the ways is tried for each message.
func (w *world) points() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	ways := []string{"cut-after", "cut-mid", "cut-before", "hang"}
	everything := os.Getenv("MESHROTATE_ALL_FAULTS") != ""
	var all []string
	slices.Sort(w.passed)
	for i, p := range w.passed {
		if strings.Contains(p, "/") {
			all = append(all, p+"|crash")
			continue
		}
		for j, way := range ways {
			if everything || i%len(ways) == j {
				all = append(all, p+"|"+way)
			}
		}
	}
	return all
}

// arm makes one of the points happen, once.
func (w *world) arm(point string) {
	name, way, _ := strings.Cut(point, "|")
	host, what, _ := strings.Cut(name, " ")
	h := w.lab.Host(host)
	var once sync.Once
	if way == "crash" {
		h.Points(func(p machine.Point) (a machine.Action) {
			if fmt.Sprintf("%s %s/%s", p.When, p.Op, p.Object) == what {
				once.Do(func() { a.End = machine.EndCrash })
			}
			return a
		})
		return
	}
	h.Wire(func(e wsman.Event) (f wsman.Fault) {
		if fmt.Sprintf("%s %d", e.Action, e.N) == what {
			once.Do(func() { f.Kind = wireFaults[way] })
		}
		return f
	})
}

// Admin listens later than its start is watched: taking the license back must wait for it.
func TestASlowAdminTakesTheLicenseBack(t *testing.T) {
	t.Parallel()
	pace := quick
	pace.AdminReady = 4 * time.Second
	w := newWorldAt(t, pace, 1)
	w.doc.Product.API.ReadyTimeout.Seconds = 1
	_, o := w.run()
	says(t, o.Err, "admin is not ready")
	if o.Halted || len(o.Undone) != 2 {
		t.Errorf("not taken back: %+v", o)
	}
	w.await("the old key works again", func() bool { return w.keyWorks(w.old, "") == nil })
	if err := w.licensed(lab.OldLicense); err != nil {
		t.Error(err)
	}
	w.doc.Product.API.ReadyTimeout.Seconds = 20
	w.converged()
}
