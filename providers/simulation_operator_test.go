package providers_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"meshrotate/providers"
	"meshrotate/providers/connect"
	"meshrotate/providers/lab"
	"meshrotate/reconciler"
	"meshrotate/reconciler/session"
	"meshrotate/state"
	"meshrotate/state/memory"
)

// operator is one process of a universe: a run by somebody.
type operator struct {
	name    string
	u       *universe
	session session.Session
	client  *lab.Client
	memory  *memory.Process
	ctx     context.Context
	cancel  context.CancelFunc
	end     func()

	applied *session.Applied
	err     error

	done   chan struct{} // closed when it has ended
	killed chan struct{} // closed when it was killed
	dead   atomic.Bool
	lost   bool   // its lease
	books  string // whose state
	// hooked are references whose hooks ended well, refuted those of which a proof failed.
	hooked, refuted []string

	run    string
	record record

	mu   sync.Mutex
	said map[string]bool // each text once: polls say the same for minutes
}

// operator opens the deployment, as the program does.
func (u *universe) operator(name, where string) *operator {
	o := &operator{name: name, u: u, client: u.w.lab.Client(), done: make(chan struct{}), killed: make(chan struct{}), said: map[string]bool{}}
	o.client.Name = name
	o.ctx, o.cancel = context.WithCancel(context.Background())
	s, process := u.state()
	if where == "own" {
		s, process = u.other.State(), u.other
	}
	o.memory = process
	s.Ledger, s.Lock, s.Values = ledger{s.Ledger, o}, lock{s.Lock, o}, blobs{s.Values, o}
	o.books = where
	options := connect.Options{Stay: true, Bound: true, LookupEnv: u.env, State: &s, Seal: u.w.seal, Program: o.program, ChangePassword: o.changesPassword}
	by(o.client, &options)
	site, err := connect.Open(o.ctx, providers.Kinds(), u.w.doc, options)
	if err != nil {
		u.t.Fatal(err)
	}
	o.end = func() { site.Close(context.Background()) }
	o.session = session.Session{Document: u.w.doc, Rotations: u.w.rotations(), Site: work{site, o}, State: s, By: name + "@here", Tell: o.tell,
		Now: func() time.Time { return time.Now().Add(time.Duration(u.clock.Load())) }}
	return o
}

// copied makes the state folder of a second operator who has his own: a copy of the first one's, from before his run.
func (u *universe) copied(whose *second) {
	if whose == nil || whose.State != "own" || u.other != nil { // he has it still
		return
	}
	s, _ := u.state()
	p, ctx := memory.New().Open(), context.Background()
	entries, err := s.Ledger.Entries(ctx)
	if err == nil {
		err = p.Append(ctx, entries...)
	}
	if err = errors.Join(err, u.copyValues(s.Values, p)); err != nil {
		u.t.Fatal(err)
	}
	u.other = p
}

// begin lets it run. A killed one goes on to nowhere: nothing that it does has an effect, and nobody waits for it.
func (o *operator) begin() {
	o.u.zombies.Go(func() {
		applied, err := o.session.Apply(o.ctx, func(ctx context.Context, v *session.View, doing func(string)) error {
			o.say(fmt.Sprintf("%+v", v.Plan))
			o.u.alone(func() { o.u.armed = true })
			return session.Unblocked(ctx, v, doing)
		})
		if o.dead.Load() {
			o.end()
			return
		}
		o.applied, o.err = applied, err
		if applied != nil {
			o.say(applied.Outcome.String())
		}
		close(o.done)
	})
}

// await returns when it has ended, or was killed.
func (o *operator) await() {
	select {
	case <-o.done:
	case <-o.killed:
	}
}

// leave closes its connections, as the end of the program does.
func (o *operator) leave() {
	o.u.alone(func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		for text := range o.said {
			o.u.texts[text] = true
		}
	})
	o.cancel()
	if !o.dead.Load() {
		o.end()
	}
}

// kill ends it as kill -9 does.
func (o *operator) kill() {
	select {
	case <-o.done:
		return
	default:
	}
	if !o.dead.Load() {
		o.dead.Store(true)
		o.client.Kill()
		o.memory.Kill()
		close(o.killed)
		o.cancel()
	}
}

func (o *operator) tell(e reconciler.Event) {
	if e.Kind == reconciler.Undoing {
		o.u.alone(func() { o.record.turned = true })
	}
	o.say(fmt.Sprint(e.Kind, e.Phase, e.Target, e.Text, e.Error, e.Err))
}

func (o *operator) say(text string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.said[text] = true
}

var errKilled = errors.New("the process was killed")

// pass waits for the operator's turn to do something with its own books.
func (o *operator) pass(what string) error {
	if o.dead.Load() {
		return errKilled
	}
	o.u.scheduler.Pass(o.name+" "+what, occasion{kind: "books", operator: o.name, by: o, action: what})
	if o.dead.Load() {
		return errKilled
	}
	return nil
}

// full is the error of a disk without room.
func (o *operator) full() error {
	if time.Now().UnixNano() < o.u.full.Load() {
		return fmt.Errorf("write the state: %w", syscall.ENOSPC)
	}
	return nil
}

// work lets one target at a time be begun with.
type work struct {
	reconciler.Site
	o *operator
}

func (w work) Do(ctx context.Context, t reconciler.Target, steps []reconciler.Step, tell func(reconciler.Event)) []reconciler.Report {
	if w.o.dead.Load() {
		return nil
	}
	lost := w.o.leaseLost()
	name := fmt.Sprintf("%s does %s on %s", w.o.name, steps[0].Name(), label(t.String()))
	w.o.u.scheduler.Pass(name, occasion{kind: "work", operator: w.o.name, by: w.o, host: label(t.Name), action: strings.ToLower(steps[0].Phase.String())})
	w.o.u.alone(func() { w.o.may(t, steps, lost) })
	reports := w.Site.Do(ctx, t, steps, tell)
	w.o.u.alone(func() { w.o.heard(steps, reports) })
	return reports
}

type ledger struct {
	state.Ledger
	o *operator
}

func (l ledger) Append(ctx context.Context, entries ...state.Entry) error {
	err := errors.Join(l.o.pass(fmt.Sprintf("writes %d lines", len(entries))), l.o.full())
	if err == nil {
		err = l.Ledger.Append(ctx, entries...)
	}
	l.o.u.alone(func() {
		if l.o.record.wrote(entries, err); err == nil {
			l.o.wroteHooks(entries)
		}
	})
	return err
}

func (l ledger) Reserve(ctx context.Context, bytes int) error {
	err := l.o.full()
	if err == nil {
		err = l.Ledger.Reserve(ctx, bytes)
	}
	if err != nil {
		l.o.u.alone(func() { l.o.record.refused = true })
	}
	return err
}

type lock struct {
	state.Lock
	o *operator
}

func (l lock) Acquire(ctx context.Context, h state.Holder) (state.Lease, error) {
	if err := l.o.pass("takes the lock"); err != nil {
		return nil, err
	}
	held, err := l.Lock.Acquire(ctx, h)
	if err != nil {
		return nil, err
	}
	l.o.u.alone(func() { l.o.holds(held, h) })
	return lease{held, l.o}, nil
}

type lease struct {
	state.Lease
	o *operator
}

func (l lease) Check(ctx context.Context) error {
	if l.o.dead.Load() {
		return errKilled
	}
	return l.Lease.Check(ctx)
}

func (l lease) Release(ctx context.Context) error {
	if err := l.o.pass("gives the lock back"); err != nil {
		return err
	}
	return l.Lease.Release(ctx)
}

// blobs are the values. Somebody waits for them under a lock: they do not wait for their turn.
type blobs struct {
	state.Blobs
	o *operator
}

func (b blobs) Create(ctx context.Context, name string, content []byte) error {
	if b.o.dead.Load() {
		return errKilled
	}
	if err := b.o.full(); err != nil {
		return err
	}
	return b.Blobs.Create(ctx, name, content)
}

func (b blobs) Check(ctx context.Context) error {
	if err := b.o.full(); err != nil {
		return err
	}
	return b.Blobs.Check(ctx)
}
