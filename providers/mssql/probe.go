package mssql

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
)

// Verdict is what a server made of a login and its password. The zero Verdict is Unknown.
type Verdict int

const (
	Unknown  Verdict = iota // no answer, or one that says nothing of the password
	Accepted                // signed in, on a connection of its own
	Rejected                // the server said that this login does not get in with this password
)

func (v Verdict) String() string {
	return [...]string{"unknown", "accepted", "rejected"}[v]
}

// Answer is the answer to a probe.
type Answer struct {
	Verdict Verdict
	Why     Why   // what stood in the way; empty when Accepted
	Err     error // the details, without a secret; nil when Accepted
}

func (a Answer) String() string {
	if a.Verdict == Accepted {
		return "accepted"
	}
	return fmt.Sprintf("%s (%s): %v", a.Verdict, a.Why, a.Err)
}

// Why is the reason of an answer.
type Why string

const (
	// Rejected: the server has judged.
	WrongPassword Why = "wrong login or password" // or one of the reasons that the server tells its own log alone
	Disabled      Why = "login disabled"
	Expired       Why = "password expired"     // the password itself is right
	MustChange    Why = "password must change" // likewise

	// Unknown: the server answered, and not about the password.
	LockedOut   Why = "login locked out"
	NoDatabase  Why = "no access to the database" // the login itself got in
	Firewall    Why = "firewall"
	Unavailable Why = "server or database not available"
	Refused     Why = "refused for another reason"

	// Unknown: the server was not asked.
	Unreachable  Why = "no connection"
	Untrusted    Why = "certificate not trusted"
	NotEncrypted Why = "no encryption"
	TimedOut     Why = "no answer in time"
	NoTicket     Why = "no Kerberos ticket"
	Spared       Why = "spared: refused too often already"
	Unfit        Why = "configuration"
	Local        Why = "a limit of this machine"
)

// Probe signs in once and leaves. See Guard for how often one may.
func Probe(ctx context.Context, c Config) Answer {
	answer, _ := probe(ctx, c)
	return answer
}

// probe also says whether the server may have counted the attempt.
func probe(ctx context.Context, c Config) (answer Answer, counted bool) {
	l := &line{config: c}
	conn, err := l.signIn(ctx)
	if err == nil {
		conn.Close()
		return Answer{Verdict: Accepted}, false
	}
	answer.Err = err
	var failed *SignInError
	if errors.As(err, &failed) {
		answer.Verdict, answer.Why = failed.Verdict, failed.Why
	}
	return answer, l.sent()
}

// Guard keeps logins from being locked out by us: it lets one login of one server be refused only so often. All probes
// of a run share it. The zero Guard allows two refusals, which is below any threshold in use.
type Guard struct {
	Limit int // refusals of one login; 0 is 2

	mu    sync.Mutex
	spent map[string]int
}

// Probe is Probe as long as the login may be tried. What the server may have counted counts here, an attempt under way
// too; a login that gets in starts anew, as it does on the server.
func (g *Guard) Probe(ctx context.Context, c Config) Answer {
	key := c.account()
	if !g.take(key) {
		return Answer{Why: Spared, Err: g.spared(c)}
	}
	answer, counted := probe(ctx, c)
	g.give(key, answer.Verdict == Accepted, counted)
	return answer
}

// Open is Open under the same rule.
func (g *Guard) Open(ctx context.Context, c Config) (*Session, error) {
	key := c.account()
	if !g.take(key) {
		return nil, g.spared(c)
	}
	l := &line{config: c}
	s, err := l.session(ctx)
	g.give(key, err == nil, l.sent())
	return s, err
}

// account is what the server counts refusals of.
func (c Config) account() string {
	return strings.ToLower(fmt.Sprintf("%s\x00%s\x00%d\x00%s", c.Host, c.Instance, c.Port, c.User))
}

func (g *Guard) spared(c Config) error {
	return &SignInError{Host: c.Host, Why: Spared, Err: fmt.Errorf("%q was refused, or left without an answer, %d times in this run", c.User, g.limit())}
}

func (g *Guard) limit() int {
	if g.Limit == 0 {
		return 2
	}
	return g.Limit
}

func (g *Guard) take(key string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.spent[key] >= g.limit() {
		return false
	}
	if g.spent == nil {
		g.spent = map[string]int{}
	}
	g.spent[key]++
	return true
}

func (g *Guard) give(key string, accepted, counted bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case accepted:
		g.spent[key] = 0
	case !counted && g.spent[key] > 0:
		g.spent[key]--
	}
}
