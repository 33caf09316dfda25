package live

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"meshrotate/providers/adminapi"
	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
	"meshrotate/state"
)

// api is the worker for the Admin API.
type api struct {
	client *adminapi.Client // nil: the deployment has none
	poll   time.Duration
	limit  time.Duration // of a look
	now    func() time.Time
	// names gives the computers' own names, restarts when services began to start again, by host.
	names    func(hosts []string) map[string]string
	restarts func() map[string]time.Time
	fleet    func() map[string]time.Time // the same, of relays
	// pushOf tells of a secret that this run has set.
	pushOf func(ref string) (push, bool)
	// gone says since when a host's service does not do what is waited for: its host said why.
	gone func(host string) (at time.Time, gone bool)
	// ended says which service that the API comes from has stopped, nil when none has or nobody knows.
	ended func(ctx context.Context) error

	mu         sync.Mutex
	silence    silence
	clock      adminClock
	ready      time.Time // when Admin was ready again in this run, by our clock; zero: it was not restarted
	syncsSince time.Time
	// proven are the relays that a proof has seen to work.
	proven map[string]bool
	// first is when relays were first seen to work since then, by host; endFollow ends looking for that.
	first     map[string]time.Time
	endFollow func()
}

var errNoAPI = errors.New("the document declares no Admin API")

func (a *api) look(ctx context.Context, _ reconciler.Target, reads []reconciler.Read, _ secret.Value) reconciler.Look {
	if a.client == nil {
		return reconciler.Look{Reach: reconciler.Broken, Err: errNoAPI}
	}
	ctx, cancel := within(ctx, a.limit, hostTimeout)
	defer cancel()
	look := reconciler.Look{Reach: reconciler.Reached, Results: map[string]reconciler.Result{}, Errs: map[string]error{}}
	for _, r := range reads {
		answer, err := a.answer(ctx, r)
		switch {
		case err == nil:
			look.Results[r.Key()] = answer
		case ofOne(err):
			look.Reach, look.Err = reconciler.Broken, cmp.Or(look.Err, err)
			look.Errs[r.Key()] = err
		case adminapi.KindOf(err) == adminapi.Unreachable:
			return reconciler.Look{Reach: reconciler.Unreachable, Err: err}
		default:
			return reconciler.Look{Reach: reconciler.Broken, Err: err}
		}
	}
	return look
}

// ofOne says that an error is one endpoint's, and that others may answer. A login that failed is not tried again.
func ofOne(err error) bool {
	kind := adminapi.KindOf(err)
	return kind == adminapi.WrongContent || adminapi.Answered(err) && kind != adminapi.Credential
}

func (a *api) answer(ctx context.Context, r reconciler.Read) (reconciler.Result, error) {
	switch r := r.(type) {
	case site.Relays:
		return a.relays(ctx)
	case site.Get:
		return a.get(ctx, r)
	case site.Trial:
		return a.try(ctx, r)
	}
	return nil, fmt.Errorf("the Admin API cannot answer %T", r)
}

func (a *api) get(ctx context.Context, r site.Get) (*site.AnswerSeen, error) {
	o, err := a.client.Get(ctx, r.Path)
	a.note(err)
	if err != nil {
		return nil, err
	}
	fields := map[string]string{}
	for _, f := range r.Fields {
		text := o.Text(f.Of...)
		if f.Time {
			text = ""
			if t := o.Time(f.Of...); t.Year() >= 9999 {
				text = site.Never
			} else if !t.IsZero() {
				text = t.Format(time.RFC3339Nano)
			}
		}
		if text != "" {
			fields[f.Name] = text
		}
	}
	return site.NewAnswerSeen(r, fields), nil
}

func (a *api) do(ctx context.Context, _ reconciler.Target, steps []reconciler.Step, tell func(reconciler.Event)) []reconciler.Report {
	if a.client == nil {
		return failed(errNoAPI)
	}
	var reports []reconciler.Report
	known := runs{}
	for _, s := range steps {
		r := a.one(ctx, s, known, func(text string) {
			tell(reconciler.Event{Kind: reconciler.Progressed, Phase: s.Phase.String(), Target: site.API.String(), Text: text, Time: a.now()})
		})
		reports = append(reports, r)
		if r.Outcome != state.Done {
			break
		}
	}
	return reports
}

func (a *api) one(ctx context.Context, s reconciler.Step, known runs, say func(string)) reconciler.Report {
	switch op := s.Op.(type) {
	case site.AwaitReady:
		return a.awaitReady(ctx, op, s.Phase == reconciler.Switch, say)
	case site.Call:
		return a.call(ctx, op)
	case site.Mark:
		return done("")
	case site.ProveAnswer:
		return a.proveAnswer(ctx, op)
	case site.ProveRelays:
		return a.proveRelays(ctx, op, say)
	case site.ProveSync:
		return a.proveSync(ctx, op, known, say)
	}
	return failed(fmt.Errorf("the Admin API cannot do this (%s)", s.Op.Kind()))[0]
}

// awaitReady waits after a restart, or asks only whether Admin is ready still: then its outage ended when it first was.
func (a *api) awaitReady(ctx context.Context, op site.AwaitReady, restarted bool, say func(string)) reconciler.Report {
	say("waiting until Admin is ready")
	if restarted {
		a.unfollow()
		a.mu.Lock()
		a.ready = time.Time{}
		a.mu.Unlock()
	}
	run, began := ctx, a.now()
	ctx, cancel := a.within(ctx, op.Timeout.Of())
	defer cancel()
	ctx, end := a.whileRunning(ctx)
	defer end()
	answer, err := a.client.WaitReady(ctx, a.poll)
	a.note(err)
	a.gaveUp(began)
	if why := stoppedSince(ctx); err != nil && why != nil {
		return reconciler.Report{Outcome: state.Failed, Err: why, Down: map[string]time.Time{site.AdminLabel: a.now()}}
	}
	if err != nil {
		return failed(reconciler.Hinted(fmt.Errorf("admin is not ready after %s: %w", op.Timeout, err),
			"look at Admin's log; /health/ready answers 200 only when its database check passes"))[0]
	}
	a.mu.Lock()
	a.clock.note(answer)
	if a.ready.IsZero() {
		a.ready = a.now()
	}
	ready := a.ready
	a.mu.Unlock()
	if restarted {
		a.follow(run)
	}
	return reconciler.Report{Outcome: state.Done, Evidence: "Admin is ready", Up: map[string]time.Time{site.AdminLabel: ready}}
}

// patience is how long Admin may take to do what it was asked for.
const patience = 15 * time.Second

// call asks Admin to do something. A way back starts Admin just before, and it may not listen yet, or what stands before it may
// say so. What is asked for is done twice without harm: another run asks for it again, too.
func (a *api) call(ctx context.Context, op site.Call) reconciler.Report {
	ctx, cancel := a.within(ctx, patience)
	defer cancel()
	for {
		err := a.client.Post(ctx, op.Path)
		a.note(err)
		if err == nil || adminapi.KindOf(err) == adminapi.Lost {
			return done("asked") // whether it did is for the proof to say
		}
		if op.Proven && !adminapi.Passes(err) && adminapi.Answered(err) {
			return done("asked, and refused")
		}
		if kind := adminapi.KindOf(err); kind != adminapi.Unreachable && kind != adminapi.Local && !adminapi.Passes(err) || pause(ctx, a.poll) != nil {
			return failed(err)[0]
		}
	}
}

// proveAnswer asks until Admin serves what is wanted. It has some seconds to do so from when it answers; while it does not,
// what it said before refutes nothing.
func (a *api) proveAnswer(ctx context.Context, op site.ProveAnswer) reconciler.Report {
	defer a.gaveUp(a.now())
	ctx, cancel := a.within(ctx, op.Timeout.Of())
	defer cancel()
	ctx, end := a.whileRunning(ctx)
	defer end()
	var since, heard time.Time // it answers since, and was last heard
	var seen *site.AnswerSeen
	for {
		got, err := a.get(ctx, site.Get{Path: op.Path, Fields: op.Want})
		switch {
		case err != nil:
			if ctx.Err() == nil {
				since = time.Time{}
			}
		case len(op.Want) == 0:
			return done(op.What)
		case agrees(got, op.Want):
			return done(site.AdminLabel + " serves " + got.String())
		default:
			seen, heard = got, a.now()
			if since.IsZero() {
				since = heard
			}
		}
		late := !since.IsZero() && a.now().Sub(since) > patience
		if !late && pause(ctx, a.poll) == nil {
			continue
		}
		if seen != nil && a.now().Sub(heard) <= patience {
			return failed(reconciler.Hinted(fmt.Errorf("admin still serves %s%s", seen, lacking(seen, op.Want)),
				"look at Admin's log, and at what GET "+op.Path+" answers"))[0]
		}
		if why := stoppedSince(ctx); why != nil {
			err = why
		}
		return reconciler.Report{Outcome: state.Unknown, Err: err}
	}
}

func agrees(seen *site.AnswerSeen, want []site.Field) bool {
	return !slices.ContainsFunc(want, func(f site.Field) bool { return !f.Met(seen.Fields[f.Name]) })
}

// lacking says which fields are not in an answer that should be.
func lacking(seen *site.AnswerSeen, want []site.Field) string {
	var names []string
	for _, f := range want {
		if f.Want != "" && f.Want != site.Never && seen.Fields[f.Name] == "" {
			names = append(names, f.Name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return " (its answer has no " + strings.Join(names, ", no ") + ")"
}

// pause waits, or says that the context is over.
func pause(ctx context.Context, d time.Duration) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if end, ok := ctx.Deadline(); ok && !time.Now().Add(d).Before(end) {
		<-ctx.Done() // there is no time left after it
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
