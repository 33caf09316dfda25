package licensefile_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"testing"

	"meshrotate/providers/licensefile"
)

const terms = `{"customerName":"c","tier":"t","expiresUtc":"2027-11-30T00:00:00Z"}`

func raw(s []byte) string { return base64.RawURLEncoding.EncodeToString(s) }

// signToken signs as RFC 7518 and 8037 have it.
func signToken(t *testing.T, key crypto.Signer, alg, input string) []byte {
	t.Helper()
	hash := map[string]crypto.Hash{"256": crypto.SHA256, "384": crypto.SHA384, "512": crypto.SHA512}[alg[2:]]
	var opts crypto.SignerOpts = hash
	digest := []byte(input)
	if hash != 0 {
		h := hash.New()
		_, _ = h.Write(digest)
		digest = h.Sum(nil)
	}
	if alg[:2] == "PS" {
		opts = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: hash}
	}
	if k, is := key.(*ecdsa.PrivateKey); is {
		r, s, err := ecdsa.Sign(rand.Reader, k, digest)
		if err != nil {
			t.Fatal(err)
		}
		n := (k.Params().BitSize + 7) / 8
		return append(r.FillBytes(make([]byte, n)), s.FillBytes(make([]byte, n))...)
	}
	sig, err := key.Sign(rand.Reader, digest, opts)
	if err != nil {
		t.Fatal(err)
	}
	return sig
}

// A token is checked as its own header says, with a key of that kind and no other, in each of its three forms. What cannot be checked
// is not called forged, and never taken.
func TestTokensByTheirHeader(t *testing.T) {
	ours := vendor(t)
	keys := map[string]crypto.Signer{"RS": ours, "PS": ours}
	for alg, curve := range map[string]elliptic.Curve{"ES256": elliptic.P256(), "ES384": elliptic.P384(), "ES512": elliptic.P521()} {
		k, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		keys[alg] = k
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	keys["EdDSA"] = ed
	for _, alg := range []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"} {
		key := keys[alg]
		if key == nil {
			key = keys[alg[:2]]
		}
		head := raw([]byte(`{"alg":"` + alg + `"}`))
		sig := raw(signToken(t, key, alg, head+"."+raw([]byte(terms))))
		forms := func(sig string) []string {
			flat := fmt.Sprintf(`"protected":%q,"signature":%q`, head, sig)
			return []string{head + "." + raw([]byte(terms)) + "." + sig, fmt.Sprintf(`{"payload":%q,%s}`, raw([]byte(terms)), flat),
				fmt.Sprintf(`{"payload":%q,"signatures":[{%s}]}`, raw([]byte(terms)), flat)}
		}
		der, err := x509.MarshalPKIXPublicKey(key.Public())
		if err != nil {
			t.Fatal(err)
		}
		public, err := licensefile.PublicKey(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
		if err != nil {
			t.Fatal(err)
		}
		for i, file := range forms(sig) {
			l, err := licensefile.Parse([]byte(file))
			if err != nil || l.Customer != "c" {
				t.Fatalf("%s, form %d: %+v, %v", alg, i, l, err)
			}
			if err := l.Verify(public, licensefile.Signature{PSS: true, Hash: "sha384"}); err != nil {
				t.Errorf("%s, form %d: %v", alg, i, err)
			}
			other := crypto.PublicKey(&ours.PublicKey)
			if key == crypto.Signer(ours) {
				other = ed.Public()
			}
			if err := l.Verify(other, licensefile.Signature{}); !errors.Is(err, licensefile.ErrNotCheckable) {
				t.Errorf("%s, form %d, by a key of another kind: %v", alg, i, err)
			}
		}
		b, _ := base64.RawURLEncoding.DecodeString(sig)
		b[7] ^= 1
		for i, file := range forms(raw(b)) {
			l, err := licensefile.Parse([]byte(file))
			if err != nil {
				t.Fatal(err)
			}
			if err := l.Verify(public, licensefile.Signature{}); err == nil || errors.Is(err, licensefile.ErrNotCheckable) {
				t.Errorf("%s, form %d, changed: %v", alg, i, err)
			}
		}
	}
}

// HMAC with a public key would be anybody's, and none nobody's.
func TestTokensThatNobodyChecks(t *testing.T) {
	key := vendor(t)
	der := x509.MarshalPKCS1PublicKey(&key.PublicKey)
	for _, head := range []string{`{"alg":"HS256"}`, `{"alg":"XX999"}`, `{}`, `{"alg":"RS256","b64":false,"crit":["b64"]}`, `{"alg":"RS"}`} {
		file := raw([]byte(head)) + "." + raw([]byte(terms)) + "." + raw(der)
		l, err := licensefile.Parse([]byte(file))
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Verify(&key.PublicKey, licensefile.Signature{}); !errors.Is(err, licensefile.ErrNotCheckable) {
			t.Errorf("%s: %v", head, err)
		}
	}
	none := fmt.Sprintf(`{"payload":%q,"protected":%q,"signature":"AAAA"}`, raw([]byte(terms)), raw([]byte(`{"alg":"none"}`)))
	if l, err := licensefile.Parse([]byte(none)); err != nil || l.Verify(&key.PublicKey, licensefile.Signature{}) == nil {
		t.Errorf("none is taken: %v", err)
	}
}

// The document says the hash of what does not say it itself; and one that was made in another way is told so.
func TestHashesOfSignatures(t *testing.T) {
	key := vendor(t)
	for name, hash := range map[string]crypto.Hash{"sha256": crypto.SHA256, "sha384": crypto.SHA384, "sha512": crypto.SHA512, "sha1": crypto.SHA1} {
		h := hash.New()
		_, _ = h.Write([]byte(terms))
		sig, err := key.Sign(rand.Reader, h.Sum(nil), hash)
		if err != nil {
			t.Fatal(err)
		}
		l, err := licensefile.Parse([]byte(base64.StdEncoding.EncodeToString([]byte(terms)) + "." + base64.StdEncoding.EncodeToString(sig)))
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Verify(&key.PublicKey, licensefile.Signature{Hash: name}); (err == nil) != (name != "sha1") {
			t.Errorf("%s: %v", name, err)
		}
		if err := l.Verify(&key.PublicKey, licensefile.Signature{PSS: true}); !errors.Is(err, licensefile.ErrNotCheckable) {
			t.Errorf("%s, and the document says otherwise: %v", name, err)
		}
	}
}
