package relaykey

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// encodings are the ways in which a key can be declared to be written (RFC 4648). base64url has its padding or leaves it out.
var encodings = map[string]struct {
	characters string
	decode     func(string) ([]byte, error)
}{
	"base64": {letters + "+/=", base64.StdEncoding.Strict().DecodeString},
	"base64url": {letters + "-_=", func(s string) ([]byte, error) {
		return base64.RawURLEncoding.Strict().DecodeString(strings.TrimRight(s, "="))
	}},
	"hex": {"0123456789abcdefABCDEF", hex.DecodeString},
}

const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

// written says why a key is not in the declared encoding, without a character of it.
func (s *Spec) written(value []byte, _ func(string) ([]byte, error)) error {
	e, declared := encodings[s.Encoding]
	if !declared {
		return nil
	}
	_, err := e.decode(string(value))
	if err == nil {
		return nil
	}
	why := fmt.Sprintf("its %d characters are too many or too few, or it was cut", len(value))
	if strings.ContainsFunc(string(value), func(r rune) bool { return !strings.ContainsRune(e.characters, r) }) {
		why = "it has a character that is none of it"
	}
	return errors.New("it is not " + s.Encoding + ", as the document declares: " + why)
}

// read is how long a key is: what stands behind the declared encoding, or base64, and else its text.
func (s *Spec) read(value []byte) (any, error) {
	e, declared := encodings[s.Encoding]
	if !declared {
		e = encodings["base64"]
	}
	if raw, err := e.decode(string(value)); err == nil {
		return Key{len(raw)}, nil
	}
	return Key{len(value)}, nil
}
