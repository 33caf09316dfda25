package live

import (
	"crypto/sha256"
	"strings"
	"sync"

	"meshrotate/providers/mssql"
	"meshrotate/providers/site"
)

// wrongs are passwords that a server has refused in this run, and that nobody has set since. They are not tried again: how often
// a login may be refused is left for others.
type wrongs struct {
	mu  sync.Mutex
	why map[wrong]refusal
}

// wrong is a login of a server, and the hash of a password.
type wrong struct {
	host, instance, user string
	port                 uint16
	password             [sha256.Size]byte
}

func wrongOf(c mssql.Config) wrong {
	return wrong{strings.ToLower(c.Host), strings.ToLower(c.Instance), strings.ToLower(c.User), c.Port, sha256.Sum256(c.Password.Expose())}
}

// refusal is why, and what to do.
type refusal struct{ why, hint string }

// was says why it was refused.
func (w *wrongs) was(c mssql.Config) (why refusal, known bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	why, known = w.why[wrongOf(c)]
	return why, known
}

func (w *wrongs) note(c mssql.Config, verdict string, why refusal) {
	if verdict != site.Rejected {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.why == nil {
		w.why = map[wrong]refusal{}
	}
	w.why[wrongOf(c)] = why
}

// forget: a password was set.
func (w *wrongs) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.why)
}
