package specs_test

import (
	"testing"

	"meshrotate/specs"
)

// A version is found wherever it stands in its section, however it is quoted; nothing else in the text changes.
func TestVersionsIn(t *testing.T) {
	for _, c := range []struct{ reason, text, want string }{
		{"a number", "secrets:\n  key:\n    version: 7 # the last\n  other: {version: 7}\n", "secrets:\n  key:\n    version: 8 # the last\n  other: {version: 7}\n"},
		{"in double quotes", "secrets: {key: {version: \"7\"}}\n", "secrets: {key: {version: \"8\"}}\n"},
		{"in single quotes, behind characters of several bytes", "secrets: {key: {note: 'größer', version: '7'}}\r\n", "secrets: {key: {note: 'größer', version: '8'}}\r\n"},
		{"in a list", "secrets:\n  key:\n  - {account: a, version: 7}\n", "secrets:\n  key:\n  - {account: a, version: 8}\n"},
		{"behind a mark of the byte order", "\xef\xbb\xbfsecrets: {key: {version: 7}}\n", "\xef\xbb\xbfsecrets: {key: {version: 8}}\n"},
		{"written with an escape", "secrets: {key: {version: \"\\x37\"}}\n", ""},
		{"in another section", "secrets: {other: {version: 7}}\n", ""},
		{"nowhere", "secrets: {key: {}}\n", ""},
		{"in what is no YAML", "secrets: {key: {version: 7}\n", ""},
	} {
		found := specs.VersionsIn([]byte(c.text), "key")
		got := ""
		if len(found) > 0 {
			got = string(found[0].With([]byte(c.text), "8"))
		}
		if got != c.want || len(found) > 1 {
			t.Errorf("%s: %q, want %q", c.reason, got, c.want)
		}
	}
}
