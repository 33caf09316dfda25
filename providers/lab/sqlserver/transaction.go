package sqlserver

import "context"

// snapshot is what of the catalogue a rollback restores.
type snapshot struct {
	tables  []*table
	grants  []grant
	schemas []schema
	roles   []string
}

// writes says that the statement at hand changes something: in a transaction, the lock is kept to its end. The caller
// holds the lock.
func (x *Session) writes() *Error {
	if x.run.depth == 0 || x.run.wrote {
		return nil
	}
	d := x.server.data
	if err := d.tables.exec("BEGIN"); err != nil {
		return d.tables.explain(err)
	}
	x.run.wrote = true
	d.mu.Lock()
	defer d.mu.Unlock()
	x.run.before = map[*Database]snapshot{}
	for _, db := range d.databases {
		x.run.before[db] = snapshot{db.tables, append([]grant(nil), db.grants...), db.schemas, db.roles}
	}
	return nil
}

// Transaction is a change of a session's transaction, which its client is told of.
type Transaction int

// The changes.
const (
	Began Transaction = iota
	Committed
	RolledBack
)

// Begin starts a transaction, or goes one deeper. It returns the transaction's number.
func (x *Session) Begin() (id uint64, began bool) {
	x.run.depth++
	if x.run.depth > 1 {
		return x.run.tran, false
	}
	x.run.trans++
	x.run.tran = uint64(x.ID)<<32 | x.run.trans
	return x.run.tran, true
}

// Commit ends the innermost transaction; ended says that it was the outermost. Without one it is error 3902.
func (x *Session) Commit() (ended bool, err *Error) {
	if x.run.depth == 0 {
		return false, fail(3902, "The COMMIT TRANSACTION request has no corresponding BEGIN TRANSACTION.")
	}
	if x.run.depth--; x.run.depth > 0 {
		return false, nil
	}
	x.finish("COMMIT")
	return true, nil
}

// Rollback ends all transactions. Without one it is error 3903.
func (x *Session) Rollback() *Error {
	if x.run.depth == 0 {
		return fail(3903, "The ROLLBACK TRANSACTION request has no corresponding BEGIN TRANSACTION.")
	}
	x.rollback()
	return nil
}

// rollback undoes what is open, if anything is.
func (x *Session) rollback() {
	if x.run.depth == 0 {
		return
	}
	x.run.depth = 0
	if x.run.wrote {
		d := x.server.data
		d.mu.Lock()
		for db, s := range x.run.before {
			db.tables, db.grants, db.schemas, db.roles = s.tables, s.grants, s.schemas, s.roles
		}
		d.mu.Unlock()
	}
	x.finish("ROLLBACK")
}

// finish ends the transaction in SQLite and frees what it held.
func (x *Session) finish(how string) {
	if x.run.wrote {
		e := x.server.data.tables
		e.at.session = x
		clear(e.columns)
		_ = e.exec(how) // in memory, with immediate constraints: it has no way to fail
		x.run.wrote, x.run.before = false, nil
		e.letGo()
	}
	x.server.mu.Lock()
	defer x.server.mu.Unlock()
	x.freeLocks(func(l *appLock) bool { return l.transaction })
}

// Request brackets what a client asks for: f runs with a context that ends with the session, too. It returns false when
// the session has ended.
func (x *Session) Request(ctx context.Context, f func(ctx context.Context)) bool {
	if !x.begin() {
		return false
	}
	defer x.rest()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(x.life, cancel)()
	f(ctx)
	return true
}
