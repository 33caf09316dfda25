package mssql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"

	mssql "github.com/microsoft/go-mssqldb"

	"meshrotate/providers/mssql/tsql"
)

// Session is one connection that has signed in. It ends with the first context that ends: what the server did with a
// statement then is unknown.
type Session struct {
	Conn *sql.Conn // for statements that carry no secret

	db   *sql.DB
	line *line
}

// Open signs in once. The error is a *SignInError.
func Open(ctx context.Context, c Config) (*Session, error) {
	return (&line{config: c}).session(ctx)
}

func (l *line) session(ctx context.Context) (*Session, error) {
	conn, err := l.signIn(ctx)
	if err != nil {
		return nil, err
	}
	s := &Session{line: l, db: sql.OpenDB(&signedIn{conn: conn})}
	if s.Conn, err = s.db.Conn(ctx); err != nil {
		s.Close()
		return nil, fmt.Errorf("%s: %w", l.config.Host, err)
	}
	return s, nil
}

// Close ends the session.
func (s *Session) Close() {
	if s.Conn != nil {
		s.Conn.Close()
	}
	s.db.Close()
	s.line.close()
}

// Exec sends a statement. The error is a *ServerError or one of the connection, and holds nothing of the statement: the
// server's text may quote it.
func (s *Session) Exec(ctx context.Context, statement tsql.Statement) error {
	stop := context.AfterFunc(ctx, s.line.close)
	defer stop()
	_, err := s.Conn.ExecContext(ctx, string(statement.Text().Expose()))
	if err == nil {
		return nil
	}
	var server mssql.Error
	switch {
	case errors.As(err, &server) && isAnswer(server):
		return fmt.Errorf("%v: %w", statement, fromDriver(server, false))
	case ctx.Err() != nil:
		return fmt.Errorf("%v: whether it was carried out is unknown: %w", statement, worded{context.Cause(ctx)})
	}
	return fmt.Errorf("%v: whether it was carried out is unknown: the connection to %s failed", statement, s.line.config.Host)
}

// isAnswer says that the server has judged a statement. The driver also makes errors without a number, of streams that end;
// and from severity 20 on the session is at its end, whatever became of the statement.
func isAnswer(e mssql.Error) bool { return e.Number != 0 && e.Class < 20 }

// Select sends a batch that carries no secret, and gives its rows to row, with the number of the result that they are of.
// The error is a *ServerError or one of the connection.
func (s *Session) Select(ctx context.Context, batch string, args []any, row func(result int, scan func(...any) error) error) error {
	stop := context.AfterFunc(ctx, s.line.close)
	defer stop()
	rows, err := s.Conn.QueryContext(ctx, batch, args...)
	if err != nil {
		return s.explain(ctx, err)
	}
	defer rows.Close()
	for result := 0; ; result++ {
		for rows.Next() {
			if err := row(result, rows.Scan); err != nil {
				return fmt.Errorf("%s: %w", s.line.config.Host, err)
			}
		}
		if !rows.NextResultSet() {
			break
		}
	}
	if err := rows.Err(); err != nil {
		return s.explain(ctx, err)
	}
	return nil
}

func (s *Session) explain(ctx context.Context, err error) error {
	var server mssql.Error
	switch {
	case errors.As(err, &server) && isAnswer(server):
		return fmt.Errorf("%s: %w", s.line.config.Host, fromDriver(server, true))
	case ctx.Err() != nil:
		return &LostAnswer{s.line.config.Host, context.Cause(ctx)}
	}
	return &LostAnswer{s.line.config.Host, fmt.Errorf("the connection failed: %w", err)}
}

// LostAnswer says that nobody knows what became of a batch: the connection failed, or was not waited for any longer.
type LostAnswer struct {
	Host string
	Err  error
}

func (e *LostAnswer) Error() string { return e.Host + ": " + inWords(e.Err) }

// Unwrap returns what happened.
func (e *LostAnswer) Unwrap() error { return e.Err }

// signIn is one attempt; its error is a *SignInError. The driver does not heed a context while it waits for the server's
// first packets; closing the connection ends that.
func (l *line) signIn(ctx context.Context) (driver.Conn, error) {
	if err := l.config.check(); err != nil {
		return nil, &SignInError{Host: l.config.Host, Why: Unfit, Err: err}
	}
	connector, err := l.config.connector(ctx, l.proven)
	if err != nil {
		return nil, &SignInError{Host: l.config.Host, Why: NoTicket, Err: err}
	}
	connector.Dialer = l
	stop := context.AfterFunc(ctx, l.close)
	conn, err := connector.Connect(ctx)
	switch ended := !stop(); {
	case err == nil && !ended:
		return &alone{conn.(*mssql.Conn), l}, nil
	case err == nil:
		err = context.Cause(ctx)
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	}
	l.close()
	return nil, judge(l.config.Host, err)
}

// alone is a connection of the driver that keeps its buffer to itself. The driver's own Close hands the buffer to the next
// connection although the reader of an answer that was not waited for may still fill it (microsoft/go-mssqldb, pull request
// 410); here the line is closed, and the buffer ends with its reader.
type alone struct {
	*mssql.Conn
	line *line
}

func (c *alone) Close() error {
	c.line.close()
	return nil
}

// signedIn gives database/sql the one connection that there is.
type signedIn struct{ conn driver.Conn }

func (s *signedIn) Connect(context.Context) (driver.Conn, error) {
	conn := s.conn
	if s.conn = nil; conn == nil {
		return nil, errors.New("the connection is gone, and a session has only one")
	}
	return conn, nil
}

func (s *signedIn) Driver() driver.Driver { return (*mssql.Driver)(nil) }
