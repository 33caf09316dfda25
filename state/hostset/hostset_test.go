package hostset_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"meshrotate/state/hostset"
)

func TestFold(t *testing.T) {
	for _, c := range []struct {
		reason, names, want string
	}{
		{"none", "", ""},
		{"one", "admin01", "admin01"},
		{"two are not worth a range", "r1 r2", "r1,r2"},
		{"a fleet", "relay-03.hq relay-01.hq relay-02.hq", "relay-[01..03].hq"},
		{"each once", "r1 r2 r3 r2", "r[1..3]"},
		{"nine becomes ten", "r8 r9 r10 r11", "r[8..11]"},
		{"nine becomes ten with a zero", "r08 r09 r10 r11", "r[08..11]"},
		{"99 becomes 100: the width ends", "r097 r98 r99 r100 r098 r099 r101", "r98,r99,r[097..101]"},
		{"a gap", "r1 r2 r3 r5 r6 r7", "r[1..3],r[5..7]"},
		{"numbers of the domain do not count", "r1.dc2.x r2.dc2.x r3.dc2.x", "r[1..3].dc2.x"},
		{"of the domain alone", "a.dc1 a.dc2 a.dc3", "a.dc[1..3]"},
		{"addresses count at their end", "10.0.0.1 10.0.0.2 10.0.0.3", "10.0.0.[1..3]"},
		{"too long for a number", "r1234567890123456789 r1234567890123456790 r1234567890123456791", "r1234567890123456789,r1234567890123456790,r1234567890123456791"},
		{"the same in any order", "b a c3 c1 c2", "a,b,c[1..3]"},
		{"a domain is written once", "adam.hq berta.hq emil.dc r1.hq r2.hq r3.hq admin", "adam,berta,r[1..3].hq admin emil.dc"},
		{"no label", ".hq a.hq .", `\-,a.hq \-.`},
		{"beside another range", "a.dc1 a.dc2 a.dc3 b c", "a.dc[1..3] b,c"},
		{"what looks like a range", "r[1..3]", `r\5b1..3\5d`},
	} {
		names := strings.Fields(c.names)
		got, err := hostset.Fold(names)
		if err != nil || got != c.want {
			t.Errorf("%s: %q, %v; want %q", c.reason, got, err, c.want)
		}
		wantNames(t, got, names)
	}
	if got, _ := hostset.Fold([]string{"", " ", "\xff", "�"}); got != `\-,\20,\ff,�` {
		t.Errorf("strange names: %q", got)
	}
}

func wantNames(t *testing.T, text string, names []string) {
	t.Helper()
	want := slices.Compact(slices.Sorted(slices.Values(names)))
	if got, err := hostset.Unfold(text); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%q unfolds to %q, %v; want %q", text, got, err, want)
	}
}

func TestWhatIsNoSet(t *testing.T) {
	for _, text := range []string{" ", "a  b", "a ", `\`, `\5`, `\zz`, "[", "r[1..3", "r[1]", "r[..]", "r[3..1]", "r[01..1]", "r[01..001]", "r[-1..3]", "r[+1..3]",
		"r[1..3]x[1..3]", "r[1..3]]", "r[1..9999999999]", "r[0..99999999999999999999]", "r[0..1048575] s[0..1048575]", "r[0..1048575],s[0..1048575].hq",
		"a,", ",a", "a,.hq", "a.hq,b", "a.hq,b.hq", "a,b.hq[1..3]", "a[1..3].hq,b", "a,r[1..3", "a,b.]"} {
		if got, err := hostset.Unfold(text); err == nil {
			t.Errorf("%q unfolds to %d names", text, len(got))
		}
	}
}

func TestTenThousand(t *testing.T) {
	var names []string
	for i := range 10_000 {
		names = append(names, fmt.Sprintf("relay-%05d.hq.contoso.example", i))
	}
	text, err := hostset.Fold(names)
	if err != nil || len(text) > 40 {
		t.Fatalf("%d bytes, %v", len(text), err)
	}
	wantNames(t, text, names)
}

func FuzzFoldAndUnfold(f *testing.F) {
	for _, seed := range []string{"", "a", "r1,r2,r3", "r01,r2,r03,r10,r11,r12", "[1..2],\\,\\-, ,=", "\xff,\x00,é,�", "1,2,3,01,02,03,001,002,003", "10.0.0.1,10.0.0.2,10.0.0.3"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, list string) {
		names := strings.Split(list, ",")
		text, err := hostset.Fold(names)
		if err != nil {
			t.Fatal(err)
		}
		wantNames(t, text, names)
	})
}

// Whatever stands in a file that somebody else wrote, it is refused, or read the same again.
func FuzzUnfold(f *testing.F) {
	for _, seed := range []string{"r[1..3]", "r[08..11] a", `\5b`, "r[0..99999]"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		names, err := hostset.Unfold(text)
		if err != nil {
			return
		}
		again, err := hostset.Fold(names)
		if err != nil {
			t.Fatal(err)
		}
		wantNames(t, again, names)
	})
}
