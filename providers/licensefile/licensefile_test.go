package licensefile_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"slices"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/licensefile"
)

func vendor(t testing.TB) *rsa.PrivateKey {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestRead(t *testing.T) {
	key, other := vendor(t), vendor(t)
	want := licensefile.License{Customer: "Contoso Ltd", Tier: "Enterprise", Expires: time.Date(2027, 11, 30, 0, 0, 0, 0, time.UTC)}
	file, err := licensefile.Sign(want, key)
	if err != nil {
		t.Fatal(err)
	}
	payload, signature, _ := strings.Cut(strings.TrimSpace(string(file)), ".")
	raw, err := base64.StdEncoding.DecodeString(payload)
	if err != nil {
		t.Fatal(err)
	}
	forged := base64.StdEncoding.EncodeToString([]byte(strings.Replace(string(raw), "Contoso", "Fabrika", 1)))
	e := base64.StdEncoding.EncodeToString
	for _, c := range []struct {
		name, reason string
		file         string
		read, signed bool
	}{
		{"as issued", "", string(file), true, true},
		{"byte order mark and CRLF", "an editor was at it", "\xef\xbb\xbf" + strings.TrimSpace(string(file)) + "\r\n", true, true},
		{"unpadded", "both ways are written", strings.TrimRight(payload, "=") + "." + strings.TrimRight(signature, "="), true, true},
		{"another customer written in", "the signature is over the payload", forged + "." + signature, true, false},
		{"empty", "", "", false, false},
		{"only space", "", " \r\n", false, false},
		{"no signature", "cut at the dot", payload + ".", false, false},
		{"no dot", "cut before the dot: it says the same, and cannot be checked", payload, true, false},
		{"four parts", "it is something else", "a.b.c.d", true, false},
		{"no claims", "it says nothing", e([]byte(`{}`)) + "." + signature, true, false},
		{"no expiry", "a license without an end is not known", e([]byte(`{"customerName":"x","tier":"y"}`)) + "." + signature, true, false},
		{"not JSON", "only the product knows what it says", e([]byte("hello")) + "." + signature, true, false},
		{"too large", "nothing of that size is a license", strings.Repeat("A", 70_000) + "." + signature, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, err := licensefile.Parse([]byte(c.file))
			if (err == nil) != c.read {
				t.Fatalf("%s: %v", c.reason, err)
			}
			if err != nil {
				if len(c.file) > 20 && strings.Contains(err.Error(), c.file[:20]) {
					t.Error("the error quotes the file")
				}
				return
			}
			if c.signed && (l.Customer != want.Customer || l.Tier != want.Tier || !l.Expires.Equal(want.Expires)) {
				t.Errorf("%+v", l)
			}
			if err := l.Verify(&key.PublicKey, licensefile.Signature{}); (err == nil) != c.signed {
				t.Errorf("signature: %v", err)
			}
			if l.Verify(&other.PublicKey, licensefile.Signature{}) == nil {
				t.Error("another vendor's key verifies it")
			}
		})
	}
	// Wherever it is cut, but for the padding, it is refused or its signature fails.
	for n := range len(strings.TrimRight(string(file), "=\n")) {
		if l, err := licensefile.Parse(file[:n]); err == nil && l.Verify(&key.PublicKey, licensefile.Signature{}) == nil {
			t.Errorf("cut to %d bytes, and verified", n)
		}
	}
}

func TestPublicKey(t *testing.T) {
	key := vendor(t)
	pkix, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, b []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}) }
	for name, file := range map[string][]byte{"PKIX": block("PUBLIC KEY", pkix), "PKCS #1": block("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&key.PublicKey))} {
		if k, err := licensefile.PublicKey(file); err != nil || !key.PublicKey.Equal(k) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, file := range map[string][]byte{"nothing": nil, "no PEM": []byte("hello"), "no key": block("PUBLIC KEY", []byte("x"))} {
		if _, err := licensefile.PublicKey(file); err == nil {
			t.Errorf("%s is a public key", name)
		}
	}
}

func FuzzParse(f *testing.F) {
	file, err := licensefile.Sign(licensefile.License{Customer: "c", Tier: "t", Expires: time.Unix(1e9, 0)}, vendor(f))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(file)
	for _, seed := range []string{"a.b.c", `{"tier":3,"exp":1}`, "<a><b>1</b></a>", "-----BEGIN X-----\nYQ==\n-----END X-----", "\xff\xfea\x00", "YWJj"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := licensefile.Parse(b)
		if err != nil {
			return
		}
		if !slices.Contains(licensefile.Layouts, l.Layout) {
			t.Errorf("layout %q", l.Layout)
		}
		if l.Opaque() && (l.Customer != "" || l.Tier != "" || !l.Expires.IsZero() || l.Never) {
			t.Error("an opaque file says something")
		}
	})
}

// A file that nobody here can read is not called cut short where what it is written in has its end.
func TestWhatIsWhole(t *testing.T) {
	for text, whole := range map[string]bool{
		`{"payload":"x","sig":"y"}`: true, `[1,2]`: true, `"aGVsbG8"`: true, "-----BEGIN LICENSE-----\nAAAA\n-----END LICENSE-----\n": true,
		"aGVsbG8.d29y": false, "12": false, "words of the vendor": false, "{vendor's own}": false,
	} {
		if l, err := licensefile.Parse([]byte(text)); err != nil || !l.Opaque() || l.Whole != whole {
			t.Errorf("%q: %+v, %v", text, l, err)
		}
	}
}
