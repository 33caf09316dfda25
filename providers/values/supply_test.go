package values_test

import (
	"context"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"meshrotate/providers/values"
	"meshrotate/reconciler/secret"
)

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
		return values.Supply{Keep: values.NewKeep(blobs(t, dir), sealOf(t, identity)), Sources: map[string]values.Source{"relaykey": src},
			Declared: map[string]string{"relaykey": "7"}}
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
	s.Declared["relaykey"] = "8"
	if v, err := s.Fetch(t.Context(), secret.Ref{Name: "relaykey", Version: "8"}); err != nil || v.Equal(first) {
		t.Fatalf("another version has the same value, or %v", err)
	}
	_, err = s.Fetch(t.Context(), secret.Ref{Name: "nobody", Version: "1"})
	wantError(t, err, "nobody 1")
}

// A source holds the present password. Asked for an old version that was never kept, it answered with that, which was
// then kept as the old one's value: a run that went back to it set the new password.
func TestAnOldVersionNeverGetsTheNewValue(t *testing.T) {
	dir := t.TempDir()
	identity, _ := newIdentity(t)
	for reason, source := range map[string]values.Source{
		"a password that somebody sets": constant{secret.NewString(canary)},
		"a value minted by each run":    values.Generated{},
	} {
		for declared, versions := range map[string][]string{"2": {"1", "3", "02", ""}, "": {"1", ""}} {
			src := &counting{Source: source}
			s := values.Supply{Keep: values.NewKeep(blobs(t, dir), sealOf(t, identity)), Sources: map[string]values.Source{"bind": src},
				Declared: map[string]string{"bind": declared}}
			if reason == "a value minted by each run" {
				s.Sources["bind"] = source // Peek knows it by its type
			}
			for _, version := range versions {
				old := secret.Ref{Name: "bind", Version: version}
				_, fetched := s.Fetch(t.Context(), old)
				v, ok, peeked := s.Peek(t.Context(), old)
				if ok || !v.IsZero() || src.asked.Load() != 0 {
					t.Fatalf("%s: the source was asked %d times about %q, not the declared %q", reason, src.asked.Load(), version, declared)
				}
				for _, err := range []error{fetched, peeked} {
					if version == "" {
						wantError(t, err, "version")
						continue
					}
					wantError(t, err, "bind "+version)
					wantHint(t, err, "version")
					if !errors.Is(err, values.ErrNotKept) {
						t.Fatalf("%s: %v", reason, err)
					}
				}
			}
		}
	}
	if kept, err := values.NewKeep(blobs(t, dir), sealOf(t, identity)).Versions(t.Context(), "bind"); len(kept) > 0 || err != nil {
		t.Fatalf("kept: %v, %v", kept, err)
	}
}

// What was kept while it was the declared one is still there after it is not.
func TestAnOldVersionThatWasKept(t *testing.T) {
	identity, _ := newIdentity(t)
	keep := values.NewKeep(blobs(t, t.TempDir()), sealOf(t, identity))
	s := values.Supply{Keep: keep, Sources: map[string]values.Source{"bind": values.Generated{}}, Declared: map[string]string{"bind": "1"}}
	first, err := s.Fetch(t.Context(), secret.Ref{Name: "bind", Version: "1"})
	if err != nil {
		t.Fatal(err)
	}
	s.Declared["bind"] = "2"
	if _, err := s.Fetch(t.Context(), secret.Ref{Name: "bind", Version: "2"}); err != nil {
		t.Fatal(err)
	}
	if v, err := s.Fetch(t.Context(), secret.Ref{Name: "bind", Version: "1"}); err != nil || !v.Equal(first) {
		t.Fatalf("version 1 changed, or %v", err)
	}
	if v, ok, err := s.Peek(t.Context(), secret.Ref{Name: "bind", Version: "1"}); err != nil || !ok || !v.Equal(first) {
		t.Fatalf("version 1 changed, or %v", err)
	}
}

func TestPeekKeepsNothing(t *testing.T) {
	dir := t.TempDir()
	identity, _ := newIdentity(t)
	text := canary
	env := values.Env{Name: "V", Lookup: func(string) (string, bool) { return text, text != "" }}
	s := values.Supply{Keep: values.NewKeep(blobs(t, dir), sealOf(t, identity)),
		Sources:  map[string]values.Source{"relaykey": values.Generated{}, "bind": env},
		Declared: map[string]string{"relaykey": "7", "bind": "1"}}
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
	text, s.Declared["bind"] = "", "2"
	if _, ok, err := s.Peek(t.Context(), secret.Ref{Name: "bind", Version: "2"}); ok || err == nil {
		t.Fatalf("a source without a value: %v, %v", ok, err)
	}
}

// A missing identity file must not look like a missing value: the run would mint another one.
func TestMissingIdentityIsNotAMissingValue(t *testing.T) {
	dir := t.TempDir()
	identity, _ := newIdentity(t)
	if err := values.NewKeep(blobs(t, dir), sealOf(t, identity)).Put(t.Context(), ref7, secret.NewString(canary)); err != nil {
		t.Fatal(err)
	}
	seal, err := values.NewSeal(values.File{Path: "/nowhere/identity.txt", Read: os.ReadFile}, nil)
	if err != nil {
		t.Fatal(err)
	}
	src := &counting{Source: constant{secret.NewString("another")}}
	s := values.Supply{Keep: values.NewKeep(blobs(t, dir), seal), Sources: map[string]values.Source{"relaykey": src},
		Declared: map[string]string{"relaykey": "7"}}
	_, ok, err := s.Peek(t.Context(), ref7)
	wantError(t, err, "identity.txt")
	wantHint(t, err, "state.seal.identity")
	if _, err2 := s.Fetch(t.Context(), ref7); ok || err2 == nil || src.asked.Load() != 0 {
		t.Fatalf("ok %v, fetch %v, asked %d", ok, err2, src.asked.Load())
	}
	// Without anything kept, a deployment that only reads needs no identity.
	s.Keep = values.NewKeep(blobs(t, t.TempDir()), seal)
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
		s := values.Supply{Keep: values.NewKeep(blobs(t, dir), sealOf(t, identity)), Sources: map[string]values.Source{"relaykey": values.Generated{}},
			Declared: map[string]string{"relaykey": "7"}}
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
