package live

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
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
	names func(hosts []string) map[string]string
	// clocks are how far the hosts' clocks are ahead of ours, where that is known; host is Admin's.
	clocks   func() map[string]time.Duration
	host     string
	domains  []string // of the document's relays
	restarts func() map[string]time.Time
	fleet    func() map[string]time.Time // the same, of relays
	// pushOf tells of a secret that this run has set.
	pushOf func(ref string) (push, bool)
	// gone says since when a host's service does not do what is waited for: its host said why.
	gone func(host string) (at time.Time, gone bool)
	// whyGone is what these hosts say of it.
	whyGone func(hosts []string) map[string]error
	// watch asks the hosts of relays that are waited for: watchMissing.
	watch func(ctx context.Context, missing []string, before map[string]bool) map[string]bool
	// ends says that a service was asked to stop, and works until it has.
	ends func(name string) bool
	// ended says which service that the API comes from has stopped, nil when none has or nobody knows.
	ended func(ctx context.Context) error

	mu         sync.Mutex
	silence    silence
	clock      adminClock
	awaited    bool                 // somebody has waited for Admin after a restart
	ready      time.Time            // when Admin was ready again in this run, by our clock; zero: it was not restarted
	restless   map[string]*restless // by endpoint
	readyLate  bool                 // it may have been sooner: nobody could ask
	syncsSince time.Time
	// proven are the relays that a proof has seen to work.
	proven map[string]bool
	// first is when relays were first seen to work since then, by host; endFollow ends looking for that.
	first     map[string]time.Time
	late      map[string]bool // of these, some may have worked sooner
	lists     [2]time.Time    // when Admin's list came last, and before that
	listed    bool            // a relay was in one
	pulse     pulse
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
	for _, r := range readyFirst(reads) {
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

// readyFirst asks whether Admin is ready before all else: what one says that is, tells more.
func readyFirst(reads []reconciler.Read) []reconciler.Read {
	late := func(r reconciler.Read) int {
		if t, ok := r.(site.Trial); ok && t.Asks == site.AsksReady {
			return 0
		}
		return 1
	}
	return slices.SortedStableFunc(slices.Values(reads), func(a, b reconciler.Read) int { return late(a) - late(b) })
}

// ofOne says that an error is one endpoint's, and that others may answer. A login that failed is not tried again.
func ofOne(err error) bool {
	kind := adminapi.KindOf(err)
	return kind == adminapi.WrongContent || adminapi.Answered(err) && kind != adminapi.Credential
}

func (a *api) answer(ctx context.Context, r reconciler.Read) (reconciler.Result, error) {
	switch r := r.(type) {
	case site.Relays:
		return a.relaysSoon(ctx)
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
	whole := o
	for _, f := range r.Fields {
		if o = whole; f.Own {
			o = whole.Own()
		}
		text := o.Text(f.Of...)
		if len(f.Not) > 0 {
			text = o.Word(f.Of...)
		}
		if f.Time {
			zone, err := time.LoadLocation(f.Zone)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", f.Name, err)
			}
			text = ""
			if t := o.Time(zone, f.Of...); t.Year() >= 9999 {
				text = site.Never
			} else if !t.IsZero() {
				text = cmp.Or(o.Day(f.Of...), t.Format(time.RFC3339Nano))
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
	case site.AwaitPulse:
		return a.awaitPulse(ctx, op, say)
	case site.Call:
		return a.call(ctx, op, s)
	case site.Mark:
		return done("")
	case site.ProveAnswer:
		return a.proveAnswer(ctx, op, say)
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
		a.ready, a.awaited = time.Time{}, true
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
		var said *adminapi.Error
		unwell := errors.As(err, &said) && said.Status >= http.StatusInternalServerError
		text, hint := "admin is not ready", "look at Admin's log; /health/ready answers 200 only when its database check passes"
		if waited := a.now().Sub(began).Round(time.Second); waited > 0 { // a clear answer is not waited for
			text += fmt.Sprintf(" after %s", waited)
		}
		if !unwell {
			hint = cmp.Or(reconciler.HintOf(err), hint)
		}
		r := failed(reconciler.Hinted(fmt.Errorf("%s: %w", text, err), hint))[0]
		status := adminapi.StatusOf(err)
		silent := status == 0 || status == http.StatusBadGateway || status == http.StatusGatewayTimeout || adminapi.KindOf(err) != adminapi.Server
		if !restarted && silent {
			r.Outcome = state.Unknown // it was ready after its start, and has not said since that it is not
		}
		u := reconciler.Unwell{Said: unwell}
		if unwell && !restarted && r.Outcome == state.Failed {
			u.Since = began
		}
		r.Unwell = map[string]reconciler.Unwell{site.AdminLabel: u}
		return r
	}
	if a.ends(site.AdminLabel) {
		return failed(reconciler.Hinted(errors.New("admin answers that it is ready, and its service was asked to stop: it ends when it has stopped"),
			"look at what keeps it from stopping; then apply, which starts it"))[0]
	}
	a.mu.Lock()
	a.clock.note(answer)
	if a.ready.IsZero() {
		a.ready = a.now()
		a.readyLate = a.ready.Sub(later(began, answer.Unready)) > lateBy
	}
	ready, late := a.ready, a.readyLate
	a.mu.Unlock()
	r := reconciler.Report{Outcome: state.Done, Evidence: "Admin is ready", Up: map[string]time.Time{site.AdminLabel: ready}, Bounds: bound(site.AdminLabel, late)}
	if op.List {
		if err := a.awaitList(ctx, op.Timeout.Of(), say); err != nil {
			r.Outcome, r.Evidence, r.Err = state.Failed, "", err
			return r
		}
	}
	if restarted {
		a.follow(run)
	}
	return r
}

// unready says that Admin was waited for after its restart, and has not become ready: its process alone does not say that it is up.
func (a *api) unready() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.awaited && a.ready.IsZero()
}

// isReady asks once whether Admin is ready. No answer is none.
func (a *api) isReady(ctx context.Context) bool {
	if a.client == nil {
		return false
	}
	ready, _, err := a.client.Ready(ctx)
	return err == nil && ready
}

// patience is how long ago Admin may have been heard last, so that what it said counts still; and how long a look waits for one that
// is starting.
const patience = 15 * time.Second

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
