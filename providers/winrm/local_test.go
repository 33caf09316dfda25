//go:build unix

package winrm

import (
	"context"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"meshrotate/providers/lab/webauth"
	"meshrotate/providers/lab/wsman"
)

// A limit of this machine is not the host's fault: nobody may call the host unreachable, and leave it behind for that.
func TestALimitOfThisMachine(t *testing.T) {
	full := &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("socket", syscall.EADDRNOTAVAIL)}
	config := sealing(serveLab(t, &wsman.Server{Auth: webauth.Rules{Negotiate: true}}))
	fails := true
	config.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		if fails {
			return nil, full
		}
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	_, err := Open(t.Context(), config)
	wantClass(t, err, Local, false)
	if text := err.Error(); !strings.Contains(text, "not the host's fault: this machine has no free port") || !strings.Contains(hintOf(err), "policy.parallel") {
		t.Errorf("%v; hint: %s", err, hintOf(err))
	}

	fails = false
	s, err := Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(t.Context())
	p, err := s.Start(t.Context(), "echo")
	if err != nil {
		t.Fatal(err)
	}
	s.drop()
	fails = true
	waits := 0
	s.cfg.Sleep = func(context.Context, time.Duration) error { waits++; return nil }
	err = p.Send(t.Context(), []byte("x"), true)
	if waits != reconnects {
		t.Errorf("it was waited for %d times, want %d: a process is there that waits", waits, reconnects)
	}
	wantClass(t, err, Unknown, true) // it was met while a process ran: what that did is not known
	if !strings.Contains(hintOf(err), "look at the host again") {
		t.Errorf("hint: %s", hintOf(err))
	}
}
