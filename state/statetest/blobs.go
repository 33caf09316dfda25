package statetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"meshrotate/state"
)

// Blobs tests a backend. fresh is called once per case and prepares empty storage; open then gives handles on it, each
// as if from a process of its own.
func Blobs(t *testing.T, fresh func(t *testing.T) (open func() state.Blobs)) {
	t.Helper()
	for _, c := range []struct {
		name, reason string
		run          func(t *testing.T, open func() state.Blobs)
	}{
		{"empty", "a deployment that never rotated has kept nothing, and that is no error", emptyBlobs},
		{"one content for ever", "a host may already have the first one", oneContent},
		{"exact", "a sealed value with one byte changed is lost", exactContent},
		{"list", "which versions are kept is asked of the store", listBlobs},
		{"names", "a name must not reach outside of the store", blobNames},
		{"race", "of many minters one has made the value, and all can read it", blobRace},
		{"cancelled", "an interrupted run must not believe that its value is kept", cancelledBlob},
		{"copies", "a caller may change what it gave and what it was given", blobCopies},
		{"check", "a run asks before its first effect whether there is room", checkBlobs},
	} {
		t.Run(c.name, func(t *testing.T) { t.Log(c.reason); c.run(t, fresh(t)) })
	}
}

// Removal tests a backend whose blobs may be removed by whoever opens it.
func Removal(t *testing.T, open func() state.Blobs) {
	t.Helper()
	mustCreate(t, open(), "relaykey/6.age", "six")
	mustCreate(t, open(), "relaykey/7.age", "seven")
	if err := open().Remove(t.Context(), "relaykey/7.age"); err != nil {
		t.Fatal(err)
	}
	if _, err := open().Read(t.Context(), "relaykey/7.age"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("read of what was removed: %v, want fs.ErrNotExist", err)
	}
	wantNames(t, open(), "relaykey", "relaykey/6.age")
	mustCreate(t, open(), "alone/1.age", "one")
	if err := open().Remove(t.Context(), "alone/1.age"); err != nil {
		t.Fatal(err)
	}
	wantFolders(t, open(), "relaykey")
	wantContent(t, open(), "relaykey/6.age", "six")
	for _, name := range []string{"relaykey/7.age", "nobody/1.age"} {
		if err := open().Remove(t.Context(), name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("remove of nothing: %v, want fs.ErrNotExist", err)
		}
	}
	if err := open().Remove(t.Context(), "../relaykey/6.age"); err == nil {
		t.Error("a name reached outside of the store")
	}
	mustCreate(t, open(), "relaykey/7.age", "another")
	wantContent(t, open(), "relaykey/7.age", "another")
}

func emptyBlobs(t *testing.T, open func() state.Blobs) {
	if _, err := open().Read(t.Context(), "relaykey/7.age"); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("read of nothing: %v, want fs.ErrNotExist", err)
	}
	wantNames(t, open(), "relaykey")
	wantFolders(t, open())
	if open().Place() == "" {
		t.Fatal("nobody can be told where the values are")
	}
}

func oneContent(t *testing.T, open func() state.Blobs) {
	mustCreate(t, open(), "relaykey/7.age", "first")
	for range 2 {
		for _, content := range []string{"second", "first"} {
			if err := open().Create(t.Context(), "relaykey/7.age", []byte(content)); !errors.Is(err, fs.ErrExist) {
				t.Fatalf("create again: %v, want fs.ErrExist", err)
			}
		}
		wantContent(t, open(), "relaykey/7.age", "first")
	}
}

func exactContent(t *testing.T, open func() state.Blobs) {
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	for i, content := range [][]byte{{}, {0}, []byte("\r\n"), []byte("\xef\xbb\xbfx\x1a"), every, bytes.Repeat(every, 1024)} {
		name := fmt.Sprintf("exact/%d", i)
		mustCreate(t, open(), name, string(content))
		wantContent(t, open(), name, string(content))
	}
}

func listBlobs(t *testing.T, open func() state.Blobs) {
	want := []string{"b/%2e%2e.age", "b/10.age", "b/9.age", "b/a_-.age"}
	for _, name := range []string{want[2], "a/1.age", want[3], want[0], "bb/2.age", want[1]} {
		mustCreate(t, open(), name, name)
	}
	wantNames(t, open(), "b", want...)
	wantNames(t, open(), "bb", "bb/2.age")
	wantNames(t, open(), "c")
	wantFolders(t, open(), "a", "b", "bb")
	for _, name := range want {
		wantContent(t, open(), name, name)
	}
}

func blobNames(t *testing.T, open func() state.Blobs) {
	b := open()
	for _, name := range []string{"", "/", "a", "a/", "/a", "a/b/c", "../a", "a/..", "./a", "a/.", "a/../../b", "/etc/passwd", `a\b`, `a/b\..\c`,
		`c:\x/a`, "c:/a", "a/b:stream", "a/b.tmp", "a/.b", "a/b.", "a/b ", "a/\x00", "a/b\n", "a/é", "a/" + string(bytes.Repeat([]byte("n"), 256))} {
		if err := b.Create(t.Context(), name, []byte("x")); err == nil || errors.Is(err, fs.ErrExist) {
			t.Errorf("create of %q: %v", name, err)
		}
		if _, err := b.Read(t.Context(), name); err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("read of %q: %v; a bad name is not a missing value", name, err)
		}
	}
	for _, folder := range []string{"", ".", "..", "a/b", "/", `a\b`, "c:"} {
		if names, err := b.List(t.Context(), folder); err == nil {
			t.Errorf("list of %q: %q", folder, names)
		}
	}
}

func blobRace(t *testing.T, open func() state.Blobs) {
	var all sync.WaitGroup
	var won atomic.Int32
	read := make([][]byte, 8)
	for i := range read {
		b := open()
		all.Go(func() {
			switch err := b.Create(context.Background(), "relaykey/7.age", fmt.Append(nil, "minter ", i)); {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, fs.ErrExist):
				t.Errorf("create: %v", err)
			}
			var err error
			if read[i], err = b.Read(context.Background(), "relaykey/7.age"); err != nil {
				t.Errorf("read: %v", err)
			}
		})
	}
	all.Wait()
	if won.Load() != 1 {
		t.Errorf("%d minters made the value", won.Load())
	}
	for _, content := range read {
		if !bytes.Equal(content, read[0]) {
			t.Fatalf("one read %q, another %q", read[0], content)
		}
	}
}

func cancelledBlob(t *testing.T, open func() state.Blobs) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	b := open()
	if err := b.Create(ctx, "a/1", []byte("x")); err == nil {
		t.Error("a cancelled Create reported success")
	}
	if _, err := b.Read(ctx, "a/1"); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a cancelled Read: %v", err)
	}
	if _, err := b.List(ctx, "a"); err == nil {
		t.Error("a cancelled List reported success")
	}
	if _, err := b.Folders(ctx); err == nil {
		t.Error("a cancelled Folders reported success")
	}
	if err := b.Check(ctx); err == nil {
		t.Error("a cancelled Check reported success")
	}
}

func blobCopies(t *testing.T, open func() state.Blobs) {
	b, content := open(), []byte("value")
	if err := b.Create(t.Context(), "a/1", content); err != nil {
		t.Fatal(err)
	}
	content[0] = 'X'
	got, err := b.Read(t.Context(), "a/1")
	if err != nil || len(got) == 0 {
		t.Fatalf("%q, %v", got, err)
	}
	got[0] = 'Y'
	wantContent(t, b, "a/1", "value")
}

func checkBlobs(t *testing.T, open func() state.Blobs) {
	for range 2 {
		if err := open().Check(t.Context()); err != nil {
			t.Fatalf("check: %v", err)
		}
		wantNames(t, open(), "a")
	}
	mustCreate(t, open(), "a/1", "x")
	if err := open().Check(t.Context()); err != nil {
		t.Fatalf("check: %v", err)
	}
	wantNames(t, open(), "a", "a/1")
}

func mustCreate(t *testing.T, b state.Blobs, name, content string) {
	t.Helper()
	if err := b.Create(t.Context(), name, []byte(content)); err != nil {
		t.Fatalf("create %s: %v", name, err)
	}
}

func wantContent(t *testing.T, b state.Blobs, name, want string) {
	t.Helper()
	if got, err := b.Read(t.Context(), name); err != nil || string(got) != want {
		t.Fatalf("read %s: %.40q (%d bytes), %v; want %.40q", name, got, len(got), err, want)
	}
}

func wantFolders(t *testing.T, b state.Blobs, want ...string) {
	t.Helper()
	if got, err := b.Folders(t.Context()); err != nil || !slices.Equal(got, want) {
		t.Fatalf("folders: %q, %v; want %q", got, err, want)
	}
}

func wantNames(t *testing.T, b state.Blobs, folder string, want ...string) {
	t.Helper()
	if got, err := b.List(t.Context(), folder); err != nil || !slices.Equal(got, want) {
		t.Fatalf("list %s: %q, %v; want %q", folder, got, err, want)
	}
}
