package wsman_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"meshrotate/providers/lab/ntlm"
	"meshrotate/providers/lab/wsman"
)

const (
	testUser     = "Administrator"
	testPassword = "Pässw0rd!"
)

func users(user string) (string, bool) {
	switch strings.ToLower(user) {
	case strings.ToLower(testUser), "other":
		return testPassword, true
	case "ascii": // requests sends Basic in Latin-1, so this one has no other letters
		return "Passw0rd!", true
	}
	return "", false
}

// start serves s on loopback until the test ends.
func start(t testing.TB, s *wsman.Server) string {
	t.Helper()
	s.Auth.NTLM = ntlm.Server{Domain: "CORP", Host: "RELAY01", Password: users}
	s.Auth.Negotiate = true
	if s.Run == nil {
		s.Run = program
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	t.Cleanup(func() {
		_ = s.Close()
		if err := <-served; err != wsman.ErrClosed {
			t.Errorf("Serve: %v", err)
		}
	})
	return ln.Addr().String()
}

// program understands a few words.
func program(ctx context.Context, p wsman.Process) uint32 {
	switch word, arg, _ := strings.Cut(p.CommandLine, " "); word {
	case "echo":
		fmt.Fprintf(p.Stdout, "%s\r\n", arg)
	case "cat":
		if _, err := io.Copy(p.Stdout, p.Stdin); err != nil {
			return 2
		}
	case "slurp": // reads everything, then writes it
		b, err := io.ReadAll(p.Stdin)
		if err != nil {
			return 2
		}
		_, _ = p.Stdout.Write(b)
	case "exit":
		var code uint32
		_, _ = fmt.Sscan(arg, &code)
		fmt.Fprint(p.Stderr, "bye")
		return code
	case "whoami":
		fmt.Fprintf(p.Stdout, "%s %d %v", p.User, p.CodePage, p.ConsoleStdin)
	case "wait":
		<-ctx.Done()
		return 1
	default:
		return 9009
	}
	return 0
}

// TestMain allows for gokrb5's replay cache, which starts a goroutine that never ends.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/jcmturner/gokrb5/v8/service.GetReplayCache.func1.1"),
		goleak.IgnoreAnyFunction("github.com/jcmturner/gokrb5/v8/service.VerifyAPREQ.GetReplayCache.func1.1"))
}

func TestCommands(t *testing.T) {
	big := bytes.Repeat([]byte("grüße "), 60_000)
	cases := []struct {
		reason, line   string
		in             []byte
		stdout, stderr string
		exit           uint32
	}{
		{"output and exit code 0", "echo hello", nil, "hello\r\n", "", 0},
		{"standard error is a stream of its own, the exit code has 32 bits", "exit 4294967295", nil, "", "bye", 4294967295},
		{"standard input to its end", "slurp", []byte("a\x00b"), "a\x00b", "", 0},
		{"large input and output in many pieces", "slurp", big, string(big), "", 0},
		{"who the client is, and what it asked for", "whoami", nil, testUser + " 65001 true", "", 0},
		{"no fault for a command line that is too long", "echo " + string(bytes.Repeat([]byte("x"), 8190)), nil, "", "The command line is too long.\r\n", 1},
	}
	addr := start(t, &wsman.Server{})
	c := loggedIn(t, addr)
	shell := c.create()
	for _, tc := range cases {
		t.Run(tc.reason, func(t *testing.T) {
			id := c.command(shell, tc.line)
			for in := tc.in; in != nil; {
				n := min(300_000, len(in))
				if a := c.send(shell, id, in[:n], n == len(in), "PT60S"); a.code() != 0 {
					t.Fatal(a.text)
				}
				if in = in[n:]; len(in) == 0 {
					break
				}
			}
			r := c.drain(shell, id)
			if string(r.stdout) != tc.stdout || string(r.stderr) != tc.stderr || r.exit != tc.exit {
				t.Errorf("got %d bytes, %q, exit %d", len(r.stdout), r.stderr, r.exit)
			}
			if a := c.signal(shell, id); a.code() != 0 {
				t.Error(a.text)
			}
		})
	}
	if a := c.delete(shell); a.code() != 0 {
		t.Error(a.text)
	}
}

// TestManyServers has a hundred hosts in one process, each with a client of its own.
func TestManyServers(t *testing.T) {
	var wait sync.WaitGroup
	for i := range 100 {
		addr := start(t, &wsman.Server{})
		wait.Go(func() {
			c := loggedIn(t, addr)
			shell := c.create()
			id := c.command(shell, "slurp")
			text := strings.Repeat(fmt.Sprint(i, " "), 5000)
			c.send(shell, id, []byte(text), true, "PT60S")
			if r := c.drain(shell, id); string(r.stdout) != text {
				t.Errorf("host %d: %d bytes", i, len(r.stdout))
			}
			c.delete(shell)
		})
	}
	wait.Wait()
}
