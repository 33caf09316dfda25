package tds_test

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/lab/sqlserver"
	"meshrotate/providers/lab/tds"
	"meshrotate/providers/mssql"
	"meshrotate/providers/mssql/connstring"
	"meshrotate/reconciler/secret"
)

// A named instance is found by its name, with the string as the product has it; a port makes the name meaningless.
func TestNamedInstance(t *testing.T) {
	instance := sqlserver.New(sqlserver.Config{Name: `SQL01\\PROD`})
	defer instance.Close()
	instance.SetLogin("im_app", func(l *sqlserver.Login) { l.Password = "Correct-Horse-1" })
	cert, authority, err := tds.Issue("sql01.lab.example")
	if err != nil {
		t.Fatal(err)
	}
	server := &tds.Server{Instance: instance, Encryption: tds.Required, Certificate: cert}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	go func() { _ = server.Serve(ln) }()
	port := ln.Addr().(*net.TCPAddr).Port
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	go func() {
		_ = tds.Browser{Host: "SQL01", Instances: map[string]int{"PROD": port, "TEST": 1}}.Serve(pc)
	}()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority)
	asked := 0
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		host, at, _ := net.SplitHostPort(address)
		if host != "sql01.lab.example" {
			t.Errorf("dials %s", address)
		}
		if network == "udp" {
			if asked++; at != "1434" {
				t.Errorf("asks the browser at port %s", at)
			}
			return new(net.Dialer).DialContext(ctx, network, pc.LocalAddr().String())
		}
		return new(net.Dialer).DialContext(ctx, network, net.JoinHostPort("127.0.0.1", at))
	}
	for _, c := range []struct {
		reason, source string
		asked          int
		why            mssql.Why
	}{
		{"by its name", `sql01.lab.example\PROD`, 1, ""},
		{"in other letters", `tcp:SQL01.lab.example\prod`, 1, ""},
		{"by its port", "sql01.lab.example," + strings.TrimPrefix(ln.Addr().String(), "127.0.0.1:"), 0, ""},
		{"by both", `sql01.lab.example\NONE,` + strings.TrimPrefix(ln.Addr().String(), "127.0.0.1:"), 0, ""},
		{"an instance that is not there", `sql01.lab.example\NONE`, 1, mssql.Unreachable},
	} {
		t.Run(c.reason, func(t *testing.T) {
			asked = 0
			s, err := connstring.Parse(secret.NewString("Server=" + strings.ToLower(c.source) + ";User ID=im_app;Password=Correct-Horse-1;Encrypt=True"))
			if err != nil {
				t.Fatal(err)
			}
			config, err := mssql.FromString(s, "im-admin", mssql.Trust{Roots: roots})
			if err != nil {
				t.Fatal(err)
			}
			config.Dial = dial
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			a := mssql.Probe(ctx, config)
			if a.Why != c.why || asked != c.asked {
				t.Errorf("%v, and the browser was asked %d times", a, asked)
			}
			var failed *mssql.SignInError
			if c.why != "" && (!errors.As(a.Err, &failed) || failed.Hint() == "") {
				t.Errorf("no hint: %v", a.Err)
			}
		})
	}
}
