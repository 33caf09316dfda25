package reconciler

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"meshrotate/state"
)

// Run is one run of the engine over a plan. All fields are required, but for Tell.
type Run struct {
	ID, By string
	Site   Site
	Ledger state.Ledger
	Lease  state.Lease
	Plan   *Plan
	// Confirmed are the secrets, or kinds, of which a person's part was done; it may be nil.
	Confirmed []string
	// Note is written in the ledger beside why each secret is rotated; it may be "".
	Note string
	// Parallel bounds how many targets are worked on at once outside the switch. Within the switch there is no
	// bound: its connections are open already, and every second of waiting is downtime.
	Parallel int
	// Last is how long what a plan stops was down last, in seconds, by its name in the outages: the slowest goes first. It may be nil.
	Last map[string]float64
	// Begun is done once the ledger has that the run was begun, before the first step; it may be nil. Where it fails, nothing is changed.
	Begun func() error
	Now   func() time.Time
	Tell  func(Event)
}

// progress is what the engine knows while it runs. The engine's goroutine alone changes it.
type progress struct {
	run     Run
	left    map[Target]LeftBehind
	unsure  map[Target]bool // of these: nobody knows what became of what was sent there
	untidy  map[Target]bool // of these, no hosts: only something old could not be removed there
	order   []Target
	remarks []Remark
	clock   clock
	slow    map[Target]float64 // how long something was down there last, in seconds

	// Of the present round.
	round     int
	all       []Step            // its steps
	before    *before           // what each of them waits for
	ran       []*Step           // what was begun, in order
	done      map[string]bool   // by id: it was done
	refused   map[string]bool   // by id: it changed nothing for certain
	stays     map[string]bool   // by id: Report.Stays
	unproven  map[Target]bool   // a proof that held for others did not hold there
	broke     map[Target]error  // why a step failed there that had to hold for all
	unknownAt map[Target]bool   // nobody knows what became of a step there
	unheard   bool              // a proof had no answer: when the others are given or refused, the run halts
	passed    map[proof]bool    // what its proofs have shown
	evident   map[string]bool   // by secret: there is evidence of this round
	undone    map[Target][]Step // vital steps that were begun and not done, perhaps at a later try
	spared    []string          // starts of the way back that failed, of services that were down before
	dropped   map[Target]bool   // a file was not swapped there, because another was not that comes first
	// mixed: a file could not be taken back there, and others may have been.
	mixed map[Target]bool
	// heldDown: what was down before there was not started.
	heldDown []Target
	// shownNow: by secret, this round is proven, and the ledger has it.
	shownNow map[string]bool
	// switching: the first step of the switch was begun.
	switching bool

	touched  map[Target]bool           // something may have been changed there in a switch
	swapped  map[Target]bool           // a file may have been swapped there
	excused  map[Target]bool           // it was left behind and is away still: on the way back nothing more is asked of it
	stuck    map[Target]bool           // by target of the way back: it could not be taken back there; false: it was
	begun    map[string]bool           // by secret: a step of it was begun, in any round
	earlier  map[string]bool           // by secret: a round of it that is not its last was proven
	evidence map[string][]string       // by secret
	ofMany   map[string]bool           // evidence that no single host gave
	toldDown map[string][]state.Outage // by secret: what the ledger was told is down, with its proof
	asBefore map[string][]string       // by secret: what showed that it is back
	failed   map[string]error          // by secret: it was not proven
	waits    map[string]Wait           // by secret: a person is to do their part
	cause    error                     // the first failure that is not its target's own
	withheld error                     // the first of what no further round was begun for
	halted   bool
	// interrupted: nothing but an interrupt has halted the run, as far as the switch goes.
	interrupted bool
	// waitsUntil is how long a ledger that is away is waited for at the end, once that has begun.
	waitsUntil time.Time
	// regained: the lease was taken anew since it was told last. Nil before the way back.
	regained  *atomic.Bool
	robbed    bool            // it was
	announced map[string]bool // by secret: the ledger has that it was begun
	// ending: by secret, what has been decided, and recorded as far as the ledger took it.
	ending map[string]state.Outcome
	books  books
}

// Apply runs the plan, round by round. It returns what happened; Outcome.Err is why anything is left.
func (r Run) Apply(ctx context.Context) Outcome {
	p := &progress{run: r, left: map[Target]LeftBehind{}, unsure: map[Target]bool{}, untidy: map[Target]bool{}, evidence: map[string][]string{}, ofMany: map[string]bool{}, toldDown: map[string][]state.Outage{}, asBefore: map[string][]string{}, begun: map[string]bool{}, earlier: map[string]bool{}, failed: map[string]error{}, waits: map[string]Wait{}, announced: map[string]bool{},
		ending: map[string]state.Outcome{}, clock: newClock(r.Plan), touched: map[Target]bool{}, swapped: map[Target]bool{}, stuck: map[Target]bool{}, dropped: map[Target]bool{}, mixed: map[Target]bool{}, unproven: map[Target]bool{}, broke: map[Target]error{}, excused: map[Target]bool{}}
	p.slow = p.clock.longest(r.Last)
	if r.Tell == nil {
		p.run.Tell = func(Event) {}
	}
	for i := range r.Plan.Rounds {
		if i > 0 {
			p.withhold()
		}
		err := p.announce(ctx, i)
		if err != nil && i == 0 {
			p.lookAtDown(ctx) // what the look found may have come back
			return Outcome{Err: err, Down: p.clock.stillDown()}
		}
		if i == 0 && r.Begun != nil {
			err = r.Begun()
		}
		if p.cause = err; err == nil {
			p.passRound(ctx, i)
		}
		if p.cause != nil || p.halted {
			break
		}
	}
	p.cause = cmp.Or(p.cause, p.withheld)
	for _, t := range p.heldDown {
		p.clock.because(t, errStaysDown)
	}
	p.stillOurs(ctx)
	p.lookAtDown(ctx)
	p.warnOfNew()
	p.finish(ctx)
	o := p.outcome()
	p.askCutOff(ctx, &o)
	p.byRecord(&o)
	return o
}

// withhold ends what is not begun in a further round, as hosts that it waits for were left behind in an earlier one.
func (p *progress) withhold() {
	for _, c := range p.rotating() {
		missed := c.Awaits.beyond(p.order)
		if name := c.Secret.Name; len(missed) > 0 && p.failed[name] == nil && p.ending[name] == "" && !p.begun[name] {
			p.failed[name] = Hinted(fmt.Errorf("%s waits for %s, which was left behind", c.Secret, strings.Join(missed, ", ")), "mend that, then apply again")
			p.ending[name], p.asBefore[name] = state.Back, []string{NothingBegun}
			p.withheld = cmp.Or(p.withheld, p.failed[name])
		}
	}
}

// passRound passes the phases of a round. What was proven is recorded before anything old is removed.
func (p *progress) passRound(ctx context.Context, i int) {
	p.round, p.all, p.ran, p.done, p.refused, p.stays, p.passed, p.switching = i, without(p.run.Plan.Rounds[i].Steps, p.lost), nil, map[string]bool{}, map[string]bool{}, map[string]bool{}, map[proof]bool{}, false
	p.before, p.unknownAt = newBefore(p.all, prefix(i)), map[Target]bool{}
	p.spared, p.undone = nil, map[Target][]Step{}
	p.shownNow, p.evident = map[string]bool{}, map[string]bool{}
	for phase := Prepare; phase <= Verify; phase++ {
		if p.cause != nil || p.halted {
			break
		}
		p.pass(ctx, phase)
	}
	if p.cause == nil && !p.halted {
		p.recordProven(ctx)
		p.pass(ctx, Retire)
		p.lookOnceMore(ctx)
	}
	if p.cause != nil || p.halted {
		p.noteWorked(context.WithoutCancel(ctx))
		p.mayRegain(context.WithoutCancel(ctx))
	}
	switch {
	case p.halted:
		p.rise(context.WithoutCancel(ctx))
	case p.cause != nil:
		p.turn(ctx)
	}
	p.tellRegained()
	p.recordProven(ctx)
}

// noteWorked ends the outages of what was seen to work without being proven: a way back begins others.
func (p *progress) noteWorked(ctx context.Context) {
	r := p.run.Site.Worked(ctx)
	maps.DeleteFunc(r.Up, func(name string, _ time.Time) bool { _, down := p.clock.now[name]; return down })
	p.clock.note(Target{Kind: APITarget}, r)
}

// lookOnceMore asks, when everything is done, for what was proven and has stopped since.
func (p *progress) lookOnceMore(ctx context.Context) {
	if p.halted {
		return
	}
	r := p.run.Site.Fallen(context.WithoutCancel(ctx))
	p.clock.note(Target{Kind: APITarget}, r)
	if r.Note != "" {
		p.remarks = append(p.remarks, Remark{Target{Kind: APITarget}, r.Note})
	}
}

// lookAtDown asks at the end for what is taken to be down: somebody may have started it, or nobody knew whether it was stopped. And
// for what was started and nobody sees otherwise: it may have ended.
func (p *progress) lookAtDown(ctx context.Context) {
	down := p.clock.stillDown()
	r := p.run.Site.Running(context.WithoutCancel(ctx), down)
	p.clock.note(Target{}, r)
	for _, name := range r.Missing {
		for _, known := range []map[string]Down{p.clock.found, p.clock.now} {
			if d, is := known[name]; is {
				d.Unsure = true // it may have been started since
				known[name] = d
			}
		}
		if _, ours := p.clock.where[name]; ours && !slices.ContainsFunc(down, func(d Down) bool { return d.What == name }) {
			silent := map[string]time.Time{name: p.run.Now()}
			p.clock.note(Target{}, Report{Outcome: state.Unknown, Down: silent, Ended: true, Fallen: errSilent})
		}
	}
	p.lookAtStarted(ctx)
}

var errSilent = Hinted(errors.New("it was seen to work, and now neither it nor its host answers"), "make its host answer, then apply, which starts it; or start it on the host")

// lookAtStarted asks for what this run has started again and nothing has shown to work: where its host does not answer now, it may be
// down.
func (p *progress) lookAtStarted(ctx context.Context) {
	const most = 100 // of a fleet's relays their proof has told
	unshown := p.clock.unshown()
	if len(unshown) == 0 || len(unshown) > most {
		return
	}
	r := p.run.Site.Running(context.WithoutCancel(ctx), unshown)
	maps.DeleteFunc(r.Down, func(name string, _ time.Time) bool { _, known := p.clock.now[name]; return known })
	if len(r.Down) > 0 { // others have ended since they were asked a moment ago
		p.clock.note(Target{}, Report{Outcome: state.Unknown, Down: r.Down, Ended: r.Ended, Fallen: r.Fallen})
	}
	for _, d := range unshown {
		_, runs := r.Started[d.What]
		_, told := r.Down[d.What]
		if up, works := r.Up[d.What]; works {
			p.clock.note(Target{}, Report{Outcome: state.Done, Up: map[string]time.Time{d.What: up}, Bounds: map[string]bool{d.What: true}})
		}
		switch {
		case slices.Contains(r.Missing, d.What):
			p.clock.now[d.What] = d
		case !runs && !told && d.Service != "" && d.Target.Kind == HostTarget: // it has ended since it was asked a moment ago
			p.clock.note(Target{}, Report{Outcome: state.Unknown, Down: map[string]time.Time{d.What: p.run.Now()}, Ended: true, Fallen: errEnded})
		}
	}
}

var errEnded = Hinted(errors.New("it was started, and is stopped now"), "look at the Application log and at the service's own log on the host; or somebody stopped it; apply starts it")

// pass does one phase's steps.
func (p *progress) pass(ctx context.Context, phase Phase) {
	steps := p.remaining(Round{p.all}.of(phase))
	if len(steps) == 0 {
		return
	}
	if ctx.Err() != nil && phase != Retire {
		p.interrupt(ctx, "before", phase)
		return
	}
	if phase == Switch || phase == Retire {
		// From the first stop on, services are down: an interrupt waits until they are up again. And what is proven
		// is tidied up.
		ctx = context.WithoutCancel(ctx)
	}
	if !p.begin(context.WithoutCancel(ctx), phase, steps, phase <= Switch) {
		return
	}
	p.switching = p.switching || phase == Switch
	p.work(ctx, phase, steps, onward)
	p.run.Tell(Event{Kind: PhaseEnded, Phase: phase.String(), Time: p.run.Now()})
}

// remaining leaves out targets that were left behind, proofs of what has failed already, and the removal of what is old
// while the new is not proven.
func (p *progress) remaining(steps []Step) []Step {
	left := p.leftOut
	some := without(steps, func(s Step) bool {
		return left(s.Op.Target()) || s.Phase == Verify && p.lost(s) || s.Phase == Retire && !s.Proof && !p.settled(s)
	})
	if len(p.left) == 0 {
		return some
	}
	return p.narrowed(some, left)
}

// without leaves out some steps. Ten thousand hosts' are copied only where there are any.
func without(steps []Step, out func(Step) bool) []Step {
	for i, s := range steps {
		if out(s) {
			return append(slices.Clone(steps[:i]), slices.DeleteFunc(slices.Clone(steps[i+1:]), out)...)
		}
	}
	return steps
}

// settled says that every secret of the step is proven in this round.
func (p *progress) settled(s Step) bool {
	for _, r := range s.Secrets {
		if !p.shownNow[r.Name] {
			return false
		}
	}
	return true
}

// narrowed lets ops about several hosts do without some. Where nobody else is there, those are asked about of whom nobody knows
// what became of them: they may work.
func (p *progress) narrowed(steps []Step, away func(Target) bool) []Step {
	steps = slices.Clone(steps)
	for i, s := range steps {
		if n, ok := s.Op.(Narrower); ok {
			op, some := n.Without(func(host string) bool { return away(Target{HostTarget, host}) })
			if !some {
				op, _ = n.Without(func(host string) bool { t := Target{HostTarget, host}; return away(t) && !p.unsure[t] })
			}
			steps[i].Op = op
		}
	}
	return steps
}

// begin checks the lease and makes the steps' starts durable, with what was seen of the phase before. Nothing of the phase
// happens otherwise. After the switch a ledger that refuses is no reason to stop: services run, and proofs change nothing.
func (p *progress) begin(ctx context.Context, phase Phase, steps []Step, must bool) bool {
	if err := p.run.Lease.Check(ctx); err != nil {
		p.halt(fmt.Errorf("before %s: %w", phase, err))
		return false
	}
	_ = p.run.Lease.Doing(ctx, fmt.Sprintf("%s, %d to do", phase, len(steps))) // for readers only
	targets := map[Target]bool{}
	for _, s := range steps {
		p.books.note(s, state.Started, "", "", foreseen(s))
		targets[s.Op.Target()] = true
	}
	p.run.Tell(Event{Kind: PhaseBegan, Phase: phase.String(), Total: len(targets), Time: p.run.Now()})
	if !must {
		p.writeSoon(ctx)
		return true
	}
	err := p.write(ctx)
	if err == nil && phase == Switch {
		err = p.run.Ledger.Reserve(ctx, p.room())
	}
	if err != nil {
		p.cause = fmt.Errorf("before %s: the ledger does not take the start: %w", phase, err)
		return false
	}
	return true
}

func foreseen(s Step) []state.Fact {
	if f, ok := s.Op.(Foreseer); ok {
		return f.Foresees()
	}
	return nil
}

// rotating are the changes that do something, in the plan's order.
func (p *progress) rotating() []Change {
	return slices.DeleteFunc(slices.Clone(p.run.Plan.Changes), func(c Change) bool { return c.Status != Rotate })
}
