package textform

import "testing"

func TestUTF8(t *testing.T) {
	for text, want := range map[string]string{
		"":                                  "",
		"[]":                                "[]",
		"\xef\xbb\xbf[]":                    "[]",
		"\xff\xfe[\x00]\x00":                "[]",
		"\xfe\xff\x00[\x00]":                "[]",
		"[\x00]\x00":                        "[]",
		"\x00[\x00]":                        "[]",
		"\xff\xfe\"\x00\xfc\x00\"\x00":      `"ü"`,
		"\xff\xfe\"\x00=\xd8\x00\xde\"\x00": `"😀"`,
		"a\x00":                             "a\x00",
		"\xff\xfea":                         "",
	} {
		if got := string(UTF8([]byte(text))); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
