// Package dotnettest asks dotnet-oracle what Microsoft's own .NET libraries make of an input, in differential tests.
package dotnettest

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"testing"
)

// Ask sends n questions, one line of JSON each, and hands out the answers in their order while further questions are on
// their way. A test without dotnet-oracle on PATH is skipped, and with CI=true it fails.
func Ask[A any](t *testing.T, n int, question func(i int) any, check func(i int, answer A)) {
	t.Helper()
	program, err := exec.LookPath("dotnet-oracle")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("dotnet-oracle is not on PATH, and CI must not go without")
		}
		t.Skip("dotnet-oracle is not on PATH: .NET's own answers are not compared")
	}
	cmd := exec.Command(program)
	in, errIn := cmd.StdinPipe()
	out, errOut := cmd.StdoutPipe()
	if errIn != nil || errOut != nil {
		t.Fatal(errIn, errOut)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); _ = cmd.Wait() })
	sent := make(chan error, 1)
	go func() {
		w := bufio.NewWriter(in)
		for i := range n {
			if err := json.NewEncoder(w).Encode(question(i)); err != nil {
				sent <- err
				return
			}
		}
		sent <- w.Flush()
	}()
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 64<<20)
	for i := range n {
		var a A
		if !lines.Scan() {
			t.Fatalf("dotnet-oracle stopped after %d answers: %v", i, lines.Err())
		}
		if err := json.Unmarshal(lines.Bytes(), &a); err != nil {
			t.Fatal(err)
		}
		check(i, a)
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
}
