//go:build unix

package winrm

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"meshrotate/providers/lab/webauth"
	"meshrotate/providers/lab/wsman"
)

// serverOfItsOwn makes the test binary a server, so that a benchmark can tell the client's time from the server's.
const serverOfItsOwn = "MESHROTATE_WINRM_TEST_SERVER"

// TestServerOfItsOwn is no test: it serves the lab for BenchmarkHost until standard input ends.
func TestServerOfItsOwn(t *testing.T) {
	if os.Getenv(serverOfItsOwn) == "" {
		return
	}
	fmt.Printf("serving %s\n", serveLab(t, &wsman.Server{Auth: webauth.Rules{Negotiate: true}}))
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// BenchmarkHost is one host's whole conversation, sealed, with 15 KB each way, many hosts at a time. client-ns/op is this process's
// processor time; the server runs in another one.
func BenchmarkHost(b *testing.B) {
	cmd := exec.CommandContext(b.Context(), os.Args[0], "-test.run=^TestServerOfItsOwn$", "-test.v")
	cmd.Env = append(os.Environ(), serverOfItsOwn+"=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() {
		_ = in.Close()
		_ = cmd.Wait()
	}()
	var addr, word string
	for word != "serving" {
		if _, err := fmt.Fscan(out, &word); err != nil {
			b.Fatal(err)
		}
	}
	if _, err := fmt.Fscan(out, &addr); err != nil {
		b.Fatal(err)
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	cfg := sealing(strings.TrimSpace(addr))
	data := bytes.Repeat([]byte("0123456789abcde\n"), 15<<10/16)
	before := processorTime(b)
	b.SetParallelism(16) // a fleet: one host at a time would mostly measure an idle scheduler
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			s, err := Open(b.Context(), cfg)
			if err != nil {
				b.Error(err)
				return
			}
			if _, err := run(b.Context(), s, data); err != nil {
				b.Error(err)
			}
			if err := s.Close(b.Context()); err != nil {
				b.Error(err)
			}
			if s.Requests() > 8 { // a host under load may split its output
				b.Errorf("%d requests", s.Requests())
			}
		}
	})
	b.ReportMetric(float64(processorTime(b)-before)/float64(b.N), "client-ns/op")
}

func processorTime(b *testing.B) int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}
