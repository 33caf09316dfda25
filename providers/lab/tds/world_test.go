package tds_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	mssql "github.com/microsoft/go-mssqldb"
	_ "github.com/microsoft/go-mssqldb/integratedauth/ntlm"
	"github.com/microsoft/go-mssqldb/msdsn"

	"meshrotate/providers/lab/ntlm"
	"meshrotate/providers/lab/sqlserver"
	"meshrotate/providers/lab/tds"
)

const (
	appLogin, appPassword = "im_app", `Correct;Horse="1"'é`
	dba, dbaPassword      = "dba", "Very-Secret-3"
	winUser, winPassword  = "svc-im", "Domain-Pass-4"
	database              = "IdentityMesh"
)

// authority is a certificate authority with a certificate for localhost and 127.0.0.1.
var authority = sync.OnceValue(func() (a struct {
	server tls.Certificate
	pem    []byte
}) {
	var err error
	if a.server, a.pem, err = tds.Issue("localhost"); err != nil {
		panic(err)
	}
	return a
})

// world is an instance on loopback.
type world struct {
	*tds.Server
	model *sqlserver.Server
	addr  string
	ca    string // a file
	texts *texts
}

// texts are the statements that were sent.
type texts struct {
	mu  sync.Mutex
	all []sqlserver.Statement
}

func (x *texts) add(s sqlserver.Statement) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.all = append(x.all, s)
}

func model(t testing.TB, seen *texts) *sqlserver.Server {
	m := sqlserver.New(sqlserver.Config{Record: seen.add})
	m.Data().SetDatabase(database, nil)
	for name, l := range map[string]sqlserver.Login{
		appLogin: {Password: appPassword}, dba: {Password: dbaPassword, Roles: []string{"sysadmin"}}, `LAB\` + winUser: {Windows: true}} {
		m.SetLogin(name, func(o *sqlserver.Login) {
			o.Password, o.Roles, o.Windows, o.DefaultDatabase = l.Password, l.Roles, l.Windows, database
			m.Data().SetUser(database, name, o.SID, "db_datareader", "db_datawriter", "db_ddladmin")
		})
	}
	t.Cleanup(func() { m.Close(); m.Data().Close() })
	return m
}

// start puts an instance on loopback; set changes it before.
func start(t testing.TB, mode tds.Encryption, set ...func(*tds.Server)) *world {
	t.Helper()
	w := &world{texts: &texts{}, ca: filepath.Join(t.TempDir(), "ca.pem")}
	w.model = model(t, w.texts)
	w.Server = &tds.Server{Instance: w.model, Encryption: mode, Certificate: authority().server,
		NTLM: ntlm.Server{Lenient: true, Domain: "LAB", Host: "SQL01", Password: func(u string) (string, bool) { return winPassword, u == winUser }}}
	for _, f := range set {
		f(w.Server)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.addr = ln.Addr().String()
	go func() { _ = w.Serve(ln) }()
	t.Cleanup(func() { _ = w.Server.Close() })
	if err := os.WriteFile(w.ca, authority().pem, 0o600); err != nil {
		t.Fatal(err)
	}
	return w
}

// config is how go-mssqldb connects.
func (w *world) config(user, password string, encrypt msdsn.Encryption) msdsn.Config {
	host, port, _ := net.SplitHostPort(w.addr)
	n, _ := net.LookupPort("tcp", port)
	c := msdsn.Config{Host: host, Port: uint64(n), User: user, Password: password, Database: database, AppName: "contract", Workstation: "BOX", Encryption: encrypt,
		Protocols: []string{"tcp"}, DialTimeout: 10 * time.Second, PacketSize: 4096}
	if encrypt != msdsn.EncryptionDisabled {
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(authority().pem)
		c.TLSConfig = &tls.Config{RootCAs: pool, ServerName: "localhost"}
		if encrypt == msdsn.EncryptionStrict {
			c.TLSConfig.NextProtos = []string{"tds/8.0"}
		}
	}
	return c
}

// open is a pool of connections.
func (w *world) open(t testing.TB, user, password string, encrypt msdsn.Encryption) *sql.DB {
	t.Helper()
	db := sql.OpenDB(mssql.NewConnectorConfig(w.config(user, password, encrypt)))
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func timeout(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func do(t testing.TB, db interface {
	ExecContext(context.Context, string, ...any) (sql.Result, error)
}, text string, args ...any) {
	t.Helper()
	if _, err := db.ExecContext(timeout(t), text, args...); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}
