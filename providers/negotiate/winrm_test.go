package negotiate_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/jcmturner/gokrb5/v8/keytab"

	"meshrotate/providers/lab/webauth"
	"meshrotate/providers/lab/wsman"
	"meshrotate/providers/negotiate"
	"meshrotate/providers/winrm"
	"meshrotate/reconciler/secret"
)

// TestWinRM takes real tickets to a WinRM server over HTTPS, as plan and apply do: the client of package winrm, a KDC
// of MIT's, and a server that verifies tickets with its keytab.
func TestWinRM(t *testing.T) {
	const host = "example.com" // the name in the certificate that net/http/httptest brings
	k := startKDC(t)
	keys, err := keytab.Load(k.add("HTTP/"+host, ""))
	if err != nil {
		t.Fatal(err)
	}
	k.add("svc", canary)
	web := httptest.NewTLSServer(nil)
	defer web.Close()
	roots := x509.NewCertPool()
	roots.AddCert(web.Certificate())

	server := &wsman.Server{
		TLS:  &tls.Config{Certificates: web.TLS.Certificates, MinVersion: tls.VersionTLS12},
		Auth: webauth.Rules{Negotiate: true, Kerberos: &webauth.Kerberos{Keytab: keys}},
		Run: func(_ context.Context, p wsman.Process) uint32 {
			_, _ = io.WriteString(p.Stdout, "I am "+p.User)
			return 0
		},
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(ln) }() // ends with Close
	defer func() { _ = server.Close() }()

	open := func(password string) (*winrm.Session, error) {
		tickets, err := negotiate.NewKerberos(negotiate.KerberosConfig{File: k.conf, User: "svc", Password: secret.NewString(password)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(tickets.Close)
		return winrm.Open(t.Context(), winrm.Config{Address: ln.Addr().String(), Name: host, HTTPS: true, Auth: winrm.Kerberos,
			Kerberos: tickets, TLS: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}})
	}
	s, err := open(canary)
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.Start(t.Context(), "whoami")
	if err != nil {
		t.Fatal(err)
	}
	out := ""
	for done := false; !done; {
		o, err := p.Receive(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		out, done = out+string(o.Stdout), o.Done
	}
	if !strings.Contains(strings.ToLower(out), "svc") {
		t.Errorf("the server saw %q", out)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}

	_, err = open("another password")
	var e *winrm.Error
	if !errors.As(err, &e) || e.Class != winrm.Credential {
		t.Errorf("a wrong password: %v", err)
	}
}

// TestWinRMFleetWithKerberosTroubles has hosts with troubles of their own among good ones. None of them is the
// credential's, and none stops another host.
func TestWinRMFleetWithKerberosTroubles(t *testing.T) {
	k := startKDC(t)
	k.add("svc", canary)
	web := httptest.NewTLSServer(nil) // its certificate holds example.com, *.example.com and 127.0.0.1
	defer web.Close()
	roots := x509.NewCertPool()
	roots.AddCert(web.Certificate())
	host := func(keytabPath string) string {
		keys, err := keytab.Load(keytabPath)
		if err != nil {
			t.Fatal(err)
		}
		server := &wsman.Server{
			TLS:  &tls.Config{Certificates: web.TLS.Certificates, MinVersion: tls.VersionTLS12},
			Auth: webauth.Rules{Negotiate: true, Kerberos: &webauth.Kerberos{Keytab: keys}},
		}
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go func() { _ = server.Serve(ln) }() // ends with Close
		t.Cleanup(func() { _ = server.Close() })
		return ln.Addr().String()
	}
	good := host(k.add("HTTP/good.example.com", ""))
	rejoined := host(k.add("HTTP/rejoined.example.com", ""))
	k.rekey("HTTP/rejoined.example.com")
	nameless := host(k.add("HTTP/elsewhere.example.com", ""))

	now := time.Now()
	tickets := kerberos(t, negotiate.KerberosConfig{File: k.conf, User: "svc", Password: secret.NewString(canary), Now: func() time.Time { return now }})
	guard := &winrm.Guard{}
	open := func(reason, address, name string, class winrm.Class, says, hint string) {
		t.Helper()
		s, err := winrm.Open(t.Context(), winrm.Config{Address: address, Name: name, HTTPS: true, Auth: winrm.Kerberos,
			Kerberos: tickets, Guard: guard, TLS: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}})
		if err == nil {
			err = s.Close(t.Context())
		}
		var e *winrm.Error
		switch {
		case class < 0 && err == nil:
		case class < 0 || !errors.As(err, &e) || e.Class != class:
			t.Errorf("%s: %v", reason, err)
		case !strings.Contains(err.Error(), says) || !strings.Contains(e.Hint(), hint):
			t.Errorf("%s: %v\nhint: %s", reason, err, e.Hint())
		}
		if guard.Err() != nil {
			t.Fatalf("%s: the credential is given up: %v", reason, guard.Err())
		}
	}
	const works = winrm.Class(-1)

	k.stop()
	open("no KDC", good, "good.example.com", winrm.Unreachable, realm, k.addr)
	k.start()
	now = now.Add(4 * time.Second)
	open("no name, before anybody has taken the credential", nameless, "nameless.example.com", winrm.Ticket,
		"does not know this service", "setspn -S HTTP/nameless.example.com")
	open("a host that joined the domain anew", rejoined, "rejoined.example.com", winrm.Ticket,
		"refuses the ticket", "Test-ComputerSecureChannel")
	open("and the rest of the fleet", good, "good.example.com", works, "", "")
	for range 3 {
		open("no name, again and again", nameless, "nameless.example.com", winrm.Ticket,
			"no Kerberos ticket", "connect.hosts.nameless.example.com.auth: ntlm")
	}
	open("and the rest of the fleet, still", good, "good.example.com", works, "", "")
}
