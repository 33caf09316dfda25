package file_test

import (
	"strings"
	"testing"

	"meshrotate/state"
)

// A crash may cut the file at any byte of its last append.
func TestTornAtEveryByte(t *testing.T) {
	dir, lines := written(t, 2)
	whole := strings.Join(lines, "") + "\n"
	one := lines[0]
	half, _ := written(t, 1) // its head is that of a crash before the second one was written
	head := read(t, half, "ledger.head")
	if read(t, half, "ledger.jsonl") != one {
		t.Fatal("the same entry is written in two ways")
	}
	s := open(t, dir)
	for cut := len(one); cut <= len(whole); cut++ {
		write(t, dir, "ledger.jsonl", whole[:cut])
		write(t, dir, "ledger.head", head)
		want := 1
		if cut >= len(whole)-1 { // without its newline, an entry is still whole
			want = 2
		}
		for more := range 3 {
			got, err := s.Entries(t.Context())
			if err != nil || len(got) != want+more {
				t.Fatalf("cut at %d, %d appended: %d entries, %v", cut, more, len(got), err)
			}
			if err := open(t, dir).Append(t.Context(), state.Entry{Run: "next", Outcome: state.Done}); err != nil {
				t.Fatal(err)
			}
		}
		if !strings.HasPrefix(read(t, dir, "ledger.jsonl"), whole[:cut]) {
			t.Fatalf("cut at %d: what was there was changed", cut)
		}
	}
}

// Whatever stands in the file: it is refused, or appending adds exactly one entry and loses none.
func FuzzAppendAfter(f *testing.F) {
	dir, lines := written(f, 3)
	head := read(f, dir, "ledger.head")
	for _, seed := range []string{"", lines[2], lines[2] + "\n", lines[2] + "\n{}", lines[2] + "\n{\"outcome\":5}", "x#torn", "#to", " ", "\r", "\x00", lines[2] + " ", "[]", "null"} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	f.Fuzz(func(t *testing.T, end string, complete bool) {
		dir := t.TempDir()
		write(t, dir, "ledger.jsonl", lines[0]+lines[1]+end)
		write(t, dir, "ledger.head", head)
		if complete {
			write(t, dir, "ledger.jsonl", strings.Join(lines, "")+"\n"+end)
		}
		s := open(t, dir)
		before, err := s.Entries(t.Context())
		if err != nil {
			return
		}
		if err := s.Append(t.Context(), state.Entry{Run: "next", Outcome: state.Done}); err != nil {
			t.Fatal(err)
		}
		after, err := s.Entries(t.Context())
		if err != nil || len(after) != len(before)+1 || after[len(before)].Run != "next" {
			t.Fatalf("%d entries after %d, %v", len(after), len(before), err)
		}
	})
}
