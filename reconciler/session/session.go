// Package session is the one path from an open deployment to a report: look, plan, agree, lock, apply. The command line, the
// demo, the benchmark and the conformance suites all go through it, so that what is tested is what is run.
package session

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"meshrotate/reconciler"
	"meshrotate/specs"
	"meshrotate/state"
)

// Session is an open deployment. All fields are required, but for Only, Others, By, PID, Parallel, Confirmed, Now and Tell.
type Session struct {
	Document  *specs.Deployment
	Rotations []reconciler.Rotation
	// Only names the kinds that Rotations were limited to, sorted, or an emergency's secrets; nil is all. Others are the document's other
	// rotations then.
	Only   []string
	Others []reconciler.Rotation
	Site   reconciler.Site
	State  state.State
	// By is who runs this, user@host. It is written in the ledger.
	By string
	// PID is the process that runs this; 0 is not known.
	PID int
	// Parallel is how many targets are worked on at once outside the switch; 0 is the document's.
	Parallel int
	// BreakGlass is why the plan is applied though the policy forbids it now; it is written in the ledger. "" respects the policy.
	BreakGlass string
	// Emergency is a secret that others know; nil when there is none. See Replace.
	Emergency *reconciler.Emergency
	// Confirmed are the secrets, or kinds, of which a person says that their part is done; and the hosts that the document does not name
	// any more, of which one says that nothing is down there. It may be nil.
	Confirmed []string
	// Begun is done once the ledger has that a run was begun, before its first step; it may be nil.
	Begun func() error
	Now   func() time.Time       // nil is time.Now
	Tell  func(reconciler.Event) // nil: nobody listens

	suspended string // why, without what is known to be a value
}

// View is what a look found, and what follows from it.
type View struct {
	Plan    *reconciler.Plan
	History state.History
	Took    time.Duration

	Refused error // why an apply would start nothing now: another run has the lock, or left it, or the policy forbids it

	reached   map[string]bool  // targets that were looked at, by their names
	marked    *state.HeldError // another state's run was seen at work
	confirmed []state.Word     // what was left down elsewhere, and somebody says is not any more

	in     reconciler.Input      // what the plan was made of
	beside []reconciler.Rotation // that were looked at beside what was planned for, as they have left something down
}

// Applied is what a run did. Without a plan that had anything to do, Run is "" and the Outcome is zero.
type Applied struct {
	*View
	Run     string
	Took    time.Duration // of the steps, without the look
	Outcome reconciler.Outcome
}

// ErrInterrupted says that the context ended before anything was changed.
var ErrInterrupted = errors.New("interrupted while looking; nothing was changed")

// RotationsOf are what the document asks for, of all kinds or of some.
func RotationsOf(kinds []reconciler.Kind, d *specs.Deployment, only []string) ([]reconciler.Rotation, error) {
	var all []reconciler.Rotation
	for _, k := range kinds {
		spec, declared := d.Secrets[k.Section.Key]
		if !declared || (len(only) > 0 && !slices.Contains(only, k.Name)) {
			continue
		}
		rotations, err := k.New(d, spec)
		if err != nil {
			return nil, fmt.Errorf("%s: secrets.%s: %w", d.Origin.File, k.Section.Key, err)
		}
		all = append(all, rotations...)
	}
	return all, nil
}

func (s *Session) now() time.Time {
	if s.Now != nil {
		return s.Now()
	}
	return time.Now()
}

// Look looks at the deployment and plans. It changes nothing.
func (s *Session) Look(ctx context.Context) (*View, error) {
	if s.Document.Origin.Unagreed {
		return s.unlooked(Untrusted(s.Document))
	}
	began := s.now()
	history, before, err := s.remembered(ctx)
	switch {
	case ctx.Err() != nil:
		return nil, ErrInterrupted
	case errors.Is(err, state.ErrDamaged):
		return s.damaged(err)
	case err != nil:
		return nil, err
	}
	if site, can := s.Site.(reconciler.Readier); can {
		if err := site.Ready(ctx); err != nil {
			return nil, fmt.Errorf("no host was looked at: the state of %s: %w", s.Document.Name, err)
		}
	}
	v := &View{History: history}
	others := reconciler.LeftDown(s.Others, history, began)
	minders := reconciler.Minders(s.Others, s.Rotations)
	v.beside = others
	seen := reconciler.Observe(ctx, s.Site, slices.Concat(s.Rotations, others, minders), func(e reconciler.Event) {
		if ctx.Err() == nil && s.Tell != nil { // an interrupt is nobody's failure
			s.Tell(e)
		}
	})
	if ctx.Err() != nil {
		return nil, ErrInterrupted
	}
	now := s.now()
	v.Took = now.Sub(began)
	v.reached = map[string]bool{}
	for t, look := range seen {
		v.reached[t.Name] = v.reached[t.Name] || look.Reach == reconciler.Reached
	}
	withhold := s.withhold(ctx)
	in := reconciler.Input{Seen: seen, History: v.History, Now: now, Emergency: s.Emergency, Minders: minders,
		Withhold: withhold, Declared: reconciler.Names(slices.Concat(s.Rotations, s.Others)), Forgotten: s.unfinished(history)}
	v.in = in
	v.Plan, err = reconciler.MakePlan(s.Document, s.Rotations, in)
	if err != nil {
		return nil, fmt.Errorf("plan %s: %w", s.Document.Name, err)
	}
	v.Plan.NoteDown(others, in)
	v.Plan.NoteReturned(s.Others, in)
	v.Plan.NoteDue(s.Others, in)
	after, err := s.present(ctx) // the first look that lasts makes the salt
	if err != nil {
		return nil, err
	}
	locked, err := s.locked(ctx)
	if err != nil {
		return nil, err
	}
	v.Plan.Only, v.Plan.Salt = s.Only, after.Salt
	if v.Plan.Sealer, err = s.sealer(ctx, after.Salt); err != nil {
		return nil, err
	}
	forgotten := s.forgotten(ctx, v)
	leaked, err := s.leaked(ctx, v.History)
	if err != nil {
		return nil, err
	}
	v.Plan.Fleet = slices.Concat(Untrusted(s.Document), doubts(before, v.History), forgotten, v.Plan.Hushed(leaked), locked, s.forbidden(v.Plan, v.History, now), v.Plan.Fleet)
	v.marked = reconciler.Marked(seen, v.History)
	return v, nil
}

// Agree is asked, under the lock, whether this very plan may be applied. Doing tells whoever finds the lock what is waited
// for.
type Agree func(ctx context.Context, v *View, doing func(string)) error

// Apply takes the lock, looks, asks, and runs the plan. An error means that nothing was changed, but for one that comes with
// what was applied: then the lock could not be given back.
func (s *Session) Apply(ctx context.Context, agree Agree) (done *Applied, err error) {
	if s.Document.Origin.Unagreed {
		return s.unagreed(ctx, agree)
	}
	if u := s.Document.Origin.Unsigned; u != nil {
		return nil, reconciler.Hinted(fmt.Errorf("%s; nothing was contacted or changed", u.Text), u.Hint)
	}
	run := s.newRun()
	who := s.holder(run)
	who.Host = "" // the lock knows the machine better
	lease, err := s.State.Lock.Acquire(ctx, who)
	if ctx.Err() != nil && err != nil {
		return nil, ErrInterrupted
	}
	if err != nil {
		return nil, fmt.Errorf("nothing was changed: %w", err)
	}
	defer func() { err = s.giveBack(ctx, lease, done, err) }()
	_ = lease.Doing(ctx, "looking") // for readers only
	v, err := s.settled(ctx)
	if err != nil {
		return nil, err
	}
	done = &Applied{View: v} // whoever is refused is told what was seen down
	if err := v.others(); err != nil {
		return done, fmt.Errorf("nothing was changed: %w", err)
	}
	if err := s.glass(v); err != nil {
		return done, err
	}
	if err := s.unasked(v); err != nil {
		return done, err
	}
	if err := agree(ctx, v, func(what string) { _ = lease.Doing(ctx, what) }); err != nil {
		return done, err
	}
	if err := s.glass(v); err != nil { // a person may have taken long to answer
		return done, err
	}
	if err := s.takeWord(ctx, v, lease, run); err != nil {
		return done, err
	}
	if err := s.noteGone(ctx, v, lease, run); err != nil {
		return done, err
	}
	if v.Plan.Empty() {
		return done, s.takeSalt(ctx, v, lease, run)
	}
	held, err := s.mark(ctx, v, lease, run)
	if ctx.Err() != nil && err != nil {
		return done, ErrInterrupted
	}
	if err != nil {
		return done, fmt.Errorf("nothing was changed: %w", err)
	}
	lease = held
	v.in.Seen = nil // the plan has what it needs of it: ten thousand hosts' answers are let go
	parallel := s.Parallel
	if parallel == 0 {
		parallel = s.Document.Policy.Parallel
	}
	began := s.now()
	done.Run = run
	done.Outcome = reconciler.Run{ID: run, By: s.By, Site: s.Site, Ledger: s.State.Ledger, Lease: lease, Plan: v.Plan, Confirmed: s.Confirmed, Note: s.broken(v.Plan, v.History), Begun: s.Begun,
		Parallel: parallel, Last: v.lastOutages(), Now: s.now, Tell: s.Tell}.Apply(ctx)
	done.Took = s.now().Sub(began)
	if waiting := v.Plan.Deferred(); len(waiting) > 0 && done.Outcome.Err == nil && !done.Outcome.Halted {
		done.Outcome.Err = reconciler.Hinted(fmt.Errorf("%s: not begun, as what may be the cure of a service that is not well went first", strings.Join(waiting, ", ")),
			"apply again, when it is well")
	}
	return done, nil
}

// lastOutages are how long what the plan stops was down last, in seconds, by its name.
func (v *View) lastOutages() map[string]float64 {
	last := map[string]float64{}
	for _, c := range v.Plan.Changes {
		if c.Status == reconciler.Rotate {
			for _, o := range v.History.Outages(c.Secret.Name) {
				last[o.What] = max(last[o.What], o.Measured)
			}
		}
	}
	return last
}

// unagreed tells whoever is asked what nobody has agreed to, and does nothing else.
func (s *Session) unagreed(ctx context.Context, agree Agree) (*Applied, error) {
	v, err := s.Look(ctx)
	if err != nil {
		return nil, err
	}
	if err := agree(ctx, v, func(string) {}); err != nil {
		return &Applied{View: v}, err
	}
	return &Applied{View: v}, Stuck(v.Plan)
}

// What a run that died had sent to a host may still be at work there: a script waits for a service, and goes on. So after such
// a run it is looked again until two looks are alike, with this much time between them, and for this long at the most.
const (
	quiet     = 3 * time.Second
	quietMost = 2 * time.Minute
)

// settled is a look at a deployment on which nobody else is at work.
func (s *Session) settled(ctx context.Context) (*View, error) {
	v, err := s.Look(ctx)
	if err != nil || !s.cutOff(v) {
		return v, err
	}
	until := s.now().Add(quietMost)
	for s.now().Before(until) {
		if s.Tell != nil {
			s.Tell(reconciler.Event{Kind: reconciler.Progressed, Time: s.now(), Text: "an earlier run was cut off: looking again until nothing changes any more"})
		}
		select {
		case <-ctx.Done():
			return nil, ErrInterrupted
		case <-time.After(quiet):
		}
		again, err := s.Look(ctx)
		if err != nil {
			return nil, err
		}
		alike := again.Plan.Digest == v.Plan.Digest && len(reconciler.Differences(v.Plan.Seen, again.Plan.Seen)) == 0 && !underWay(again.Plan)
		if v = again; alike {
			break
		}
	}
	return v, nil
}

func (s *Session) cutOff(v *View) bool {
	return slices.ContainsFunc(s.Rotations, func(r reconciler.Rotation) bool { return v.History.CutOff(r.Ref().Name) })
}

// underWay says that something seen is on its way to another state: a service that stops or starts.
func underWay(p *reconciler.Plan) bool {
	for _, h := range p.Seen {
		for _, f := range h.Facts {
			if strings.HasSuffix(f.Value, "Pending") {
				return true
			}
		}
	}
	return false
}

// newRun names a run: when it began, and a random part.
func (s *Session) newRun() string {
	return s.now().UTC().Format("20060102-150405") + "-" + strings.ToLower(rand.Text()[:6])
}

// Stuck is the error about secrets that a guard refuses or that nobody could look at, nil without any. Nothing is applied
// while there is one. The plan says the rest.
func Stuck(plan *reconciler.Plan) error {
	isError := func(f reconciler.Finding) bool { return f.Severity == reconciler.Error }
	if i := slices.IndexFunc(plan.Fleet, isError); i >= 0 {
		return reconciler.Hinted(errors.New(plan.Fleet[i].Said()), plan.Fleet[i].Hint)
	}
	stuck := plan.Blocked()
	if len(stuck) == 0 {
		return nil
	}
	text, hint := stuck[0].Title+" is "+string(stuck[0].Status), "the plan says why"
	i := slices.IndexFunc(stuck[0].Findings, isError)
	if i >= 0 {
		text += ": " + stuck[0].Findings[i].Said()
		if h := stuck[0].Findings[i].Hint; h != "" {
			hint = h
		}
	}
	switch more := len(stuck) - 1; more {
	case 0:
	case 1:
		text += "; and 1 more secret is refused or unknown"
	default:
		text += fmt.Sprintf("; and %d more secrets are refused or unknown", more)
	}
	return reconciler.Hinted(errors.New(text), hint)
}

// Unblocked agrees to every plan that no guard objects to.
func Unblocked(_ context.Context, v *View, _ func(string)) error { return Stuck(v.Plan) }
