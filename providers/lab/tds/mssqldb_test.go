package tds_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"strings"
	"testing"
	"time"

	mssql "github.com/microsoft/go-mssqldb"
	"github.com/microsoft/go-mssqldb/msdsn"

	"meshrotate/providers/lab/sqlserver"
	"meshrotate/providers/lab/tds"
)

func TestEncryptionModes(t *testing.T) {
	cases := []struct {
		reason string
		server tds.Encryption
		client msdsn.Encryption
		ok     bool
		all    bool // the session is encrypted
	}{
		{"neither", tds.Off, msdsn.EncryptionDisabled, true, false},
		{"the client does not insist", tds.Off, msdsn.EncryptionOff, true, false},
		{"the client insists", tds.Off, msdsn.EncryptionRequired, false, false},
		{"the client has none", tds.On, msdsn.EncryptionDisabled, true, false},
		{"the login alone", tds.On, msdsn.EncryptionOff, true, false},
		{"all", tds.On, msdsn.EncryptionRequired, true, true},
		{"the server insists, the client has none", tds.Required, msdsn.EncryptionDisabled, false, false},
		{"the server insists", tds.Required, msdsn.EncryptionOff, true, true},
		{"both insist", tds.Required, msdsn.EncryptionRequired, true, true},
		{"strict with one that can", tds.On, msdsn.EncryptionStrict, true, true},
		{"strict", tds.Strict, msdsn.EncryptionStrict, true, true},
		{"strict with a client that is not", tds.Strict, msdsn.EncryptionRequired, false, false},
		{"strict with a server that cannot", tds.Off, msdsn.EncryptionStrict, false, false},
	}
	for _, tc := range cases {
		t.Run(tc.reason, func(t *testing.T) {
			w := start(t, tc.server)
			db := w.open(t, dba, dbaPassword, tc.client)
			var name, option string
			err := db.QueryRowContext(timeout(t), "SELECT SUSER_SNAME(), encrypt_option FROM sys.dm_exec_connections WHERE session_id = @@SPID").Scan(&name, &option)
			if (err == nil) != tc.ok {
				t.Fatalf("%v", err)
			}
			if tc.ok && (name != dba || option != map[bool]string{true: "TRUE", false: "FALSE"}[tc.all]) {
				t.Errorf("%s, encrypted %s", name, option)
			}
		})
	}
}

func TestACertificateOfAnotherAuthority(t *testing.T) {
	w := start(t, tds.Required)
	c := w.config(dba, dbaPassword, msdsn.EncryptionRequired)
	c.TLSConfig.RootCAs = nil
	db := sql.OpenDB(mssql.NewConnectorConfig(c))
	defer func() { _ = db.Close() }()
	if err := db.PingContext(timeout(t)); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("%v", err)
	}
}

func TestNTLM(t *testing.T) {
	w := start(t, tds.On)
	db := w.open(t, `LAB\`+winUser, winPassword, msdsn.EncryptionRequired)
	var name, scheme string
	if err := db.QueryRowContext(timeout(t), "SELECT SUSER_SNAME(), CONNECTIONPROPERTY('auth_scheme')").Scan(&name, &scheme); err != nil || name != `LAB\`+winUser || scheme != "NTLM" {
		t.Errorf("%q %q %v", name, scheme, err)
	}
	if err := w.open(t, `LAB\`+winUser, "wrong", msdsn.EncryptionRequired).PingContext(timeout(t)); numberOf(err) != 18452 {
		t.Errorf("%v", err)
	}
}

// numberOf is the number of a server's error, 0 for none.
func numberOf(err error) int32 {
	var e mssql.Error
	if errors.As(err, &e) {
		return e.Number
	}
	return 0
}

func TestParametersKeepTheirTypes(t *testing.T) {
	w := start(t, tds.On)
	db := w.open(t, dba, dbaPassword, msdsn.EncryptionRequired)
	do(t, db, `CREATE TABLE t (k int PRIMARY KEY, s nvarchar(max) NULL, b varbinary(max) NULL, d datetime2(7) NULL, g uniqueidentifier NULL, i int NULL, l bigint NULL, f bit NULL, v varchar(20) NULL)`)
	big, blob := strings.Repeat("Grüße 😀 ", 5000), make([]byte, 100_000)
	_, _ = rand.Read(blob)
	when := time.Date(2026, 11, 26, 3, 4, 5, 123456700, time.UTC)
	id := mssql.UniqueIdentifier{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}
	do(t, db, "INSERT t (k, s, b, d, g, i, l, f, v) VALUES (@p1, @p2, @p3, @p4, @p5, @p6, @p7, @p8, @p9)", 1, big, blob, when, id, int32(-5), int64(1)<<40, true, mssql.VarChar("vc"))
	do(t, db, "INSERT t (k, s, b, d) VALUES (@k, @s, @b, @d)", sql.Named("k", 2), sql.Named("s", nil), sql.Named("b", []byte(nil)), sql.Named("d", sql.NullTime{}))
	do(t, db, "INSERT t (k, s, b) VALUES (@k, @s, @b)", sql.Named("k", 3), sql.Named("s", ""), sql.Named("b", []byte{}))
	var s, v string
	var b []byte
	var d time.Time
	var g mssql.UniqueIdentifier
	var i int32
	var l int64
	var f bool
	row := db.QueryRowContext(timeout(t), "SELECT s, b, d, g, i, l, f, v FROM t WHERE g = @g AND d = @d AND b = @b", sql.Named("g", id), sql.Named("d", when), sql.Named("b", blob))
	if err := row.Scan(&s, &b, &d, &g, &i, &l, &f, &v); err != nil {
		t.Fatal(err)
	}
	if s != big || !bytes.Equal(b, blob) || !d.Equal(when) || g != id || i != -5 || l != 1<<40 || !f || v != "vc" {
		t.Errorf("%d characters, %d bytes, %v %v %d %d %t %q", len(s), len(b), d, g, i, l, f, v)
	}
	rows, err := db.QueryContext(timeout(t), "SELECT s, b, d, g, i, l, f FROM t WHERE k = 2")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	kinds, _ := rows.ColumnTypes()
	var names []string
	for _, k := range kinds {
		names = append(names, k.DatabaseTypeName())
	}
	if got := strings.Join(names, " "); got != "NVARCHAR VARBINARY DATETIME2 UNIQUEIDENTIFIER INT BIGINT BIT" {
		t.Errorf("types %s", got)
	}
	for rows.Next() {
		all := make([]any, 7)
		into := make([]any, 7)
		for i := range all {
			into[i] = &all[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		for i, v := range all {
			if v != nil {
				t.Errorf("column %d is %v, not NULL", i, v)
			}
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	var n int
	if err := db.QueryRowContext(timeout(t), "SELECT COUNT(*) FROM t WHERE s = N'' AND b = 0x AND LEN(s) = 0").Scan(&n); err != nil || n != 1 {
		t.Errorf("%d empty rows, %v", n, err)
	}
}

func TestCancelLeavesTheConnectionUsable(t *testing.T) {
	w := start(t, tds.On)
	db := w.open(t, dba, dbaPassword, msdsn.EncryptionRequired)
	c, err := db.Conn(timeout(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	var before, after int
	if err := c.QueryRowContext(timeout(t), "SELECT @@SPID").Scan(&before); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context()) // after a deadline the driver gives the connection up
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := c.ExecContext(ctx, "WAITFOR DELAY '00:01:00'"); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if err := c.QueryRowContext(timeout(t), "SELECT @@SPID").Scan(&after); err != nil || before != after {
		t.Errorf("session %d, then %d: %v", before, after, err)
	}
}

func TestTransactions(t *testing.T) {
	w := start(t, tds.On)
	db := w.open(t, dba, dbaPassword, msdsn.EncryptionRequired)
	do(t, db, "CREATE TABLE t (k int IDENTITY(1,1) PRIMARY KEY, s nvarchar(10) NOT NULL UNIQUE)")
	count := func() (n int) {
		if err := db.QueryRowContext(timeout(t), "SELECT COUNT(*) FROM t").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	for _, commit := range []bool{false, true} {
		tx, err := db.BeginTx(timeout(t), nil)
		if err != nil {
			t.Fatal(err)
		}
		do(t, tx, "INSERT t (s) VALUES (@p1)", "a")
		if _, err := tx.ExecContext(timeout(t), "INSERT t (s) VALUES (@p1)", "A"); numberOf(err) != 2627 {
			t.Errorf("a second key: %v", err)
		}
		// Who else wants the table waits, as long as it is told to.
		if _, err := db.ExecContext(timeout(t), "SET LOCK_TIMEOUT 20; SELECT COUNT(*) FROM t"); numberOf(err) != 1222 {
			t.Errorf("a read of what is not committed: %v", err)
		}
		if commit {
			err = tx.Commit()
		} else {
			err = tx.Rollback()
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := count(); got != map[bool]int{true: 1}[commit] {
			t.Errorf("%d rows, committed %t", got, commit)
		}
	}
}

func TestAppLockStatus(t *testing.T) {
	w := start(t, tds.On)
	db := w.open(t, dba, dbaPassword, msdsn.EncryptionRequired)
	one, _ := db.Conn(timeout(t))
	two, _ := db.Conn(timeout(t))
	defer func() { _ = two.Close() }()
	lock := func(c *sql.Conn, ctx context.Context, wait int) (mssql.ReturnStatus, error) {
		var status mssql.ReturnStatus
		_, err := c.ExecContext(ctx, "sp_getapplock", sql.Named("Resource", "meshrotate"), sql.Named("LockMode", "Exclusive"), sql.Named("LockOwner", "Session"), sql.Named("LockTimeout", wait), &status)
		return status, err
	}
	if s, err := lock(one, timeout(t), 0); s != 0 || err != nil {
		t.Errorf("the first: %d, %v", s, err)
	}
	if s, err := lock(two, timeout(t), 20); s != -1 || err != nil {
		t.Errorf("the second: %d, %v", s, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(30*time.Millisecond, cancel)
	if _, err := lock(two, ctx, -1); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	got := make(chan mssql.ReturnStatus)
	go func() {
		s, _ := lock(two, timeout(t), 20_000)
		got <- s
	}()
	w.model.Drop(func(x *sqlserver.Session) bool { return x.ID == 51 }) // the first session ends, and its lock with it
	if s := <-got; s < 0 {
		t.Errorf("after the session's end: %d", s)
	}
	_ = one.Close()
}

func TestPoolResetRedoesTheLogin(t *testing.T) {
	for _, redo := range []bool{true, false} {
		w := start(t, tds.On)
		w.model.RedoLogin(redo)
		db := w.open(t, appLogin, appPassword, msdsn.EncryptionRequired)
		db.SetMaxOpenConns(1)
		do(t, db, "SET NOCOUNT ON; SELECT 1")
		do(t, w.open(t, dba, dbaPassword, msdsn.EncryptionRequired), "ALTER LOGIN [im_app] WITH PASSWORD = N'Another-Horse-2'")
		c, err := db.Conn(timeout(t))
		if err == nil {
			_, err = c.ExecContext(timeout(t), "SELECT 1")
			_ = c.Close()
		}
		if (err != nil) != redo {
			t.Errorf("redo %t: %v", redo, err)
		}
	}
}

func TestErrorsAndStates(t *testing.T) {
	w := start(t, tds.On)
	change := func(f func(*sqlserver.Login)) { w.model.SetLogin(appLogin, f) }
	w.model.SetLogin("other", func(l *sqlserver.Login) { l.Password = "x" })
	cases := []struct {
		reason, user, password string
		set                    func()
		want                   []int32
		state                  uint8 // as the server's log has it
	}{
		{"unknown", "nobody", "x", nil, []int32{18456}, 5},
		{"wrong password", appLogin, "x", nil, []int32{18456}, 8},
		{"no user in the database", "other", "x", nil, []int32{4060, 18456}, 38},
		{"must change", appLogin, appPassword, func() { change(func(l *sqlserver.Login) { l.MustChange = true }) }, []int32{18488}, 18},
		{"expired", appLogin, appPassword, func() {
			change(func(l *sqlserver.Login) { l.MustChange, l.Expires = false, true })
			w.model.Age(appLogin, 1000*time.Hour*24)
		}, []int32{18487}, 1},
		{"disabled", appLogin, appPassword, func() { change(func(l *sqlserver.Login) { l.Expires, l.Disabled = false, true }) }, []int32{18470}, 1},
		{"disabled, wrong password", appLogin, "x", nil, []int32{18456}, 7},
		{"locked", appLogin, appPassword, func() {
			change(func(l *sqlserver.Login) { l.Disabled = false })
			for range 10 {
				_, _ = w.model.Login(sqlserver.Client{User: appLogin, Password: "x"})
			}
		}, []int32{18486}, 1},
	}
	for _, tc := range cases {
		t.Run(tc.reason, func(t *testing.T) {
			if tc.set != nil {
				tc.set()
			}
			var e mssql.Error
			err := w.open(t, tc.user, tc.password, msdsn.EncryptionRequired).PingContext(timeout(t))
			if !errors.As(err, &e) {
				t.Fatalf("%v", err)
			}
			var got []int32
			for _, one := range e.All {
				got = append(got, one.Number)
			}
			all := w.model.Refusals()
			if len(got) != len(tc.want) || got[0] != tc.want[0] || e.State != 1 || all[len(all)-1].State != tc.state {
				t.Errorf("%v with state %d, in the log %d; want %v, %d", got, e.State, all[len(all)-1].State, tc.want, tc.state)
			}
		})
	}
}
