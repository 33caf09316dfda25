package program_test

import (
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"

	"meshrotate/providers/program"
	"meshrotate/reconciler/secret"
)

// What a run knows is in no text that people typed or a program wrote, in whatever form; the rest of the text stays.
func TestWithhold(t *testing.T) {
	const value, short = "Zk3r9-Qw71x/Lm+88", "pw1"
	license := strings.Repeat("Contoso Ltd, Enterprise, ", 3) + strings.Repeat("c2lnbmF0dXJlIG9m", 12)
	var k program.Known
	key := []byte("a key of thirty-two bytes, made..")
	for _, v := range []string{value, short, license, value, base64.StdEncoding.EncodeToString(key)} {
		k.Add(secret.NewString(v))
	}
	k.Add(secret.NewString(""))
	spaced := strings.Join(strings.Split(value, ""), " ")
	for _, c := range []struct{ reason, text, want string }{
		{"nothing of it", "the key was posted in ticket 4711", "the key was posted in ticket 4711"},
		{"as it is", "posted as " + value + " in a ticket", "posted as [secret] in a ticket"},
		{"twice", value + value, "[secret]"},
		{"in other letters", "posted as " + strings.ToUpper(value), "posted as [secret]"},
		{"a part of it", "it begins with " + value[:9] + " …", "it begins with [secret] …"},
		{"its end", "it ends with " + value[len(value)-9:], "it ends with [secret]"},
		{"in base64", "x " + base64.StdEncoding.EncodeToString([]byte(value)) + " y", "x [secret]= y"},
		{"in hex", hex.EncodeToString([]byte(value)), "[secret]"},
		{"what base64 stands for, in hex", hex.EncodeToString(key), "[secret]"},
		{"with blanks", "it is " + spaced, "[secret]"},
		{"a short one", "it was pw1, everywhere", "it was [secret], everywhere"},
		{"words of a long one", "the license of Contoso Ltd, Enterprise", "the license of Contoso Ltd, Enterprise"},
		{"a long one", "lost: " + license + ".", "lost:[secret]."},
		{"letters of more bytes in small", "İ " + value, "İ [secret]"},
	} {
		if got := k.Withhold(c.text); got != c.want {
			t.Errorf("%s: %q, want %q", c.reason, got, c.want)
		}
	}
	var none program.Known
	if got := none.Withhold("as it is"); got != "as it is" {
		t.Error(got)
	}
}
