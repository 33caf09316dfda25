package render

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"meshrotate/reconciler"
	"meshrotate/specs"
)

func TestError(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		want string
	}{
		{"plain", errors.New("no"), "error: no\n"},
		{"hint", fmt.Errorf("relay-07: %w", reconciler.Hinted(errors.New("gone"), "look")), "error: relay-07: gone\nhint:  look\n"},
		{"details are indented", errors.New("changed\n  nothing was written\nhint: forged"), "error: changed\n       nothing was written\n       hint: forged\n"},
		{"escapes", errors.New("a\x1b[2J\rb\u202ec"), "error: a\\x1b[2J\\x0db\\u202ec\n"},
		{"wrapped", errors.New(strings.Repeat("word ", 20)), "error: word word word word word word word word word word word word word word\n       word word word word word word\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b bytes.Buffer
			Error(&b, Style{}, c.err)
			if b.String() != c.want {
				t.Errorf("got  %q\nwant %q", b.String(), c.want)
			}
		})
	}
}

// TestProblems shows everything that is wrong with a document, each with its place and hint.
func TestProblems(t *testing.T) {
	_, err := specs.Load("contoso.yaml", []byte("apiVersion: meshrotate/v1\nkind: Deployment\nname: contoso\nhosts: {admin: a, relay: [b]}\nsecrets: {}\nwindow: 1\n"), nil)
	var b bytes.Buffer
	Error(&b, Style{}, err)
	for _, want := range []string{"error: contoso.yaml has 2 problems", "contoso.yaml:4:", "hosts.relay", "contoso.yaml:6:", "hint:"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is missing in\n%s", want, b.String())
		}
	}
	b.Reset()
	Error(&b, Style{Format: JSON}, err)
	var f Failure
	if err := json.Unmarshal(b.Bytes(), &f); err != nil || len(f.Problems) != 2 || f.Problems[0].Line != 4 {
		t.Errorf("%v in %s", err, b.String())
	}
}

func TestSafe(t *testing.T) {
	for _, c := range []struct{ in, want, reason string }{
		{"relay-07 → ok", "relay-07 → ok", "ordinary text stays"},
		{"a\x1b]0;title\x07", `a\x1b]0;title\x07`, "a terminal's title"},
		{"a\u009b31m", `a\x9b31m`, "C1 control"},
		{"a\nerror: b", `a\nerror: b`, "a forged line"},
		{"a\u202eb\u2066c\u200bd\ufeffe", `a\u202eb\u2066c\u200bd\ufeffe`, "direction, and what cannot be seen"},
		{"a\xffb", `a\xffb`, "not UTF-8"},
		{"a\U000e0041b", `a\ue0041b`, "tag characters"},
	} {
		if got := Safe(c.in); got != c.want {
			t.Errorf("%s: got %q, want %q", c.reason, got, c.want)
		}
	}
}

func FuzzSafe(f *testing.F) {
	f.Add(nasty)
	f.Fuzz(func(t *testing.T, s string) {
		out := Safe(s)
		if strings.ContainsFunc(out, acts) {
			t.Errorf("%q became %q", s, out)
		}
		for line := range strings.Lines(md(s)) {
			if strings.Contains(line, "<script") || strings.HasSuffix(line, "\n") {
				t.Errorf("%q became %q", s, line)
			}
		}
		data, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var back, direct string
		if err := json.Unmarshal(safeJSON(data), &back); err != nil {
			t.Fatal(err)
		}
		_ = json.Unmarshal(data, &direct)
		if back != direct {
			t.Errorf("%q became %q", direct, back)
		}
	})
}
