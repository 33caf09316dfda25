package sqlserver

import (
	"context"
	"sync"
)

// Seed makes tables and rows in a database, as its owner, when the first statement comes: most who log in ask for none.
// The batches are ours; an error in one of them ends the program. What keeps others from writing does not count for them: the
// rows are there from the beginning.
func (s *Server) Seed(database string, batches ...string) {
	s.data.seed = sync.OnceFunc(func() {
		var was Database
		s.data.SetDatabase(database, func(db *Database) {
			was = *db
			db.group, db.Offline, db.ReadOnly, db.LogFull = nil, false, false, false
		})
		defer s.data.SetDatabase(database, func(db *Database) {
			db.group, db.Offline, db.ReadOnly, db.LogFull = was.group, was.Offline, was.ReadOnly, was.LogFull
		})
		for _, text := range batches {
			s.own(context.Background(), database, text, nobody{})
		}
	})
}

// own carries out a batch as the database's owner.
func (s *Server) own(ctx context.Context, database, text string, out Results) {
	x := &Session{server: s, login: s.logins[0], database: database, prepared: map[int32]prepared{}}
	x.run.lockTimeout = -1
	b := &batch{x: x, ctx: ctx, out: out, vars: map[string]*Param{}}
	b.run(text)
}

// Ask carries out a batch of ours in a database, as its owner and behind everybody's back, and returns its rows.
func (s *Server) Ask(database, text string) [][]any {
	s.data.seed()
	var r rows
	s.own(context.Background(), database, text, &r)
	return r.all
}

// rows keeps them, and wants no error among the results.
type rows struct {
	nobody
	all [][]any
}

func (r *rows) Row(values []any) { r.all = append(r.all, values) }

// nobody looks at results, and wants no error among them.
type nobody struct{}

func (nobody) Columns([]Column)                {}
func (nobody) Row([]any)                       {}
func (nobody) Done(int64, bool)                {}
func (nobody) Using(string)                    {}
func (nobody) Transaction(Transaction, uint64) {}
func (nobody) Message(e *Error) {
	if e.Class > 10 {
		panic("sqlserver: the seed: " + e.Error())
	}
}
