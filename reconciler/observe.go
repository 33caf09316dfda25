package reconciler

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"meshrotate/reconciler/secret"
	"meshrotate/state"
)

// Site is the live deployment. Implementations speak to hosts and to the Admin API; they remember, for one run, what
// they read and staged.
type Site interface {
	// Look answers the reads, one batch per target, targets in parallel. It must not modify anything. A target that
	// does not answer is in Seen with its outcome; Look itself never fails.
	Look(ctx context.Context, reads []Read, tell func(Event)) Seen
	// Enter waits for a host's turn to be worked on in a phase; whoever asks first is let in first. Leave gives the turn back, with
	// what went wrong.
	Enter(ctx context.Context, host Target, phase Phase) (leave func(error), err error)
	// Do runs the steps of one target in order. It answers for every step that it was given; the first that is not
	// Done ends the batch.
	Do(ctx context.Context, target Target, steps []Step, tell func(Event)) []Report
	// Worked is what a run has started and was seen to work beside the steps, before anything has proven it: Report.Up.
	Worked(ctx context.Context) Report
	// Fallen is what was proven and does not work any more: Report.Down and Fallen. Note is why that is not known. No host is
	// contacted for it.
	Fallen(ctx context.Context) Report
	// Running asks the hosts once, for a few seconds, which of these services run now whatever is known of them: Report.Started and Since, and Missing of
	// hosts that do not answer. Of what is Unwell or CutOff it says Up when it works, and Missing when that is not known. Down, and Fallen, are what the run has started otherwise and nobody has seen since: it has stopped. What was
	// not asked for is Missing where it was seen to work, and does not answer anywhere any more.
	Running(ctx context.Context, down []Down) Report
	// Marker shows others that a run is at work; nil when the deployment has no place for it.
	Marker() Marker
	// Close ends all connections.
	Close(ctx context.Context)
}

// Withholder is a Site that takes values out of a text which people have typed: those that it knows.
type Withholder interface {
	Withhold(ctx context.Context, text string) string
	// KnowAll makes known what is kept, also of other secrets than a run is about, and what is at hand: what goes on record stays there.
	KnowAll(ctx context.Context)
}

// Readier is a Site that can say before a look why there can be none, of whatever target.
type Readier interface {
	Ready(ctx context.Context) error
}

// KeyHolder is a Site that knows a key which the state does not hold: saved plans are sealed under it, too.
type KeyHolder interface {
	// PlanKey is the zero Value where there is none, or nobody can read it.
	PlanKey(ctx context.Context) secret.Value
}

// Observe asks the site everything that the rotations want to know, each question once.
func Observe(ctx context.Context, s Site, rotations []Rotation, tell func(Event)) Seen {
	if tell == nil {
		tell = func(Event) {}
	}
	return s.Look(ctx, withMarker(readsOf(rotations), s.Marker()), tell)
}

// Reach is how a look at a target ended.
type Reach string

// The outcomes of a look. The zero Reach means that nobody looked.
const (
	Reached     Reach = "reached"
	Unreachable Reach = "unreachable"
	// Broken: it was reached and could not answer: access denied, unsupported, a protocol error.
	Broken Reach = "failed"
)

// Look is what was seen of one target.
type Look struct {
	Reach   Reach
	Err     error // why it was not Reached
	Results map[string]Result
	// Errs is why a read has no answer, by its key, where the target answered others. The look is Broken then.
	Errs map[string]error
}

// Why is why something that was asked has no answer, nil where all has one.
func (l Look) Why() error {
	if l.Err != nil || len(l.Errs) == 0 {
		return l.Err
	}
	return l.Errs[slices.Min(slices.Collect(maps.Keys(l.Errs)))]
}

// Seen is everything that was seen, by target.
type Seen map[Target]Look

// Of returns the answer to a read. Without one, ok is false: unknown is never fine.
func (s Seen) Of(r Read) (Result, bool) {
	res, ok := s[r.Target()].Results[r.Key()]
	return res, ok && res != nil
}

// Reach says how the look at a target ended.
func (s Seen) Reach(t Target) Reach { return s[t].Reach }

// Report is how one step ended.
type Report struct {
	Outcome state.Outcome // Done, Failed, Unknown; the zero value means that it was not tried
	// Unreachable says that the target could not be reached, so nothing was done.
	Unreachable bool
	// Refused says that it failed, and that for certain nothing was changed: what has no way back was not begun then.
	Refused bool
	Err     error
	// Evidence is what was seen, in words: "running since 02:11:07, process 4711".
	Evidence string
	// Note is what happened beside, and a person should know: somebody else was at work. It is told with the outcome.
	Note string
	// Down, Started and Up are when things stopped, were started, and were seen to work again, by name, for the outage. By our
	// clock.
	Down, Started, Up map[string]time.Time
	// Bounds are those of them that went down no sooner than is said, and came up no later: nobody could look when they did.
	Bounds map[string]bool
	// With is what a service took down with it because it depends on it, by the service's name.
	With map[string][]string
	// Ended says that what is in Down was not stopped by this run: it ended after its start, or somebody stopped it.
	Ended bool
	// Further says that an earlier try of the batch, whose answer was lost, may have come further than this step.
	Further bool
	// Unwell is what runs and does not do its work, by its name.
	Unwell map[string]Unwell
	// Fallen is why something is in Down that was seen to work before.
	Fallen error
	// Stays says of a start that failed that what this run has started before would fail like it, were it stopped once more: nothing
	// that works is taken back for its sake.
	Stays bool
	// Waits says of a step of Verify that failed that it will be done when a person has done their part. A later run goes on.
	Waits bool
	// Missing are the hosts for which a proof failed while it held for others: the rotation works, they do not.
	Missing []string
	// Whys says of some of them what their hosts say.
	Whys map[string]error
	// Since is when the process was started, at the latest, that runs as a service which is in Started: what was taken for its stop after
	// that was none.
	Since map[string]time.Time
	// Facts are what was learnt that a later run needs: they go to the ledger with the outcome.
	Facts []state.Fact
}

// facts are what was seen, in an order that does not depend on the run.
func (s Seen) facts() []HostFacts {
	var all []HostFacts
	for t, look := range s {
		h := HostFacts{Target: t, Reach: look.Reach}
		keys := make([]string, 0, len(look.Results))
		for k := range look.Results {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		for _, k := range keys {
			if r := look.Results[k]; r != nil {
				for _, f := range r.Facts() {
					if !slices.Contains(h.Facts, f) { // two settings of one file both tell of the file
						h.Facts = append(h.Facts, f)
					}
				}
			}
		}
		all = append(all, h)
	}
	slices.SortFunc(all, byTarget)
	return all
}

func byTarget(a, b HostFacts) int {
	return cmp.Or(cmp.Compare(a.Target.Kind, b.Target.Kind), cmp.Compare(a.Target.Name, b.Target.Name))
}

// HostFacts is what a plan saw of one target.
type HostFacts struct {
	Target Target `json:"target"`
	Reach  Reach  `json:"reach"`
	Facts  []Fact `json:"facts,omitempty"`
}

// HostsOf is how many hosts the rotations look at.
func HostsOf(rotations []Rotation) int {
	hosts := map[string]bool{}
	for _, r := range readsOf(rotations) {
		if t := r.Target(); t.Kind == HostTarget {
			hosts[t.Name] = true
		}
	}
	return len(hosts)
}

// readsOf collects the reads of all rotations, each once.
func readsOf(rotations []Rotation) []Read {
	type id struct {
		t Target
		k string
	}
	seen := map[id]bool{}
	var reads []Read
	for _, r := range rotations {
		for _, read := range r.Reads() {
			i := id{read.Target(), read.Key()}
			if !seen[i] {
				seen[i] = true
				reads = append(reads, read)
			}
		}
	}
	return reads
}
