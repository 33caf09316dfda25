package live

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"

	"meshrotate/reconciler/secret"
)

// Ready has the salt that the next look needs: where a state takes none, no host is to be blamed for it.
func (s *Site) Ready(ctx context.Context) error {
	salt, err := s.config.Salt(ctx)
	if err == nil {
		s.mu.Lock()
		s.salted = salt
		s.mu.Unlock()
	}
	return err
}

// salt is what Ready has found, once.
func (s *Site) salt(ctx context.Context) (secret.Value, error) {
	s.mu.Lock()
	salt := s.salted
	s.salted = secret.Value{}
	s.mu.Unlock()
	if !salt.IsZero() {
		return salt, nil
	}
	return s.config.Salt(ctx)
}

// fingerprint is what a plan may show of a file: who does not have the salt cannot test guesses against it.
func fingerprint(salt secret.Value, content []byte) string {
	m := hmac.New(sha256.New, salt.Expose())
	m.Write(content)
	return hex.EncodeToString(m.Sum(nil)[:6])
}
