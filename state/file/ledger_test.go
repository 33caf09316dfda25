package file_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"meshrotate/state"
	"meshrotate/state/file"
)

// childDir tells a copy of the test program what to do in a folder, until it is killed.
const childDir, childTask = "MESHROTATE_TEST_DIR", "MESHROTATE_TEST_TASK"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		fmt.Println("failed:", child(dir, os.Getenv(childTask)))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func child(dir, task string) error {
	ctx := context.Background()
	s, err := file.Open(dir)
	if err != nil {
		return err
	}
	if task == "hold" {
		l, err := s.Acquire(ctx, state.Holder{Run: "child", By: "ops"})
		if err != nil {
			return err
		}
		fmt.Println("held", l.Fence())
		time.Sleep(time.Minute)
		return nil
	}
	for i := 0; ; i++ {
		batch := make([]state.Entry, 1+i%7)
		for j := range batch {
			batch[j] = state.Entry{Time: time.Now(), Run: task, Version: fmt.Sprint(i), Outcome: state.Started,
				Step: fmt.Sprint(j), Detail: strings.Repeat("x", i*97%400)}
		}
		if err := s.Append(ctx, batch...); err != nil {
			return err
		}
		fmt.Println(i)
	}
}

func start(t *testing.T, dir, task string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	c, out := exec.Command(os.Args[0]), &bytes.Buffer{}
	c.Env = append(os.Environ(), childDir+"="+dir, childTask+"="+task)
	c.Stdout, c.Stderr = out, out
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	return c, out
}

// What was acknowledged before a kill is there after it, in order; the ledger can be read and appended to.
func TestKilledWhileAppending(t *testing.T) {
	dir := t.TempDir()
	acknowledged := 0
	for round := range 12 {
		type run struct {
			task string
			cmd  *exec.Cmd
			out  *bytes.Buffer
		}
		var runs []run
		for w := range 2 {
			task := fmt.Sprintf("round-%d-%d", round, w)
			cmd, out := start(t, dir, task)
			runs = append(runs, run{task, cmd, out})
		}
		time.Sleep(time.Duration(30+rand.IntN(100)) * time.Millisecond)
		for _, r := range runs {
			_ = r.cmd.Process.Kill()
			_ = r.cmd.Wait()
		}
		s := open(t, dir)
		got, err := s.Entries(t.Context())
		if err != nil {
			t.Fatalf("after a kill: %v", err)
		}
		of := map[string][]state.Entry{}
		for _, e := range got {
			of[e.Run] = append(of[e.Run], e)
		}
		for _, r := range runs {
			lines := bufio.NewScanner(r.out)
			batches := 0
			for ; lines.Scan(); batches++ {
				if strings.HasPrefix(lines.Text(), "failed") {
					t.Fatal(lines.Text())
				}
			}
			for i := range batches {
				for j := range 1 + i%7 {
					if len(of[r.task]) == 0 {
						t.Fatalf("%s: entry %d/%d was acknowledged and is lost", r.task, i, j)
					}
					e := of[r.task][0]
					of[r.task] = of[r.task][1:]
					if e.Version != fmt.Sprint(i) || e.Step != fmt.Sprint(j) || len(e.Detail) != i*97%400 {
						t.Fatalf("%s: found %s/%s where %d/%d was acknowledged", r.task, e.Version, e.Step, i, j)
					}
				}
			}
			acknowledged += batches
		}
		if err := s.Append(t.Context(), state.Entry{Run: "parent", Outcome: state.Done}); err != nil {
			t.Fatal(err)
		}
		again, err := s.Entries(t.Context())
		if err != nil || len(again) < len(got)+1 || again[len(again)-1].Run != "parent" {
			t.Fatalf("append after a kill: %d entries after %d, %v", len(again), len(got), err)
		}
	}
	if acknowledged == 0 {
		t.Fatal("no child got as far as one entry")
	}
	t.Logf("%d appends acknowledged", acknowledged)
}

// A crash may cut the file at any byte of its last append.
func TestTornAtEveryByte(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "ledger.jsonl")
	s := open(t, dir)
	e := state.Entry{Time: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Run: "r", Detail: "relé {\"outcome\":\"done\"}", Outcome: state.Done}
	if err := s.Append(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	line, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for cut := range len(line) + 1 {
		if err := os.WriteFile(path, append(bytes.Clone(line), line[:cut]...), 0o600); err != nil {
			t.Fatal(err)
		}
		whole := 1
		if cut >= len(line)-1 { // without its newline, an entry is still whole
			whole = 2
		}
		for more := range 3 {
			got, err := s.Entries(t.Context())
			if err != nil || len(got) != whole+more {
				t.Fatalf("cut at %d, %d appended: %d entries, %v", cut, more, len(got), err)
			}
			if err := s.Append(t.Context(), e); err != nil {
				t.Fatal(err)
			}
		}
		data, err := os.ReadFile(path)
		if err != nil || !bytes.HasPrefix(data, append(bytes.Clone(line), line[:cut]...)) {
			t.Fatalf("cut at %d: what was there was changed", cut)
		}
	}
}

func TestWhatALedgerMayHold(t *testing.T) {
	good := `{"time":"2026-01-01T00:00:00Z","run":"r","outcome":"done"}`
	for _, c := range []struct {
		name, content string
		entries       int
		line          string // of the damage
	}{
		{"empty", "", 0, ""},
		{"unknown fields and outcomes of a newer version", `{"run":"r","outcome":"paused","new":{"a":[1]}}` + "\n" + good + "\n", 2, ""},
		{"CRLF, by an editor or by Git", good + "\r\n" + good + "\r\n", 2, ""},
		{"an empty line", good + "\n\n" + good + "\n", 2, ""},
		{"torn and closed", good + "\n" + good[:20] + "#torn\n" + good + "\n", 2, ""},
		{"torn, torn while it was closed, closed", good + "\n" + good[:20] + "#to#torn\n" + good + "\n", 2, ""},
		{"blocks that were never written", good + "\n" + strings.Repeat("\x00", 5000), 1, ""},
		{"a long torn line", good + "\n" + strings.Repeat("x", 20000), 1, ""},
		{"damage in the middle", good + "\n" + good[:20] + "\n" + good + "\n", 0, "ledger.jsonl:2:"},
		{"damage in a last line that ends", good + "\n" + good + "\nxx\n", 0, "ledger.jsonl:3:"},
		{"no entry", good + "\n{}\n", 0, "ledger.jsonl:2:"},
		{"two lines made one", good + good + "\n", 0, "ledger.jsonl:1:"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "ledger.jsonl"), []byte(c.content), 0o600); err != nil {
				t.Fatal(err)
			}
			s := open(t, dir)
			for more := range 2 {
				got, err := s.Entries(t.Context())
				if c.line != "" {
					var h interface{ Hint() string }
					if err == nil || !strings.Contains(err.Error(), c.line) || !errors.As(err, &h) {
						t.Fatalf("%v, want an error that names %s, with a hint", err, c.line)
					}
					return
				}
				if err != nil || len(got) != c.entries+more {
					t.Fatalf("%d entries, %v; want %d", len(got), err, c.entries+more)
				}
				if err := s.Append(t.Context(), state.Entry{Outcome: state.Done}); err != nil {
					t.Fatal(err)
				}
			}
		})
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

// Whatever stands in the file: it is refused, or appending adds exactly one entry and loses none.
func FuzzAppendAfter(f *testing.F) {
	good := `{"time":"2026-01-01T00:00:00Z","outcome":"done"}`
	for _, seed := range []string{"", good, good + "\n", good + "\n{}", good + "\n{\"outcome\":5}", "x#torn", "#to", " ", "\r", "\x00", good + " ", "[]", "null"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "ledger.jsonl"), content, 0o600); err != nil {
			t.Fatal(err)
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

func BenchmarkEntries(b *testing.B) {
	dir := b.TempDir()
	s, err := file.Open(dir)
	if err != nil {
		b.Fatal(err)
	}
	batch := make([]state.Entry, 10000)
	for i := range batch {
		batch[i] = state.Entry{Time: time.Now(), Run: "20261123-021107", Commit: strings.Repeat("a", 40), By: "ops@build", Fence: 7,
			Secret: "relaykey", Version: "7", Step: "stop service IdentityMeshRelayAgent", Host: fmt.Sprintf("relay-%05d.hq.contoso.example", i), Outcome: state.Done}
	}
	if err := s.Append(b.Context(), batch...); err != nil {
		b.Fatal(err)
	}
	one, _ := json.Marshal(batch[0])
	b.SetBytes(int64(len(one)+1) * int64(len(batch)))
	for b.Loop() {
		e, err := s.Entries(b.Context())
		if err != nil || len(e) != len(batch) {
			b.Fatal(err)
		}
		state.NewHistory(e)
	}
}
