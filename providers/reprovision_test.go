package providers_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/reconciler/rotationtest"
	"meshrotate/state"
)

// elsewhere demands that the plan tells what has changed about the Engine host, and sets every connector secret again.
func (w *world) elsewhere(words ...string) {
	w.t.Helper()
	p := w.planned()
	f, ok := finding(p, "connector-sealed-elsewhere")
	if !ok || p.Count(reconciler.Rotate) != len(w.lab.Refs()) {
		w.t.Fatalf("it is not seen: %+v", p.Changes)
	}
	for _, word := range words {
		if !strings.Contains(f.Text, word) {
			w.t.Errorf("%q is not in %q", word, f.Text)
		}
	}
}

// An Engine that is on another machine opens nothing that was sealed before: the plan says so and sets every secret again, also
// after a run that was killed in between. No version changes.
func TestEngineMoves(t *testing.T) {
	for _, c := range []struct {
		name string
		kill machine.When
		nth  string
	}{{"", "", ""}, {"killed before a push", machine.Before, "secrets.set"}, {"killed after a push", machine.After, "secrets.set"}} {
		t.Run("moved "+c.name, func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 0, "connector")
				w.connectsAfter()
				w.do("move", w.lab.EngineHost.Name)
				if err := w.connects(lab.NewConnector); err == nil {
					t.Fatal("the lab's other machine opens what the first has sealed")
				}
				w.elsewhere("MachineGuid was ", "installation was 2025-03-04 09:21 and is", "im-engine")
				if c.nth != "" {
					w.killed(w.lab.EngineHost, c.nth, c.kill)
					w.lab.EngineHost.Points(nil)
				}
				w.connectsAfter()
				if e, ok := w.history().Since("connector:" + w.lab.Refs()[0]); !ok || e.Version != lab.NewConnector {
					t.Errorf("%+v", e)
				}
			})
		})
	}
	t.Run("to a tool that lies", func(t *testing.T) {
		t.Parallel()
		virtual(t, func(t *testing.T) {
			w := newWorld(t, 0, "connector")
			w.connectsAfter()
			w.do("move", w.lab.EngineHost.Name)
			w.lab.SetCLI(lab.CLI{Stdin: true, Lies: true, Only: w.lab.Refs()[:1]})
			_, o := w.run()
			says(t, o.Err, w.lab.Refs()[0], "before the push")
			w.lab.SetCLI(lab.CLI{Stdin: true})
			if p := w.planned(); p.Count(reconciler.Rotate) != 1 {
				t.Errorf("what was not stored is not to be set again: %+v", p.Changes)
			}
			w.connectsAfter()
		})
	})
}

// An Engine host that was restored from an image has the same identity, and opens nothing either: its sync runs show it, at each look.
// What Admin says of why decides whether the secrets are set again, or a person does.
func TestEngineRestored(t *testing.T) {
	restored := func(t *testing.T, check func(*testing.T, *world)) {
		t.Parallel()
		virtual(t, func(t *testing.T) {
			w := newWorld(t, 0, "connector")
			w.connectsAfter()
			w.do("restore", w.lab.EngineHost.Name)
			if err := w.connects(lab.NewConnector); err == nil {
				t.Fatal("the lab's restored machine opens what was sealed before")
			}
			time.Sleep(time.Hour) // on the virtual clock: sync runs
			check(t, w)
		})
	}
	t.Run("Admin says why", func(t *testing.T) {
		restored(t, func(t *testing.T, w *world) {
			w.elsewhere("does not open there", "im-engine")
			w.connectsAfter()
		})
	})
	t.Run("Admin does not say why", func(t *testing.T) {
		restored(t, func(t *testing.T, w *world) {
			w.lab.Reticent(true)
			p := w.planned()
			f, ok := finding(p, "connector-syncs-fail")
			if !ok || !f.Drift || !strings.Contains(f.Text, "ad, hr-source") || !p.Empty() {
				t.Fatalf("it is not seen: %+v", p.Changes)
			}
			for i := range w.connectorSpec().Secrets { // a new version with the same value
				w.connectorSpec().Secrets[i].Version = "4-again"
			}
			w.connectsAfter()
			if f, ok := finding(w.planned(), "connector-syncs-fail"); ok {
				t.Errorf("it is said still: %+v", f)
			}
		})
	})
	t.Run("the source refuses", func(t *testing.T) {
		t.Parallel()
		virtual(t, func(t *testing.T) {
			w := newWorld(t, 0, "connector")
			w.connectsAfter()
			w.lab.Accept(w.lab.Refs()[0], "another")
			time.Sleep(time.Hour)
			p := w.planned()
			if f, ok := finding(p, "connector-syncs-fail"); !ok || !f.Drift || strings.Contains(f.Text, "hr-source") || !p.Empty() {
				t.Fatalf("a push is no cure, and silence no answer: %+v", p.Changes)
			}
		})
	})
}

// What services run as, and what was sealed for them: another account that somebody sets by hand is seen, and one that the document
// asks for is followed in the same plan, after it.
func TestEngineGetsAnotherAccount(t *testing.T) {
	t.Run("by hand", func(t *testing.T) {
		t.Parallel()
		virtual(t, func(t *testing.T) {
			w := newWorld(t, 0, "connector")
			w.connectsAfter()
			w.do("logon", w.lab.EngineHost.Name)
			w.elsewhere("account was", "is LocalSystem")
			w.connectsAfter()
		})
	})
	for _, c := range []struct {
		name string
		op   string
		kill machine.When
	}{{"by the document", "", ""}, {"killed before its start", "service.start", machine.Before}, {"killed after it", "service.start", machine.After}} {
		t.Run(c.name, func(t *testing.T) {
			accountWorld(t, func(t *testing.T, w *world) {
				if _, o := w.run(); o.Err != nil {
					t.Fatal(o)
				}
				w.runAs(lab.Domain+`\gmsa-im$`, lab.AdminService, lab.EngineService)
				p := w.planned()
				if _, ok := finding(p, "connector-account-changes"); !ok || len(p.Rounds) != 3 || p.Count(reconciler.Rotate) != 3 {
					t.Fatalf("%d rounds: %+v", len(p.Rounds), p.Changes)
				}
				if c.op != "" {
					w.killed(w.lab.EngineHost, c.op, c.kill)
					w.lab.EngineHost.Points(nil)
				}
				w.connectsAfter()
				if on, ok := site.SealedUnder(w.history(), "connector:"+w.lab.Refs()[0]); !ok || on.Account != lab.Domain+`\gmsa-im$` {
					t.Errorf("sealed under %+v", on)
				}
			}, "serviceaccount", "connector")
		})
	}
}

// Secrets that were set before anybody recorded where are recorded once, by a run that sets nothing.
func TestMachineThatWasNeverRecorded(t *testing.T) {
	t.Parallel()
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 0, "connector")
		w.connectsAfter()
		entries, err := w.state.Ledger.Entries(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for i, e := range entries {
			entries[i].Facts = nil
			for _, f := range e.Facts {
				if f.Field != site.SealedOn {
					entries[i].Facts = append(entries[i].Facts, f)
				}
			}
		}
		ledger := w.state.Ledger
		w.state.Ledger = &older{Ledger: ledger, before: entries}
		p, o := w.run()
		f, ok := finding(p, "connector-machine-unrecorded")
		if !ok || f.Severity != reconciler.Note || o.Err != nil || len(p.Steps()) != 1 {
			t.Fatalf("%v, %+v", o, p.Changes)
		}
		if again := w.planned(); !again.Empty() {
			t.Errorf("it is said again: %+v", again.Changes)
		}
		w.do("move", w.lab.EngineHost.Name)
		w.elsewhere("MachineGuid")
		w.connectsAfter()
		rotationtest.Search(t, w.secrets(), w.said())
	})
}

// older is a ledger whose first entries were written by a program that knew less.
type older struct {
	state.Ledger
	before []state.Entry
}

func (l *older) Entries(ctx context.Context) ([]state.Entry, error) {
	all, err := l.Ledger.Entries(ctx)
	if err != nil {
		return nil, err
	}
	return append(slices.Clone(l.before), all[len(l.before):]...), nil
}

// history is what the ledger says now.
func (w *world) history() state.History {
	w.t.Helper()
	entries, err := w.state.Ledger.Entries(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return state.NewHistory(entries)
}
