package reconciler

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"meshrotate/specs"
)

// PlanFormat is the version of a plan's JSON.
const PlanFormat = "meshrotate.plan/v2"

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
	Digest string `json:"digest"`
	// Salt says which salt the fingerprints were made with, and not the salt; "" when none was kept.
	Salt    string   `json:"salt,omitempty"`
	Changes []Change `json:"changes"`
	// Rounds are done one after the other, each to its end. Their steps stand in the order in which they may be done.
	Rounds []Round     `json:"rounds,omitempty"`
	Seen   []HostFacts `json:"seen"`
	// Down is what is stopped by the record of secrets that were not planned for; of the others Change.Down says it.
	Down []Down `json:"down,omitempty"`
	// Fleet are findings about targets rather than about one secret: a host that could not be looked at.
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
		Fleet:      append(marked(in), fleet(in.Seen)...),
	}
	spec, err := json.Marshal(d)
	if err != nil {
		return nil, fmt.Errorf("fingerprint %s: %w", d.Name, err)
	}
	p.Spec = sum(spec)
	for _, r := range rotations {
		c := r.Plan(in)
		c.Findings = append(c.Findings, stillDown(c.Down)...)
		p.Changes = append(p.Changes, c)
	}
	oneReturn(p.Changes)
	if p.Rounds, err = merge(p.Changes); err != nil {
		return nil, err
	}
	p.tell()
	body, err := json.Marshal(struct {
		Format, Deployment, Spec string
		Rounds                   []Round
		Seen                     []HostFacts
	}{p.Format, p.Deployment, p.Spec, p.Rounds, p.Seen})
	if err != nil {
		return nil, fmt.Errorf("digest of the plan of %s: %w", d.Name, err)
	}
	p.Digest = sum(body)
	return p, nil
}

// Steps are all steps of all rounds, in the order in which they may be done.
func (p *Plan) Steps() []Step {
	var all []Step
	for _, r := range p.Rounds {
		all = append(all, r.Steps...)
	}
	return all
}

func sum(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

// Empty says that there is nothing to do.
func (p *Plan) Empty() bool { return len(p.Rounds) == 0 }

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

// oneReturn lets all secrets say the same of what came back: the record of one may know of an earlier stop than that of another.
func oneReturn(changes []Change) {
	first := map[string]time.Time{}
	for _, c := range changes {
		for _, r := range c.Returned {
			if at, known := first[r.What]; !known || r.Since.Before(at) {
				first[r.What] = r.Since
			}
		}
	}
	for _, c := range changes {
		for i, r := range c.Returned {
			c.Returned[i].Since = first[r.What]
		}
	}
}
