package file_test

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"meshrotate/state"
)

func TestDamagedFilesStopTheRun(t *testing.T) {
	for _, c := range []struct{ name, content, reason string }{
		{"lease.json", "{", "somebody may hold it"},
		{"lease.json", "{}", "a lease without a fence is no lease of ours"},
		{"lease.json", `{"fence":7}`, "nor one that promises nothing"},
		{"lease.json", `{"fence":7,"ttl":1e300}`, "nor one that promises everything"},
		{"lease.json", strings.Repeat(" ", 1<<20), "nor one that fills the memory"},
		{"fence", "x", "a fence that falls would let an old run go on"},
		{"fence", "18446744073709551615", "nor may it start again from nothing"},
	} {
		dir := t.TempDir()
		write(t, dir, c.name, c.content)
		write(t, dir, "ledger.head", `{"entries":0}`)
		_, err := open(t, dir).Acquire(t.Context(), state.Holder{})
		var h interface{ Hint() string }
		if err == nil || !strings.Contains(err.Error(), c.name) || !errors.As(err, &h) {
			t.Errorf("%s: %v; want an error that names the file, with a hint: %s", c.name, err, c.reason)
		}
		if c.name != "lease.json" {
			continue
		}
		if err := open(t, dir).Break(t.Context(), 0); err != nil {
			t.Errorf("%s: it cannot be removed: %v", c.reason, err)
		}
		if _, ok, err := open(t, dir).Current(t.Context()); ok || err != nil {
			t.Errorf("%s: removed, it is there: %v", c.reason, err)
		}
	}
}

// Where the fence was lost, or is older than the ledger, the ledger knows those of the runs that did something.
func TestFenceOutlivesItsFile(t *testing.T) {
	for _, c := range []struct {
		file string
		want uint64
	}{{"", 42}, {"7\n", 42}, {"50\n", 51}} {
		dir := t.TempDir()
		if err := open(t, dir).Append(t.Context(), state.Entry{Fence: 41, Outcome: state.Done}, state.Entry{Fence: 40, Outcome: state.Done}); err != nil {
			t.Fatal(err)
		}
		if c.file != "" {
			write(t, dir, "fence", c.file)
		}
		lease, err := open(t, dir).Acquire(t.Context(), state.Holder{})
		if err != nil || lease.Fence() != c.want {
			t.Fatalf("%q: %v, %v", c.file, lease, err)
		}
		if err := lease.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// What is there of a folder is seen without anything being made.
func TestPresent(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	see := func(want state.Present) {
		t.Helper()
		want.Place = dir
		if is, err := open(t, dir).Present(t.Context()); err != nil || !reflect.DeepEqual(is, want) {
			t.Errorf("%+v, %v; want %+v", is, err, want)
		}
	}
	see(state.Present{})
	if _, err := os.Stat(dir); err == nil {
		t.Error("a look made the folder")
	}
	lease, err := open(t, dir).Acquire(t.Context(), state.Holder{})
	if err != nil {
		t.Fatal(err)
	}
	if err := lease.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	see(state.Present{Begun: true, Fence: 1})
	salt, err := open(t, dir).Salt(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	see(state.Present{Begun: true, Fence: 1, Salt: state.SaltID(salt)})
	for name, content := range map[string]string{"salt": "short", "fence": "x", "ledger.head": "{"} {
		before, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		write(t, dir, name, content)
		var h interface{ Hint() string }
		if _, err := open(t, dir).Present(t.Context()); !errors.As(err, &h) {
			t.Errorf("a damaged %s: %v", name, err)
		}
		write(t, dir, name, string(before))
	}
}
