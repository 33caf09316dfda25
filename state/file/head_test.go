package file_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"meshrotate/state"
	"meshrotate/state/file"
)

// What was lost for good can be left behind, but only by somebody who says so.
func TestLostFiles(t *testing.T) {
	for _, c := range []struct {
		reason  string
		lose    []string
		names   []string
		entries int // once the hint was followed
	}{
		{"the ledger is removed", []string{"ledger.jsonl"}, []string{"ledger.jsonl", "3 entries are missing"}, 0},
		{"the head is removed", []string{"ledger.head"}, []string{"ledger.head is missing"}, 3},
		{"both are, and the fence shows it", []string{"ledger.jsonl", "ledger.head", "values"}, []string{"ledger.jsonl", "fence shows"}, 0},
		{"both are, and kept values show it", []string{"ledger.jsonl", "ledger.head", "fence"}, []string{"ledger.jsonl", "values shows"}, 0},
	} {
		dir, _ := written(t, 3)
		lease, err := open(t, dir).Acquire(t.Context(), state.Holder{})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(lease.Release(t.Context()), open(t, dir).Create(t.Context(), "k/7.age", nil)); err != nil {
			t.Fatal(err)
		}
		for _, name := range c.lose {
			if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
		hint := wantDamage(t, dir, c.reason, c.names...)
		if c.entries > 0 || len(c.lose) > 1 { // else the head is there, and the run stops at its first entry
			if _, err := open(t, dir).Acquire(t.Context(), state.Holder{}); err == nil {
				t.Errorf("%s: a run could begin", c.reason)
			}
		}
		_, after, ok := strings.Cut(hint, "write {")
		head, _, ok2 := strings.Cut(after, "}")
		if !ok || !ok2 {
			t.Fatalf("%s: the hint does not say what to write: %s", c.reason, hint)
		}
		write(t, dir, "ledger.head", "{"+head+"}")
		if got, err := open(t, dir).Entries(t.Context()); err != nil || len(got) != c.entries {
			t.Errorf("%s: the hint was followed, and there are %d entries, %v", c.reason, len(got), err)
		}
		if err := open(t, dir).Append(t.Context(), state.Entry{Outcome: state.Done}); err != nil {
			t.Errorf("%s: %v", c.reason, err)
		}
	}
}

func TestDamagedHead(t *testing.T) {
	for _, content := range []string{"", "{", "{}x", `{"entries":-1,"chain":"a"}`, `{"entries":2}`, `{"entries":0,"chain":"a"}`, strings.Repeat(" ", 1<<20)} {
		dir, _ := written(t, 3)
		write(t, dir, "ledger.head", content)
		wantDamage(t, dir, content[:min(len(content), 30)], "ledger.head cannot be read")
	}
}

// A crash between the two writes leaves a ledger that is ahead of its head: whatever the head knew once is fine.
func TestLedgerAheadOfItsHead(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	lease, err := s.Acquire(t.Context(), state.Holder{})
	if err != nil {
		t.Fatal(err)
	}
	defer lease.Release(t.Context())
	heads := []string{read(t, dir, "ledger.head")}
	for i := range 4 {
		if err := s.Append(t.Context(), make5()[i:]...); err != nil {
			t.Fatal(err)
		}
		heads = append(heads, read(t, dir, "ledger.head"))
	}
	for i, head := range heads {
		write(t, dir, "ledger.head", head)
		for _, s := range []*file.Store{s, open(t, dir)} {
			want := 5 + 4 + 3 + 2
			if got, err := s.Entries(t.Context()); err != nil || len(got) < want {
				t.Fatalf("head %d: %d entries, %v", i, len(got), err)
			}
			if err := s.Append(t.Context(), state.Entry{Outcome: state.Done}); err != nil {
				t.Fatal(err)
			}
		}
	}
}
