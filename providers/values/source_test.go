package values_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	"filippo.io/age/armor"

	"meshrotate/providers/values"
	"meshrotate/reconciler/secret"
	"meshrotate/specs"
)

// canary must be in no error.
const canary = "CANARY-9b1d"

var ref7 = secret.Ref{Name: "relaykey", Version: "7"}

func TestFormOfFilesAndVariables(t *testing.T) {
	for _, c := range []struct {
		in, text, exact, reason string
	}{
		{canary, canary, canary, "as it is"},
		{canary + "\n", canary, canary + "\n", "an editor's newline is not part of a password, but is part of a signed file"},
		{canary + "\r\n", canary, canary + "\r\n", "a Windows editor's newline is one newline"},
		{canary + "\n\n", canary + "\n", canary + "\n\n", "exactly one: the rest was meant"},
		{canary + "\r", canary + "\r", canary + "\r", "a lone carriage return ends no line"},
		{"  " + canary + " ", "  " + canary + " ", "  " + canary + " ", "passwords may have spaces around"},
		{"\n", "", "\n", "nothing but a newline is no password"},
		{"", "", "", "pipelines pass a secret that they do not have as an empty variable"},
		{"\xef\xbb\xbf" + canary, "", "\xef\xbb\xbf" + canary, "a byte order mark would become part of the password"},
		{"\xff\xfeC\x00", "", "\xff\xfeC\x00", "Windows PowerShell's > writes UTF-16"},
	} {
		for form, want := range map[values.Form]string{values.Text: c.text, values.Exact: c.exact} {
			for _, from := range []specs.Source{{File: "f"}, {Env: "V"}, {File: "f.age"}} {
				got, err := get(t, from, form, c.in)
				if want == "" {
					wantError(t, err, "relaykey 7")
				} else if err != nil || string(got.Expose()) != want {
					t.Errorf("%+v %v: %q gives %q, %v; want %q: %s", from, form, c.in, got.Expose(), err, want, c.reason)
				}
			}
		}
	}
}

// get reads a source of which the content is in.
func get(t *testing.T, from specs.Source, form values.Form, in string) (secret.Value, error) {
	t.Helper()
	identity, recipient := newIdentity(t)
	data := []byte(in)
	if strings.HasSuffix(from.File, ".age") {
		data = sealTo(t, in, recipient)
	}
	src, err := values.From(from, form, values.Config{
		ReadFile:  func(string) ([]byte, error) { return data, nil },
		LookupEnv: func(string) (string, bool) { return in, true },
		Seal:      sealOf(t, identity),
	})
	if err != nil {
		t.Fatal(err)
	}
	return src.Get(t.Context(), ref7)
}

func TestFromDefaultsReadTheProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, []byte("a\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("MESHROTATE_TEST_VALUE", "b")
	for want, from := range map[string]specs.Source{"a": {File: path}, "b": {Env: "MESHROTATE_TEST_VALUE"}} {
		src, err := values.From(from, values.Text, values.Config{})
		if err != nil {
			t.Fatal(err)
		}
		if v, err := src.Get(t.Context(), ref7); err != nil || string(v.Expose()) != want {
			t.Errorf("%+v: %q, %v", from, v.Expose(), err)
		}
	}
}

func TestSourcesThatFail(t *testing.T) {
	missing := values.Config{
		ReadFile:  func(p string) ([]byte, error) { return nil, &os.PathError{Op: "open", Path: p, Err: os.ErrNotExist} },
		LookupEnv: func(string) (string, bool) { return "", false },
	}
	for _, c := range []struct {
		from       specs.Source
		names      string
		hint, only bool
	}{
		{from: specs.Source{}, names: "no source", hint: true, only: true},
		{from: specs.Source{File: "x.age"}, names: "x.age", only: true}, // no Seal
		{from: specs.Source{Env: "NOPE"}, names: "NOPE", hint: true},
		{from: specs.Source{File: "dir/nope"}, names: "dir/nope"},
	} {
		src, err := values.From(c.from, values.Text, missing)
		if err == nil && !c.only {
			_, err = src.Get(t.Context(), ref7)
		}
		wantError(t, err, c.names)
		if c.hint {
			wantHint(t, err, "")
		}
	}
}

func TestGeneratedIsLongAndNew(t *testing.T) {
	seen := map[string]bool{}
	for _, n := range []int{0, 3, 32, 64} {
		for range 50 {
			v, err := values.Generated{Bytes: n}.Get(t.Context(), ref7)
			raw, err2 := base64.StdEncoding.Strict().DecodeString(string(v.Expose()))
			if err != nil || err2 != nil || len(raw) != max(n, 32) || seen[string(raw)] {
				t.Fatalf("%d bytes: %d bytes, %v, %v, seen before: %v", n, len(raw), err, err2, seen[string(raw)])
			}
			seen[string(raw)] = true
		}
	}
}

func TestAgeFiles(t *testing.T) {
	identity, recipient := newIdentity(t)
	_, stranger := newIdentity(t)
	sealed := sealTo(t, canary, recipient)
	for _, c := range []struct {
		name string
		data []byte
		err  string // "" means that it opens
		hint string
	}{
		{"binary", sealed, "", ""},
		{"armored", armored(t, sealed), "", ""},
		{"armored, CRLF and white space around", []byte("\r\n " + strings.ReplaceAll(string(armored(t, sealed)), "\n", "\r\n") + "\r\n"), "", ""},
		{"for another identity", sealTo(t, canary, stranger), "x.age: cannot be opened with this age identity", "sealed for"},
		{"with a passphrase", passphrase(t), "x.age: is encrypted with a passphrase", "age -r"},
		{"truncated", sealed[:len(sealed)-3], "x.age: is damaged", "backup"},
		{"one bit", append(bytes.Clone(sealed[:len(sealed)-1]), sealed[len(sealed)-1]^1), "x.age: is damaged", "backup"},
		{"plain text", []byte(canary), "x.age: is damaged", "backup"},
		{"empty", nil, "x.age: is damaged", "backup"},
		{"armor cut", armored(t, sealed)[:90], "x.age: is damaged", "backup"},
	} {
		t.Run(c.name, func(t *testing.T) {
			src, err := values.From(specs.Source{File: "x.age"}, values.Exact, values.Config{
				ReadFile: func(string) ([]byte, error) { return c.data, nil }, Seal: sealOf(t, identity)})
			if err != nil {
				t.Fatal(err)
			}
			v, err := src.Get(t.Context(), ref7)
			if c.err == "" {
				if err != nil || string(v.Expose()) != canary {
					t.Fatalf("%v", err)
				}
				return
			}
			wantError(t, err, c.err)
			wantHint(t, err, c.hint)
		})
	}
}

func TestIdentityTexts(t *testing.T) {
	identity, recipient := newIdentity(t)
	other, _ := newIdentity(t)
	key := strings.TrimSpace(string(identity.Expose()))
	second := strings.TrimSpace(string(other.Expose()))
	post, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, text, err string }{
		{"a bare line", key, ""},
		{"a file of age-keygen", "# created: 2026-11-23\n# public key: " + recipient + "\n" + key + "\n", ""},
		{"CRLF", "# comment\r\n" + key + "\r\n", ""},
		{"indented", "  # comment\n  " + key + "\n", ""},
		{"several", second + "\n" + key, ""},
		{"lower case", strings.ToLower(key), "no age identity"},
		{"one wrong letter", key[:30] + "b" + key[31:], "no age identity"},
		{"a public key", recipient, "no age identity"},
		{"only comments", "# nothing", "no age identity"},
		{"a word", canary, "no age identity"},
		{"encrypted", "-----BEGIN AGE ENCRYPTED FILE-----", "no age identity"},
		{"another one", second, "cannot be opened"},
		{"a post-quantum one", post.String(), "cannot be opened"},
	} {
		t.Run(c.name, func(t *testing.T) {
			src := values.AgeFile{Path: "x.age", Form: values.Text, Seal: sealOf(t, secret.NewString(c.text)),
				Read: func(string) ([]byte, error) { return sealTo(t, canary, recipient), nil }}
			v, err := src.Get(t.Context(), ref7)
			if c.err == "" {
				if err != nil || string(v.Expose()) != canary {
					t.Fatal(err)
				}
				return
			}
			wantError(t, err, c.err)
			wantHint(t, err, "")
			for i := 0; i+8 <= len(c.text) && strings.HasPrefix(strings.ToUpper(c.text), "AGE-SECRET"); i++ {
				if part := c.text[i : i+8]; !strings.Contains("AGE-SECRET-KEY-PQ-1 age-secret-key-1", part) && strings.Contains(err.Error(), part) {
					t.Fatalf("the error quotes the key: %v", err)
				}
			}
		})
	}
}

func TestSealOfADocument(t *testing.T) {
	identity, recipient := newIdentity(t)
	env := func(want string) values.Config {
		return values.Config{LookupEnv: func(n string) (string, bool) { return string(identity.Expose()), n == want }}
	}
	for _, c := range []struct {
		name string
		seal *specs.Seal
		env  string
		err  string
	}{
		{"no section", nil, values.DefaultIdentity, ""},
		{"only recipients", &specs.Seal{Recipients: []string{recipient}}, values.DefaultIdentity, ""},
		{"a variable", &specs.Seal{Identity: &specs.Source{Env: "MINE"}}, "MINE", ""},
		{"generated", &specs.Seal{Identity: &specs.Source{Generated: true}}, "", "cannot be generated"},
		{"sealed itself", &specs.Seal{Identity: &specs.Source{File: "id.age"}}, "", "id.age"},
		{"a private key as recipient", &specs.Seal{Recipients: []string{string(identity.Expose())}}, "", "number 1 is no age public key"},
	} {
		t.Run(c.name, func(t *testing.T) {
			seal, err := values.SealFrom(c.seal, env(c.env))
			if c.err != "" {
				wantError(t, err, c.err)
				if strings.Contains(err.Error(), "AGE-SECRET-KEY-1") {
					t.Fatal("the error shows a private key")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			keep := values.NewKeep(blobs(t, t.TempDir()), seal)
			if err := keep.Put(t.Context(), ref7, secret.NewString(canary)); err != nil {
				t.Fatal(err)
			}
		})
	}
	seal, err := values.SealFrom(nil, values.Config{LookupEnv: func(string) (string, bool) { return "", false }})
	if err != nil {
		t.Fatal("the identity was asked for too early:", err)
	}
	err = values.NewKeep(blobs(t, t.TempDir()), seal).Put(t.Context(), ref7, secret.NewString(canary))
	wantError(t, err, values.DefaultIdentity)
	wantHint(t, err, "age-keygen")
}

// constant is a Source that says what it holds.
type constant struct{ v secret.Value }

func (c constant) Get(context.Context, secret.Ref) (secret.Value, error) { return c.v, nil }

func newIdentity(t testing.TB) (secret.Value, string) {
	t.Helper()
	id, recipient, err := values.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	return id, recipient
}

func sealOf(t testing.TB, identity secret.Value, recipients ...string) *values.Seal {
	t.Helper()
	seal, err := values.NewSeal(constant{identity}, recipients)
	if err != nil {
		t.Fatal(err)
	}
	return seal
}

func sealTo(t testing.TB, text, recipient string) []byte {
	t.Helper()
	r, err := age.ParseX25519Recipient(recipient)
	if err != nil {
		t.Fatal(err)
	}
	return encrypt(t, text, r)
}

func passphrase(t testing.TB) []byte {
	t.Helper()
	r, err := age.NewScryptRecipient("correct horse")
	if err != nil {
		t.Fatal(err)
	}
	r.SetWorkFactor(10)
	return encrypt(t, canary, r)
}

func encrypt(t testing.TB, text string, to age.Recipient) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := age.Encrypt(&out, to)
	if err == nil {
		_, err = w.Write([]byte(text))
	}
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func armored(t testing.TB, sealed []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := armor.NewWriter(&out)
	_, err := w.Write(sealed)
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// wantError demands an error that names the thing and shows no value.
func wantError(t testing.TB, err error, names string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one that names %q", names)
	}
	text := fmt.Sprintf("%v %+v %#v %s", err, err, err, hintOf(err))
	if !strings.Contains(err.Error(), names) {
		t.Fatalf("%q does not name %q", err, names)
	}
	if strings.Contains(text, canary) || strings.Contains(text, base64.StdEncoding.EncodeToString([]byte(canary))) {
		t.Fatalf("an error shows a value: %q", text)
	}
}

func wantHint(t testing.TB, err error, part string) {
	t.Helper()
	if h := hintOf(err); h == "" || !strings.Contains(h, part) {
		t.Fatalf("hint of %q is %q, want %q in it", err, h, part)
	}
}

func hintOf(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}

// A plain password needs no quotes anywhere, and no rule of complexity refuses it.
func TestPlainPasswords(t *testing.T) {
	seen := map[string]bool{}
	for range 2000 {
		v, err := values.Generated{Plain: true}.Get(t.Context(), ref7)
		if err != nil {
			t.Fatal(err)
		}
		text := string(v.Expose())
		if len(text) < 43 || seen[text] || strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789") != "" ||
			!strings.ContainsAny(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") || !strings.ContainsAny(text, "abcdefghijklmnopqrstuvwxyz") || !strings.ContainsAny(text, "0123456789") {
			t.Fatalf("a password of %d characters that will not do", len(text))
		}
		seen[text] = true
	}
}
