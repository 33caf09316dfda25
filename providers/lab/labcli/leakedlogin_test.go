package labcli_test

import (
	"database/sql"
	"net"
	"net/url"
	"os"
	"testing"

	_ "github.com/microsoft/go-mssqldb" // the driver
	"github.com/microsoft/go-mssqldb/msdsn"

	"meshrotate/providers/lab"
)

// TestLeakedLogin is a password of the SQL login that others know. An ordinary rotation leaves the login as it is for a week; here it is
// disabled in the same run, once the other one is proven. A run that is killed is finished by an ordinary apply, in the same way.
func TestLeakedLogin(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ reason, killed string }{
		{"it ends", ""},
		{"killed while services are down", "switch: began"},
		{"killed before the login's end", "verify: began"},
	} {
		t.Run(c.reason, func(t *testing.T) {
			t.Parallel()
			w, l := startHere(t, lab.Config{Relays: 1, Login: "alternating"})
			w.run(0, "apply", "--yes")
			was, ok := l.SignedIn()
			if !ok {
				t.Fatal("nobody is signed in")
			}
			stays(t, l, was)
			leaked := []string{"rotate", "--compromised", "sqllogin", "--yes", "seen in a crash dump"}
			if c.killed == "" {
				w.run(0, leaked...).says(t, "[secret-compromised]", "disable "+was+" on", "1 secret rotated and proven")
			} else {
				r := w.start(leaked...)
				r.reaches(c.killed)
				r.signal(os.Kill)
				r.wait()
				w.run(0, "apply", "--yes").says(t, "compromised: seen in a crash dump", "disable "+was+" on", "rotated and proven", "meshrotate history --evidence sqllogin")
			}
			if now, ok := l.SignedIn(); !ok || now == was {
				t.Errorf("signed in is %s, and was %s", now, was)
			}
			w.run(0, "history", "--evidence", "sqllogin").says(t, "seen in a crash dump", "the login "+was+" on sql01.lab.example: taken out at")
			w.run(0, "history", "--evidence", "sqllogin", "-o", "json").says(t, was+" is disabled on SQL01; sessions that were signed in with it, and stay until they end: 1")
			w.run(0, "plan").says(t, "nothing to do")
		})
	}
}

// stays is somebody else who is signed in with a login, and stays.
func stays(t *testing.T, l *lab.Lab, login string) {
	t.Helper()
	for _, text := range l.Strings() {
		c, err := msdsn.Parse(text)
		if err != nil || c.User != login {
			continue
		}
		host, port, _ := net.SplitHostPort(l.SQLAddress())
		at := url.URL{Scheme: "sqlserver", User: url.UserPassword(login, c.Password), Host: net.JoinHostPort(host, port),
			RawQuery: "database=IdentityMesh&encrypt=true&TrustServerCertificate=true&app+name=Excel"}
		db, err := sql.Open("sqlserver", at.String())
		must(t, err)
		session, err := db.Conn(t.Context())
		must(t, err)
		must(t, session.PingContext(t.Context()))
		t.Cleanup(func() { _ = session.Close(); _ = db.Close() })
		return
	}
	t.Fatal("no string of " + login)
}
