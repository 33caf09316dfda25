// Package live is a deployment as it runs: it answers the reads and does the ops of package site on real hosts and on
// the real Admin API.
//
// For one run it remembers what it read, what it staged and which services it stopped, so that an edit starts from
// the bytes that were seen, a swap demands them, and a start brings back the dependents that the stop took down. File
// contents and values stay in secret.Values and end with the run.
package live

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"sync"
	"time"

	"meshrotate/providers/adminapi"
	"meshrotate/providers/program"
	"meshrotate/providers/site"
	"meshrotate/providers/values"
	"meshrotate/providers/winhost"
	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
	"meshrotate/state"
)

// Shell is an open connection to a host.
type Shell interface {
	winhost.Starter
	// Close ends whatever still runs in it.
	Close(ctx context.Context) error
}

// Config is what a Site works with.
type Config struct {
	// Dial opens a connection to a host. A failure that is like UnreachableError says that the host did not answer.
	Dial func(ctx context.Context, host string) (Shell, error)
	// PowerShell is the program that runs the host script, by host; nil or "" is winhost's default.
	PowerShell func(host string) string
	// API is nil when the deployment has no access to the Admin API.
	API *adminapi.Client
	// Domains are those that the relays of the document are in, as Admin's list names them, where the document says so.
	Domains []string
	// SQL is how instances of SQL Server are signed in to.
	SQL    SQL
	Values values.Supply
	// Needed are the values that the kinds need, by the secret's name: each kind knows how to read its own.
	Needed map[string]reconciler.Needed
	// ReadFile reads files that the document names: public keys.
	ReadFile func(path string) ([]byte, error)
	// Program runs a program on this machine; nil does.
	Program func(ctx context.Context, p Program) ([]byte, error)
	// ChangePassword lets an account change its own password in its domain; nil where there is no way to it. An error that is no
	// *negotiate.UnchangedError says that nobody knows what became of it.
	ChangePassword func(ctx context.Context, account string, old, next secret.Value) (was bool, err error)
	// Known are the values that are not to be shown in what people type and programs write; nil begins with none.
	Known *program.Known
	// AtHand makes the credentials known that need nobody to be asked; nil: none.
	AtHand func(ctx context.Context)
	// Salt keys the fingerprints of files in plans.
	Salt func(ctx context.Context) (secret.Value, error)
	// Parallel is the most hosts that are spoken to at once, outside the switch; 0 is 500. It begins with fewer.
	Parallel int
	// Busy says that this machine does not keep up, and that no more are to be spoken to at once; nil: it always does.
	Busy func() bool
	// HostTimeout bounds one look or one batch on one host; 0 is 5 minutes.
	HostTimeout time.Duration
	// Patience is how long a host that was lost within a run is asked again; 0 is a minute.
	Patience time.Duration
	// Stay keeps connections open after a look, for the steps that follow.
	Stay bool
	// Poll is how often the Admin API is asked while waiting; 0 is 200 ms.
	Poll time.Duration
	Now  func() time.Time // nil is time.Now
	// MarkerHost and MarkerPath say where the marker is that shows a run at work; without a host there is none.
	MarkerHost, MarkerPath string
	// Closers end what the connections share.
	Closers []func()
}

// Site is a reconciler.Site.
type Site struct {
	config   Config
	values   *kept
	families family
	// workers are by kind of target. There is no default: an unknown target is an error, never a host.
	workers map[reconciler.TargetKind]worker
	api     *api
	// Hosts take turns: in the switch as many at once as this machine bears, for every second counts.
	turns, rush *flow

	mu     sync.Mutex
	hosts  map[string]*host
	marked *markerLease // the marker that this run has made, nil before
	salted secret.Value // for the next look
	memory
}

// worker answers reads and does steps of one kind of target.
type worker interface {
	look(ctx context.Context, t reconciler.Target, reads []reconciler.Read, salt secret.Value) reconciler.Look
	do(ctx context.Context, t reconciler.Target, steps []reconciler.Step, tell func(reconciler.Event)) []reconciler.Report
}

// New returns a site that has not contacted anything.
func New(c Config) *Site {
	if c.Parallel == 0 {
		c.Parallel = 500
	}
	if c.HostTimeout == 0 {
		c.HostTimeout = 5 * time.Minute
	}
	if c.Patience == 0 {
		c.Patience = time.Minute
	}
	if c.Poll == 0 {
		c.Poll = 200 * time.Millisecond
	}
	if c.Program == nil {
		c.Program = runProgram
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Known == nil {
		c.Known = &program.Known{}
	}
	s := &Site{config: c, families: families(), hosts: map[string]*host{}, memory: newMemory(), turns: newFlow(Begins, c.Parallel, 0, c.Now, c.Busy),
		rush: newFlow(rushEach*runtime.GOMAXPROCS(0), everybody, rushPatience, c.Now, c.Busy)}
	s.values = &kept{supply: c.Values, needed: c.Needed, readFile: c.ReadFile, known: c.Known}
	s.api = &api{client: c.API, poll: c.Poll, limit: c.HostTimeout, now: c.Now, names: s.computerNames, clocks: s.clocks, host: c.MarkerHost, restarts: s.restartedAt, fleet: s.startedOfMany, pushOf: s.pushOf, gone: s.goneAt, whyGone: s.whyGone, ends: s.isEnding, watch: s.watchMissing, ended: s.adminEnded, restless: map[string]*restless{}, domains: c.Domains}
	s.workers = map[reconciler.TargetKind]worker{
		reconciler.HostTarget:     onHosts{s},
		reconciler.APITarget:      s.api,
		reconciler.SQLTarget:      &database{config: c.SQL, site: s, inForce: map[string]*site.SignInSeen{}},
		reconciler.ValuesTarget:   s.values,
		reconciler.OperatorTarget: &operator{site: s, run: c.Program, turns: make(gate, mostPrograms)},
		reconciler.DomainTarget:   &domain{site: s, change: c.ChangePassword},
	}
	return s
}

// Look answers the reads, targets in parallel.
func (s *Site) Look(ctx context.Context, reads []reconciler.Read, tell func(reconciler.Event)) reconciler.Seen {
	var order []reconciler.Target
	byTarget := map[reconciler.Target][]reconciler.Read{}
	for _, r := range reads {
		t := r.Target()
		if byTarget[t] == nil {
			order = append(order, t)
		}
		byTarget[t] = append(byTarget[t], r)
	}
	tell(reconciler.Event{Kind: reconciler.LookBegan, Time: s.config.Now(), Total: len(order)})
	salt, err := s.salt(ctx)
	if err != nil {
		return failAll(order, err)
	}
	s.values.forgetLive()
	defer s.values.looked()
	// The values first: a live value is compared with them. The hosts last: they take turns.
	slices.SortStableFunc(order, func(a, b reconciler.Target) int { return first(b) - first(a) })
	looks := make([]reconciler.Look, len(order))
	var wg sync.WaitGroup
	turns := newOrder(order)
	for i, t := range order {
		run := func() {
			defer turns.looked(t)
			turns.await(ctx, byTarget[t])
			looks[i] = s.lookAt(ctx, t, byTarget[t], salt)
			e := reconciler.Event{Kind: reconciler.Looked, Target: t.String(), Time: s.config.Now(), Err: looks[i].Err}
			if e.Err != nil {
				e.Error = e.Err.Error()
			}
			tell(e)
		}
		if t == site.Values {
			run()
			continue
		}
		if t.Kind == reconciler.HostTarget { // hosts take turns, in the order of the reads
			if err := s.host(t.Name).queue(ctx); err != nil {
				looks[i] = reconciler.Look{Reach: reach(err), Err: err}
				continue
			}
		}
		wg.Go(run)
	}
	wg.Wait()
	seen := reconciler.Seen{}
	for i, t := range order {
		seen[t] = looks[i]
	}
	return seen
}

func first(t reconciler.Target) int {
	switch t.Kind {
	case reconciler.ValuesTarget:
		return 2
	case reconciler.HostTarget:
		return 0
	}
	return 1
}

func failAll(targets []reconciler.Target, err error) reconciler.Seen {
	seen := reconciler.Seen{}
	for _, t := range targets {
		seen[t] = reconciler.Look{Reach: reconciler.Broken, Err: err}
	}
	return seen
}

func (s *Site) lookAt(ctx context.Context, t reconciler.Target, reads []reconciler.Read, salt secret.Value) reconciler.Look {
	w := s.workers[t.Kind]
	if w == nil {
		return reconciler.Look{Reach: reconciler.Broken, Err: fmt.Errorf("nobody here knows how to look at a %s", t.Kind)}
	}
	return w.look(ctx, t, reads, salt)
}

// Do runs the steps of one target in order.
func (s *Site) Do(ctx context.Context, t reconciler.Target, steps []reconciler.Step, tell func(reconciler.Event)) []reconciler.Report {
	w := s.workers[t.Kind]
	if w == nil {
		return failed(fmt.Errorf("nobody here knows how to do anything on a %s", t.Kind))
	}
	reports := w.do(ctx, t, steps, tell)
	for i := range reports {
		r := &reports[i]
		if own := new(valueError); steps[i].Phase == reconciler.Verify && r.Outcome == state.Failed && errors.As(r.Err, &own) {
			r.Outcome = state.Unknown // without the value nothing was refuted
		}
	}
	return reports
}

// Close ends all connections.
func (s *Site) Close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 15*time.Second)
	defer cancel()
	s.mu.Lock()
	hosts, marked := s.hosts, s.marked
	s.hosts = map[string]*host{}
	s.mu.Unlock()
	if marked != nil {
		marked.abandon()
		marked.hangUp(ctx)
	}
	var wg sync.WaitGroup
	closing := make(gate, s.config.Parallel)
	for _, name := range slices.Sorted(maps.Keys(hosts)) {
		closing <- struct{}{}
		wg.Go(func() {
			defer closing.leave()
			hosts[name].close(ctx)
		})
	}
	wg.Wait()
	s.api.unfollow()
	if s.config.API != nil {
		s.config.API.Close()
	}
	for _, end := range s.config.Closers {
		end()
	}
}

func (s *Site) host(name string) *host {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.hosts[name]
	if h == nil {
		h = &host{name: name, site: s}
		s.hosts[name] = h
	}
	return h
}

func hash(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}
