package specs

import (
	"encoding/json"
	"errors"
	"strings"
	"unicode"
)

// Thumbprint names a certificate: the SHA-1 of its bytes, as 40 upper-case hexadecimal digits, which is what Windows
// and the product compare.
//
// People copy thumbprints from certificate dialogs, which put spaces between the digits and an invisible mark (U+200E)
// in front; .NET finds some of those forms and not others. So the form is made one when a document is read: white
// space, invisible marks and colons go, letters become capitals.
type Thumbprint string

// ParseThumbprint reads a thumbprint as people copy it.
func ParseThumbprint(text string) (Thumbprint, error) {
	digits := strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) || r == ':' {
			return -1
		}
		return unicode.ToUpper(r)
	}, text)
	const sha1Digits, sha256Digits = 40, 64
	switch {
	case strings.Trim(digits, "0123456789ABCDEF") != "":
		return "", errors.New("a thumbprint holds hexadecimal digits only")
	case len(digits) == sha256Digits:
		return "", errors.New("this is a SHA-256 fingerprint; the product compares SHA-1 thumbprints, of 40 digits")
	case len(digits) != sha1Digits:
		return "", errors.New("a thumbprint has 40 hexadecimal digits")
	}
	return Thumbprint(digits), nil
}

// SchemaJSON is the JSON Schema of a Thumbprint.
func (Thumbprint) SchemaJSON() string {
	return `{"title": "thumbprint", "type": "string", "minLength": 40, "maxLength": 200, "examples": ["41C09A12B3D4E5F60718293A4B5C6D7E8F901A2B"], "description": "The SHA-1 ` +
		`thumbprint of a certificate: 40 hexadecimal digits; spaces, colons and invisible marks are left out."}`
}

// UnmarshalJSON reads what ParseThumbprint reads.
func (t *Thumbprint) UnmarshalJSON(data []byte) (err error) {
	var text string
	if err = json.Unmarshal(data, &text); err != nil {
		return errors.New("a thumbprint is a text")
	}
	*t, err = ParseThumbprint(text)
	return err
}
