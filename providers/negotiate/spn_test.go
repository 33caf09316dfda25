package negotiate_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/jcmturner/gokrb5/v8/keytab"

	"meshrotate/providers/adminapi"
	"meshrotate/providers/lab/webauth"
	"meshrotate/providers/lab/wsman"
	"meshrotate/providers/negotiate"
	"meshrotate/providers/winrm"
	"meshrotate/reconciler/secret"
)

// TestServiceNames: the name HTTP/host belongs to the account of the Admin service, so WinRM on that host cannot open such a ticket.
// With a service of its own it can; and the API's ticket may be for a name that is not its URL's. What was asked for stands in the
// KDC's log.
func TestServiceNames(t *testing.T) {
	const host, alias = "example.com", "HTTP/svc-im.contoso.test" // the first is in the certificate that net/http/httptest brings
	k := startKDC(t)
	k.add("svc", canary)
	load := func(principal string) *webauth.Kerberos {
		keys, err := keytab.Load(k.add(principal, ""))
		if err != nil {
			t.Fatal(err)
		}
		return &webauth.Kerberos{Keytab: keys}
	}
	load("HTTP/" + host) // of another account
	ownRules := webauth.Rules{Negotiate: true, Kerberos: load("WSMAN/" + host)}
	apiRules := webauth.Rules{Negotiate: true, Kerberos: load(alias)}

	web := httptest.NewUnstartedServer(apiRules.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"tier":"Enterprise"}`))
	})))
	web.Config.ConnContext = webauth.ConnContext
	web.StartTLS()
	defer web.Close()
	roots := x509.NewCertPool()
	roots.AddCert(web.Certificate())
	server := &wsman.Server{TLS: &tls.Config{Certificates: web.TLS.Certificates, MinVersion: tls.VersionTLS12}, Auth: ownRules}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(ln) }() // ends with Close
	defer func() { _ = server.Close() }()
	tickets := kerberos(t, negotiate.KerberosConfig{File: k.conf, User: "svc", Password: secret.NewString(canary)})

	shell := func(spn string) error {
		s, err := winrm.Open(t.Context(), winrm.Config{Address: ln.Addr().String(), Name: host, HTTPS: true, Auth: winrm.Kerberos, SPN: spn,
			Kerberos: tickets, TLS: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}})
		if err != nil {
			return err
		}
		return s.Close(t.Context())
	}
	ask := func(spn string) error {
		c, err := adminapi.New(adminapi.Config{URL: "https://" + host, Auth: adminapi.Auth{Kerberos: tickets, SPN: spn},
			CAPEM: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: web.Certificate().Raw}),
			DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, web.Listener.Addr().String())
			}})
		if err != nil {
			return err
		}
		defer c.Close()
		_, err = c.Get(t.Context(), "/api/license")
		return err
	}
	for _, c := range []struct {
		what  string
		do    func(spn string) error
		spn   string
		asked string // the service in the KDC's log
		works bool
	}{
		{"WinRM", shell, "", "HTTP/" + host, false},
		{"WinRM", shell, "WSMAN", "WSMAN/" + host, true},
		{"the Admin API", ask, "", "HTTP/" + host, false},
		{"the Admin API", ask, alias, alias, true},
	} {
		if err := c.do(c.spn); (err == nil) != c.works {
			t.Errorf("%s as %q: %v", c.what, c.spn, err)
		}
		if k.count(" for "+c.asked+"@"+realm) == 0 {
			t.Errorf("%s as %q: the KDC was not asked for %s", c.what, c.spn, c.asked)
		}
	}
}
