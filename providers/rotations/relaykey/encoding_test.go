package relaykey_test

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"

	"meshrotate/providers/rotations/relaykey"
	"meshrotate/specs"
)

func TestDeclaredEncoding(t *testing.T) {
	raw := []byte(strings.Repeat("\xfb\xef!k", 8))
	std, url, hexed := base64.StdEncoding.EncodeToString(raw), base64.URLEncoding.EncodeToString(raw), hex.EncodeToString(raw)
	for _, c := range []struct {
		encoding, key string
		bytes         int
		wrong         string // in what is said, "" for a key that is right
	}{
		{"", std, 32, ""},
		{"", "any text of forty characters, as people do", 42, ""},
		{"base64", std, 32, ""},
		{"base64", url, 44, "a character that is none of it"},
		{"base64", std[:43], 43, "43 characters"},
		{"base64url", url, 32, ""},
		{"base64url", strings.TrimRight(url, "="), 32, ""},
		{"base64url", std, 44, "a character that is none of it"},
		{"hex", hexed, 32, ""},
		{"hex", strings.ToUpper(hexed), 32, ""},
		{"hex", hexed[:44], 22, ""}, // 33 bytes if it were base64
		{"hex", hexed[:63], 63, "63 characters"},
		{"hex", std, 44, "a character that is none of it"},
	} {
		kind := relaykey.Kind()
		need := kind.Values(&relaykey.Spec{Secret: specs.Secret{Version: "7"}, Encoding: c.encoding})[0]
		content, err := need.Read([]byte(c.key))
		if err != nil || content.(relaykey.Key).Bytes != c.bytes {
			t.Errorf("%s %q: %+v, %v", c.encoding, c.key, content, err)
		}
		err = need.Check([]byte(c.key), nil)
		switch {
		case (err != nil) != (c.wrong != ""):
			t.Errorf("%s %q: %v", c.encoding, c.key, err)
		case err != nil && (!strings.Contains(err.Error(), c.wrong) || !strings.Contains(err.Error(), c.encoding)):
			t.Errorf("%s %q: %v does not say %q", c.encoding, c.key, err, c.wrong)
		case err != nil && strings.Contains(err.Error(), c.key[:8]):
			t.Errorf("it holds the key: %v", err)
		}
	}
}

// What cannot be a key is refused with what is wrong with it, and without a character of it. Keys that are random are none of these.
func TestKeysThatAreNone(t *testing.T) {
	kind := relaykey.Kind()
	odd := kind.Values(&relaykey.Spec{Secret: specs.Secret{Version: "7"}})[0].Odd
	in := func(b string) string { return base64.StdEncoding.EncodeToString([]byte(b)) }
	var counting []byte
	for i := range 32 {
		counting = append(counting, byte(i))
	}
	for key, wrong := range map[string]string{
		strings.Repeat("1234567890", 5)[:44]:               "repeated",
		strings.Repeat("0123456789abcdef", 2):              "repeated",
		in(strings.Repeat("secret-1", 4)):                  "repeated",
		in(string(counting)):                               "count up",
		"zyxwvutsrqponmlkjihgfedcba9876543210":             "count up or down",
		"abcdefghijklmnopqrstuvwxyz0123456789":             "count up",
		"Schl\u00fcssel-der-Br\u00fccke-zum-Relay-2026-11": "its character 5 ",
		"q8Zt0vLr3\U0001f511kXw2NpB7sYd5HfJ1gMcQeUaTiRoE":  "its character 10 ",
	} {
		if err := odd([]byte(key)); err == nil || !strings.Contains(err.Error(), wrong) || strings.Contains(err.Error(), key[:4]) {
			t.Errorf("%q: %v", key, err)
		}
	}
	for range 1000 {
		raw := make([]byte, 32)
		_, _ = rand.Read(raw)
		for _, key := range []string{base64.StdEncoding.EncodeToString(raw), hex.EncodeToString(raw), "any text of forty characters, as people do"} {
			if err := odd([]byte(key)); err != nil {
				t.Fatalf("%s: %v", key, err)
			}
		}
	}
}
