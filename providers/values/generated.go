package values

import (
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
}

// Get makes a value. It never fails.
func (g Generated) Get(context.Context, secret.Ref) (secret.Value, error) {
	raw := make([]byte, max(g.Bytes, MinGenerated))
	_, _ = rand.Read(raw) // never fails: see its documentation
	text := make([]byte, base64.StdEncoding.EncodedLen(len(raw)))
	base64.StdEncoding.Encode(text, raw)
	return secret.New(text), nil
}
