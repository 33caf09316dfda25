package relaykey

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"unicode"
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
	return Key{len(s.bytes(value))}, nil
}

// bytes are what stands behind the declared encoding, or base64, and else its text.
func (s *Spec) bytes(value []byte) []byte {
	e, declared := encodings[s.Encoding]
	if !declared {
		e = encodings["base64"]
	}
	if raw, err := e.decode(string(value)); err == nil {
		return raw
	}
	return value
}

// odd says why a text is no key: a relay could not send it, or somebody typed it to have any.
func (s *Spec) odd(value []byte) error {
	place := 0
	for _, r := range string(value) {
		if place++; r > unicode.MaxASCII {
			return fmt.Errorf("its character %d is none of ASCII: a header of HTTP, in which a relay sends its key, takes no such", place)
		}
	}
	for _, b := range [][]byte{value, s.bytes(value)} {
		switch {
		case repeats(b):
			return errors.New("it is a few characters or bytes, repeated")
		case counts(b):
			return errors.New("its characters or bytes count up or down, as in an example")
		}
	}
	return nil
}

// repeats says that a text is a part of it over and over, the last time perhaps not to its end.
func repeats(b []byte) bool {
	for n := 1; n <= len(b)/2 && len(b) >= 8; n++ {
		if bytes.Equal(b[n:], b[:len(b)-n]) {
			return true
		}
	}
	return false
}

// counts says that most of a text is one more, or one less, than what stands before it. A random one has that here and there.
func counts(b []byte) bool {
	up, down := 0, 0
	for i := 1; i < len(b); i++ {
		switch b[i] - b[i-1] {
		case 1:
			up++
		case 255:
			down++
		}
	}
	return len(b) >= 16 && max(up, down)*4 >= len(b)*3
}
