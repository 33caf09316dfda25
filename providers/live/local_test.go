//go:build unix

package live_test

import (
	"context"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"meshrotate/providers/live"
	"meshrotate/providers/site"
	"meshrotate/providers/winrm"
	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
	"meshrotate/state"
)

// What this machine lacks makes no host unreachable, in a look or in a step: the policy would leave it behind. It is asked
// again as long as a host is that is away.
func TestALimitOfThisMachine(t *testing.T) {
	virtual(t, func(t *testing.T) {
		tried := 0
		dial := func(ctx context.Context, host string) (live.Shell, error) {
			_, err := winrm.Open(ctx, winrm.Config{Address: "192.0.2.1:5985", Name: host, Auth: winrm.NTLM, User: "u", Password: secret.NewString("p"),
				Dial: func(context.Context, string, string) (net.Conn, error) {
					tried++
					return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("socket", syscall.EMFILE)}
				}})
			return nil, err
		}
		s := live.New(live.Config{Dial: dial, Salt: salt, Now: time.Now})
		defer s.Close(t.Context())
		host := site.Host("relay-01")
		seen := s.Look(t.Context(), []reconciler.Read{site.Machine{Host: "relay-01"}}, func(reconciler.Event) {})
		if seen.Reach(host) != reconciler.Broken || tried < 2 {
			t.Errorf("%v after %d tries: %v", seen.Reach(host), tried, seen[host].Err)
		}
		r := do(t, s, site.StopService{Host: "relay-01", Service: "IdentityMeshRelayAgent", Timeout: reconciler.Span(time.Minute)})
		if r[0].Outcome != state.Failed || r[0].Unreachable {
			t.Errorf("%+v", r[0])
		}
	})
}
