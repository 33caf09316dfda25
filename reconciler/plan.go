package reconciler

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"meshrotate/specs"
)

// PlanFormat is the version of a plan's JSON.
const PlanFormat = "meshrotate.plan/v3"

// Plan is what a run would do, and what it saw. It holds no value and can be shown to anybody. The same input gives
// the same bytes.
type Plan struct {
	Format     string `json:"format"`
	Deployment string `json:"deployment"`
	Source     string `json:"source,omitempty"` // file or path in the repository
	Commit     string `json:"commit,omitempty"`
	// Trust is where contacts, credentials, programs and state were taken from; "" when everything in the document was believed.
	Trust string `json:"trust,omitempty"`
	// Signed is who signed the commit; "" when nobody need, or when it is not signed by one who may.
	Signed string `json:"signed,omitempty"`
	// Only names the kinds that were planned for, when not all were: apply plans again for the same. In an emergency it names the secrets.
	Only []string `json:"only,omitempty"`
	// Spec is the SHA-256 of the document with its defaults. A merge commit changes the commit, not this.
	Spec string    `json:"spec"`
	Made time.Time `json:"made"`
	// GoodUntil is when a saved plan can no longer be applied.
	GoodUntil time.Time `json:"goodUntil"`
	// Digest stands for what the plan is bound to: the document, the steps, and what was seen where they act. Apply plans
	// again and compares.
	Digest string `json:"digest"`
	// Continues is the digest of the saved plan whose run was cut off, and with which this one goes on; "" when it is itself what was
	// agreed to. The ledger has that one.
	Continues string `json:"-"`
	// Salt says which salt the fingerprints were made with, and not the salt; "" when none was kept.
	Salt string `json:"salt,omitempty"`
	// Entries is how many the ledger had: what came after them came after this plan.
	Entries int      `json:"entries,omitempty"`
	Changes []Change `json:"changes"`
	// Rounds are done one after the other, each to its end. Their steps stand in the order in which they may be done.
	Rounds []Round `json:"rounds,omitempty"`
	Seen   Sights  `json:"seen"`
	// Down is what is stopped by the record of secrets that were not planned for; of the others Change.Down says it.
	Down []Down `json:"down,omitempty"`
	// Fleet are findings about targets rather than about one secret: a host that could not be looked at.
	Fleet []Finding `json:"fleet,omitempty"`
	// Whole is a digest of all of this, and Seal an HMAC of that under the state's salt, "" where none was kept, and the site's key, where it
	// has one: who changes a word of a saved plan is found out. Sealer makes it.
	Whole  string                    `json:"whole"`
	Seal   string                    `json:"seal,omitempty"`
	Sealer func(whole string) string `json:"-"`
	// quiets are the silences in force.
	quiets []quiet
}

// SpecOf is a digest of a document that is in force, and of the trusted files that it names.
func SpecOf(d *specs.Deployment) (string, error) {
	spec, err := json.Marshal(d)
	if err != nil {
		return "", fmt.Errorf("fingerprint %s: %w", d.Name, err)
	}
	return sum(append(spec, d.Origin.Files...)), nil
}

// MakePlan asks every rotation what is left to do and merges their steps. It is pure.
func MakePlan(d *specs.Deployment, rotations []Rotation, in Input) (*Plan, error) {
	p := &Plan{
		Format:     PlanFormat,
		Deployment: d.Name,
		Source:     d.Origin.File,
		Commit:     d.Origin.Commit,
		Trust:      d.Origin.Trust,
		Signed:     d.Origin.Signed,
		Made:       in.Now.UTC().Truncate(time.Second),
		Entries:    in.History.Entries(),
		GoodUntil:  in.Now.Add(d.Policy.PlanTTL.Of()).UTC().Truncate(time.Second),
		Seen:       in.unminded(rotations).facts(),
		Fleet:      append(marked(in), fleet(in.Seen)...),
	}
	var err error
	if p.Spec, err = SpecOf(d); err != nil {
		return nil, err
	}
	if in.Declared == nil {
		in.Declared = Names(rotations)
	}
	p.Changes = changesOf(rotations, in)
	for _, c := range p.Changes {
		in.Coming = append(in.Coming, c.Alters...)
	}
	if len(in.Coming) > 0 {
		p.Changes = changesOf(rotations, in)
	}
	in.Minders = append(slices.Clone(in.Minders), cureFirst(p.Changes, rotations)...)
	mind(p.Changes, in)
	stillCured(p.Changes)
	oneReturn(p.Changes)
	for i, c := range p.Changes {
		p.Changes[i].Unfinished = c.Status == Rotate && len(in.History.Begun(c.Secret.Name)) > 0
	}
	sayStopped(p.Changes)
	p.beside()
	p.placeFindings()
	if err := p.silence(d.Policy.Silence, in); err != nil {
		return nil, err
	}
	if len(p.Blocked()) > 0 {
		p.StartsNothing("mend what this plan refuses, or start it on its host")
	}
	p.foldFindings()
	if p.Rounds, err = merge(p.Changes); err != nil {
		return nil, err
	}
	p.dependsOn(d)
	p.tell()
	p.tellNext()
	b, err := p.bound()
	if err == nil {
		p.Digest, err = b.digest()
	}
	if err != nil {
		return nil, fmt.Errorf("digest of the plan of %s: %w", d.Name, err)
	}
	return p, nil
}

// beside takes what several secrets found about hosts.
func (p *Plan) beside() {
	type said struct{ code, text string }
	known := map[said]bool{}
	for _, c := range p.Changes {
		for _, f := range c.Beside {
			if this := (said{string(f.Code), f.Text}); !known[this] {
				known[this] = true
				p.Fleet = append(p.Fleet, f)
			}
		}
	}
}

// Names are those of some rotations.
func Names(rotations []Rotation) map[string]bool {
	names := map[string]bool{}
	for _, r := range rotations {
		names[r.Ref().Name] = true
	}
	return names
}

func changesOf(rotations []Rotation, in Input) []Change {
	var all []Change
	for _, r := range rotations {
		c := r.Plan(in)
		c.Findings = append(stillDown(c.Down), c.Findings...) // first: a long list is cut in a text
		compromised(&c, in)
		all = append(all, c)
	}
	return all
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

// Blocked are the changes that a guard refuses or that could not be looked at, but for those that wait for another one, or that an
// emergency leaves behind.
func (p *Plan) Blocked() []Change {
	var blocked []Change
	for _, c := range p.Changes {
		if c.Waits == "" && !c.Behind && (c.Status == Refused || c.Status == Unknown) {
			blocked = append(blocked, c)
		}
	}
	return blocked
}

// Deferred are the titles of the changes that wait for another one of this plan.
func (p *Plan) Deferred() (titles []string) {
	for _, c := range p.Changes {
		if c.Waits != "" {
			titles = append(titles, c.Title)
		}
	}
	return titles
}

// Behind are the changes that an emergency leaves as they are.
func (p *Plan) Behind() (some []Change) {
	return slices.DeleteFunc(slices.Clone(p.Changes), func(c Change) bool { return !c.Behind })
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

// oneReturn lets all secrets say the same of what came back: the record of one may know of an earlier stop than that of another. A
// stop that was over before the other's began is another one.
func oneReturn(changes []Change) {
	type stop struct{ since, upBy time.Time }
	stops := map[string][]stop{}
	for _, c := range changes {
		for _, r := range c.Returned {
			stops[r.What] = append(stops[r.What], stop{r.Since, r.UpBy})
		}
	}
	for _, of := range stops {
		slices.SortFunc(of, func(a, b stop) int { return b.since.Compare(a.since) }) // the latest first: each may reach back to the next
	}
	for _, c := range changes {
		for i, r := range c.Returned {
			since := r.Since
			for _, s := range stops[r.What] {
				if s.since.Before(since) && (s.upBy.IsZero() || !s.upBy.Before(since)) {
					since = s.since
				}
			}
			c.Returned[i].Since = since
		}
	}
}

// tellNext says which starts a change leaves to others, and no step of this plan makes.
func (p *Plan) tellNext() {
	made := map[string]bool{}
	of := func(op Op) string { return op.Target().id() + " " + op.Key() }
	for i := range p.Changes {
		c := &p.Changes[i]
		if len(c.Next) == 0 {
			continue
		}
		if len(made) == 0 {
			for _, s := range p.Steps() {
				made[of(s.Op)] = true
			}
		}
		var who crowd
		for _, op := range c.Next {
			if !made[of(op)] {
				who.add(op.Says())
			}
		}
		if names := who.String(); names != "" {
			c.Later = "the next start of " + names + c.Opens
		}
	}
}
