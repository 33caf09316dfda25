package negotiate_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"meshrotate/providers/negotiate"
	"meshrotate/reconciler/secret"
)

// confFor is a krb5.conf with one KDC.
func confFor(t *testing.T, kdc string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "krb5.conf")
	text := fmt.Sprintf("[libdefaults]\n default_realm = %[1]s\n udp_preference_limit = 1\n[realms]\n %[1]s = {\n  kdc = %[2]s\n }\n", realm, kdc)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAKDCThatIsDownIsLeftAlone(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int32
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			asked.Add(1)
			_ = conn.Close()
		}
	}()
	now := time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC)
	source := kerberos(t, negotiate.KerberosConfig{
		File: confFor(t, l.Addr().String()), User: "svc", Password: secret.NewString(canary), Now: func() time.Time { return now },
	})
	ask := func(reason string, want int32) {
		t.Helper()
		before := asked.Load()
		_, err := source.Token(t.Context(), "HTTP/h.contoso.test")
		var service *negotiate.ServiceError
		if !errors.As(err, &service) || !service.Unreachable {
			t.Errorf("%s: %v", reason, err)
		}
		if n := asked.Load() - before; n != want {
			t.Errorf("%s: the KDC was asked %d times, want %d", reason, n, want)
		}
	}
	ask("the first time", 1)
	ask("at once again", 0)
	now = now.Add(11 * time.Second)
	ask("after the pause", 1)
	_ = l.Close()
	<-done
}

func TestASilentKDCCanBeCancelled(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	source := kerberos(t, negotiate.KerberosConfig{File: confFor(t, l.Addr().String()), User: "svc", Password: secret.NewString(canary)})
	ctx, cancel := context.WithCancel(t.Context())
	asked := make(chan net.Conn, 1)
	go func() {
		conn, err := l.Accept()
		cancel()
		if err != nil {
			t.Error(err)
		}
		asked <- conn
	}()
	if _, err := source.Token(ctx, "HTTP/h.contoso.test"); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if conn := <-asked; conn != nil {
		_ = conn.Close() // ends the wait that Close would otherwise sit out
	}
	_ = l.Close()
}

func TestAStrangeKDC(t *testing.T) {
	for _, reply := range []string{"\x00\x00\x00\x04abcd", "\x00\x00\x00\x02\x7e\x00", "\x00\x00\x00\x01\x6b", "\x00", ""} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				_, _ = conn.Read(make([]byte, 4096))
				_, _ = conn.Write([]byte(reply))
				_ = conn.Close()
			}
		}()
		source := kerberos(t, negotiate.KerberosConfig{File: confFor(t, l.Addr().String()), User: "svc", Password: secret.NewString(canary)})
		if _, err := source.Token(t.Context(), "HTTP/h.contoso.test"); err == nil || errors.As(err, new(*negotiate.CredentialError)) {
			t.Errorf("%q: %v", reply, err)
		}
		_ = l.Close()
		<-done
	}
}

func TestKerberosConfig(t *testing.T) {
	conf := confFor(t, "127.0.0.1:88")
	damaged := filepath.Join(t.TempDir(), "damaged")
	if err := os.WriteFile(damaged, []byte{5, 4, 0}, 0o600); err != nil {
		t.Fatal(err)
	}
	password := secret.NewString(canary)
	for _, test := range []struct {
		reason string
		c      negotiate.KerberosConfig
	}{
		{"no credential", negotiate.KerberosConfig{File: conf}},
		{"two credentials", negotiate.KerberosConfig{File: conf, User: "a", Password: password, Keytab: damaged}},
		{"a password without a user", negotiate.KerberosConfig{File: conf, Password: password}},
		{"a krb5.conf that was named and is not there", negotiate.KerberosConfig{File: "/nowhere/krb5.conf", User: "a", Password: password}},
		{"a cache that is not there", negotiate.KerberosConfig{File: conf, Cache: "/nowhere/cache"}},
		{"a cache of another kind", negotiate.KerberosConfig{File: conf, Cache: "KEYRING:persistent:0"}},
		{"a damaged cache", negotiate.KerberosConfig{File: conf, Cache: damaged}},
		{"a damaged keytab", negotiate.KerberosConfig{File: conf, Keytab: damaged}},
	} {
		t.Run(test.reason, func(t *testing.T) {
			if k, err := negotiate.NewKerberos(test.c); err == nil {
				k.Close()
				t.Error("accepted")
			} else if strings.Contains(err.Error(), canary) {
				t.Errorf("shown: %v", err)
			}
		})
	}
}
