// Package licensefile reads IdentityMesh's license.key: a signed statement of customer, tier and expiry.
//
// The product's documents say only that the file is "an RSA-signed payload". So several layouts are read, and a file of none
// of them is opaque: only the product knows what it says. What is read serves earlier checks; what decides is the license that
// the product serves.
package licensefile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// License is what a license file says. It is customer data, not a secret.
type License struct {
	// Customer and Tier are "" where the file does not say.
	Customer, Tier string
	// Expires is zero where the file does not say, and where it never does.
	Expires time.Time
	// Never says that it does not expire.
	Never bool
	// UnreadEnd is what the file says of its end where that is no moment that is read here: `expiresUtc = "11/30/2028"`. Nobody
	// can say of it which of the two numbers is the month.
	UnreadEnd string
	// Begins is when it becomes valid, zero where the file does not say, or not so that it is read here. A reader elsewhere may take it
	// for a moment that is earlier by BeginsWithin.
	Begins       time.Time
	BeginsWithin time.Duration
	// Withdrawn is what the file says of itself where it says that it is not good: `status = "revoked"`.
	Withdrawn string
	// Precision is how far the moment that the product serves may lie from Expires: a date without a time, or a time without a
	// zone, means another moment to another reader.
	Precision time.Duration
	// Layout is how the file is written: one of Layouts. Of an opaque one nothing else is known.
	Layout string
	// Whole says of an opaque one that it is not cut short, as what it is written in has its end: JSON, or PEM armour.
	Whole bool

	signed    map[Over][]byte // what the signature may be over
	signature []byte
	tokens    []token // or signatures that say themselves how they were made
	unsigned  bool    // the file says of itself that it is not signed: "alg": "none"
}

// Opaque says that nobody here can read it.
func (l *License) Opaque() bool { return l.Layout == Unknown }

// SameExpiry says whether both mean one end.
func (l *License) SameExpiry(other *License) bool {
	if l.Never || other.Never || l.Expires.IsZero() || other.Expires.IsZero() {
		return l.Never == other.Never && l.Expires.Equal(other.Expires)
	}
	const day = 24 * time.Hour
	loose, exact := l, other
	if loose.Precision < exact.Precision {
		loose, exact = exact, loose
	}
	if exact.Precision >= day { // two dates
		return exact.Expires.Equal(loose.Expires)
	}
	early := loose.Precision
	if early >= day { // it is the end of that day, or its beginning, in some zone
		early -= day
	}
	after := exact.Expires.Sub(loose.Expires)
	return -early <= after && after <= loose.Precision
}

// maxSize bounds a file, in bytes. Real ones have a few hundred.
const maxSize = 64 << 10

// Parse reads a license file. A layout that is not known is no error. What is certainly cut short, or something else than a license,
// is. Errors never quote the file.
func Parse(file []byte) (*License, error) {
	text, err := textOf(file)
	if err != nil {
		return nil, err
	}
	l, err := parse(text, 3)
	if err == nil && l.Opaque() {
		_, armoured := unarmoured(text)
		l.Whole = armoured || bytes.IndexByte([]byte("{[\""), text[0]) >= 0 && json.Valid(strict(text))
	}
	return l, err
}

// ParseOpaque is Parse for a file that nobody but the product is to read.
func ParseOpaque(file []byte) (*License, error) {
	if _, err := textOf(file); err != nil {
		return nil, err
	}
	return &License{Layout: Unknown}, nil
}

// textOf is the text of a file that may be a license.
func textOf(file []byte) ([]byte, error) {
	if len(file) > maxSize {
		return nil, fmt.Errorf("a license file of %d bytes: at most %d are read", len(file), maxSize)
	}
	text := plain(file)
	if len(text) == 0 {
		return nil, errors.New("the license file is empty")
	}
	return text, notALicense(text)
}
