package values_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"filippo.io/age"

	"meshrotate/providers/values"
	"meshrotate/reconciler/secret"
)

func TestOneValuePerVersion(t *testing.T) {
	dir := t.TempDir()
	identity, _ := newIdentity(t)
	open := func() *values.Keep { return values.NewKeep(dir, sealOf(t, identity)) }
	a, b := secret.NewString(canary), secret.NewString(canary+"-other")

	_, err := open().Get(t.Context(), ref7)
	if !errors.Is(err, values.ErrNotKept) {
		t.Fatalf("get of nothing: %v", err)
	}
	keep := open()
	for _, k := range []*values.Keep{keep, keep, open()} {
		if err := k.Put(t.Context(), ref7, a); err != nil {
			t.Fatalf("put of the same value: %v", err)
		}
	}
	for _, k := range []*values.Keep{keep, open()} {
		err := k.Put(t.Context(), ref7, b)
		wantError(t, err, "relaykey 7")
		wantHint(t, err, "version")
		if v, err := k.Get(t.Context(), ref7); err != nil || !v.Equal(a) {
			t.Fatalf("the value changed: %v", err)
		}
	}
	for _, empty := range []secret.Value{{}, secret.New(nil)} {
		if err := keep.Put(t.Context(), secret.Ref{Name: "relaykey", Version: "8"}, empty); err == nil {
			t.Fatal("an empty value was kept")
		}
	}
	if v, err := keep.Versions(t.Context(), "relaykey"); err != nil || !slices.Equal(v, []string{"7"}) {
		t.Fatalf("versions %v, %v", v, err)
	}
	for range 2 {
		if err := keep.Remove(t.Context(), ref7); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := keep.Get(t.Context(), ref7); !errors.Is(err, values.ErrNotKept) {
		t.Fatalf("get after remove: %v", err)
	}
}

func TestKeptFilesArePrivateAndSealed(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "not", "there")
	identity, _ := newIdentity(t)
	escrow, escrowRecipient := newIdentity(t)
	keep := values.NewKeep(dir, sealOf(t, identity, escrowRecipient))
	if err := keep.Put(t.Context(), ref7, secret.NewString(canary)); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		info, err2 := os.Stat(path)
		if err = errors.Join(err, err2); err != nil {
			return err
		}
		if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s is %v", path, info.Mode())
		}
		if !d.IsDir() {
			data, err := os.ReadFile(path)
			if err != nil || bytes.Contains(data, []byte(canary)) {
				t.Errorf("%s: %v, or the value is readable", path, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "values", "relaykey", "7.age")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []secret.Value{identity, escrow} {
		ids, _ := age.ParseIdentities(bytes.NewReader(id.Expose()))
		if _, err := age.Decrypt(bytes.NewReader(data), ids...); err != nil {
			t.Errorf("plain age cannot open it: %v", err)
		}
	}
	stranger, _ := newIdentity(t)
	_, err = values.NewKeep(dir, sealOf(t, stranger)).Get(t.Context(), ref7)
	wantError(t, err, path)
	wantHint(t, err, "identity")
	if errors.Is(err, values.ErrNotKept) {
		t.Fatal("a value that cannot be opened was taken for none")
	}
	if err := os.WriteFile(path, data[:len(data)-1], 0o600); err != nil {
		t.Fatal(err)
	}
	other := values.NewKeep(dir, sealOf(t, identity))
	_, err = other.Get(t.Context(), ref7)
	wantError(t, err, path)
	wantHint(t, err, "backup")
	wantError(t, other.Put(t.Context(), ref7, secret.NewString(canary)), path)
}

func TestNamesStayInTheirFolder(t *testing.T) {
	dir := t.TempDir()
	identity, _ := newIdentity(t)
	names := []string{"..", ".", "../../etc/passwd", "/abs", `c:\x`, "connector:ad:hq:bind", "con", "NUL", "com1.x", "a b", "a.", "%41", "A", "a",
		"é", "\xff", "\x00", "x.age", ".age", "a\n", strings.Repeat("n", 200)}
	for _, asVersion := range []bool{false, true} {
		k := values.NewKeep(dir, sealOf(t, identity))
		refs := map[secret.Ref]string{}
		for _, n := range names {
			r := secret.Ref{Name: n, Version: "1"}
			if asVersion {
				r = secret.Ref{Name: "many", Version: n}
			}
			refs[r] = "value of " + n
			if err := k.Put(t.Context(), r, secret.NewString(refs[r])); err != nil {
				t.Fatalf("%q: %v", n, err)
			}
		}
		fresh := values.NewKeep(dir, sealOf(t, identity))
		for r, want := range refs {
			if v, err := fresh.Get(t.Context(), r); err != nil || string(v.Expose()) != want {
				t.Errorf("%q: %v", r, err)
			}
		}
	}
	got, err := values.NewKeep(dir, sealOf(t, identity)).Versions(t.Context(), "many")
	slices.Sort(names)
	slices.Sort(got)
	if err != nil || !slices.Equal(got, names) {
		t.Errorf("versions %q, %v", got, err)
	}
	lower := map[string]bool{}
	err = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if base := filepath.Base(path); path != dir && (strings.Trim(base, "abcdefghijklmnopqrstuvwxyz0123456789-_%.") != "" || lower[strings.ToLower(path)]) {
			t.Errorf("%s is not portable", path)
		}
		lower[strings.ToLower(path)] = true
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []secret.Ref{{}, {Name: "a"}, {Version: "1"}, {Name: strings.Repeat(":", 67), Version: "1"}} {
		if err := values.NewKeep(dir, sealOf(t, identity)).Put(t.Context(), r, secret.NewString("x")); err == nil {
			t.Errorf("%+v was kept", r)
		}
	}
}

func TestMatch(t *testing.T) {
	dir := t.TempDir()
	identity, _ := newIdentity(t)
	keep := values.NewKeep(dir, sealOf(t, identity))
	for version, text := range map[string]string{"2": "two", "9": "same", "10": "same", "11": "eleven"} {
		if err := keep.Put(t.Context(), secret.Ref{Name: "k", Version: version}, secret.NewString(text)); err != nil {
			t.Fatal(err)
		}
	}
	if v, err := keep.Versions(t.Context(), "k"); err != nil || !slices.Equal(v, []string{"2", "9", "10", "11"}) {
		t.Fatalf("versions %v, %v", v, err)
	}
	for _, c := range []struct {
		live   secret.Value
		prefer string
		want   string
		reason string
	}{
		{secret.NewString("two"), "", "2", "kept once"},
		{secret.NewString("two"), "11", "2", "what is declared does not change what is live"},
		{secret.NewString("same"), "9", "9", "the declared version wins, or a plan would never end"},
		{secret.NewString("same"), "10", "10", "the declared version wins"},
		{secret.NewString("same"), "", "10", "else the last"},
		{secret.NewString("none"), "2", "", "somebody else's value"},
		{secret.NewString(""), "2", "", "an empty live value is no version"},
		{secret.Value{}, "2", "", "nothing seen equals nothing"},
	} {
		v, ok, err := keep.Match(t.Context(), secret.Ref{Name: "k", Version: c.prefer}, c.live)
		if err != nil || v != c.want || ok != (c.want != "") {
			t.Errorf("prefer %q: %q, %v, %v; want %q: %s", c.prefer, v, ok, err, c.want, c.reason)
		}
	}
	if v, ok, err := keep.Match(t.Context(), secret.Ref{Name: "unheard"}, secret.NewString("two")); v != "" || ok || err != nil {
		t.Errorf("unheard of: %q, %v, %v", v, ok, err)
	}

	path := filepath.Join(dir, "values", "k", "9.age")
	if err := os.WriteFile(path, []byte("junk"), 0o600); err != nil {
		t.Fatal(err)
	}
	fresh := values.NewKeep(dir, sealOf(t, identity))
	if v, ok, err := fresh.Match(t.Context(), secret.Ref{Name: "k"}, secret.NewString("two")); v != "2" || !ok || err != nil {
		t.Errorf("a damaged other version stood in the way: %q, %v, %v", v, ok, err)
	}
	_, ok, err := fresh.Match(t.Context(), secret.Ref{Name: "k"}, secret.NewString(canary))
	wantError(t, err, path)
	if ok {
		t.Error("unknown was taken for an answer")
	}
}

func TestDecryptedOncePerProcess(t *testing.T) {
	dir := t.TempDir()
	identity, _ := newIdentity(t)
	if err := values.NewKeep(dir, sealOf(t, identity)).Put(t.Context(), ref7, secret.NewString(canary)); err != nil {
		t.Fatal(err)
	}
	keep := values.NewKeep(dir, sealOf(t, identity))
	first, err := keep.Get(t.Context(), ref7)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "values", "relaykey", "7.age"), []byte("junk"), 0o600); err != nil {
		t.Fatal(err)
	}
	if v, ok, err := keep.Match(t.Context(), ref7, first); v != "7" || !ok || err != nil {
		t.Fatalf("it was read again: %q, %v, %v", v, ok, err)
	}
}

// counting counts how often a source is asked.
type counting struct {
	values.Source
	asked atomic.Int32
}

func (c *counting) Get(ctx context.Context, ref secret.Ref) (secret.Value, error) {
	c.asked.Add(1)
	return c.Source.Get(ctx, ref)
}

func TestFetchAsksOncePerVersion(t *testing.T) {
	dir := t.TempDir()
	identity, _ := newIdentity(t)
	src := &counting{Source: values.Generated{}}
	supply := func() values.Supply {
		return values.Supply{Keep: values.NewKeep(dir, sealOf(t, identity)), Sources: map[string]values.Source{"relaykey": src}}
	}
	s := supply()
	first, err := s.Fetch(t.Context(), ref7)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []values.Supply{s, supply()} {
		if v, err := s.Fetch(t.Context(), ref7); err != nil || !v.Equal(first) {
			t.Fatalf("fetched again: %v", err)
		}
	}
	if n := src.asked.Load(); n != 1 {
		t.Fatalf("the source was asked %d times", n)
	}
	if v, err := s.Fetch(t.Context(), secret.Ref{Name: "relaykey", Version: "8"}); err != nil || v.Equal(first) {
		t.Fatalf("another version has the same value, or %v", err)
	}
	_, err = s.Fetch(t.Context(), secret.Ref{Name: "nobody", Version: "1"})
	wantError(t, err, "nobody 1")
}

func TestPeekKeepsNothing(t *testing.T) {
	dir := t.TempDir()
	identity, _ := newIdentity(t)
	text := canary
	env := values.Env{Name: "V", Lookup: func(string) (string, bool) { return text, text != "" }}
	s := values.Supply{Keep: values.NewKeep(dir, sealOf(t, identity)),
		Sources: map[string]values.Source{"relaykey": values.Generated{}, "bind": env}}
	bind := secret.Ref{Name: "bind", Version: "1"}

	if v, ok, err := s.Peek(t.Context(), ref7); ok || err != nil || !v.IsZero() {
		t.Fatalf("a value that is not yet minted: %v, %v", ok, err)
	}
	if v, ok, err := s.Peek(t.Context(), bind); !ok || err != nil || string(v.Expose()) != canary {
		t.Fatalf("the source's present value: %v, %v", ok, err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Fatalf("peeking kept something: %v, %v", entries, err)
	}
	for _, r := range []secret.Ref{ref7, bind} {
		kept, err := s.Fetch(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		text = "changed since"
		if v, ok, err := s.Peek(t.Context(), r); !ok || err != nil || !v.Equal(kept) {
			t.Fatalf("%s: the kept value does not win: %v, %v", r, ok, err)
		}
	}
	text = ""
	if _, ok, err := s.Peek(t.Context(), secret.Ref{Name: "bind", Version: "2"}); ok || err == nil {
		t.Fatalf("a source without a value: %v, %v", ok, err)
	}
}

// A missing identity file must not look like a missing value: the run would mint another one.
func TestMissingIdentityIsNotAMissingValue(t *testing.T) {
	dir := t.TempDir()
	identity, _ := newIdentity(t)
	if err := values.NewKeep(dir, sealOf(t, identity)).Put(t.Context(), ref7, secret.NewString(canary)); err != nil {
		t.Fatal(err)
	}
	seal, err := values.NewSeal(values.File{Path: "/nowhere/identity.txt", Read: os.ReadFile}, nil)
	if err != nil {
		t.Fatal(err)
	}
	src := &counting{Source: constant{secret.NewString("another")}}
	s := values.Supply{Keep: values.NewKeep(dir, seal), Sources: map[string]values.Source{"relaykey": src}}
	_, ok, err := s.Peek(t.Context(), ref7)
	wantError(t, err, "identity.txt")
	wantHint(t, err, "state.seal.identity")
	if _, err2 := s.Fetch(t.Context(), ref7); ok || err2 == nil || src.asked.Load() != 0 {
		t.Fatalf("ok %v, fetch %v, asked %d", ok, err2, src.asked.Load())
	}
	// Without anything kept, a deployment that only reads needs no identity.
	s.Keep = values.NewKeep(t.TempDir(), seal)
	if v, ok, err := s.Peek(t.Context(), ref7); !ok || err != nil || string(v.Expose()) != "another" {
		t.Fatalf("peek: %v, %v", ok, err)
	}
	if _, _, err := s.Keep.Match(t.Context(), ref7, secret.NewString("x")); err != nil {
		t.Fatalf("match: %v", err)
	}
}

func TestManyMintersGetOneValue(t *testing.T) {
	dir := t.TempDir()
	identity, _ := newIdentity(t)
	got := make([]secret.Value, 16)
	var all sync.WaitGroup
	for i := range got {
		s := values.Supply{Keep: values.NewKeep(dir, sealOf(t, identity)), Sources: map[string]values.Source{"relaykey": values.Generated{}}}
		all.Go(func() {
			for range 2 { // the second from the cache
				v, err := s.Fetch(context.Background(), ref7)
				if err != nil || !got[i].IsZero() && !got[i].Equal(v) {
					t.Errorf("fetch: %v, or it changed", err)
				}
				got[i] = v
			}
		})
	}
	all.Wait()
	for _, v := range got {
		if !v.Equal(got[0]) {
			t.Fatal("two minters have two values")
		}
	}
}
