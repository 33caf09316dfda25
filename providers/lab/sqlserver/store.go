package sqlserver

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"modernc.org/sqlite"
)

// Data are the databases of an instance, or of the replicas of an availability group. Their tables live in one SQLite in
// memory, which is opened when the first of them is asked for; a second one answers what asks for no table.
type Data struct {
	mu        sync.Mutex
	databases []*Database
	objects   int

	tables, catalogue *engine
	seed              func() // makes what Seed asked for
}

// engine is a SQLite. A statement holds its lock while it runs, and a transaction that has written to tables holds theirs
// to its end: the only connection belongs to who holds the lock. The lock is a channel, so that whoever waits for it may
// be cancelled.
type engine struct {
	data *Data
	lock chan struct{}
	// What follows belongs to the lock's holder.
	conn   driver.Conn
	at     *turn
	denied *Error          // what the authorizer found
	schema bool            // a schema changes: SQLite calls functions of its own
	shapes map[string]bool // views that have been made
	// columns are what queries have, by their text, until a schema changes.
	columns map[string][]Column
}

// turn is whose statement runs. The driver keeps each connection's functions to the end of the process: they know a turn and
// nothing else, so that a lab is let go that nobody needs any more.
type turn struct{ session *Session }

// NewData makes databases: master, tempdb and msdb.
func NewData() *Data {
	d := &Data{objects: 1000, seed: func() {}}
	d.tables, d.catalogue = newEngine(d), newEngine(d)
	for _, n := range []string{"master", "tempdb", "msdb"} {
		d.addDatabase(n)
	}
	return d
}

func newEngine(d *Data) *engine {
	return &engine{data: d, lock: make(chan struct{}, 1), at: &turn{}, shapes: map[string]bool{}, columns: map[string][]Column{}}
}

// Close frees the memory. No session may be at work.
func (d *Data) Close() {
	d.tables.close()
	d.catalogue.close()
}

func (e *engine) close() {
	e.lock <- struct{}{}
	defer func() { <-e.lock }()
	if e.conn != nil {
		_ = e.conn.Close()
		e.conn = nil
	}
}

func (d *Data) database(name string) *Database {
	for _, db := range d.databases {
		if same(db.Name, name) {
			return db
		}
	}
	return nil
}

func (d *Data) containedUser(database, user string) (*User, *Database) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if db := d.database(database); db != nil && db.Contained {
		if u := db.user(user); u != nil && u.Password != "" {
			return u, db
		}
	}
	return nil, nil
}

// hold takes an engine's lock for a session's statement, unless its transaction has it already.
func (x *Session) hold(ctx context.Context, e *engine) *Error {
	if !x.keeps(e) {
		var timer <-chan time.Time
		if w := x.run.lockTimeout; w >= 0 {
			t := time.NewTimer(w)
			defer t.Stop()
			timer = t.C
		}
		select {
		case e.lock <- struct{}{}:
		default:
			select {
			case e.lock <- struct{}{}:
			case <-timer:
				return classed(1222, 51, 16, "Lock request time out period exceeded.")
			case <-ctx.Done():
				return cancelled()
			}
		}
	}
	e.at.session, e.denied = x, nil
	if e.conn == nil {
		if err := e.open(); err != nil {
			x.letGo(e)
			return errUnknown(err.Error())
		}
	}
	return nil
}

// keeps says whether the session's transaction has a lock to its end.
func (x *Session) keeps(e *engine) bool { return x.run.wrote && e == x.server.data.tables }

// letGo gives the lock back, unless a transaction keeps it.
func (x *Session) letGo(e *engine) {
	if !x.keeps(e) {
		e.letGo()
	}
}

func (e *engine) letGo() {
	e.at.session = nil
	<-e.lock
}

// cancelled is what a request ends with that was cancelled; it is not sent.
func cancelled() *Error { return classed(3617, 1, 11, "The operation was cancelled by the user.") }

// open makes the SQLite.
func (e *engine) open() error {
	var drv sqlite.Driver
	at := e.at
	for _, f := range functions() {
		drv.MustRegisterScalarFunction(f.name, f.args, func(_ *sqlite.FunctionContext, args []driver.Value) (driver.Value, error) {
			return f.call(at.session, args)
		})
	}
	c, err := drv.Open(":memory:")
	if err != nil {
		return err
	}
	e.conn = c
	if err := e.exec("PRAGMA foreign_keys = ON"); err != nil {
		return err
	}
	return c.(sqlite.AuthorizerRegisterer).RegisterAuthorizer(e.authorize)
}

// exec carries out what has no result and no parameters.
func (e *engine) exec(text string) error {
	_, err := e.conn.(driver.ExecerContext).ExecContext(context.Background(), text, nil)
	return err
}

// authorize answers SQLite, which asks for every table that a statement touches and for every function.
func (e *engine) authorize(action sqlite.AuthorizerActionCode, first, second, _, _ string) sqlite.AuthorizerReturnCode {
	permission := map[sqlite.AuthorizerActionCode]string{sqlite.AuthRead: "SELECT", sqlite.AuthInsert: "INSERT", sqlite.AuthUpdate: "UPDATE", sqlite.AuthDelete: "DELETE"}[action]
	if action == sqlite.AuthFunction && !known(second) && !e.schema {
		e.denied = classed(195, 10, 15, "'%s' is not a recognized built-in function name.", second)
		return sqlite.AuthorizerDeny
	}
	if permission == "" || e.denied != nil {
		return sqlite.AuthorizerOK
	}
	database, name, ok := strings.Cut(first, ".dbo.")
	if !ok {
		return sqlite.AuthorizerOK
	}
	d := e.data
	d.mu.Lock()
	defer d.mu.Unlock()
	db := d.database(database)
	if db == nil || e.at.session == nil {
		return sqlite.AuthorizerOK
	}
	if !e.at.session.may(db, permission, name) {
		e.denied = errPermission(permission, name, db.Name)
	} else if permission != "SELECT" {
		e.denied = db.writable(e.at.session.server)
	}
	if e.denied != nil {
		return sqlite.AuthorizerDeny
	}
	return sqlite.AuthorizerOK
}

// answer is what a statement gave.
type answer struct {
	columns []Column
	rows    [][]driver.Value
	count   int64 // rows changed
	last    int64 // the identity that was made
}

// ask carries out a translated statement. Its caller holds the lock.
func (e *engine) ask(text string, params []Param, selects bool) (*answer, *Error) {
	var args []driver.NamedValue
	for i, p := range params {
		args = append(args, driver.NamedValue{Name: p.Name, Ordinal: i + 1, Value: p.Value})
	}
	if !selects {
		r, err := e.conn.(driver.ExecerContext).ExecContext(context.Background(), text, args)
		if err != nil {
			return nil, e.explain(err)
		}
		a := &answer{}
		a.count, _ = r.RowsAffected()
		a.last, _ = r.LastInsertId()
		return a, nil
	}
	columns, err := e.columnsOf(text)
	if err != nil {
		return nil, e.explain(err)
	}
	a := &answer{columns: slices.Clone(columns)} // b.types says more of them
	rows, err := e.conn.(driver.QueryerContext).QueryContext(context.Background(), text, args)
	if err != nil {
		return nil, e.explain(err)
	}
	defer func() { _ = rows.Close() }()
	for {
		row := make([]driver.Value, len(columns))
		switch err := rows.Next(row); {
		case errors.Is(err, io.EOF):
			return a, nil
		case err != nil:
			return nil, e.explain(err)
		}
		a.rows = append(a.rows, row)
	}
}

func (e *engine) columnsOf(text string) ([]Column, error) {
	if known, ok := e.columns[text]; ok {
		return known, nil
	}
	info, err := e.conn.(interface {
		ColumnInfo(query string) ([]sqlite.ColumnInfo, error)
	}).ColumnInfo(text)
	if err != nil {
		return nil, err
	}
	var all []Column
	for _, c := range info {
		all = append(all, e.data.column(c))
	}
	e.columns[text] = all
	return all, nil
}

// unnamed are columns that SQL Server gives no name: expressions.
var unnamed = regexp.MustCompile(`^[^A-Za-z_]|[^\w .\-#$]|^(?i:NULL|CASE .*)$`)

// column says what a column is called, and its type when it is a table's.
func (d *Data) column(c sqlite.ColumnInfo) Column {
	out := Column{Name: c.Name, Type: Type{Kind: unknownType}}
	if c.OriginName == "" {
		if unnamed.MatchString(c.Name) {
			out.Name = ""
		}
		return out
	}
	if t := d.tableOf(c.TableName); t != nil {
		for _, k := range t.columns {
			if same(k.name, c.OriginName) {
				out.Type = k.kind
			}
		}
	} else if v := view(c.TableName); v != nil {
		for _, k := range v.columns {
			if same(k.Name, c.OriginName) {
				out.Type = k.Type
			}
		}
	}
	return out
}

// tableOf finds a table by its name in SQLite.
func (d *Data) tableOf(full string) *table {
	database, name, _ := strings.Cut(full, ".dbo.")
	d.mu.Lock()
	defer d.mu.Unlock()
	if db := d.database(database); db != nil {
		return db.table(name)
	}
	return nil
}
