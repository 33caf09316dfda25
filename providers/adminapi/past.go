package adminapi

import (
	"context"
	"sync"
	"time"
)

// past is what endpoints have answered to this client, by method and path.
type past struct {
	mu      sync.Mutex
	took    map[string]bool // they did once what was asked of them
	refused map[string]refusal
}

// refusal is of an endpoint that does not let the credential in.
type refusal struct {
	last  time.Time
	tries int
	err   Error // as it said so
}

// tryAgain is when a credential that was refused is tried once more; each further time it is twice as long, and four times as long at an
// endpoint that never took it. Each try may count against the account, and whoever waits for Admin asks many times. What asks meanwhile
// has the answer of the last try. lastTry is how long before the end of a wait it may be tried again, where the last try was that long ago.
const (
	tryAgain   = 5 * time.Second
	lastTry    = 5 * time.Second
	lastIfNone = 30 * time.Second // where it was never taken
)

// pause is how long nothing is tried after a refusal, and after which time a wait that is about to end may try all the same.
func (r refusal) pause(took bool) (pause, last time.Duration) {
	n := min(r.tries-1, 10)
	if took {
		return tryAgain << n, lastTry
	}
	return tryAgain << (2 * n), lastIfNone
}

// refusing is the answer of an endpoint that has refused the credential a moment ago, nil where it may be asked. A wait that is about to
// end may ask once more.
func (p *past) refusing(ctx context.Context, endpoint string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	r, is := p.refused[endpoint]
	if !is {
		return nil
	}
	since := time.Since(r.last)
	end, ends := ctx.Deadline()
	pause, last := r.pause(p.took[endpoint])
	if since >= pause || since >= last && ends && time.Until(end) < lastTry {
		return nil
	}
	e := r.err
	return &e
}

// note keeps what an endpoint has answered, and tells an error what is known of its endpoint.
func (p *past) note(endpoint string, status int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.took == nil {
		p.took, p.refused = map[string]bool{}, map[string]refusal{}
	}
	if err == nil && status < 300 {
		p.took[endpoint] = true
		delete(p.refused, endpoint)
	}
	e, _ := err.(*Error)
	if e == nil {
		return
	}
	e.took = p.took[endpoint]
	if e.Kind == Credential {
		e.tries = p.refused[endpoint].tries + 1
		p.refused[endpoint] = refusal{time.Now(), e.tries, *e}
	}
}

// hasTaken says that an endpoint did once what was asked of it: what it refuses now, it refuses for a reason of the moment.
func (p *past) hasTaken(endpoint string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.took[endpoint]
}
