package git_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"meshrotate/state"
	"meshrotate/state/git"
)

// ending is how a rotation ended.
func ending(run, secret string, fence uint64, o state.Outcome) state.Entry {
	e := step(run, "", fence)
	e.Secret, e.Outcome, e.Outages = secret, o, []state.Outage{{What: "Admin", Measured: 1.6}}
	return e
}

// What a process that died has not published is read, and published, by the next one on its machine. Of a secret that another machine
// has gone on with, that is how the run ended, and what it measured.
func TestJournalOfARunThatDied(t *testing.T) {
	for _, c := range []struct{ others, read string }{ // others: the secret that another machine goes on with
		{"", "announced stopped "},
		{"license", "announced finished stopped "},
		{"relaykey", "announced finished "},
	} {
		w := https(t)
		here, there := w.machine(), w.machine()
		dead := here.open()
		lease := acquire(t, w, dead, "r1")
		began := step("r1", "", 1)
		began.Outcome = state.Started
		add(t, dead, began, step("r1", "announced", 1))
		if err := dead.Reserve(t.Context(), 1<<16); err != nil {
			t.Fatal(err)
		}
		w.stop.Store(true)
		add(t, dead, step("r1", "stopped", 1), ending("r1", "relaykey", 1, state.Proven)) // its publisher never gets through: from here on it does nothing any more
		w.passed.Add(int64(git.DefaultTTL) + 1e9)
		dead.Cut(lease)
		w.held = nil
		w.stop.Store(false)
		if c.others != "" {
			next := there.open()
			lease := acquire(t, w, next, "r2")
			other, done := ending("r2", c.others, 2, state.Started), step("r2", "finished", 2)
			other.Outages, done.Secret = nil, c.others
			add(t, next, other, done)
			if err := lease.Release(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		read := func(s *git.Store) string { return strings.Join(strings.Fields(steps(t, s)), " ") + " " }
		looks := here.open()
		if got := read(looks); got != c.read {
			t.Errorf("%s: read here: %q", c.others, got)
		}
		told(t, looks, "relaykey 7 proven", false, c.others != "")
		next := here.open()
		lease = acquire(t, w, next, "r3")
		told(t, next, "relaykey 7 proven", true, c.others != "")
		if got := read(there.open()); got != c.read {
			t.Errorf("%s: read there: %q", c.others, got)
		}
		entries, err := there.open().Entries(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		r := state.NewHistory(entries).Rotations("relaykey")[0]
		if r.Run != "r1" || r.Outcome != state.Proven || len(r.Outages) != 1 || r.Outages[0].Measured != 1.6 {
			t.Errorf("%s: the change-log: %+v", c.others, r)
		}
		if err := lease.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		if left, err := os.ReadDir(here.disk); err != nil || len(left) > 0 {
			t.Errorf("%s: on the disk: %v, %v", c.others, left, err)
		}
	}
}

// told is what people are told of the only journal.
func told(t *testing.T, s *git.Store, says string, published, late bool) {
	t.Helper()
	p, err := s.Present(t.Context())
	if err != nil || len(p.Journals) != 1 {
		t.Fatalf("%v, %+v", err, p.Journals)
	}
	if j := p.Journals[0]; j.Run != "r1" || j.Says != says || j.Published != published || j.Late != late || !strings.Contains(j.Place, "journal-1") {
		t.Errorf("%+v", j)
	}
}

// How a run ended is kept here, whatever became of the server before the first stop.
func TestAnEndingWithoutTheServer(t *testing.T) {
	for _, moved := range []bool{false, true} {
		w := https(t)
		if moved {
			w = folder(t)
		}
		here := w.machine()
		one := here.open()
		one.EndsWithin(time.Second)
		lease := acquire(t, w, one, "r1")
		add(t, one, step("r1", "announced", 1))
		if w.stop.Store(true); moved {
			if err := os.Rename(w.dir, w.dir+".away"); err != nil {
				t.Fatal(err)
			}
		}
		began := time.Now()
		add(t, one, step("r1", "stop", 1), ending("r1", "relaykey", 1, state.Back))
		err := lease.Release(t.Context())
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("moved %v: it took %v", moved, took)
		}
		h, hinted := as[interface {
			error
			Hint() string
		}](err)
		if !hinted || !strings.Contains(h.Error(), filepath.Join(here.disk, "journal-1")) || !strings.Contains(h.Hint(), "the next `meshrotate apply` on this machine publishes it") {
			t.Errorf("moved %v: %v", moved, err)
		}
		if w.stop.Store(false); moved {
			if err := os.Rename(w.dir+".away", w.dir); err != nil {
				t.Fatal(err)
			}
		}
		w.held = nil
		w.passed.Add(int64(git.DefaultTTL) + 1e9)
		told(t, here.open(), "relaykey 7 back", false, false)
		lease = acquire(t, w, here.open(), "r2")
		if err := lease.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := steps(t, w.machine().open()); got != "announced stop " {
			t.Errorf("moved %v: %q", moved, got)
		}
	}
}
