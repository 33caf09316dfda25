package reconciler

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"meshrotate/specs"
	"meshrotate/state"
)

// PlanFormat is the version of a plan's JSON.
const PlanFormat = "meshrotate.plan/v1"

// Plan is what a run would do, and what it saw. It holds no value and can be shown to anybody. The same input gives
// the same bytes.
type Plan struct {
	Format     string `json:"format"`
	Deployment string `json:"deployment"`
	Source     string `json:"source,omitempty"` // file or path in the repository
	Commit     string `json:"commit,omitempty"`
	// Only names the kinds that were planned for, when not all were: apply plans again for the same.
	Only []string `json:"only,omitempty"`
	// Spec is the SHA-256 of the document with its defaults. A merge commit changes the commit, not this.
	Spec string    `json:"spec"`
	Made time.Time `json:"made"`
	// GoodUntil is when a saved plan can no longer be applied.
	GoodUntil time.Time `json:"goodUntil"`
	// Digest binds the steps to what was seen. Apply plans again and compares.
	Digest  string      `json:"digest"`
	Changes []Change    `json:"changes"`
	Steps   []Step      `json:"steps,omitempty"`
	Seen    []HostFacts `json:"seen"`
	// Fleet are findings about targets rather than about one secret: a host that did not answer.
	Fleet []Finding `json:"fleet,omitempty"`
}

// MakePlan asks every rotation what is left to do and merges their steps. It is pure.
func MakePlan(d *specs.Deployment, rotations []Rotation, in Input) (*Plan, error) {
	p := &Plan{
		Format:     PlanFormat,
		Deployment: d.Name,
		Source:     d.Origin.File,
		Commit:     d.Origin.Commit,
		Made:       in.Now.UTC().Truncate(time.Second),
		GoodUntil:  in.Now.Add(d.Policy.PlanTTL.Of()).UTC().Truncate(time.Second),
		Seen:       in.Seen.facts(),
		Fleet:      fleet(in.Seen),
	}
	spec, err := json.Marshal(d)
	if err != nil {
		return nil, fmt.Errorf("fingerprint %s: %w", d.Name, err)
	}
	p.Spec = sum(spec)
	for _, r := range rotations {
		p.Changes = append(p.Changes, r.Plan(in))
	}
	if p.Steps, err = merge(p.Changes); err != nil {
		return nil, err
	}
	body, err := json.Marshal(struct {
		Format, Deployment, Spec string
		Steps                    []Step
		Seen                     []HostFacts
	}{p.Format, p.Deployment, p.Spec, p.Steps, p.Seen})
	if err != nil {
		return nil, fmt.Errorf("digest of the plan of %s: %w", d.Name, err)
	}
	p.Digest = sum(body)
	return p, nil
}

func sum(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

// Empty says that there is nothing to do.
func (p *Plan) Empty() bool { return len(p.Steps) == 0 }

// Blocked are the changes that a guard refuses or that could not be looked at.
func (p *Plan) Blocked() []Change {
	var blocked []Change
	for _, c := range p.Changes {
		if c.Status == Refused || c.Status == Unknown {
			blocked = append(blocked, c)
		}
	}
	return blocked
}

// Count returns how many changes have the status.
func (p *Plan) Count(s Status) int {
	n := 0
	for _, c := range p.Changes {
		if c.Status == s {
			n++
		}
	}
	return n
}

// Saved is what apply reads back of a saved plan.
type Saved struct {
	Format     string      `json:"format"`
	Deployment string      `json:"deployment"`
	Commit     string      `json:"commit"`
	Only       []string    `json:"only"`
	Spec       string      `json:"spec"`
	GoodUntil  time.Time   `json:"goodUntil"`
	Digest     string      `json:"digest"`
	Seen       []HostFacts `json:"seen"`
	Steps      []struct {
		Name string `json:"name"`
	} `json:"steps"`
}

// ReadSaved reads a saved plan.
func ReadSaved(b []byte) (*Saved, error) {
	var s Saved
	if err := json.Unmarshal(b, &s); err != nil {
		return nil, Hinted(fmt.Errorf("not a plan: %w", err), "save one with `meshrotate plan --out plan.json`")
	}
	if s.Format != PlanFormat {
		return nil, Hinted(fmt.Errorf("not a plan of format %s (its format is %q)", PlanFormat, s.Format),
			"save one with this version's `meshrotate plan --out plan.json`")
	}
	return &s, nil
}

// Check says why the saved plan may not be applied as the present plan, or nil. The error names what changed.
func (s *Saved) Check(now *Plan, history state.History) error {
	const again = "run `meshrotate plan --out plan.json` again, have it reviewed, and apply that"
	switch {
	case s.Deployment != now.Deployment:
		return Hinted(fmt.Errorf("the saved plan is for %s, not for %s", s.Deployment, now.Deployment), again)
	case history.Applied(s.Digest):
		return Hinted(fmt.Errorf("the saved plan %.8s was already applied: a plan is used once", s.Digest), again)
	case now.Made.After(s.GoodUntil):
		return Hinted(fmt.Errorf("the saved plan was good until %s", s.GoodUntil.Format(time.RFC3339)), again)
	case s.Digest == now.Digest:
		return nil
	case s.Spec != now.Spec:
		return Hinted(fmt.Errorf("the document has changed since the plan was saved (plan: commit %.8s, now: commit %.8s)",
			orNone(s.Commit), orNone(now.Commit)), again)
	}
	diffs := Differences(s.Seen, now.Seen)
	if len(diffs) == 0 {
		return Hinted(fmt.Errorf("the steps differ from the saved plan's (%d then, %d now), though the hosts look the same: a relay's connection, the ledger or this program has changed",
			len(s.Steps), len(now.Steps)), again)
	}
	err := fmt.Errorf("the plan is no longer true: %s", diffs[0])
	if n := len(diffs) - 1; n > 0 {
		err = fmt.Errorf("%w (and %d more)", err, n)
		for _, d := range diffs[1:min(len(diffs), 5)] {
			err = fmt.Errorf("%w\n       %s", err, d)
		}
	}
	return Hinted(fmt.Errorf("%w\n       nothing was changed", err), again)
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

func factDifferences(t Target, then, now []Fact) []string {
	var diffs []string
	old := map[string]string{}
	for _, f := range then {
		old[f.Field] = f.Value
	}
	for _, f := range now {
		was, known := old[f.Field]
		delete(old, f.Field)
		if !known {
			was = "not there"
		}
		if was != f.Value {
			diffs = append(diffs, fmt.Sprintf("%s: %s was %s, now %s", t, f.Field, was, f.Value))
		}
	}
	for _, f := range then {
		if _, gone := old[f.Field]; gone {
			diffs = append(diffs, fmt.Sprintf("%s: %s was %s, now not there", t, f.Field, f.Value))
		}
	}
	return diffs
}
