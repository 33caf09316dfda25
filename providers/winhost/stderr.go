package winhost

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
)

// tail keeps the end of standard error, which often tells why a host could not run the script at all.
type tail struct{ kept []byte }

const (
	tailSize   = 400
	tailWindow = 8
)

func (t *tail) add(b []byte) {
	t.kept = append(t.kept, b...)
	if len(t.kept) > tailSize {
		t.kept = append(t.kept[:0], t.kept[len(t.kept)-tailSize:]...)
	}
}

// text is what may be shown: one line, and nothing at all when eight bytes in a row also stand in a blob that was
// sent. The script never writes a value there, but PowerShell quotes what it could not convert.
func (t *tail) text(blobs [][]byte) string {
	said := bytes.ReplaceAll(t.kept, []byte{0}, nil) // UTF-16 as its plain characters
	windows := map[string]bool{}
	for i := 0; i+tailWindow <= len(said); i++ {
		windows[string(said[i:i+tailWindow])] = true
	}
	for _, blob := range blobs {
		plain := bytes.ReplaceAll(blob, []byte{0}, nil)
		for i := 0; i+tailWindow <= len(plain); i++ {
			if windows[string(plain[i:i+tailWindow])] {
				return fmt.Sprintf("(its standard error, %d bytes, is withheld: it repeats part of the request)", len(t.kept))
			}
		}
	}
	return strings.Join(strings.FieldsFunc(string(said), func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsPrint(r)
	}), " ")
}
