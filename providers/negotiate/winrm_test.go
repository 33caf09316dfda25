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
