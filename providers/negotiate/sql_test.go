package negotiate_test

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/jcmturner/gokrb5/v8/keytab"

	"meshrotate/providers/lab/ntlm"
	"meshrotate/providers/lab/sqlserver"
	"meshrotate/providers/lab/tds"
	"meshrotate/providers/lab/webauth"
	"meshrotate/providers/mssql"
	"meshrotate/providers/negotiate"
	"meshrotate/reconciler/secret"
)

// TestSQLServerAgainstMIT signs in to the lab's SQL Server with tickets of MIT's KDC.
func TestSQLServerAgainstMIT(t *testing.T) {
	k := startKDC(t)
	const host = "sql01.contoso.test"
	keys, err := keytab.Load(k.add("MSSQLSvc/"+host+":1433", ""))
	if err != nil {
		t.Fatal(err)
	}
	k.add("svc", canary)
	robotKeys := k.add("robot", "")
	instance := sqlserver.New(sqlserver.Config{})
	defer instance.Close()
	instance.SetLogin(`CONTOSO\svc`, func(l *sqlserver.Login) { l.Windows = true })
	instance.SetLogin(`CONTOSO\robot`, func(l *sqlserver.Login) { l.Windows = true })
	cert, authority, err := tds.Issue(host)
	if err != nil {
		t.Fatal(err)
	}
	accept := webauth.Kerberos{Keytab: keys}
	server := &tds.Server{Instance: instance, Encryption: tds.Required, Certificate: cert, NTLM: ntlm.Server{Domain: "CONTOSO"}, Kerberos: accept.Accept}
	defer server.Close()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority)

	for _, c := range []struct {
		reason string
		krb    negotiate.KerberosConfig
		port   uint16
		who    string // "" is nobody
		says   string
	}{
		{"a password", negotiate.KerberosConfig{User: "svc", Password: secret.NewString(canary)}, 0, `CONTOSO\svc`, ""},
		{"a keytab", negotiate.KerberosConfig{User: "robot", Keytab: robotKeys}, 1433, `CONTOSO\robot`, ""},
		{"a ticket cache", negotiate.KerberosConfig{Cache: k.cache("robot", robotKeys)}, 0, `CONTOSO\robot`, ""},
		{"a wrong password", negotiate.KerberosConfig{User: "svc", Password: secret.NewString("wrong-" + canary)}, 0, "", "wrong password"},
		{"a service that the realm does not know", negotiate.KerberosConfig{User: "robot", Keytab: robotKeys}, 1444, "", "MSSQLSvc/" + host + ":1444"},
	} {
		t.Run(c.reason, func(t *testing.T) {
			c.krb.File = k.conf
			config := mssql.Config{Host: host, Port: c.port, User: c.krb.User, Tickets: kerberos(t, c.krb), Trust: mssql.Trust{Roots: roots},
				Dial: func(ctx context.Context, _, _ string) (net.Conn, error) { return server.Dial(ctx) }}
			s, err := mssql.Open(t.Context(), config)
			if c.who == "" {
				var failed *mssql.SignInError
				if !errors.As(err, &failed) || failed.Verdict != mssql.Unknown || failed.Why != mssql.NoTicket || failed.Hint() == "" ||
					!strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), canary) {
					t.Errorf("%v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			var who string
			err = s.Select(t.Context(), "SELECT SUSER_SNAME()", nil, func(_ int, scan func(...any) error) error { return scan(&who) })
			if err != nil || who != c.who {
				t.Errorf("%q, %v", who, err)
			}
		})
	}
}
