package licensefile

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
)

// token is a signature whose own header says how it was made (RFC 7515).
type token struct {
	alg string
	// input is what is signed: the header and the payload, as they are written.
	input, signature []byte
}

// tokenOf reads a header in base64. One that asks for more than is done here has no algorithm that is known.
func tokenOf(protected, payload string, signature []byte) (t token, ok bool) {
	head, err := decode(protected)
	if err != nil {
		return t, false
	}
	var header struct {
		Alg  string
		Crit []string
	}
	if json.Unmarshal(head, &header) != nil {
		return t, false
	}
	if len(header.Crit) > 0 {
		header.Alg = "with " + strings.Join(header.Crit, ", ")
	}
	return token{header.Alg, []byte(protected + "." + payload), signature}, true
}

func (t token) unsigned() bool { return strings.EqualFold(t.alg, "none") || len(t.signature) == 0 }

// tokensOf are the signatures of a token in JSON, flattened or general (RFC 7515, 7.2). The header must be a signed one.
func tokensOf(o map[string]any, payload string) (all []token) {
	signatures, general := find(o, "signatures").([]any)
	if !general {
		signatures = []any{o}
	}
	for _, one := range signatures {
		of, _ := one.(map[string]any)
		protected, ok := find(of, "protected").(string)
		text, _ := find(of, "signature").(string)
		signature, err := decode(text)
		if !ok || err != nil {
			continue
		}
		if t, ok := tokenOf(protected, payload, signature); ok {
			all = append(all, t)
		}
	}
	return all
}

// verifyTokens takes a file that one of its signatures holds for.
func (l *License) verifyTokens(key crypto.PublicKey) error {
	var errs []error
	for _, t := range l.tokens {
		err := t.verify(key)
		if err == nil {
			return nil
		}
		errs = append(errs, err)
	}
	for _, err := range errs { // one by another key may stand beside one that is not checkable here
		if errors.Is(err, ErrNotCheckable) {
			return err
		}
	}
	return errs[0]
}

var hashes = map[string]crypto.Hash{"256": crypto.SHA256, "384": crypto.SHA384, "512": crypto.SHA512}

var curves = map[string]elliptic.Curve{"256": elliptic.P256(), "384": elliptic.P384(), "512": elliptic.P521()}

// verify checks a signature as its header says that it was made (RFC 7518, 8037), with a key of that kind and no other.
func (t token) verify(key crypto.PublicKey) error {
	kind, bits := t.alg, ""
	if len(t.alg) == len("RS256") {
		kind, bits = t.alg[:2], t.alg[2:]
	}
	fits, holds := false, false
	switch k := key.(type) {
	case *rsa.PublicKey:
		if hash := hashes[bits]; hash != 0 && (kind == "RS" || kind == "PS") {
			fits, holds = true, holdsRSA(k, hash, kind == "PS", t.input, t.signature)
		}
	case *ecdsa.PublicKey:
		if curve := curves[bits]; kind == "ES" && curve != nil && k.Curve == curve {
			fits, holds = true, holdsECDSA(k, hashes[bits], t.input, t.signature, false)
		}
	case ed25519.PublicKey:
		if t.alg == "EdDSA" || t.alg == "Ed25519" {
			fits, holds = true, ed25519.Verify(k, t.input, t.signature)
		}
	}
	switch {
	case !fits:
		return fmt.Errorf("%w: it is signed by %q, and the declared key is %s", ErrNotCheckable, t.alg, kindOf(key))
	case !holds:
		return errForged
	}
	return nil
}

func holdsRSA(key *rsa.PublicKey, hash crypto.Hash, pss bool, text, signature []byte) bool {
	h := hash.New()
	_, _ = h.Write(text)
	if pss {
		return rsa.VerifyPSS(key, hash, h.Sum(nil), signature, nil) == nil
	}
	return rsa.VerifyPKCS1v15(key, hash, h.Sum(nil), signature) == nil
}

// holdsECDSA takes the two numbers one after the other, as tokens and .NET have them; and in DER, as OpenSSL has it, where that may be.
func holdsECDSA(key *ecdsa.PublicKey, hash crypto.Hash, text, signature []byte, der bool) bool {
	h := hash.New()
	_, _ = h.Write(text)
	if der && ecdsa.VerifyASN1(key, h.Sum(nil), signature) {
		return true
	}
	n := (key.Params().BitSize + 7) / 8
	if len(signature) != 2*n {
		return false
	}
	return ecdsa.Verify(key, h.Sum(nil), new(big.Int).SetBytes(signature[:n]), new(big.Int).SetBytes(signature[n:]))
}

// kindOf is what a key is of, for people.
func kindOf(key crypto.PublicKey) string {
	switch k := key.(type) {
	case *rsa.PublicKey:
		return "of RSA"
	case *ecdsa.PublicKey:
		return "of ECDSA, " + k.Params().Name
	case ed25519.PublicKey:
		return "of Ed25519"
	}
	return "of another kind"
}
