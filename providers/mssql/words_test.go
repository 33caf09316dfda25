package mssql

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/mssql/tsql"
	"meshrotate/reconciler/secret"
)

// What is said to people has no words of Go's libraries, and what an error is stays.
func TestWords(t *testing.T) {
	late := context.DeadlineExceeded
	for _, err := range []error{
		judge("sql01", late), &LostAnswer{"sql01", late}, &LostAnswer{"sql01", context.Canceled},
		judge("sql01", &net.DNSError{Err: "no such host", Name: "sql01", Server: "192.0.2.53:53", IsNotFound: true}),
		judge("sql01", &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "i/o timeout", Name: "sql01", Server: "192.0.2.53:53", IsTimeout: true}}),
	} {
		if text := err.Error(); !strings.HasPrefix(text, "sql01: ") || strings.Contains(text, "context") || strings.Contains(text, "lookup") {
			t.Error(text)
		}
	}
	if err := judge("sql01", late); !errors.Is(err, late) || !Passes(err) {
		t.Errorf("%v is not what it was", err)
	}
	s := (&server{login: accepted}).start(t)
	session, err := Open(t.Context(), s.config())
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	statement, err := tsql.SetPassword("im_app", secret.NewString("A-Horse-1"))
	if err != nil {
		t.Fatal(err)
	}
	if err := session.Exec(ctx, statement); !errors.Is(err, late) || !strings.HasSuffix(err.Error(), "unknown: no answer in time") {
		t.Error(err)
	}
}
