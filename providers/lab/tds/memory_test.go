package tds_test

import (
	"context"
	"database/sql"
	"errors"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	mssql "github.com/microsoft/go-mssqldb"
	"github.com/microsoft/go-mssqldb/msdsn"

	"meshrotate/providers/lab/sqlserver"
	"meshrotate/providers/lab/tds"
	"meshrotate/providers/lab/wsman"
)

// pipe dials a server in memory, whatever the address says.
type pipe struct{ *tds.Server }

func (p pipe) DialContext(ctx context.Context, _, _ string) (net.Conn, error) { return p.Dial(ctx) }
func (p pipe) HostName() string                                               { return "sql01" }

// memory runs f in a bubble, with a pool of connections to an instance without a wire.
func memory(t *testing.T, encrypt msdsn.Encryption, faults func(wsman.Event) wsman.Fault, f func(t *testing.T, m *sqlserver.Server, open func(user, password string) *sql.DB)) {
	authority() // its key is made outside of the bubble
	synctest.Test(t, func(t *testing.T) {
		m := model(t, &texts{})
		s := &tds.Server{Instance: m, Encryption: tds.On, Certificate: authority().server, Faults: faults}
		if encrypt == msdsn.EncryptionDisabled {
			s.Encryption = tds.Off
		}
		w := &world{Server: s, model: m, addr: "127.0.0.1:1"}
		var all []*sql.DB
		defer func() {
			for _, db := range all {
				_ = db.Close()
			}
			_ = s.Close()
			m.Close()
		}()
		f(t, m, func(user, password string) *sql.DB {
			c := mssql.NewConnectorConfig(w.config(user, password, encrypt))
			c.Dialer = pipe{s}
			db := sql.OpenDB(c)
			all = append(all, db)
			return db
		})
	})
}

func TestInMemoryOnAVirtualClock(t *testing.T) {
	for _, encrypt := range []msdsn.Encryption{msdsn.EncryptionDisabled, msdsn.EncryptionRequired} {
		memory(t, encrypt, nil, func(t *testing.T, _ *sqlserver.Server, open func(user, password string) *sql.DB) {
			db := open(dba, dbaPassword)
			from := time.Now()
			do(t, db, "CREATE TABLE t (k int)")
			if _, err := db.ExecContext(t.Context(), "WAITFOR DELAY '01:00:00'; INSERT t VALUES (1)"); err != nil {
				t.Fatal(err)
			}
			if d := time.Since(from); d < time.Hour || d > time.Hour+time.Second {
				t.Errorf("it took %v", d)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if _, err := db.ExecContext(ctx, "WAITFOR DELAY '02:00:00'"); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v", err)
			}
		})
	}
}

// Two machines want one lock: the second gets it when the first one's session ends.
func TestAppLockInMemory(t *testing.T) {
	memory(t, msdsn.EncryptionDisabled, nil, func(t *testing.T, m *sqlserver.Server, open func(user, password string) *sql.DB) {
		one, two := open(dba, dbaPassword), open(dba, dbaPassword)
		lock := func(db *sql.DB, wait int) mssql.ReturnStatus {
			status := mssql.ReturnStatus(-100)
			if _, err := db.ExecContext(t.Context(), "sp_getapplock", sql.Named("Resource", "meshrotate"), sql.Named("LockMode", "Exclusive"), sql.Named("LockOwner", "Session"), sql.Named("LockTimeout", wait), &status); err != nil {
				t.Error(err)
			}
			return status
		}
		if s := lock(one, 0); s != 0 {
			t.Errorf("the first: %d", s)
		}
		if s := lock(two, 5000); s != -1 {
			t.Errorf("the second: %d", s)
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			if s := lock(two, 60_000); s != 1 {
				t.Errorf("after the first has gone: %d", s)
			}
		})
		synctest.Wait()
		_ = one.Close()
		wg.Wait()
	})
}

// Each kind of fault at an ALTER LOGIN: what the client sees, and on which side of it the login is.
func TestALostReplyToAlterLogin(t *testing.T) {
	cases := []struct {
		kind    wsman.Kind
		changed bool
	}{
		{wsman.CutBefore, false}, {wsman.CutMid, true}, {wsman.CutAfter, true}, {wsman.Hang, false}, {wsman.HangAfter, true},
	}
	for _, tc := range cases {
		faults := func(e wsman.Event) wsman.Fault {
			if e.Action == tds.Batch && len(e.CommandLine) > 5 && e.CommandLine[:5] == "ALTER" {
				return wsman.Fault{Kind: tc.kind, Delay: time.Second}
			}
			return wsman.Fault{}
		}
		memory(t, msdsn.EncryptionRequired, faults, func(t *testing.T, m *sqlserver.Server, open func(user, password string) *sql.DB) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if _, err := open(dba, dbaPassword).ExecContext(ctx, "ALTER LOGIN im_app WITH PASSWORD = N'Another-Horse-2'"); err == nil {
				t.Errorf("fault %d: no error", tc.kind)
			}
			_, err := m.Login(sqlserver.Client{User: appLogin, Password: "Another-Horse-2"})
			if (err == nil) != tc.changed {
				t.Errorf("fault %d: the new password: %v", tc.kind, err)
			}
		})
	}
}

func TestNobodyListens(t *testing.T) {
	memory(t, msdsn.EncryptionDisabled, func(e wsman.Event) wsman.Fault {
		if e.Action == wsman.Connect && e.N == 2 {
			return wsman.Fault{Kind: wsman.Refuse}
		}
		return wsman.Fault{}
	}, func(t *testing.T, m *sqlserver.Server, open func(user, password string) *sql.DB) {
		if err := open(dba, dbaPassword).PingContext(t.Context()); err != nil {
			t.Error(err)
		}
		if err := open(dba, dbaPassword).PingContext(t.Context()); err == nil {
			t.Error("a refused connection works")
		}
		m.Down(true)
		if err := open(dba, dbaPassword).PingContext(t.Context()); err == nil {
			t.Error("a server that is down answers")
		}
	})
}

// A failover: the connection drops, the listener leads to a replica with another password.
func TestFailover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		data := sqlserver.NewData()
		defer data.Close()
		data.SetDatabase(database, nil)
		var all []*sqlserver.Server
		sid := []byte("0123456789abcdef")
		for _, n := range []string{"SQL01", "SQL02"} {
			m := sqlserver.New(sqlserver.Config{Name: n, Data: data})
			m.SetLogin(appLogin, func(l *sqlserver.Login) { l.Password, l.SID = "Old-Horse-1", sid })
			all = append(all, m)
		}
		data.SetUser(database, appLogin, sid, "db_owner")
		g := sqlserver.NewGroup("ag", []string{database}, all...)
		as := func(m *sqlserver.Server, password string) (*sqlserver.Session, error) {
			return m.Login(sqlserver.Client{User: appLogin, Password: password, Database: database})
		}
		x, err := as(g.Primary(), "Old-Horse-1")
		if err != nil {
			t.Fatal(err)
		}
		all[0].SetLogin(appLogin, func(l *sqlserver.Login) { l.Password = "New-Horse-2" })
		g.Failover(all[1])
		select {
		case <-x.Done():
		default:
			t.Error("the session survived")
		}
		if _, err := as(g.Primary(), "New-Horse-2"); err == nil {
			t.Error("the new primary knows the password that was set on the old one")
		}
		if _, err := as(g.Primary(), "Old-Horse-1"); err != nil {
			t.Errorf("the old password on the new primary: %v", err)
		}
		var refused sqlserver.Errors
		if _, err := as(all[0], "New-Horse-2"); !errors.As(err, &refused) || refused[0].Number != 976 {
			t.Errorf("the secondary: %v", err)
		}
		g.Failover(nil)
		if _, err := as(all[0], "New-Horse-2"); !errors.As(err, &refused) || refused[0].Number != 983 {
			t.Errorf("while it is resolved: %v", err)
		}
	})
}
