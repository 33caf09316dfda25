package render

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"time"

	"meshrotate/reconciler"
	"meshrotate/state"
)

// Outcome is how an apply ended, format "meshrotate.outcome/v2".
type Outcome struct {
	Format     string `json:"format"`
	Deployment string `json:"deployment"`
	Commit     string `json:"commit,omitempty"`
	// Plan is the digest of what was applied, Run the run's name in the ledger.
	Plan string `json:"plan"`
	Run  string `json:"run"`
	// Only names the kinds that the run was limited to, when not all were; in an emergency the secrets.
	Only []string `json:"only,omitempty"`
	// OK says that every secret is proven, nothing failed, and nothing is down or left behind. Halted says that the run
	// stopped where it was.
	OK     bool `json:"ok"`
	Halted bool `json:"halted,omitempty"`
	// Seconds is how long the run lasted, without the look before it.
	Seconds float64   `json:"seconds"`
	Secrets []Rotated `json:"secrets"`
	// Down is what this run stopped and nobody has started since, what an earlier one left down, and what is cut off.
	Down []Down `json:"down,omitempty"`
	// Left is what a later run has to finish.
	Left []Left `json:"left,omitempty"`
	// Remarks are what happened beside: somebody else was at work.
	Remarks []Remark `json:"remarks,omitempty"`
	// Warnings are those of the plan, as it saw things before the run: what does not work from then on, for one.
	Warnings []reconciler.Finding `json:"warnings,omitempty"`
	// ByRecord is not "" when the run has lost its lock, and says whether another one has taken over since: what is told of hosts is what
	// this one knew by then, but for the services that it looked at at its end, and measured outages are the most.
	ByRecord string `json:"byRecord,omitempty"`
	// Error is why not everything was done.
	Error string `json:"error,omitempty"`
	// Hint is what to do about the error, where it is known.
	Hint string `json:"hint,omitempty"`
	// Next says what to do now.
	Next string `json:"next"`

	// accepting are the places that accept what others know after the run.
	accepting []string
	kept      error // what was not given back after it
}

// Rotated is one secret of an Outcome.
type Rotated struct {
	Secret string `json:"secret"`
	// Kind is the rotation package's name, as --only takes it.
	Kind   string `json:"kind"`
	Title  string `json:"title"`
	Group  string `json:"group,omitempty"`
	Before string `json:"before"`
	After  string `json:"after"`
	// Ending is "proven", "back", "ahead" or "unknown".
	Ending state.Outcome `json:"ending"`
	// Unfinished says that an earlier run began with it and did not finish: "back" leads to what that one left.
	Unfinished bool `json:"unfinished,omitempty"`
	// Why it is not proven.
	Why string `json:"why,omitempty"`
	// Waits says that nothing failed: a person is to do their part, which Why names. It is "confirm" where they have to say that
	// it was done, and "seen" where that is seen.
	Waits string `json:"waits,omitempty"`
	// Later says from when on it is in force, where that is not now: it is stored, and that is what is proven.
	Later string `json:"later,omitempty"`
	// Unproven is what nobody has seen though all that could be asked says that it works: it is stored, and not called proven.
	Unproven string `json:"unproven,omitempty"`
	// Proof is what was proven, "" where it was not; Evidence is what was seen.
	Proof    string         `json:"proof,omitempty"`
	Evidence []string       `json:"evidence,omitempty"`
	Outages  []state.Outage `json:"outages,omitempty"` // seconds

	// short says that the run left a target behind that the plan counted on: Proof promises more than was seen.
	short bool
}

// Down is something that is stopped.
type Down struct {
	// What is its name in the outages, Service the one that it has on its host.
	What    string `json:"what"`
	Service string `json:"service"`
	Host    string `json:"host"`
	// With are the services that were stopped with it, as they depend on it.
	With  []string  `json:"with,omitempty"`
	Since time.Time `json:"since,omitzero"` // zero of what was found stopped
	// Sooner: at Since it was seen down, and it had worked some time before.
	Sooner bool `json:"sooner,omitempty"`
	// Why it is, as far as the run knows, and Hint what brings it back.
	Why  string `json:"why"`
	Hint string `json:"hint"`
	// Unsure: its stop was asked for, no answer came, and nobody could look since; or it is not seen to work any more, and its
	// host was not asked.
	Unsure bool `json:"unsure,omitempty"`
	// Unwell: it runs, and was not seen to do its work since it was started: it is not ready.
	Unwell bool `json:"unwell,omitempty"`
	// CutOff: it runs, if its host does, and cannot work, as what it depends on was changed, and it was not.
	CutOff bool `json:"cutOff,omitempty"`
}

// Remark is what happened on a target beside what was to be done.
type Remark struct {
	Target string `json:"target"`
	Text   string `json:"text"`
}

// Left is one target on which something is left to do.
type Left struct {
	Target  string   `json:"target"`
	Secrets []string `json:"secrets"`
	Why     string   `json:"why"`
	// Hint is what to do about it, "" where only the next run is.
	Hint string `json:"hint,omitempty"`
}

// OutcomeOf tells how a run of a plan ended.
func OutcomeOf(p *reconciler.Plan, run string, took time.Duration, o reconciler.Outcome) Outcome {
	r := Outcome{Format: "meshrotate.outcome/v2", Secrets: []Rotated{}, Deployment: p.Deployment, Commit: p.Commit, Plan: cmp.Or(p.Continues, p.Digest), Run: run, Only: p.Only,
		Halted: o.Halted, ByRecord: o.ByRecord, Seconds: took.Seconds()}
	if o.Err != nil {
		r.Error, r.Hint = o.Err.Error(), reconciler.HintOf(o.Err)
	}
	r.Warnings = slices.DeleteFunc(slices.Concat(findings(together(p.Changes)), p.Fleet), func(f reconciler.Finding) bool { return f.Severity != reconciler.Warning })
	for _, c := range p.Changes {
		for _, s := range c.Still {
			if !s.Ends {
				r.accepting = append(r.accepting, s.Place)
			}
		}
	}
	for _, e := range o.Secrets {
		r.Secrets = append(r.Secrets, rotated(e, o.Left))
	}
	down := o.Down
	switch {
	case len(o.Secrets) > 0:
	case run == "" && o.Err != nil: // it was refused: what it would have brought back stays, too
		down = p.Untouched()
	default: // nobody had to do anything about what an earlier run left
		down = p.AllDown()
	}
	for _, d := range down {
		r.Down = append(r.Down, downOf(d, o))
	}
	for _, l := range o.Left {
		r.Left = append(r.Left, Left{Target: l.Target.String(), Secrets: l.Secrets, Why: l.Why.Error(), Hint: reconciler.HintOf(l.Why)})
	}
	for _, n := range o.Remarks {
		r.Remarks = append(r.Remarks, Remark{Target: n.Target.String(), Text: n.Text})
	}
	r.OK = o.Err == nil && !o.Halted && len(r.Down) == 0 && len(r.Left) == 0 && r.with(state.Proven) == len(r.Secrets)
	r.Next = r.next("meshrotate plan", "meshrotate apply")
	return r
}

// downOf says of what is down why it is, as far as the run knows: what it saw itself, why its host was left behind, or what ended
// the run.
func downOf(d reconciler.Down, o reconciler.Outcome) Down {
	why := cmp.Or(d.Why, o.Err)
	if i := slices.IndexFunc(o.Left, func(l reconciler.LeftBehind) bool { return l.Target == d.Target }); d.Why == nil && i >= 0 {
		why = o.Left[i].Why
	}
	earlier := len(o.Secrets) == 0 // this run has done nothing: why it did not says nothing of what was down before
	if why == nil || earlier && d.Why == nil || d.Unsure && d.Why == nil && d.Cause != "" {
		why = cmp.Or(cause(d), errNotStarted)
	}
	if d.Found && d.Why == nil {
		why = cause(d)
	}
	brings := applyStarts
	switch {
	case d.Gone:
		brings = reconciler.InstallGone
	case d.CutOff:
		brings = applyJoins
	case d.Unwell:
		brings = getsReady
	}
	return Down{What: d.What, Service: d.Service, Host: d.Target.String(), With: d.With, Since: d.Since.UTC(), Sooner: d.Sooner, Unsure: d.Unsure, Unwell: d.Unwell, CutOff: d.CutOff, Why: why.Error(),
		Hint: cmp.Or(d.Mend, reconciler.HintOf(why), brings)}
}

// cause is why an earlier run left it down, nil when it did not.
func cause(d reconciler.Down) error {
	if d.Cause == "" {
		return nil
	}
	return errors.New(d.Cause)
}

// applyStarts is what brings back anything of which nothing better is known.
const (
	applyStarts = "mend the cause, then apply again, which starts it; or start it on the host"
	applyJoins  = "make its host answer, or mend what else stands in the way, then apply again, which gives it what it lacks"
	getsReady   = "look at its log on its host, and at what it depends on"
)

var errNotStarted = errors.New("it was stopped for a rotation, and nothing has started it since")

func findings(changes []reconciler.Change) []reconciler.Finding {
	var all []reconciler.Finding
	for _, c := range changes {
		all = append(all, c.Findings...)
	}
	return all
}

func rotated(e reconciler.Ended, left []reconciler.LeftBehind) Rotated {
	c := e.Change
	s := Rotated{Secret: c.Secret.Name, Kind: kindOf(c.Secret.Name), Title: c.Title, Group: c.Group, Before: c.Before, After: c.Secret.Version,
		Ending: e.Ending, Unfinished: c.Unfinished, Evidence: e.Evidence, Outages: e.Outages}
	switch s.Ending {
	case "":
		s.Ending = state.Unknown
	case state.Proven:
		s.Proof, s.Later, s.Unproven = c.Proof, c.Later, c.Unproven
	}
	if e.Why != nil {
		s.Why = e.Why.Error()
	}
	if w := e.Waits; w != nil {
		s.Waits = "seen"
		if w.Confirm {
			s.Waits = "confirm"
		}
	}
	if s.short = slices.ContainsFunc(left, func(l reconciler.LeftBehind) bool {
		return slices.Contains(l.Secrets, s.Secret) && !slices.Contains(c.Left, l.Target)
	}); s.short && s.Ending == state.Proven { // what the plan was to show of all was shown of the others
		s.Proof = strings.Join(s.Evidence[:min(len(s.Evidence), 2)], "; ")
	}
	return s
}

// Keeping is the Outcome of a run after which something was not given back: its lock, or its marker. It is as it was when that is
// nothing.
func (r Outcome) Keeping(err error) Outcome {
	if r.kept = err; err == nil || len(r.Secrets) == 0 {
		return r
	}
	if r.Error == "" {
		r.Error, r.Hint = err.Error(), reconciler.HintOf(err)
	}
	r.OK = false
	return r
}

// kindOf is the kind in a secret's name: several of one kind are "kind:name".
func kindOf(name string) string {
	kind, _, _ := strings.Cut(name, ":")
	return kind
}

// with counts the secrets with this ending.
func (r Outcome) with(ending state.Outcome) int {
	n := 0
	for _, s := range r.Secrets {
		if s.Ending == ending {
			n++
		}
	}
	return n
}

// Paused says that nothing failed, and that all that is left waits for a person.
func (r Outcome) Paused() bool {
	waiting := r.waiting()
	return len(waiting) > 0 && r.Error == "" && !r.Halted && len(r.Down) == 0 && len(r.Left) == 0 && r.with(state.Proven)+len(waiting) == len(r.Secrets)
}

// waiting are the secrets that wait for a person.
func (r Outcome) waiting() (some []Rotated) {
	for _, s := range r.Secrets {
		if s.Waits != "" {
			some = append(some, s)
		}
	}
	return some
}

// Changed says that the deployment is not as it was before the run, or may not be: a secret is not back, or something is
// down or left behind. A run that began nothing has no secrets.
func (r Outcome) Changed() bool {
	return r.with(state.Back) < len(r.Secrets) || len(r.Down) > 0 || len(r.Left) > 0
}

// Naming is the Outcome whose advice names the document as these flags do: " -f prod.yaml".
func (r Outcome) Naming(flags string) Outcome {
	r.Next = r.next("meshrotate plan"+flags, "meshrotate apply"+flags)
	return r
}
