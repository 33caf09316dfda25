package reconciler

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"meshrotate/state"
	"meshrotate/state/hostset"
)

// maxSteps bounds a saved plan: a text of a few bytes must not fill the memory.
const maxSteps = 4 << 20

// Saved is what apply reads back of a saved plan.
type Saved struct {
	Format     string    `json:"format"`
	Deployment string    `json:"deployment"`
	Source     string    `json:"source"`
	Commit     string    `json:"commit"`
	Trust      string    `json:"trust"`
	Only       []string  `json:"only"`
	Spec       string    `json:"spec"`
	Entries    int       `json:"entries"`
	GoodUntil  time.Time `json:"goodUntil"`
	Digest     string    `json:"digest"`
	Whole      string    `json:"whole"`
	Seal       string    `json:"seal"`
	Salt       string    `json:"salt"`
	Changes    []Change  `json:"changes"`
	Fleet      []Finding `json:"fleet"`
	Seen       Sights    `json:"seen"`
	Rounds     []struct {
		Steps []SavedSteps `json:"steps"`
	} `json:"rounds"`

	steps   int
	touched map[Target]bool
	rounds  json.RawMessage
}

// SavedSteps is a step as it was written, or those that several hosts have alike.
type SavedSteps struct {
	SavedStep
	alike[SavedStep]
}

// SavedStep is a step as it was written.
type SavedStep struct {
	ID    string  `json:"id"`
	Phase Phase   `json:"phase"`
	Op    *OpData `json:"op"`
	Back  struct {
		Op    *OpData `json:"op"`
		Never string  `json:"never"`
	} `json:"back"`
}

// unfold counts the steps, and finds the targets that they act on.
func (s *Saved) unfold() error {
	s.touched = map[Target]bool{}
	for _, r := range s.Rounds {
		for _, of := range r.Steps {
			hosts, err := hostset.Unfold(of.Hosts)
			if err != nil {
				return err
			}
			if hosts == nil {
				hosts, of.Each = []string{theHost}, []SavedStep{of.SavedStep}
			}
			if s.steps += len(hosts) * max(1, len(of.Each)); s.steps > maxSteps {
				return fmt.Errorf("it has more than %d steps", maxSteps)
			}
			for _, step := range of.Each {
				step.touch(hosts, s.touched)
			}
		}
	}
	return nil
}

func (s SavedStep) touch(hosts []string, touched map[Target]bool) {
	for _, o := range []*OpData{s.Op, s.Back.Op} {
		switch {
		case o == nil:
		case o.Target.Name != theHost:
			touched[o.Target] = true
		default:
			for _, h := range hosts {
				touched[Target{o.Target.Kind, h}] = true
			}
		}
	}
}

// ReadSaved reads a saved plan.
func ReadSaved(b []byte) (*Saved, error) {
	var s Saved
	if err := json.Unmarshal(b, &s); err != nil {
		return nil, Hinted(fmt.Errorf("not a plan: %w", err), "save one with `meshrotate plan --out plan.json`")
	}
	if s.Format == "meshrotate.plan/v1" || s.Format == "meshrotate.plan/v2" {
		return nil, Hinted(fmt.Errorf("this plan is of format %s, which an earlier version of meshrotate wrote: it cannot be held against what would be done now, whose format is %s", s.Format, PlanFormat),
			"make it again with this version's `meshrotate plan --out plan.json`, and have that reviewed")
	}
	if s.Format != PlanFormat {
		return nil, Hinted(fmt.Errorf("not a plan of format %s (its format is %q)", PlanFormat, s.Format),
			"save one with this version's `meshrotate plan --out plan.json`")
	}
	err := s.unfold()
	if err == nil {
		err = s.intact(b)
	}
	if err == nil {
		err = s.unchanged(b)
	}
	if err != nil {
		return nil, Hinted(fmt.Errorf("the saved plan was changed after it was made: it is not what its digest stands for (%w); or another version of meshrotate made it", err),
			"make it again with `meshrotate plan --out plan.json`, and have that reviewed")
	}
	return &s, nil
}

// Check says why the saved plan may not be applied as the present plan, or nil. The error names what changed.
func (s *Saved) Check(now *Plan, history state.History) error {
	fresh := unread(s.Changes, now.Changes)
	const again = planAgain
	unsealed := s.unsealed(now, again)
	switch {
	case s.Deployment != now.Deployment:
		return Hinted(fmt.Errorf("the saved plan is for %s, not for %s", s.Deployment, now.Deployment), again)
	case s.Salt != "" && now.Salt != "" && s.Salt != now.Salt:
		return Hinted(errors.New("the saved plan's fingerprints were made with another salt: its state folder was another one, or its salt was lost since; nobody can compare what it saw with what is there now"),
			"apply it with the state folder that it was made with; or "+again)
	case unsealed != nil && (s.Salt != "" || now.Salt != "" || history.Salt() != ""):
		return unsealed
	case s.goesOn(now, history) && (s.switched(history) || !now.Made.After(s.GoodUntil)):
		now.Continues = s.Digest
		return nil
	case history.Applied(s.Digest, s.Entries) && !s.goesOn(now, history):
		return Hinted(fmt.Errorf("the saved plan %.8s was already applied: a plan is used once", s.Digest), again)
	case now.Made.After(s.GoodUntil):
		return Hinted(fmt.Errorf("the saved plan was good until %s", s.GoodUntil.Format(time.RFC3339)), again+"; `apply --replan-if-equal` applies it all the same, where a fresh look makes the same plan")
	case s.Digest == now.Digest && len(fresh) == 0:
		return nil
	case len(fresh) == 0 && s.agreed(now):
		now.Digest = s.Digest // it is what somebody has agreed to, and is used once
		return nil
	case s.Spec != now.Spec:
		return Hinted(s.otherDocument(now), again)
	}
	matter := now.touched()
	maps.Copy(matter, s.touched)
	diffs := append(Differences(of(matter, s.Seen), of(matter, now.Seen)), fresh...)
	if len(diffs) == 0 {
		diffs = Differences(s.Seen, now.Seen) // the steps differ, by what was seen where there is nothing to do
	}
	if len(diffs) == 0 {
		diffs = append(reasoned(s.Changes, now.Changes), over(s.Changes, now.Changes)...) // by what Admin says, or the ledger
	}
	if len(diffs) == 0 {
		err := fmt.Errorf("the steps differ from the saved plan's (%d then, %d now), though the hosts look the same: what no fact shows, the ledger or this program has changed",
			s.steps, len(now.Steps()))
		other := s.otherSteps(now)
		for _, other := range other[:min(len(other), 5)] {
			err = fmt.Errorf("%w\n       %s", err, other)
		}
		return Hinted(err, again)
	}
	slices.SortStableFunc(diffs, func(a, b string) int { // what tells most comes first
		return cmp.Compare(strings.Count(a, otherContent), strings.Count(b, otherContent))
	})
	err := fmt.Errorf("the plan is no longer true: %s", diffs[0])
	if n := len(diffs) - 1; n > 0 {
		err = fmt.Errorf("%w (and %d more)", err, n)
		for _, d := range diffs[1:min(len(diffs), 5)] {
			err = fmt.Errorf("%w\n       %s", err, d)
		}
	}
	return Hinted(fmt.Errorf("%w\n       nothing was changed", err), again)
}

// goesOn says that the run to which this plan was applied was cut off, and that what is left is a part of what was agreed to then.
func (s *Saved) goesOn(now *Plan, history state.History) bool {
	open := false
	for _, c := range now.Changes {
		if c.Status != Rotate {
			continue
		}
		if !slices.ContainsFunc(s.Changes, func(o Change) bool { return o.Status == Rotate && o.Secret == c.Secret }) {
			return false
		}
		e, pending := history.Pending(c.Secret.Name, c.Secret.Version)
		open = open || pending && e.Plan == s.Digest
	}
	return open && s.Spec == now.Spec
}

// switched says that its run has begun to give out what is new: then it is finished, however late. One that was cut off before has changed
// nothing, and is too old when any other plan is.
func (s *Saved) switched(history state.History) bool {
	return slices.ContainsFunc(s.Changes, func(c Change) bool { return c.Status == Rotate && history.GivenOut(c.Secret.Name, c.Secret.Version) })
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// Differences says, host by host and field by field, what is seen now that the plan did not see.
func Differences(then, now []HostFacts) []string {
	var diffs []string
	old := map[Target]HostFacts{}
	for _, h := range then {
		old[h.Target] = h
	}
	for _, h := range now {
		was, known := old[h.Target]
		delete(old, h.Target)
		switch {
		case !known:
			diffs = append(diffs, fmt.Sprintf("%s: not in the plan", h.Target))
		case was.Reach != h.Reach:
			diffs = append(diffs, fmt.Sprintf("%s: was %s, now %s", h.Target, was.Reach, h.Reach))
		default:
			diffs = append(diffs, factDifferences(h.Target, was.Facts, h.Facts)...)
		}
	}
	for _, h := range then { // in the plan's order
		if _, gone := old[h.Target]; gone {
			diffs = append(diffs, fmt.Sprintf("%s: was in the plan, is no longer looked at", h.Target))
		}
	}
	return diffs
}

// print is the fingerprint of a file: what it stands for no reader knows.
var print = regexp.MustCompile("^[0-9a-f]{12}$")

// spoken is a fact's value as people say it.
func spoken(value string) string {
	if value == "unknown" {
		return "a value that meshrotate does not know"
	}
	return value
}

const otherContent = " has another content than it had then"

func factDifferences(t Target, then, now []Fact) []string {
	var diffs []string
	old, still := map[string]string{}, map[string]bool{}
	for _, f := range then {
		old[f.Field] = f.Value
	}
	for _, f := range now { // a field that two secrets asked for is there twice
		was, known := old[f.Field]
		still[f.Field] = true
		if !known {
			was = "not there"
		}
		switch {
		case was == f.Value:
		case print.MatchString(was) && print.MatchString(f.Value):
			diffs = append(diffs, fmt.Sprintf("%s: %s%s (fingerprint %s, now %s)", t, f.Field, otherContent, was, f.Value))
		default:
			diffs = append(diffs, fmt.Sprintf("%s: %s was %s, now %s", t, f.Field, spoken(was), spoken(f.Value)))
		}
	}
	for _, f := range then {
		if !still[f.Field] {
			diffs = append(diffs, fmt.Sprintf("%s: %s was %s, now not there", t, f.Field, f.Value))
		}
	}
	return diffs
}
