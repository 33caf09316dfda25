package lab

import (
	"cmp"
	"context"
	"crypto/tls"
	"database/sql"
	"errors"
	"net"
	"time"

	mssqldb "github.com/microsoft/go-mssqldb"
	"github.com/microsoft/go-mssqldb/msdsn"

	"meshrotate/providers/lab/sqlserver"
)

// connection is a service's, in its pool.
type connection interface {
	// Reset gives it back to the pool, and takes it out again.
	Reset() error
	Close()
	AfterEnd(func()) (stop func() bool)
}

// signInTimeout is Connect Timeout where a string says nothing of it.
const signInTimeout = 15 * time.Second

// driven is a connection of the driver, over TDS. What the server has of it tells when it ends: an idle client does not read.
type driven struct {
	*sqlserver.Session
	pool *sql.DB
	conn *sql.Conn
}

// drive signs in as the driver does that the product's one is a sibling of. It cannot sign in as Windows does.
func (l *Lab) drive(c sqlserver.Client, host string) (*driven, error) {
	ctx, cancel := context.WithTimeout(context.Background(), signInTimeout)
	defer cancel()
	connector := mssqldb.NewConnectorConfig(msdsn.Config{
		Host: host, Port: 1433, Protocols: []string{"tcp"}, Database: c.Database, User: c.User, Password: c.Password, AppName: c.Program, Workstation: c.Host,
		Encryption: msdsn.EncryptionRequired, TLSConfig: &tls.Config{RootCAs: l.SQLRoots(), ServerName: "localhost", MinVersion: tls.VersionTLS12, DynamicRecordSizingDisabled: true},
		DialTimeout: -1, DisableRetry: true,
	})
	connector.Dialer = serviceDialer{l, c.Program, host}
	d := &driven{pool: sql.OpenDB(connector)}
	d.pool.SetMaxOpenConns(1)
	id := 0
	var err error
	if d.conn, err = d.pool.Conn(ctx); err == nil {
		err = d.conn.QueryRowContext(ctx, "SELECT @@SPID").Scan(&id)
	}
	if s := l.SQLInstance(); err == nil && s != nil {
		d.Session = s.Session(id)
	}
	if err == nil && d.Session == nil {
		err = errors.New("the session has ended already")
	}
	if err != nil {
		_ = d.pool.Close()
		return nil, err
	}
	return d, nil
}

func (d *driven) Reset() error {
	ctx, cancel := context.WithTimeout(context.Background(), signInTimeout)
	defer cancel()
	_ = d.conn.Close() // back to the pool
	var err error
	if d.conn, err = d.pool.Conn(ctx); err == nil {
		err = d.conn.PingContext(ctx)
	}
	if err == nil && d.live() { // the pool may have replaced it
		return nil
	}
	d.Close()
	return cmp.Or(err, sqlserver.ErrDown)
}

func (d *driven) live() bool {
	select {
	case <-d.Done():
		return false
	default:
		return true
	}
}

// Close ends the session at once: that the server has noticed is not waited for.
func (d *driven) Close() {
	_ = d.conn.Close()
	_ = d.pool.Close()
	d.Session.Close()
}

// exec carries out a statement.
func (d *driven) exec(ctx context.Context, text string, params []sqlserver.Param) error {
	var args []any
	for _, p := range params {
		args = append(args, sql.Named(p.Name, p.Value))
	}
	_, err := d.conn.ExecContext(ctx, text, args...)
	return err
}

// serviceDialer connects a service without a wire.
type serviceDialer struct {
	lab     *Lab
	program string
	host    string
}

// HostName leaves names to the dialer.
func (d serviceDialer) HostName() string { return d.host }

func (d serviceDialer) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	return d.lab.database.wireOf(d.host).DialAs(ctx, d.program, 0)
}
