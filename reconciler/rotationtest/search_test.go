package rotationtest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// Every form of a value is found wherever it stands, and nothing else is.
func TestFound(t *testing.T) {
	secrets := map[string][]byte{"a": []byte("c2VjcmV0IG9mIDMyIGJ5dGVzLCBhbmQgbW9yZQ=="), "b": []byte("c2VjcmV0 too"), "c": []byte("\"quoted\" é")}
	for name, value := range secrets {
		for form, b := range forms(value) {
			if len(b) < least {
				t.Errorf("%s, as %s, is too short: %q", name, form, b)
			}
			for before := range 3 {
				text := strings.Repeat("c2V", before) + string(b)
				want := fmt.Sprintf("%s, as %s, is in it at byte %d", name, form, strings.Index(text, string(b)))
				if got := Found(secrets, map[string][]byte{"it": []byte(text)}); !slices.Contains(got, want) {
					t.Errorf("%q: not %q: %q", text, want, got)
				}
				if got := Found(secrets, map[string][]byte{"it": []byte(text[:len(text)-1])}); slices.Contains(got, want) {
					t.Errorf("%q: %q", text[:len(text)-1], got)
				}
			}
		}
	}
	if got := Found(map[string][]byte{"short": []byte("1234567")}, nil); len(got) != 1 {
		t.Errorf("%q", got)
	}
	if got := Found(secrets, map[string][]byte{"nothing": nil, "a bit": []byte("c2VjcmV")}); len(got) > 0 {
		t.Errorf("%q", got)
	}
}
