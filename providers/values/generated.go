package values

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"

	"meshrotate/reconciler/secret"
)

// MinGenerated is how many random bytes a generated value has at least.
const MinGenerated = 32

// Generated makes a new random value each time, in standard base64 (RFC 4648, section 4). The Keep is what makes it
// one value per version.
type Generated struct {
	// Bytes is the number of random bytes; less than MinGenerated is MinGenerated.
	Bytes int
	// Plain makes a password of letters and digits alone, of capital letters, small letters and digits at least one each, and
	// as hard to guess: nothing quotes it, and no rule of complexity refuses it.
	Plain bool
}

// Get makes a value. It never fails.
func (g Generated) Get(context.Context, secret.Ref) (secret.Value, error) {
	if g.Plain {
		return plain(max(g.Bytes, MinGenerated)), nil
	}
	raw := make([]byte, max(g.Bytes, MinGenerated))
	_, _ = rand.Read(raw) // never fails: see its documentation
	text := make([]byte, base64.StdEncoding.EncodedLen(len(raw)))
	base64.StdEncoding.Encode(text, raw)
	return secret.New(text), nil
}

const (
	capitals = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	smalls   = "abcdefghijklmnopqrstuvwxyz"
	numerals = "0123456789"
)

// plain is a password worth that many random bytes: a character of 62 is worth 5.95 bits.
func plain(worth int) secret.Value {
	const alphabet = capitals + smalls + numerals
	text := make([]byte, (worth*8*100+594)/595)
	raw := make([]byte, 1)
	for {
		for i := range text {
			for {
				_, _ = rand.Read(raw) // never fails
				if n := int(raw[0] >> 2); n < len(alphabet) {
					text[i] = alphabet[n]
					break
				}
			}
		}
		if bytes.ContainsAny(text, capitals) && bytes.ContainsAny(text, smalls) && bytes.ContainsAny(text, numerals) {
			return secret.New(text)
		}
	}
}
