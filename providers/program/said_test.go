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
