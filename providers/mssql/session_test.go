package mssql

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"

	mssql "github.com/microsoft/go-mssqldb"

	"meshrotate/providers/mssql/tsql"
)

func TestExec(t *testing.T) {
	statement, err := tsql.SetPassword("mesh_a", canary)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		reason string
		batch  func() []byte
		is     error
		text   string
	}{
		{"done", func() []byte { return done(0) }, nil, ""},
		{"the policy", tokens(15118), Policy, "SQL error 15118"},
		{"no permission", tokens(15151), Permission, "SQL error 15151"},
		{"a lock", tokens(1222), LockWait, "SQL error 1222"},
		{"the log is full", tokens(9002), LogFull, "SQL error 9002"},
		{"read-only", tokens(3906), ReadOnly, "SQL error 3906"},
		{"a failover", tokens(976), Moved, "SQL error 976"},
		{"another error", tokens(12345), nil, "SQL error 12345"},
	} {
		t.Run(c.reason, func(t *testing.T) {
			s := (&server{login: accepted, batch: c.batch}).start(t)
			session, err := Open(t.Context(), s.config())
			if err != nil {
				t.Fatal(err)
			}
			defer session.Close()
			err = session.Exec(t.Context(), statement)
			if (err == nil) != (c.text == "") || c.is != nil && !errors.Is(err, c.is) || err != nil && !strings.Contains(err.Error(), c.text) {
				t.Errorf("%v", err)
			}
			if err != nil && (strings.Contains(err.Error(), "CANARY") || strings.Contains(err.Error(), "own words") || !strings.Contains(err.Error(), "[mesh_a]")) {
				t.Errorf("the error shows what the server said, or not what was tried: %v", err)
			}
		})
	}
}

// A statement whose answer is lost is not sent again: what it did is unknown.
func TestALostAnswer(t *testing.T) {
	statement, err := tsql.SetPassword("mesh_a", canary)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	for _, lost := range []func() []byte{
		func() []byte { cancel(); return nil },
		func() []byte { return []byte("garbage") },
	} {
		s := (&server{login: accepted, batch: lost}).start(t)
		session, err := Open(context.Background(), s.config())
		if err != nil {
			t.Fatal(err)
		}
		err = session.Exec(ctx, statement)
		if err == nil || !strings.Contains(err.Error(), "unknown") || strings.Contains(err.Error(), "CANARY") {
			t.Errorf("%v", err)
		}
		session.Close()
		if s.logins.Load() != 1 {
			t.Errorf("%d logins", s.logins.Load())
		}
		ctx = t.Context()
	}
}

// A listener's addresses are dialled at once: one that hangs holds nothing up, and what came too late is closed.
func TestRace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var late net.Conn
		conn, err := race(t.Context(), []string{"hangs", "fails", "answers", "late"}, func(ctx context.Context, address string) (net.Conn, error) {
			near, _ := net.Pipe()
			switch address {
			case "hangs":
				<-ctx.Done()
				return nil, ctx.Err()
			case "fails":
				return nil, errors.New("refused")
			case "late":
				<-ctx.Done()
				late = near
			}
			return near, nil
		})
		if err != nil || conn == nil || conn == late {
			t.Fatalf("%v, %v", conn, err)
		}
		if _, err := late.Write([]byte{1}); err == nil {
			t.Error("the late connection is still open")
		}
		if conn, err := race(t.Context(), []string{"a", "b"}, func(context.Context, string) (net.Conn, error) { return nil, errors.New("refused") }); conn != nil || err == nil {
			t.Errorf("%v, %v", conn, err)
		}
	})
}

// An error that the driver made of a broken stream, or one that ends the session, says nothing of the statement.
func TestWhatIsAnAnswer(t *testing.T) {
	for _, c := range []struct {
		e    mssql.Error
		want bool
	}{{mssql.Error{Number: 15118, Class: 16}, true}, {mssql.Error{}, false}, {mssql.Error{Number: 596, Class: 21}, false}} {
		if isAnswer(c.e) != c.want {
			t.Errorf("%+v", c.e)
		}
	}
}
