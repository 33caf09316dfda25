package sqlserver

import (
	"context"
	"sync"
)

// Seed makes tables and rows in a database, as its owner, when the first statement comes: most who log in ask for none.
// The batches are ours; an error in one of them ends the program.
func (s *Server) Seed(database string, batches ...string) {
	s.data.seed = sync.OnceFunc(func() {
		x := &Session{server: s, login: s.logins[0], database: database, prepared: map[int32]prepared{}}
		x.run.lockTimeout = -1
		for _, text := range batches {
			b := &batch{x: x, ctx: context.Background(), out: nobody{}, vars: map[string]*Param{}}
			b.run(text)
		}
	})
}

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
