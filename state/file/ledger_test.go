package file_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"meshrotate/state"
	"meshrotate/state/file"
)

// written is a folder with a ledger of n entries, and the lines of it.
func written(t testing.TB, n int) (dir string, lines []string) {
	t.Helper()
	dir = t.TempDir()
	s, err := file.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		e := state.Entry{Run: fmt.Sprint("r", i), Secret: "k", Version: "7", Step: "stop", Hosts: manyHosts, Outcome: state.Done, Detail: "relé {\"outcome\":\"done\"}"}
		if err := s.Append(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	return dir, strings.SplitAfter(strings.TrimSuffix(read(t, dir, "ledger.jsonl"), "\n"), "\n")
}

// manyHosts are enough to be written once, with a name.
var manyHosts = strings.Fields("adam berta carl dora emil friedrich gustav heinrich ida julius konrad ludwig martha nathan otto paula quelle richard siegfried")

func read(t testing.TB, dir, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func write(t testing.TB, dir, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// wantDamage demands that the ledger is neither read nor appended to, with an error that names what, and a hint.
func wantDamage(t *testing.T, dir, reason string, what ...string) (hint string) {
	t.Helper()
	before, _ := os.ReadFile(filepath.Join(dir, "ledger.jsonl"))
	_, read := open(t, dir).Entries(t.Context())
	written := open(t, dir).Append(t.Context(), state.Entry{Outcome: state.Done})
	for _, err := range []error{read, written} {
		var h interface{ Hint() string }
		if err == nil || !errors.As(err, &h) {
			t.Fatalf("%s: %v; want an error with a hint", reason, err)
		}
		for _, w := range what {
			if !strings.Contains(err.Error(), w) {
				t.Fatalf("%s: %q does not say %q", reason, err, w)
			}
		}
		hint = h.Hint()
	}
	if after, _ := os.ReadFile(filepath.Join(dir, "ledger.jsonl")); !bytes.Equal(before, after) {
		t.Fatalf("%s: the ledger was changed", reason)
	}
	return hint
}

func TestWhatALedgerMayHold(t *testing.T) {
	for _, c := range []struct {
		reason  string
		content func(l []string) string
	}{
		{"CRLF, by an editor or by Git", func(l []string) string { return strings.ReplaceAll(strings.Join(l, ""), "\n", "\r\n") }},
		{"an empty line", func(l []string) string { return l[0] + "\n" + l[1] + l[2] }},
		{"torn and closed", func(l []string) string { return l[0] + l[1][:20] + "#torn\n" + l[1] + l[2] }},
		{"torn, torn while it was closed, closed", func(l []string) string { return l[0] + l[1][:20] + "#to#torn\n" + l[1] + l[2] }},
		{"blocks that were never written", func(l []string) string { return strings.Join(l, "") + "\n" + strings.Repeat("\x00", 5000) }},
		{"a long torn line", func(l []string) string { return strings.Join(l, "") + "\n" + strings.Repeat("x", 20000) }},
		{"its newline torn off", func(l []string) string { return strings.Join(l, "") }},
	} {
		dir, lines := written(t, 3)
		write(t, dir, "ledger.jsonl", c.content(lines))
		s := open(t, dir)
		for more := range 3 {
			got, err := s.Entries(t.Context())
			if err != nil || len(got) != 3+more {
				t.Fatalf("%s: %d entries, %v; want %d", c.reason, len(got), err, 3+more)
			}
			if err := s.Append(t.Context(), state.Entry{Outcome: "paused"}); err != nil { // an outcome of a newer version
				t.Fatalf("%s: %v", c.reason, err)
			}
		}
	}
}

func TestLostEditedOrForged(t *testing.T) {
	_, foreign := written(t, 5)
	for _, c := range []struct {
		reason string
		change func(l []string) []string
		names  string
	}{
		{"the first line is lost", func(l []string) []string { return l[1:] }, "ledger.jsonl:1: "},
		{"a line is lost", func(l []string) []string { return append(l[:2:2], l[3:]...) }, "ledger.jsonl:3: "},
		{"a line is there twice", func(l []string) []string { return append(l[:3:3], l[2:]...) }, "ledger.jsonl:4: "},
		{"two lines have changed places", func(l []string) []string { l[1], l[2] = l[2], l[1]; return l }, "ledger.jsonl:2: "},
		{"a line is edited", func(l []string) []string { l[2] = strings.Replace(l[2], `"r2"`, `"r9"`, 1); return l }, "ledger.jsonl:3: "},
		{"the last line is edited", func(l []string) []string { l[4] = strings.Replace(l[4], `"r4"`, `"r9"`, 1) + "\n"; return l }, "ledger.jsonl:5: "},
		{"the last line is edited, and has lost its newline", func(l []string) []string { l[4] = strings.Replace(l[4], `"r4"`, `"r9"`, 1); return l }, "1 entry is missing"},
		{"a line is forged", func(l []string) []string {
			return append(l[:2:2], append([]string{`{"outcome":"proven"}` + "\n"}, l[2:]...)...)
		}, "ledger.jsonl:3: "},
		{"a line is forged at the end", func(l []string) []string { return append(l, "\n", `{"outcome":"proven"}`+"\n") }, "ledger.jsonl:6: "},
		{"a line of another ledger", func(l []string) []string { l[2] = foreign[3]; return l }, "ledger.jsonl:3: "},
		{"a line is called torn", func(l []string) []string { l[2] = strings.TrimSpace(l[2]) + "#torn\n"; return l }, "ledger.jsonl:4: "},
		{"a line is cut", func(l []string) []string { l[2] = l[2][:30] + "\n"; return l }, "ledger.jsonl:3: this line is damaged"},
		{"no entry", func(l []string) []string { l[2] = "{}\n"; return l }, "ledger.jsonl:3: this line is damaged"},
		{"two lines made one", func(l []string) []string { l[2] = strings.TrimSpace(l[2]); return l }, "ledger.jsonl:3: "},
		{"the last is lost", func(l []string) []string { return l[:4] }, "1 entry is missing"},
		{"the last ones are lost", func(l []string) []string { return l[:2] }, "3 entries are missing"},
		{"all are lost", func([]string) []string { return nil }, "5 entries are missing"},
		{"another ledger, as long", func([]string) []string { return foreign }, "entry 5 is not the one that ledger.head knows"},
	} {
		dir, lines := written(t, 5)
		if c.reason == "another ledger, as long" {
			dir2 := t.TempDir()
			if err := open(t, dir2).Append(t.Context(), make5()...); err != nil {
				t.Fatal(err)
			}
			foreign = []string{read(t, dir2, "ledger.jsonl")}
		}
		write(t, dir, "ledger.jsonl", strings.Join(c.change(lines), ""))
		wantDamage(t, dir, c.reason, c.names, "ledger.jsonl")
	}
}

func make5() []state.Entry {
	e := state.Entry{Run: "elsewhere", Outcome: state.Done}
	return []state.Entry{e, e, e, e, e}
}

// Two handles take turns: what one has read of the end of the ledger is not what is there.
func TestAppendsInTurns(t *testing.T) {
	dir := t.TempDir()
	a, b := open(t, dir), open(t, dir)
	for i := range 6 {
		for _, s := range []*file.Store{a, b, a} {
			if err := s.Append(t.Context(), state.Entry{Run: fmt.Sprint(i), Hosts: manyHosts[i%2:], Outcome: state.Done}); err != nil {
				t.Fatal(err)
			}
		}
	}
	got, err := open(t, dir).Entries(t.Context())
	if err != nil || len(got) != 18 || len(got[17].Hosts) != len(manyHosts)-1 {
		t.Fatalf("%d entries, %v", len(got), err)
	}
	if text := read(t, dir, "ledger.jsonl"); strings.Count(text, "siegfried") != 2 {
		t.Fatalf("two sets of hosts are written %d times", strings.Count(text, "siegfried"))
	}
	// The same handle finds that somebody cut the file.
	lines := strings.SplitAfter(read(t, dir, "ledger.jsonl"), "\n")
	write(t, dir, "ledger.jsonl", strings.Join(lines[:9], ""))
	if err := a.Append(t.Context(), state.Entry{Outcome: state.Done}); err == nil || !strings.Contains(err.Error(), "9 entries are missing") {
		t.Fatalf("%v", err)
	}
}

func TestReadingCreatesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	s := open(t, dir)
	if e, err := s.Entries(t.Context()); err != nil || len(e) != 0 {
		t.Fatal(e, err)
	}
	if _, ok, err := s.Current(t.Context()); err != nil || ok {
		t.Fatal(ok, err)
	}
	if _, err := os.Stat(filepath.Dir(dir)); !os.IsNotExist(err) {
		t.Fatal("reading created a folder")
	}
	if err := s.Append(t.Context(), state.Entry{Outcome: state.Done}); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]os.FileMode{dir: 0o700, filepath.Join(dir, "ledger.jsonl"): 0o600, filepath.Join(dir, "ledger.lock"): 0o600} {
		if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v; want %v", path, info.Mode(), err, want)
		}
	}
	f := filepath.Join(dir, "ledger.jsonl")
	if _, err := file.Open(f); err == nil {
		t.Error("a file was opened as a folder")
	}
	if _, err := file.Open(""); err == nil {
		t.Error("no folder was opened")
	}
}
