package program_test

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"meshrotate/providers/program"
	"meshrotate/reconciler/secret"
)

// Whatever a program writes, its end alone is kept: also where it is copied as os/exec copies it.
func TestTail(t *testing.T) {
	var said program.Tail
	if _, err := io.Copy(&said, io.LimitReader(strings.NewReader(strings.Repeat("x", 1<<20)+"\nthe end\n"), 2<<20)); err != nil {
		t.Fatal(err)
	}
	if n := len(said.Bytes()); n > 16<<10 || !bytes.HasSuffix(said.Bytes(), []byte("\nthe end\n")) {
		t.Errorf("%d bytes are kept", n)
	}
	if line := program.LastLine(said.Bytes(), secret.NewString("hunter2")); line != ": the end" {
		t.Errorf("the last line is %q", line)
	}
}

// A line that may hold a part of the value is withheld, however it is written there; another is shown.
func TestLastLine(t *testing.T) {
	value := secret.NewString("Tr0ub4dor&3-x")
	for line, shown := range map[string]bool{
		"the source is locked":              true,
		"trouble at the door":               true,
		"password Tr0ub4dor&3-x is refused": false,
		"value TR0UB4 refused":              false,
		"x-3&rod4bu0rT":                     false,
		"T r 0 u b 4 d o r & 3 - x":         false,
		"T.r.0.u.b":                         false,
		"'T','r','0','u','b','4'":           false,
		"r o d 4 b u 0 r T":                 false,
		"rod4b, turned round":               false,
		"VHIwdWI0ZG9yJjMteA==":              false,
		"5472307562":                        false,
		"54 72 30 75 62 34":                 false,
		"d or3x":                            false, // what stands between its own letters does not count either
	} {
		if got := program.LastLine([]byte(line+"\n"), value); (got == ": "+line) != shown {
			t.Errorf("%q: %q", line, got)
		}
	}
	if got := program.LastLine([]byte("code !? at 3\n"), secret.NewString("!?")); strings.Contains(got, "!?") {
		t.Errorf("a value without letters: %q", got)
	}
}
