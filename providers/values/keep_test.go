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
	"testing"

	"filippo.io/age"

	"meshrotate/providers/values"
	"meshrotate/reconciler/secret"
	"meshrotate/state"
	"meshrotate/state/file"
)

func TestOneValuePerVersion(t *testing.T) {
	dir := t.TempDir()
	identity, _ := newIdentity(t)
	open := func() *values.Keep { return values.NewKeep(blobs(t, dir), sealOf(t, identity)) }
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
}

func TestKeptFilesArePrivateAndSealed(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "not", "there")
	identity, _ := newIdentity(t)
	escrow, escrowRecipient := newIdentity(t)
	keep := values.NewKeep(blobs(t, dir), sealOf(t, identity, escrowRecipient))
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
	_, err = values.NewKeep(blobs(t, dir), sealOf(t, stranger)).Get(t.Context(), ref7)
	wantError(t, err, path)
	wantHint(t, err, "identity")
	if errors.Is(err, values.ErrNotKept) {
		t.Fatal("a value that cannot be opened was taken for none")
	}
	if err := os.WriteFile(path, data[:len(data)-1], 0o600); err != nil {
		t.Fatal(err)
	}
	other := values.NewKeep(blobs(t, dir), sealOf(t, identity))
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
		k := values.NewKeep(blobs(t, dir), sealOf(t, identity))
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
		fresh := values.NewKeep(blobs(t, dir), sealOf(t, identity))
		for r, want := range refs {
			if v, err := fresh.Get(t.Context(), r); err != nil || string(v.Expose()) != want {
				t.Errorf("%q: %v", r, err)
			}
		}
	}
	got, err := values.NewKeep(blobs(t, dir), sealOf(t, identity)).Versions(t.Context(), "many")
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
		if err := values.NewKeep(blobs(t, dir), sealOf(t, identity)).Put(t.Context(), r, secret.NewString("x")); err == nil {
			t.Errorf("%+v was kept", r)
		}
	}
}

func TestMatch(t *testing.T) {
	dir := t.TempDir()
	identity, _ := newIdentity(t)
	keep := values.NewKeep(blobs(t, dir), sealOf(t, identity))
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
	if err := errors.Join(os.WriteFile(path, []byte("junk"), 0o600), os.WriteFile(filepath.Join(dir, "values", "k", "8.age"), []byte("junk"), 0o600)); err != nil {
		t.Fatal(err)
	}
	fresh := values.NewKeep(blobs(t, dir), sealOf(t, identity))
	if v, ok, err := fresh.Match(t.Context(), secret.Ref{Name: "k"}, secret.NewString("two")); v != "2" || !ok || err != nil {
		t.Errorf("a damaged other version stood in the way: %q, %v, %v", v, ok, err)
	}
	_, ok, err := fresh.Match(t.Context(), secret.Ref{Name: "k"}, secret.NewString(canary))
	wantError(t, err, path)
	if ok {
		t.Error("unknown was taken for an answer")
	}
	if strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), "; kept value of k 9") {
		t.Errorf("two that are damaged: %q", err)
	}
}

// unlisted are blobs that nobody may list: a store far away is not asked for a list for each of ten thousand hosts.
type unlisted struct{ state.Blobs }

func (unlisted) List(context.Context, string) ([]string, error) { return nil, errors.New("listed") }

func TestTheDeclaredVersionIsMatchedWithoutAList(t *testing.T) {
	identity, _ := newIdentity(t)
	kept := blobs(t, t.TempDir())
	if err := values.NewKeep(kept, sealOf(t, identity)).Put(t.Context(), ref7, secret.NewString(canary)); err != nil {
		t.Fatal(err)
	}
	keep := values.NewKeep(unlisted{kept}, sealOf(t, identity))
	if v, ok, err := keep.Match(t.Context(), ref7, secret.NewString(canary)); v != ref7.Version || !ok || err != nil {
		t.Errorf("%q, %v, %v", v, ok, err)
	}
	if v, ok, err := keep.Match(t.Context(), ref7, secret.NewString("other")); ok || err == nil {
		t.Errorf("what is live is not known, and it is said to be %q, %v", v, ok)
	}
}

func TestDecryptedOncePerProcess(t *testing.T) {
	dir := t.TempDir()
	identity, _ := newIdentity(t)
	if err := values.NewKeep(blobs(t, dir), sealOf(t, identity)).Put(t.Context(), ref7, secret.NewString(canary)); err != nil {
		t.Fatal(err)
	}
	keep := values.NewKeep(blobs(t, dir), sealOf(t, identity))
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

// A seal decrypts the same bytes once, whoever asks for them. What lies in their place is looked at each time.
func TestTheSameBytesAreDecryptedOnce(t *testing.T) {
	dir := t.TempDir()
	identity, _ := newIdentity(t)
	seal := sealOf(t, identity)
	open := func() *values.Keep { return values.NewKeep(blobs(t, dir), seal) }
	if err := open().Put(t.Context(), ref7, secret.NewString(canary)); err != nil {
		t.Fatal(err)
	}
	get := func(seal *values.Seal) {
		if v, err := values.NewKeep(blobs(t, dir), seal).Get(t.Context(), ref7); err != nil || string(v.Expose()) != canary {
			t.Fatalf("not the value: %v", err)
		}
	}
	again := testing.AllocsPerRun(5, func() { get(seal) })
	if first := testing.AllocsPerRun(5, func() { get(sealOf(t, identity)) }); again > 2*first/3 {
		t.Errorf("%v allocations to open it again, and %v the first time", again, first)
	}

	path, other := filepath.Join(dir, "values", "relaykey", "7.age"), secret.Ref{Name: "relaykey", Version: "8"}
	sealed, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "values", "relaykey", "8.age"), sealed, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := open().Get(t.Context(), other); !errors.Is(err, state.ErrDamaged) {
		t.Errorf("another version's bytes are taken: %v", err)
	}
	sealed[len(sealed)-1] ^= 1
	if err := os.WriteFile(path, sealed, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := open().Get(t.Context(), ref7); !errors.Is(err, state.ErrDamaged) {
		t.Errorf("bytes that were changed are taken: %v", err)
	}
}

// blobs are those of a state folder.
func blobs(t testing.TB, dir string) state.Blobs {
	t.Helper()
	s, err := file.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
