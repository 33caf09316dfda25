package mssql_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"meshrotate/providers/lab/sqlserver"
	"meshrotate/providers/lab/tds"
	"meshrotate/providers/lab/wsman"
	client "meshrotate/providers/mssql"
	"meshrotate/reconciler/secret"
	"meshrotate/state/mssql"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	database = "Rotation"
	owner    = "im_owner"  // of the database
	runner   = "im_runner" // a member of the role that the script makes
	stranger = "im_stranger"
	password = "Correct-Horse-1"
)

var authority = sync.OnceValue(func() (a struct {
	server tls.Certificate
	roots  *x509.CertPool
}) {
	var pem []byte
	var err error
	if a.server, pem, err = tds.Issue("localhost"); err != nil {
		panic(err)
	}
	a.roots = x509.NewCertPool()
	a.roots.AppendCertsFromPEM(pem)
	return a
})

// world is a SQL Server with a database for the state.
type world struct {
	model  *sqlserver.Server
	wire   *tds.Server
	addr   string // "" in memory
	faults atomic.Pointer[func(wsman.Event) wsman.Fault]

	mu       sync.Mutex
	sessions []mssql.Session
}

// newWorld makes one; tcp puts it on loopback. What is opened is closed by close, before the end of a bubble.
func newWorld(t testing.TB, tcp bool) *world {
	t.Helper()
	w := &world{model: sqlserver.New(sqlserver.Config{})}
	w.model.Data().SetDatabase(database, nil)
	for name, roles := range map[string][]string{owner: {"db_owner"}, runner: {}, stranger: {}} {
		w.model.SetLogin(name, func(l *sqlserver.Login) {
			l.Password, l.DefaultDatabase = password, database
			w.model.Data().SetUser(database, name, l.SID, roles...)
		})
	}
	w.wire = &tds.Server{Instance: w.model, Encryption: tds.Required, Certificate: authority().server, Faults: func(e wsman.Event) wsman.Fault {
		if f := w.faults.Load(); f != nil {
			return (*f)(e)
		}
		return wsman.Fault{}
	}}
	if tcp {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		w.addr = l.Addr().String()
		go func() { _ = w.wire.Serve(l) }()
	}
	return w
}

// close ends everything. Sessions that rest and heartbeats that nobody stopped end with it.
func (w *world) close() {
	w.mu.Lock()
	all := w.sessions
	w.mu.Unlock()
	for _, x := range all {
		x.Close()
	}
	_ = w.wire.Close()
	w.model.Close()
	w.model.Data().Close()
}

func (w *world) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	if w.addr == "" {
		return w.wire.Dial(ctx)
	}
	return new(net.Dialer).DialContext(ctx, "tcp", w.addr)
}

// as is how to sign in.
func (w *world) as(login string) func(context.Context) (mssql.Session, error) {
	return func(ctx context.Context) (mssql.Session, error) {
		x, err := client.Open(ctx, client.Config{Host: "localhost", Port: 1433, Database: database, User: login, Password: secret.NewString(password),
			Trust: client.Trust{Roots: authority().roots}, Dial: w.dial})
		if err != nil {
			return nil, err
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.sessions = append(w.sessions, x)
		return x, nil
	}
}

// open is a store in the hands of a login, as if in a process of its own.
func (w *world) open(login string) *mssql.Store {
	return mssql.Open(mssql.Config{SignIn: w.as(login), Passes: client.Passes, Place: "sql01, database " + database})
}

// full fills the database's log.
func (w *world) full(yes bool) {
	w.model.Data().SetDatabase(database, func(d *sqlserver.Database) { d.LogFull = yes })
}

// do sends a batch as the database's owner.
func (w *world) do(t testing.TB, batch string) {
	t.Helper()
	if err := w.send(owner, batch); err != nil {
		t.Fatalf("%s: %v", batch, err)
	}
}

func (w *world) send(login, batch string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	x, err := w.as(login)(ctx)
	if err != nil {
		return err
	}
	defer x.Close()
	return x.Select(ctx, batch, nil, func(int, func(...any) error) error { return nil })
}
