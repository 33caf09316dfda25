// Package secret holds values that must not be seen, and references that may.
//
// A Value keeps its bytes behind a func, so that no printer, encoder or debugger that walks a struct by reflection
// can reach them: a []byte field with a redacting Format method still leaks from another struct's unexported field.
// There is one way in (New) and one way out (Expose); a reviewer who searches for Expose sees every place where
// bytes leave.
package secret

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
)

// Redacted is what every printer shows in place of a value.
const Redacted = "[secret]"

// Value is a secret. The zero Value is no secret at all, which differs from an empty one.
type Value struct {
	reveal func() []byte
}

// New keeps a copy of b: the caller may wipe its own.
func New(b []byte) Value {
	kept := append([]byte(nil), b...)
	return Value{reveal: func() []byte { return kept }}
}

// NewString is New for text.
func NewString(s string) Value { return New([]byte(s)) }

// IsZero says that there is no value. An empty value is not zero.
func (v Value) IsZero() bool { return v.reveal == nil }

// Expose returns a copy of the bytes, nil for the zero Value. Every call is a place where a secret can leak.
func (v Value) Expose() []byte {
	if v.reveal == nil {
		return nil
	}
	return append([]byte{}, v.reveal()...)
}

// Len is the number of bytes, 0 for the zero Value.
func (v Value) Len() int {
	if v.reveal == nil {
		return 0
	}
	return len(v.reveal())
}

// Equal compares in constant time. Zero Values equal nothing, not even each other: unknown is never success.
func (v Value) Equal(w Value) bool {
	if v.reveal == nil || w.reveal == nil {
		return false
	}
	a, b := sha256.Sum256(v.reveal()), sha256.Sum256(w.reveal())
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// Format writes Redacted for every verb.
func (v Value) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, Redacted) }

// String returns Redacted.
func (v Value) String() string { return Redacted }

// GoString returns Redacted.
func (v Value) GoString() string { return Redacted }

// MarshalText returns Redacted.
func (v Value) MarshalText() ([]byte, error) { return []byte(Redacted), nil }

// MarshalJSON returns Redacted as a JSON string.
func (v Value) MarshalJSON() ([]byte, error) { return []byte(`"` + Redacted + `"`), nil }

// LogValue returns Redacted.
func (v Value) LogValue() slog.Value { return slog.StringValue(Redacted) }

// UnmarshalText refuses: a secret never comes out of a document that a person may read.
func (v *Value) UnmarshalText([]byte) error {
	return fmt.Errorf("a secret value cannot be read from a document; use a reference")
}
