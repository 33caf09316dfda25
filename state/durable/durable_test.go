package durable_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"meshrotate/state/durable"
)

func TestReplaceAndCreate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "[odd] name")
	write := func(f func(string, []byte) error, text string, want error) {
		t.Helper()
		if err := f(path, []byte(text)); !errors.Is(err, want) {
			t.Fatalf("%q: %v, want %v", text, err, want)
		}
	}
	content := func(want string) {
		t.Helper()
		if data, err := os.ReadFile(path); err != nil || string(data) != want {
			t.Fatalf("%q, %v; want %q", data, err, want)
		}
	}
	write(durable.Create, "a", nil)
	content("a")
	write(durable.Create, "b", fs.ErrExist)
	content("a")
	write(durable.Replace, "c", nil)
	content("c")
	info, err := os.Stat(path)
	if err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info.Mode(), err)
	}
	wantFiles(t, filepath.Dir(path), 1)
}

func TestOneOfManyCreators(t *testing.T) {
	dir := t.TempDir()
	var all sync.WaitGroup
	var won atomic.Int32
	for i := range 16 {
		all.Go(func() {
			err := durable.Create(filepath.Join(dir, "f"), []byte(fmt.Sprint(i)))
			if err == nil {
				won.Add(1)
			} else if !errors.Is(err, fs.ErrExist) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if won.Load() != 1 {
		t.Fatalf("%d creators succeeded", won.Load())
	}
	wantFiles(t, dir, 1)
}

func TestLeftoversGo(t *testing.T) {
	dir := t.TempDir()
	for name, age := range map[string]time.Duration{"f.1.tmp": 2 * time.Hour, "f.2.tmp": 0, "g.3.tmp": 2 * time.Hour, "f.old": 2 * time.Hour} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		then := time.Now().Add(-age)
		if err := os.Chtimes(path, then, then); err != nil {
			t.Fatal(err)
		}
	}
	if err := durable.Replace(filepath.Join(dir, "f"), nil); err != nil {
		t.Fatal(err)
	}
	wantFiles(t, dir, 4) // only the old one of the same file is gone
	if _, err := os.Stat(filepath.Join(dir, "f.1.tmp")); !errors.Is(err, fs.ErrNotExist) {
		t.Fatal("an old leftover stays")
	}
}

func TestFailuresLeaveNothing(t *testing.T) {
	dir := t.TempDir()
	if err := durable.MkdirAll(filepath.Join(dir, "folder", "sub")); err != nil {
		t.Fatal(err)
	}
	if err := durable.Replace(filepath.Join(dir, "folder"), []byte("x")); err == nil {
		t.Error("a file replaced a folder")
	}
	if err := durable.Create(filepath.Join(dir, "missing", "f"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	wantFiles(t, dir, 1)
	if err := durable.Replace(filepath.Join(dir, "f"), nil); err != nil {
		t.Fatal(err)
	}
	if err := durable.MkdirAll(filepath.Join(dir, "f", "sub")); err == nil {
		t.Error("a folder was made within a file")
	}
}

func wantFiles(t *testing.T, dir string, n int) {
	t.Helper()
	if got, err := os.ReadDir(dir); err != nil || len(got) != n {
		t.Fatalf("%v, %v; want %d", got, err, n)
	}
}

// A name alone is a file of the working directory: nothing of it passes through the system's folder for temporary files.
func TestNameAlone(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, name := range []string{"TMPDIR", "TMP", "TEMP"} {
		t.Setenv(name, filepath.Join(t.TempDir(), "not there"))
	}
	if err := durable.Replace("plan.json", []byte("{}")); err != nil {
		t.Error(err)
	}
	if err := durable.Create("other.json", []byte("{}")); err != nil {
		t.Error(err)
	}
}
