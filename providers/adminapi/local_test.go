//go:build unix

package adminapi_test

import (
	"context"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"meshrotate/providers/adminapi"
)

// A limit of this machine is not Admin's silence; it may pass, so it is waited for as that is.
func TestALimitOfThisMachine(t *testing.T) {
	url, _ := flaky(t, 0, nil)
	full, lasting := 2, adminapi.Retry{First: time.Millisecond, Most: time.Millisecond, For: 20 * time.Millisecond}
	config := adminapi.Config{URL: url, DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		if full--; full >= 0 {
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("socket", syscall.EMFILE)}
		}
		return new(net.Dialer).DialContext(ctx, network, address)
	}}
	if _, err := open(t, config).Relays(t.Context()); err != nil {
		t.Errorf("it had passed: %v", err)
	}
	full, config.Retry = 1<<30, lasting
	if _, err := open(t, config).Relays(t.Context()); adminapi.KindOf(err) != adminapi.Local {
		t.Errorf("%v", err)
	}
	if err := open(t, config).Post(t.Context(), "/api/license/reload"); adminapi.KindOf(err) != adminapi.Local {
		t.Errorf("nothing was sent: %v", err)
	}
}
