package live

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"meshrotate/providers/winhost"
	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
	"meshrotate/state"
)

// The marker is one small file on a host, made, renewed and removed by compare-and-swap there. How old it is, is between
// the file's time of last write and the clock of the host that wrote it: no other clock counts.
const (
	// markerBeat is how often a holder renews it.
	markerBeat = 20 * time.Second
	// markerOverdue is after how long without a heartbeat the holder no longer counts on its marker: well before anybody
	// may take it over.
	markerOverdue = state.MarkerTTL - time.Minute
	// markerFuture is how far a heartbeat may lie ahead of the host's own clock.
	markerFuture = time.Minute
	// markerSeen is after how long a holder that reaches the host has seen that its marker is another's.
	markerSeen = markerBeat + markerTry
	// markerTry bounds a heartbeat, markerFirst what comes before the first one, and what is asked once: PowerShell may be slow to start, and
	// nothing waits for it then. markerGone bounds the removal at the end of a run: a host's WinRM may be away for 20 s then, too.
	markerTry   = 15 * time.Second
	markerFirst = time.Minute
	markerGone  = 30 * time.Second
	// markerSize is in bytes: more than any marker has.
	markerSize = 64 << 10
	// markerTries is how often a swap is tried again that another one came before.
	markerTries = 10
)

// marker is a reconciler.Marker.
type marker struct {
	site       *Site
	host, path string
}

// Marker is on the host that the configuration names.
func (s *Site) Marker() reconciler.Marker {
	if s.config.MarkerHost == "" {
		return nil
	}
	return s.marker()
}

func (s *Site) marker() *marker { return &marker{s, s.config.MarkerHost, s.config.MarkerPath} }

// markerRead asks for the marker together with whatever else is asked of its host. Answer: *reconciler.MarkerSeen.
type markerRead struct{ host, path string }

func (r markerRead) Target() reconciler.Target {
	return reconciler.Target{Kind: reconciler.HostTarget, Name: r.host}
}
func (r markerRead) Key() string { return "marker " + r.path }

func (m *marker) Read() reconciler.Read { return markerRead{m.host, m.path} }

// markers is the family of the marker. It never spoils the look at its host: what is wrong with it is in the answer.
func markers(f *family) {
	f.reading(looking(
		func(q *questions, r markerRead) {
			q.ask(winhost.MachineIdentity{}, "machine")
			q.ask(winhost.FileRead{Path: r.path, Most: markerSize}, r.Key())
			q.ask(winhost.FileRead{Path: signature(r.path), Most: markerSize}, r.Key()+" last")
		},
		func(_ context.Context, q *questions, r markerRead) (reconciler.Result, error) {
			clock, _ := q.result("machine")
			file, err := q.result(r.Key())
			m := q.host.site.marker()
			p := m.judge(clock, file, err)
			file, err = q.result(r.Key() + " last")
			return &reconciler.MarkerSeen{Host: r.host, Held: p.there, Holder: p.holder, Last: m.lastOf(file, err).holder}, nil
		}))
}

// present is a marker as it was found.
type present struct {
	there  bool
	sha    string
	holder state.Holder
	// err is why it cannot even be looked at.
	err error
}

// judge says whose a marker is, and whether its holder has ended. A file that is no marker blocks too, until it is as old
// as one without a holder.
func (m *marker) judge(clock, file winhost.Result, err error) present {
	if err != nil || file.File == nil || clock.Machine == nil {
		err = known(err, "no marker")
		return present{there: true, err: err, holder: state.Holder{Damaged: m.path + " cannot be looked at: " + err.Error()}}
	}
	f := file.File
	if !f.Exists {
		return present{}
	}
	p := present{there: true, sha: f.SHA256}
	err = json.Unmarshal(f.Content.Expose(), &p.holder)
	p.holder.Damaged = "" // that is for us to say, as Ended is
	if err != nil || p.holder.Run == "" {
		p.holder = state.Holder{Damaged: fmt.Sprintf("%s, %d bytes, is no marker of a run", m.path, f.Size)}
	}
	age := clock.Machine.Now.Sub(f.Modified)
	p.holder.Heartbeat = m.site.config.Now().UTC().Round(0).Add(-age)
	p.holder.Ended = age > state.MarkerTTL
	p.holder.Silent = p.holder.Ended
	if age < -markerFuture && p.holder.Damaged == "" {
		p.holder.Damaged = fmt.Sprintf("its heartbeat lies %v in the future: the clock of %s was set back, so nobody can say whether it is alive",
			(-age).Round(time.Second), m.host)
	}
	return p
}

// line is a connection of the marker's own: a heartbeat waits for nobody's batch, nor for a turn at the gates.
type line struct {
	*marker
	conn *host
	try  time.Duration // bounds one request
}

func (m *marker) dial() line {
	return line{m, &host{name: m.host, site: m.site}, markerFirst}
}

func (c line) ask(ctx context.Context, ops ...winhost.Op) ([]winhost.Result, error) {
	bound := fmt.Errorf("what was asked about the marker %s had no answer within %s", c.path, c.try)
	ctx, cancel := context.WithTimeoutCause(ctx, c.try, bound)
	defer cancel()
	err := c.conn.connect(ctx)
	if err == nil {
		err = c.conn.start(ctx)
	}
	if err != nil {
		return nil, err
	}
	results, err := c.conn.session.Do(ctx, ops)
	if err != nil {
		c.hangUp(ctx)
		if context.Cause(ctx) == bound {
			err = reconciler.Hinted(fmt.Errorf("%w: %w", bound, err), "see why the host, its PowerShell or the way to it is so slow; then run again")
		}
	}
	return results, err
}

func (c line) hangUp(ctx context.Context) { c.conn.close(context.WithoutCancel(ctx)) }

// look reads the marker.
func (c line) look(ctx context.Context) (present, error) {
	ops := []winhost.Op{winhost.MachineIdentity{}, winhost.FileRead{Path: c.path, Most: markerSize}}
	results, err := c.ask(ctx, ops...)
	if err != nil {
		return present{}, err
	}
	return c.judge(results[0], results[1], results[1].Err(ops[1])), nil
}

// put writes the marker in the place of the one with the hash expect, "" for none, in one step. Won is false when another
// is there. Wrong is why the host cannot do it.
func (c line) put(ctx context.Context, expect string, content []byte) (won bool, wrong, err error) {
	staged := hash(content)
	ops := []winhost.Op{
		winhost.FileStage{Path: c.path, Expect: expect, Content: secret.New(content)},
		winhost.FileSwap{Path: c.path, Expect: expect, Staged: staged},
		winhost.FileDiscard{Path: c.path, Which: winhost.Backup},
	}
	results, err := c.ask(ctx, ops...)
	if err != nil {
		return false, nil, err
	}
	for i, r := range results[:2] {
		switch {
		case r.Done():
		case r.Code == winhost.Conflict, i == 1 && r.Code == winhost.NotFound: // somebody staged or swapped in between
			return false, nil, nil
		default:
			return false, explain(r.Err(ops[i])), nil
		}
	}
	return true, nil, nil // a backup that stays is removed by the next one
}

// remove takes away the marker with this hash. Gone is false when another is there.
func (c line) remove(ctx context.Context, expect string) (gone bool, wrong, err error) {
	ops := []winhost.Op{
		winhost.FileRestore{Path: c.path, Expect: expect}, // to no file
		winhost.FileDiscard{Path: c.path, Which: winhost.Backup},
		winhost.FileDiscard{Path: c.path, Which: winhost.Staged},
	}
	results, err := c.ask(ctx, ops...)
	switch {
	case err != nil:
		return false, nil, err
	case results[0].Done():
		return true, nil, nil
	case results[0].Code == winhost.Conflict:
		return false, nil, nil
	}
	return false, explain(results[0].Err(ops[0])), nil
}

// insists is insist for answers that are refusals: those are not asked again.
func (c line) insists(ctx context.Context, patience time.Duration, try func() (refused, err error)) error {
	var refused error
	err := insist(ctx, patience, c.site.config.Now, func() (err error) {
		refused, err = try()
		return err
	})
	if err != nil {
		return err
	}
	return refused
}

// Acquire makes the marker, or takes over one whose holder has ended.
func (m *marker) Acquire(ctx context.Context, holder state.Holder, ours func(run string) bool) (state.Lease, error) {
	l := &markerLease{line: m.dial(), holder: holder, asks: make(chan chan struct{}), work: make(chan func()), stop: make(chan struct{}), done: make(chan struct{})}
	err := l.insists(ctx, l.site.config.Patience, func() (error, error) { return l.take(ctx, ours) })
	if err != nil {
		l.withdraw(ctx)
		return nil, err
	}
	l.try = markerTry
	m.site.mu.Lock()
	m.site.marked = l
	m.site.mu.Unlock()
	go l.keep(context.WithoutCancel(ctx))
	return l, nil
}

// Current returns the present holder.
func (m *marker) Current(ctx context.Context) (state.Holder, bool, error) {
	c := m.dial()
	defer c.hangUp(ctx)
	var p present
	err := c.insists(ctx, lookPatience, func() (_, err error) {
		p, err = c.look(ctx)
		return nil, err
	})
	if err != nil {
		return state.Holder{}, false, fmt.Errorf("look at the marker on %s: %w", m.host, err)
	}
	return p.holder, p.there, nil
}
