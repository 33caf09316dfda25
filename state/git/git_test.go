package git_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-git/go-git/v5/plumbing/transport"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"

	"meshrotate/state"
	"meshrotate/state/git"
)

func step(run, name string, fence uint64) state.Entry {
	return state.Entry{Time: time.Date(2026, 11, 26, 2, 0, 0, 0, time.UTC), Run: run, By: "ada@one", Fence: fence, Secret: "relaykey", Version: "7", Step: name, Outcome: state.Done}
}

func acquire(t *testing.T, w *world, s *git.Store, run string) state.Lease {
	t.Helper()
	lease, err := remembering{s, w}.Acquire(t.Context(), state.Holder{Run: run, By: "ada"})
	if err != nil {
		t.Fatal(err)
	}
	return lease
}

func add(t *testing.T, s *git.Store, entries ...state.Entry) {
	t.Helper()
	if err := s.Append(t.Context(), entries...); err != nil {
		t.Fatal(err)
	}
}

// steps are those that a process reads.
func steps(t *testing.T, s *git.Store) string {
	t.Helper()
	entries, err := s.Entries(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Step)
	}
	return strings.Join(all, " ")
}

// While services may be down nobody waits for the server, and what was recorded meanwhile is published when it is back.
func TestAServerThatIsAwayInTheSwitch(t *testing.T) {
	w := https(t)
	one, two := w.machine().open(), w.machine().open()
	lease := acquire(t, w, one, "r1")
	add(t, one, step("r1", "announced", 1))
	if err := one.Reserve(t.Context(), 1<<16); err != nil {
		t.Fatal(err)
	}
	w.stop.Store(true)
	soon, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	for _, name := range []string{"stopped", "swapped", "started"} {
		if err := one.Append(soon, step("r1", name, 1)); err != nil {
			t.Fatal(err)
		}
	}
	if err := lease.Doing(soon, "switch"); err != nil {
		t.Error(err)
	}
	if err := lease.Check(soon); err != nil {
		t.Error(err)
	}
	w.stop.Store(false)
	w.await("it is published while the run goes on", func() bool { return steps(t, two) == "announced stopped swapped started" })
	add(t, one, step("r1", "proven", 1))
	if err := lease.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := steps(t, two); got != "announced stopped swapped started proven" {
		t.Error(got)
	}
}

// A server that is away before the first stop ends the run there.
func TestAServerThatIsAwayBeforeTheSwitch(t *testing.T) {
	w := https(t)
	one := w.machine().open()
	acquire(t, w, one, "r1")
	w.stop.Store(true)
	for what, err := range map[string]error{"append": one.Append(t.Context(), step("r1", "announced", 1)), "reserve": one.Reserve(t.Context(), 10)} {
		if _, away := as[*state.AwayError](err); what == "append" && !away {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// A hook that hangs in a repository's folder, and holds git's output open when git has ended, is waited for no longer than a server is.
func TestAHookThatHangs(t *testing.T) {
	t.Cleanup(git.AttemptsOf(2 * time.Second)) // after all else has ended
	w := folder(t)
	one := w.machine().open()
	acquire(t, w, one, "r1")
	hole := filepath.Join(w.dir, "hole")
	if err := os.WriteFile(filepath.Join(w.dir, "hooks", "pre-receive"), []byte("#!/bin/sh\n[ ! -f "+hole+" ] || exec sleep 60\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(hole, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	err := one.Append(t.Context(), step("r1", "announced", 1))
	if _, away := as[*state.AwayError](err); !away || time.Since(began) > 40*time.Second {
		t.Errorf("after %v: %v", time.Since(began), err)
	}
	if err := os.Remove(hole); err != nil {
		t.Fatal(err)
	}
	add(t, one, step("r1", "announced", 1))
	if got := steps(t, w.machine().open()); got != "announced" {
		t.Error(got)
	}
}

// An answer that is lost is no trouble: nothing is there twice.
func TestLostAnswers(t *testing.T) {
	w := https(t)
	s := w.machine().open()
	w.mute.Store(1)
	lease := acquire(t, w, s, "r1")
	w.mute.Store(1)
	add(t, s, step("r1", "one", 1), step("r1", "two", 1))
	w.mute.Store(1)
	if err := s.Create(t.Context(), "relaykey/7.age", []byte("sealed")); err != nil {
		t.Error(err)
	}
	w.mute.Store(1)
	if err := lease.Release(t.Context()); err != nil {
		t.Error(err)
	}
	if got := steps(t, w.machine().open()); got != "one two" {
		t.Error(got)
	}
	if _, held, err := s.Current(t.Context()); held || err != nil {
		t.Errorf("held: %v, %v", held, err)
	}
}

// What somebody has edited on the branch is noticed.
func TestEditedBranch(t *testing.T) {
	for _, c := range []struct{ reason, file, text string }{
		{"a line was edited", "ledger.jsonl", `{"time":"2026-11-26T02:00:00Z","outcome":"done","chain":"00000000000000000000000000000000"}` + "\n"},
		{"the end was cut", "ledger.jsonl", ""},
		{"the head is another", "ledger.head", `{"entries":7,"chain":"00"}`},
		{"the salt is cut", "salt", "salt"},
	} {
		w := folder(t)
		s := w.machine().open()
		if _, err := s.Salt(t.Context()); err != nil {
			t.Fatal(err)
		}
		add(t, s, step("r1", "one", 1))
		w.write("meshrotate/contoso", c.file, c.text)
		_, err := s.Entries(t.Context())
		if c.file == "salt" {
			_, err = s.Salt(t.Context())
		}
		if !errors.Is(err, state.ErrDamaged) {
			t.Errorf("%s: %v", c.reason, err)
		}
	}
}

// A branch that was deleted, taken back to an earlier commit or begun anew has a sound ledger: the lock's knows of another.
func TestABranchThatWasTakenBack(t *testing.T) {
	for reason, do := range map[string]func(w *world, first string){
		"deleted": func(w *world, _ string) {
			w.git("--git-dir", w.dir, "update-ref", "-d", "refs/heads/meshrotate/contoso")
		},
		"taken back": func(w *world, first string) {
			w.git("--git-dir", w.dir, "update-ref", "refs/heads/meshrotate/contoso", first)
		},
		"begun anew": func(w *world, _ string) {
			w.git("--git-dir", w.dir, "update-ref", "-d", "refs/heads/meshrotate/contoso")
			other := w.machine().open()
			add(t, other, step("r8", "another", 1))
			add(t, other, step("r8", "more", 1))
		},
	} {
		w := folder(t)
		s := w.machine().open()
		lease := acquire(t, w, s, "r1")
		add(t, s, step("r1", "one", 1))
		first := strings.TrimSpace(w.git("--git-dir", w.dir, "rev-parse", "meshrotate/contoso"))
		add(t, s, step("r1", "two", 1))
		if err := lease.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := steps(t, w.machine().open()); got != "one two" {
			t.Errorf("before: %s", got)
		}
		do(w, first)
		fresh := w.machine().open()
		_, err := fresh.Entries(t.Context())
		var h interface{ Hint() string }
		if !errors.Is(err, state.ErrDamaged) || !errors.As(err, &h) || !strings.Contains(h.Hint(), "delete meshrotate/contoso-lock") {
			t.Errorf("%s: %v", reason, err)
		}
		if _, err := fresh.Acquire(t.Context(), state.Holder{Run: "r2", By: "b"}); !errors.Is(err, state.ErrDamaged) {
			t.Errorf("%s: the lock is given: %v", reason, err)
		}
		if _, err := fresh.Salt(t.Context()); reason == "deleted" && !errors.Is(err, state.ErrDamaged) {
			t.Errorf("%s: another state is begun in its place: %v", reason, err)
		}
		w.git("--git-dir", w.dir, "update-ref", "-d", "refs/heads/meshrotate/contoso-lock") // as the hint says
		if _, err := fresh.Entries(t.Context()); err != nil {
			t.Errorf("%s: %v", reason, err)
		}
	}
}

// Nor does a run go on writing where what it has written is gone: it says so at its end.
func TestABranchThatIsTakenBackUnderARun(t *testing.T) {
	w := folder(t)
	s := w.machine().open()
	add(t, s, step("r0", "zero", 0))
	first := strings.TrimSpace(w.git("--git-dir", w.dir, "rev-parse", "meshrotate/contoso"))
	lease := acquire(t, w, s, "r1")
	add(t, s, step("r1", "one", 1))
	if err := s.Reserve(t.Context(), 1<<16); err != nil {
		t.Fatal(err)
	}
	w.git("--git-dir", w.dir, "update-ref", "refs/heads/meshrotate/contoso", first)
	add(t, s, step("r1", "two", 1)) // into the journal: services may be down
	if err := lease.Release(t.Context()); !errors.Is(err, state.ErrDamaged) {
		t.Errorf("the end: %v", err)
	}
	if _, err := w.machine().open().Entries(t.Context()); !errors.Is(err, state.ErrDamaged) {
		t.Errorf("the next look: %v", err)
	}
}

// Who may not sign in, or may not push, is told at once.
func TestRefused(t *testing.T) {
	w := https(t)
	w.auth = &githttp.BasicAuth{Username: "git", Password: "hunter2-wrong"}
	began := time.Now()
	_, err := w.machine().open().Entries(t.Context())
	if !errors.Is(err, transport.ErrAuthenticationRequired) || strings.Contains(err.Error(), "hunter2") || time.Since(began) > 10*time.Second {
		t.Errorf("%v", err)
	}
	var h interface{ Hint() string }
	if !errors.As(err, &h) {
		t.Error("no hint")
	}
	f := folder(t)
	hook := f.dir + "/hooks/pre-receive"
	if err := os.WriteFile(hook, []byte("#!/bin/sh\necho this branch is protected\nexit 1\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := f.machine().open().Append(t.Context(), step("r1", "one", 1)); !errors.As(err, &h) || !strings.Contains(err.Error(), "does not take the commit") {
		t.Errorf("%v", err)
	}
}

// The log of the branch is the change-log.
func TestLog(t *testing.T) {
	w := folder(t)
	s := w.machine().open()
	whole := step("r1", "", 1)
	whole.Outcome, whole.Commit = state.Started, "4f2a91c"
	add(t, s, whole)
	add(t, s, step("r1", "switch/stop IdentityMeshAdmin", 1), step("r1", "switch/swap", 1))
	if err := s.Create(t.Context(), "relaykey/7.age", []byte("sealed")); err != nil {
		t.Fatal(err)
	}
	log := w.git("-C", w.dir, "log", "--format=%s|%b", "meshrotate/contoso")
	for _, said := range []string{"relaykey 7 started|run r1\nby ada@one\ncommit 4f2a91c", "relaykey 7 switch/stop IdentityMeshAdmin done, and 1 more|", "Keep relaykey/7.age|"} {
		if !strings.Contains(log, said) {
			t.Errorf("the log does not say %q:\n%s", said, log)
		}
	}
	w.git("-C", w.dir, "fsck", "--strict")
}
