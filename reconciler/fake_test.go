package reconciler_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
	"meshrotate/specs"
	"meshrotate/state"
)

// op is an op of the fake site. Ops that edit merge, others must be equal.
type op struct {
	Host string            `json:"-"`
	What string            `json:"what"`
	Edit string            `json:"edit,omitempty"`
	Know []state.Fact      `json:"-"`
	Say  reconciler.Phrase `json:"-"`
}

func (o op) Kind() string { return "fake" }
func (o op) Target() reconciler.Target {
	if o.Host == "" {
		return reconciler.Target{Kind: reconciler.APITarget}
	}
	return reconciler.Target{Kind: reconciler.HostTarget, Name: o.Host}
}
func (o op) Key() string { return o.What }
func (o op) Merge(other reconciler.Op) (reconciler.Op, error) {
	b, ok := other.(op)
	switch {
	case !ok || strings.Contains(o.Edit+b.Edit, "!"):
		return nil, errors.New("they cannot be joined")
	case o.Edit != "":
		o.Edit += "+" + b.Edit
	}
	return o, nil
}
func (o op) Foresees() []state.Fact { return o.Know }
func (o op) Says() reconciler.Phrase {
	if o.Say != (reconciler.Phrase{}) {
		return o.Say
	}
	verb, _, _ := strings.Cut(o.What, " ")
	return reconciler.Phrase{Do: verb, Who: o.Host}
}

// swapped is an op that swaps a file, staged one that stages it.
type swapped struct{ op }

func (s swapped) Swaps() string {
	return strings.TrimPrefix(strings.TrimPrefix(s.What, "swap "), "restore ")
}
func (s swapped) Merge(other reconciler.Op) (reconciler.Op, error) {
	if b, ok := other.(swapped); !ok || b.What != s.What {
		return nil, errors.New("they cannot be joined")
	}
	return s, nil
}

type staged struct{ op }

func (s staged) Stages() string { return strings.TrimPrefix(s.What, "stage ") }
func (s staged) Merge(other reconciler.Op) (reconciler.Op, error) {
	b, ok := other.(staged)
	if !ok {
		return nil, errors.New("they cannot be joined")
	}
	o, err := s.op.Merge(b.op)
	if err != nil {
		return nil, err
	}
	return staged{o.(op)}, nil
}

// rotation is a rotation that always wants its steps.
type rotation struct {
	name   string
	steps  []reconciler.Step
	rounds []reconciler.Round
	with   func(*reconciler.Change)
}

func (r rotation) Ref() secret.Ref          { return secret.Ref{Name: r.name, Version: "2"} }
func (r rotation) Reads() []reconciler.Read { return nil }
func (r rotation) Plan(reconciler.Input) reconciler.Change {
	c := reconciler.Change{Secret: r.Ref(), Title: r.name, Status: reconciler.Rotate, Before: "1", Rounds: r.rounds}
	if r.rounds == nil {
		c.Rounds = []reconciler.Round{{Steps: slices.Clone(r.steps)}}
	}
	if r.with != nil {
		r.with(&c)
	}
	return c
}

// step makes a step that comes after others, "key" or "host key", of its phase. Its way back is what the product's would
// be: a start for a stop.
func step(p reconciler.Phase, host, key string, after ...string) reconciler.Step {
	o := op{Host: host, What: key}
	s := reconciler.Step{Phase: p, Op: o, Back: reconciler.Nothing()}
	verb, what, _ := strings.Cut(key, " ")
	undo := map[string]string{"stop": "start", "start": "stop", "swap": "restore", "stage": "discard", "await": "await", "widen": "narrow"}[verb]
	if undo != "" {
		s.Back = reconciler.Way(op{Host: host, What: undo + " " + what})
	}
	if undo == "restore" {
		s.Back = reconciler.Way(swapped{op{Host: host, What: undo + " " + what}})
	}
	switch verb {
	case "swap":
		s.Op = swapped{o}
	case "stage":
		s.Op = staged{o}
	}
	for _, a := range after {
		h, k, ok := strings.Cut(a, ": ")
		if !ok {
			h, k = host, a
		}
		s.After = append(s.After, reconciler.StepID(p, op{Host: h, What: k}))
	}
	return s
}

// usual is the way of a rotation that shares Admin with others, and has a relay that waits for Admin.
func usual(name string) rotation {
	return rotation{name: name, steps: []reconciler.Step{
		step(reconciler.Prepare, "admin", "stage "+name),
		step(reconciler.Switch, "relay", "stop relay"),
		step(reconciler.Switch, "admin", "stop admin", "relay: stop relay"),
		step(reconciler.Switch, "admin", "swap "+name, "stop admin"),
		step(reconciler.Switch, "admin", "start admin", "swap "+name, "restore "+name),
		step(reconciler.Switch, "relay", "start relay", "admin: start admin", "stop relay"),
		step(reconciler.Verify, "", "prove "+name),
		step(reconciler.Verify, "relay", "check "+name, ": prove "+name),
		step(reconciler.Retire, "admin", "tidy "+name),
	}}
}

// bench is a run on fakes.
type bench struct {
	t    *testing.T
	plan *reconciler.Plan

	mu sync.Mutex
	// did are the keys of what was done, in order, each with its host.
	did     []string
	entries []state.Entry
	// answer replaces a report, by key, or by "host: key".
	answer map[string]reconciler.Report
	// worked and fallen are what the site sees beside the steps.
	worked, fallen, running reconciler.Report
	// before is called before an op, by key.
	before map[string]func()
	// refuse makes the ledger refuse from the nth append on, from 1; 0 never.
	refuse, appends int
	recovers        bool // it refuses that one only
	awayFor         int  // it is away for that many appends, and refuses no other
	tell            func(reconciler.Event)
	parallel        int // 0 is 1
	last            map[string]float64
	doing           []string
	batches         map[string]int // by host
	deaf            bool           // the ledger is expected to miss starts
	lost            bool
	regains         int // how often a lost lease can be taken anew
	confirmed       []string
	cramped         bool // the ledger has no room for more
	onAppend        func()
	onDo            func(reconciler.Step)
}

func newBench(t *testing.T, rotations ...reconciler.Rotation) *bench {
	t.Helper()
	plan, err := reconciler.MakePlan(&specs.Deployment{Name: "test"}, rotations, reconciler.Input{Now: time.Unix(1e9, 0)})
	if err != nil {
		t.Fatal(err)
	}
	return &bench{t: t, plan: plan, answer: map[string]reconciler.Report{}, before: map[string]func(){}}
}

func (b *bench) run(ctx context.Context) reconciler.Outcome {
	return reconciler.Run{ID: "r", By: "t", Site: b, Ledger: b, Lease: b, Plan: b.plan, Confirmed: b.confirmed, Parallel: max(b.parallel, 1), Last: b.last, Now: time.Now, Tell: b.tell}.Apply(ctx)
}

func (b *bench) Look(context.Context, []reconciler.Read, func(reconciler.Event)) reconciler.Seen {
	return nil
}

func (b *bench) Do(ctx context.Context, t reconciler.Target, steps []reconciler.Step, _ func(reconciler.Event)) []reconciler.Report {
	var reports []reconciler.Report
	b.mu.Lock()
	if b.batches == nil {
		b.batches = map[string]int{}
	}
	b.batches[t.Name]++
	b.mu.Unlock()
	for _, s := range steps {
		key := s.Op.Key()
		if s.Undoes() {
			key = "back " + key
		}
		if f := b.before[key]; f != nil {
			f()
		}
		b.mu.Lock()
		b.did = append(b.did, key)
		if b.onDo != nil {
			b.onDo(s)
		}
		if !b.deaf && !slices.ContainsFunc(b.entries, func(e state.Entry) bool { return e.Step == s.Name() && e.Outcome == state.Started }) {
			b.t.Errorf("%s on %s: its start was not in the ledger", s.Name(), t)
		}
		b.mu.Unlock()
		r := reconciler.Report{Outcome: state.Done, Evidence: "seen: " + key}
		a, ok := b.answer[t.Name+": "+key]
		if !ok {
			a, ok = b.answer[key]
		}
		if ok {
			if r = a; r.Outcome == "none" {
				return reports
			}
		}
		if ctx.Err() != nil {
			r = reconciler.Report{Outcome: state.Unknown, Err: ctx.Err()}
		}
		if reports = append(reports, r); r.Outcome != state.Done {
			break
		}
	}
	return reports
}

func (b *bench) Append(_ context.Context, entries ...state.Entry) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.appends++; b.awayFor > 0 {
		if b.appends >= b.refuse && b.appends < b.refuse+b.awayFor {
			return &state.AwayError{Err: errors.New("the server restarts")}
		}
	} else if b.refuse > 0 && (b.appends == b.refuse || b.appends > b.refuse && !b.recovers) {
		b.deaf = true
		return errors.New("the disk is full")
	}
	b.entries = append(b.entries, entries...)
	if b.onAppend != nil {
		b.onAppend()
	}
	return nil
}

func (b *bench) Reserve(context.Context, int) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cramped {
		return errors.New("the disk is full")
	}
	return nil
}

func (b *bench) Entries(context.Context) ([]state.Entry, error)               { return b.entries, nil }
func (b *bench) Fence() uint64                                                { return 1 }
func (b *bench) Running(context.Context, []reconciler.Down) reconciler.Report { return b.running }
func (b *bench) Worked(context.Context) reconciler.Report                     { return b.worked }
func (b *bench) Fallen(context.Context) reconciler.Report                     { return b.fallen }
func (b *bench) Enter(context.Context, reconciler.Target, reconciler.Phase) (func(error), error) {
	return func(error) {}, nil
}
func (b *bench) Marker() reconciler.Marker { return nil }
func (b *bench) Close(context.Context)     {}
func (b *bench) Doing(_ context.Context, what string) error {
	b.doing = append(b.doing, what)
	return nil
}
func (b *bench) Release(context.Context) error { return nil }
func (b *bench) Regain(context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.regains == 0 {
		return &state.LostError{Fence: 1}
	}
	b.regains--
	b.lost = false
	return nil
}
func (b *bench) Check(context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.lost {
		return &state.LostError{Fence: 1}
	}
	return nil
}

// clock lets the stops and starts of these say when they were.
func (b *bench) clock(names ...string) {
	for _, n := range names {
		for _, way := range []string{"", "back "} {
			b.answer[way+"stop "+n] = reconciler.Report{Outcome: state.Done, Down: map[string]time.Time{n: time.Unix(1, 0)}}
			b.answer[way+"start "+n] = reconciler.Report{Outcome: state.Done, Up: map[string]time.Time{n: time.Unix(2, 0)}}
		}
	}
}

func (b *bench) lose() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lost = true
}

// words are the outcomes of whole rotations in the ledger: "started a", "proven a".
func (b *bench) words() []string {
	var all []string
	for _, e := range b.entries {
		if e.Step == "" {
			all = append(all, fmt.Sprintf("%s %s", e.Outcome, e.Secret))
		}
	}
	return all
}

func (b *bench) has(key string) bool { return slices.Contains(b.did, key) }

// order demands that these were done, in this order.
func (b *bench) order(keys ...string) {
	b.t.Helper()
	last := -1
	for _, k := range keys {
		i := slices.Index(b.did, k)
		if i < 0 {
			b.t.Errorf("not done: %s; done: %q", k, b.did)
			return
		}
		if i < last {
			b.t.Errorf("%s came too early: %q", k, b.did)
		}
		last = i
	}
}

func failure(text string) reconciler.Report {
	return reconciler.Report{Outcome: state.Failed, Err: errors.New(text)}
}

// ended are the endings, "a proven".
func ended(o reconciler.Outcome) []string {
	var all []string
	for _, e := range o.Secrets {
		all = append(all, e.Change.Secret.Name+" "+string(e.Ending))
	}
	return all
}

// in names the secrets that ended so.
func in(o reconciler.Outcome, ending state.Outcome) []string {
	var names []string
	for _, e := range o.With(ending) {
		names = append(names, e.Change.Secret.Name)
	}
	return names
}

// silent is a site that does everything but what one key is, and remembers nothing.
type silent struct {
	bench
	but string
}

func (s *silent) now() time.Time { return time.Unix(1, 0) }
func (s *silent) Do(_ context.Context, t reconciler.Target, steps []reconciler.Step, _ func(reconciler.Event)) []reconciler.Report {
	reports := make([]reconciler.Report, len(steps))
	for i, step := range steps {
		reports[i] = reconciler.Report{Outcome: state.Done, Evidence: "seen"}
		verb, _, _ := strings.Cut(step.Op.Key(), " ")
		switch {
		case step.Op.Key() == s.but && !step.Undoes():
			reports[i] = failure("refused")
			return reports[:i+1]
		case verb == "stop":
			reports[i].Down = map[string]time.Time{t.Name: s.now()}
		case verb == "start":
			reports[i].Up = map[string]time.Time{t.Name: s.now()}
		}
	}
	return reports
}
