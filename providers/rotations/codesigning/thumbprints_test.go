package codesigning

import (
	"bufio"
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// What is taken for accepted is what .NET's certificate store finds (X509Certificate2Collection.Find). What it finds beside that, by
// leaving out a character at the end, is written anew.
func TestFoundAsDotnetFinds(t *testing.T) {
	f, err := os.Open("../../../specs/testdata/thumbprints.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	const canonical = "32BAB7A65C068B9EB9242559514BBBFE9A07E5D9"
	same, stricter := 0, 0
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var c struct {
			ID, What, Input string
			Found           bool
		}
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		got, ok := found(c.Input)
		switch ok = ok && got == canonical; {
		case ok && !c.Found:
			t.Errorf("%s %s: .NET does not find it", c.ID, c.What)
		case ok == c.Found:
			same++
		default:
			stricter++
		}
	}
	if same < 80 || stricter > 18 {
		t.Errorf("%d as .NET, %d stricter", same, stricter)
	}
	t.Logf("%d as .NET, %d stricter", same, stricter)
}

func TestMeant(t *testing.T) {
	one, two := strings.Repeat("A1", 20), strings.Repeat("B2", 32)
	for text, want := range map[string]string{
		one: one, "\u200e" + strings.ToLower(one): one, strings.TrimSuffix(strings.ReplaceAll(one, "A1", "A1:"), ":"): one, "a1 " + one[2:]: one,
		two: two, "\u200e" + strings.ReplaceAll(two, "B2", "b2 "): two, one[1:]: "", "TODO": "", "": "", one + "G": "",
	} {
		if got := meant(text); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
}

func TestVersionOf(t *testing.T) {
	a, b, c := "41C09A"+strings.Repeat("0", 34), "9F8A3B"+strings.Repeat("0", 34), "41C09B"+strings.Repeat("0", 34)
	for _, v := range []struct {
		of   []string
		want string
	}{{nil, ""}, {[]string{a}, "41C0"}, {[]string{b, a}, "41C0+9F8A"}, {[]string{a, b, a}, "41C0+9F8A"}, {[]string{c, a}, "41C09A+41C09B"}} {
		if got := versionOf(v.of); got != v.want {
			t.Errorf("%v: %s", v.of, got)
		}
	}
}
