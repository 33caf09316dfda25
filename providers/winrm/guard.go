package winrm

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"meshrotate/providers/negotiate"
)

const (
	// guardPatience is how long one login may hold up the others. A host that takes a connection and then says nothing
	// must not stop a fleet; the price is one more login with a password that nobody has accepted yet.
	guardPatience = 3 * time.Second
	// refusingHosts is how many different hosts must refuse a credential that another one has taken before it is the
	// account's trouble. One or two hosts have reasons of their own: a broken trust with the domain, a missing right, a
	// wrong clock. Three refusals stay below the lockout thresholds in use, 5 to 10.
	refusingHosts = 3
	// A host that took the credential and refuses it now is asked again this often, this long after its last refusal. So
	// one host sees four refusals in a row at most, which is below those thresholds, for an account of its own too.
	againTries = 3
	againPause = 10 * time.Second
	// A host that has never taken a credential that others took is asked this often in all, with that pause: the one refusal
	// may be a domain controller that was away for a moment, or the host's account may be one of its own with another password.
	newTries = 2
)

// Guard keeps one credential from being locked out. All sessions with that credential share it, and a nil Guard guards
// nothing. The zero Guard is ready for a credential that was not tried yet.
//
// Until a first host has taken the credential its password may be wrong. Sessions log in one after the other, and one
// refusal stops its use everywhere: a wrong password is tried once and not once per host.
//
// After that the password is known to be right, and a refusal is the host's own: it is asked once more, a little later, and
// then it alone is left alone, however often another one has refused. When several hosts refuse, the account was locked,
// disabled or given another password meanwhile, and no further host is tried, nor one of them once more.
//
// A host that has taken the credential is asked again whatever the others say, because its services may wait for their
// start; how often is bounded. That does no harm to the account: Active Directory does not count a failure with the
// password that was changed last ("password history check (N-2)" in Microsoft's guide to account lockout).
type Guard struct {
	mu       sync.Mutex
	turn     chan struct{} // holds one element while a session logs in; made when needed
	proven   bool
	hosts    map[string]*standing
	refusing []*standing // the hosts whose last word is a refusal, the first first
}

// A standing is what one host has said about the credential.
type standing struct {
	accepted bool      // at least once
	refused  *Error    // the first of its refusals since it last accepted; nil when there is none
	times    int       // how many these are
	last     time.Time // of them
}

// Err is the refusal that closed this Guard, nil while the credential may be used on further hosts.
func (g *Guard) Err() error {
	if g == nil {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.closed() {
		return nil
	}
	return g.refusing[0].refused
}

// closed looks at what the hosts have said, not at the order: of two logins under way, a refusal may be heard first.
func (g *Guard) closed() bool {
	return len(g.refusing) >= refusingHosts || len(g.refusing) > 0 && !g.proven
}

// admit says before a connection is made whether the host may be asked. It waits where that is to be later.
func (g *Guard) admit(ctx context.Context, c *Config) error {
	if g == nil {
		return nil
	}
	g.mu.Lock()
	_, err := g.state(c.Name)
	var wait time.Duration
	if h := g.hosts[c.Name]; h != nil && h.refused != nil {
		wait = againPause - c.Now().Sub(h.last)
	}
	g.mu.Unlock()
	if err != nil || wait <= 0 {
		return err
	}
	return c.Sleep(ctx, wait)
}

// enter waits for the caller's turn to log in. The caller passes the outcome to leave, which must be called.
func (g *Guard) enter(ctx context.Context, c *Config) (leave func(error), err error) {
	if g == nil {
		return func(error) {}, nil
	}
	learn := func(err error) { g.learn(c, err) }
	if open, err := g.lockedState(c.Name); open || err != nil {
		return learn, err
	}
	select {
	case g.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if open, err := g.lockedState(c.Name); open || err != nil {
		<-g.turn
		return learn, err
	}
	pass := sync.OnceFunc(func() { <-g.turn })
	late := time.AfterFunc(guardPatience, pass)
	return func(err error) {
		late.Stop()
		learn(err)
		pass()
	}, nil
}

func (g *Guard) lockedState(host string) (open bool, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.turn == nil {
		g.turn = make(chan struct{}, 1)
	}
	return g.state(host)
}

// state says why a host must not be asked, and, where it may be, whether that needs no turn.
func (g *Guard) state(host string) (open bool, err error) {
	h := g.hosts[host]
	switch {
	case h != nil && h.accepted && h.times <= againTries:
		return true, nil
	case h != nil && h.refused != nil && g.proven && (h.accepted || h.times >= newTries || g.closed()):
		return false, &guardError{first: h.refused, own: true}
	case g.closed():
		return false, &guardError{first: g.refusing[0].refused, hosts: len(g.refusing)}
	}
	return g.proven, nil
}

func (g *Guard) learn(c *Config, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	var e *Error
	if err != nil && (!errors.As(err, &e) || e.Class != Credential) {
		return // says nothing about the credential
	}
	h := g.hosts[c.Name]
	if h == nil {
		if g.hosts == nil {
			g.hosts = map[string]*standing{}
		}
		h = &standing{}
		g.hosts[c.Name] = h
	}
	if err == nil {
		if h.refused != nil {
			g.refusing = slices.DeleteFunc(g.refusing, func(other *standing) bool { return other == h })
		}
		g.proven = true
		*h = standing{accepted: true}
		return
	}
	e.elsewhere = g.proven
	if h.refused == nil {
		first := *e // the caller goes on to change its own
		h.refused = &first
		g.refusing = append(g.refusing, h)
	}
	h.times++
	h.last = c.Now()
}

// again says that a refusal is to be met with another try in the same call. The last one of a host is not spent that
// way: it is kept for whoever comes later, such as the start of a service that must not stay down. A KDC's refusal is
// final, and is not asked for twice.
func (g *Guard) again(host string, err error) bool {
	if g == nil || err == nil {
		return false
	}
	var e *Error
	if !errors.As(err, &e) || e.Class != Credential || errors.As(err, new(*guardError)) || errors.As(err, new(*negotiate.CredentialError)) {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	h := g.hosts[host]
	switch {
	case h == nil || h.refused == nil:
		return false
	case h.accepted:
		return h.times < againTries
	}
	return g.proven && !g.closed() && h.times < newTries
}

// A guardError says that a host was not asked, and why: it refused before, or others did.
type guardError struct {
	first *Error // the first refusal, with its host's name
	hosts int    // how many refuse
	own   bool   // the first refusal was this host's
}

func (e *guardError) Error() string {
	switch {
	case e.own:
		return fmt.Sprintf("not tried again in this run, because it was refused here (%v)", e.first)
	case e.hosts > 1:
		return fmt.Sprintf("not tried here, because it was refused on %d hosts, first on %s (%v)", e.hosts, e.first.Host, e.first)
	}
	return fmt.Sprintf("not tried here, because it was refused elsewhere (%v)", e.first)
}

func (e *guardError) Unwrap() error { return e.first }

// Hint is what a person can do about it.
func (e *guardError) Hint() string {
	switch {
	case e.own:
		return hintOwn
	case e.hosts > 1:
		return "other hosts took this credential before: the account may have been locked, disabled or given another password meanwhile; look at the account, then at the first host that refused it"
	}
	return hintCredential
}

func (s *Session) refusedByGuard(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return s.lost(ctx, opHandshake, err)
	}
	return s.fail(opHandshake, Credential, err)
}
