package providers_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/rotations/relaykey"
	"meshrotate/reconciler"
	"meshrotate/specs"
	"meshrotate/state"
)

// taken demands that the evidence knows of each place that the old value is there no more.
func (w *world) taken(secret string) {
	w.t.Helper()
	for _, p := range w.evidence(secret).Places {
		if p.Became != state.Done && p.Became != state.Gone {
			w.t.Errorf("evidence of %s: %+v", secret, p)
		}
	}
}

func (w *world) wantsKey(version int) {
	s := *w.doc.Secrets["relayKey"].(*relaykey.Spec)
	s.Version = specs.Version(fmt.Sprint(version))
	w.doc.Secrets["relayKey"] = &s
}

// unheard is a ledger that never takes that anything was retired.
type unheard struct{ state.Ledger }

func (l unheard) Append(ctx context.Context, entries ...state.Entry) error {
	for _, e := range entries {
		if e.Outcome == state.Done && strings.HasPrefix(e.Step, "retire/") {
			return errKilled
		}
	}
	return l.Ledger.Append(ctx, entries...)
}

// A run is killed when it has removed the backups, and before the ledger has taken that. The next one has nothing to do, and says where
// the old value is no more.
func TestEvidenceOfWhatWasRemovedUnheard(t *testing.T) {
	t.Parallel()
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 2, "relaykey")
		s := w.process()
		s.Replace(reconciler.Emergency{Secret: "relaykey", Why: "leaked"})
		s.State.Ledger = unheard{w.state.Ledger}
		s.apply(nil)
		s.close()
		time.Sleep(10 * time.Minute)
		if p, _ := w.run(); !p.Empty() {
			t.Fatal("there is something to do")
		}
		for _, h := range w.lab.Hosts() {
			if left := w.copies(h); len(left) > 0 {
				t.Errorf("%s: %v", h.Name, left)
			}
		}
		w.taken("relaykey")
		if p := w.planned(); !p.Empty() {
			t.Error("something is left")
		}
		entries, err := w.state.Ledger.Entries(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		w.run()
		if again, _ := w.state.Ledger.Entries(t.Context()); len(again) != len(entries) {
			t.Errorf("a further run has said it again: %+v", again[len(entries):])
		}
	})
}

// A relay is away while others know its key, and comes back when another version is live: the evidence says that the key was taken out there.
func TestEvidenceOfALaterVersion(t *testing.T) {
	t.Parallel()
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 3, "relaykey")
		away := w.relay(3)
		away.Unplug(true)
		w.doc.Policy.Unreachable.Tolerate = []string{away.Name}
		if _, o := w.replace("relaykey", "posted"); o.Err != nil {
			t.Fatal(o.Err)
		}
		time.Sleep(time.Hour)
		w.wantsKey(8)
		if _, o := w.run(); o.Err != nil {
			t.Fatal(o.Err)
		}
		var open []string
		if open = w.evidence("relaykey").Open(); len(open) == 0 || open[0] != away.Name {
			t.Errorf("it is away, and open is %v", open)
		}
		away.Unplug(false)
		time.Sleep(time.Hour)
		if _, o := w.run(); o.Err != nil || len(o.Left) > 0 {
			t.Fatalf("%v", o)
		}
		w.run()
		w.taken("relaykey")
		if v := w.evidence("relaykey"); v.Version != "7" || v.Before != "6" || len(v.Rotations) != 1 {
			t.Errorf("%+v", v.Rotations)
		}
	})
}
