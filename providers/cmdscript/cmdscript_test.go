package cmdscript_test

import (
	"errors"
	"testing"

	"meshrotate/providers/cmdscript"
)

func TestScripts(t *testing.T) {
	const name = "CODESIGN_THUMBPRINT"
	for _, c := range []struct {
		reason, script string
		want           cmdscript.Assignment
		after          string // with NEW; "" where it is refused
	}{
		{"the plain form", "@echo off\r\nset CODESIGN_THUMBPRINT=41C0\r\nsigntool\r\n", cmdscript.Assignment{Value: "41C0"}, "@echo off\r\nset \"CODESIGN_THUMBPRINT=NEW\"\r\nsigntool\r\n"},
		{"blanks at its end are a part of the value, and go", "set CODESIGN_THUMBPRINT=41C0  \r\n", cmdscript.Assignment{Value: "41C0  "}, "set \"CODESIGN_THUMBPRINT=NEW\"\r\n"},
		{"quoted, with another case, indented, silent", "\t@SET \"codesign_thumbprint=41 C0\"  \nx", cmdscript.Assignment{Value: "41 C0"}, "\t@SET \"CODESIGN_THUMBPRINT=NEW\"\nx"},
		{"a default", "if not defined CODESIGN_THUMBPRINT set CODESIGN_THUMBPRINT=41C0\n", cmdscript.Assignment{Value: "41C0", Conditional: true},
			"if not defined CODESIGN_THUMBPRINT set \"CODESIGN_THUMBPRINT=NEW\"\n"},
		{"nothing yet, at the end of the file", "set CODESIGN_THUMBPRINT=", cmdscript.Assignment{}, "set \"CODESIGN_THUMBPRINT=NEW\""},
		{"another variable whose name begins so", "set CODESIGN_THUMBPRINT_OLD=1\nset CODESIGN_THUMBPRINT=41C0\n", cmdscript.Assignment{Value: "41C0"}, "set CODESIGN_THUMBPRINT_OLD=1\nset \"CODESIGN_THUMBPRINT=NEW\"\n"},
		{"a comment is no line of it", "rem set CODESIGN_THUMBPRINT=1\n:: set CODESIGN_THUMBPRINT=2\nset CODESIGN_THUMBPRINT=41C0", cmdscript.Assignment{Value: "41C0"}, "rem set CODESIGN_THUMBPRINT=1\n:: set CODESIGN_THUMBPRINT=2\nset \"CODESIGN_THUMBPRINT=NEW\""},
		{"no such line", "signtool sign /sha1 %CODESIGN_THUMBPRINT%\n", cmdscript.Assignment{}, ""},
		{"two lines", "set CODESIGN_THUMBPRINT=1\nset CODESIGN_THUMBPRINT=2\n", cmdscript.Assignment{}, ""},
		{"a second one in another form", "set CODESIGN_THUMBPRINT=1\nif exist x set CODESIGN_THUMBPRINT=2\n", cmdscript.Assignment{}, ""},
		{"put together by cmd", "set CODESIGN_THUMBPRINT=%THUMB%\n", cmdscript.Assignment{}, ""},
		{"more on the line", "set CODESIGN_THUMBPRINT=41C0& signtool\n", cmdscript.Assignment{}, ""},
	} {
		got, err := cmdscript.Get([]byte(c.script), name)
		if (err != nil) != (c.after == "") || got != c.want {
			t.Errorf("%s: %+v, %v", c.reason, got, err)
		}
		after, err := cmdscript.Set([]byte(c.script), name, "NEW")
		if string(after) != c.after || (err != nil) != (c.after == "") {
			t.Errorf("%s: %q, %v", c.reason, after, err)
		}
		if again, err := cmdscript.Get(after, name); c.after != "" && (err != nil || again.Value != "NEW" || again.Conditional != c.want.Conditional) {
			t.Errorf("%s: it reads back as %+v, %v", c.reason, again, err)
		}
	}
	if _, err := cmdscript.Get(nil, name); !errors.Is(err, cmdscript.ErrMissing) {
		t.Error(err)
	}
}

// FuzzSet: what was set reads back, and nothing else of the script is changed.
func FuzzSet(f *testing.F) {
	f.Add([]byte("@echo off\r\nset CODESIGN_THUMBPRINT=41C0\r\ncall x\r\n"))
	f.Fuzz(func(t *testing.T, script []byte) {
		before, err := cmdscript.Get(script, "X")
		after, failed := cmdscript.Set(script, "X", "A1B2")
		if (err == nil) != (failed == nil) {
			t.Fatalf("%v, and %v", err, failed)
		}
		if err != nil {
			return
		}
		if a, err := cmdscript.Get(after, "X"); err != nil || a.Value != "A1B2" || a.Conditional != before.Conditional {
			t.Fatalf("%q became %q: %+v, %v", script, after, a, err)
		}
	})
}
