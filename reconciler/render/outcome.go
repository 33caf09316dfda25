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
	// Only names the kinds that the run was limited to, when not all were.
	Only []string `json:"only,omitempty"`
	// OK says that every secret is proven, nothing failed, and nothing is down or left behind. Halted says that the run
	// stopped where it was.
	OK     bool `json:"ok"`
	Halted bool `json:"halted,omitempty"`
	// Seconds is how long the run lasted, without the look before it.
	Seconds float64   `json:"seconds"`
	Secrets []Rotated `json:"secrets"`
	// Down is what this run stopped and nobody has started since, and what an earlier one left down.
	Down []Down `json:"down,omitempty"`
	// Left is what a later run has to finish.
	Left []Left `json:"left,omitempty"`
	// Remarks are what happened beside: somebody else was at work.
	Remarks []Remark `json:"remarks,omitempty"`
	// Error is why not everything was done.
	Error string `json:"error,omitempty"`
	// Hint is what to do about the error, where it is known.
	Hint string `json:"hint,omitempty"`
	// Next says what to do now.
	Next string `json:"next"`

	warnings int // in the plan
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
	// Why it is not proven.
	Why string `json:"why,omitempty"`
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
	What    string    `json:"what"`
	Service string    `json:"service"`
	Host    string    `json:"host"`
	Since   time.Time `json:"since"`
	// Why it is, as far as the run knows, and Hint what brings it back.
	Why  string `json:"why"`
	Hint string `json:"hint"`
	// Unsure: its stop was asked for, no answer came, and nobody could look since; or it is not seen to work any more, and its
	// host was not asked.
	Unsure bool `json:"unsure,omitempty"`
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
}

// OutcomeOf tells how a run of a plan ended.
func OutcomeOf(p *reconciler.Plan, run string, took time.Duration, o reconciler.Outcome) Outcome {
	r := Outcome{Format: "meshrotate.outcome/v2", Secrets: []Rotated{}, Deployment: p.Deployment, Commit: p.Commit, Plan: p.Digest, Run: run, Only: p.Only,
		Halted: o.Halted, Seconds: took.Seconds()}
	if o.Err != nil {
		r.Error, r.Hint = o.Err.Error(), reconciler.HintOf(o.Err)
	}
	for _, f := range slices.Concat(findings(together(p.Changes)), p.Fleet) {
		if f.Severity == reconciler.Warning {
			r.warnings++
		}
	}
	for _, e := range o.Secrets {
		r.Secrets = append(r.Secrets, rotated(e, o.Left))
	}
	down := o.Down
	if len(o.Secrets) == 0 { // nobody had to do anything about what an earlier run left
		down = p.StillDown()
	}
	for _, d := range down {
		r.Down = append(r.Down, downOf(d, o))
	}
	for _, l := range o.Left {
		r.Left = append(r.Left, Left{Target: l.Target.String(), Secrets: l.Secrets, Why: l.Why.Error()})
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
	return Down{What: d.What, Service: d.Service, Host: d.Target.String(), Since: d.Since.UTC(), Unsure: d.Unsure, Why: why.Error(),
		Hint: cmp.Or(reconciler.HintOf(why), applyStarts)}
}

// cause is why an earlier run left it down, nil when it did not.
func cause(d reconciler.Down) error {
	if d.Cause == "" {
		return nil
	}
	return errors.New(d.Cause)
}

// applyStarts is what brings back anything of which nothing better is known.
const applyStarts = "mend the cause, then apply again, which starts it; or start it on the host"

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
		Ending: e.Ending, Evidence: e.Evidence, Outages: e.Outages}
	switch s.Ending {
	case "":
		s.Ending = state.Unknown
	case state.Proven:
		s.Proof = c.Proof
	}
	if e.Why != nil {
		s.Why = e.Why.Error()
	}
	s.short = slices.ContainsFunc(left, func(l reconciler.LeftBehind) bool {
		return slices.Contains(l.Secrets, s.Secret) && !slices.Contains(c.Left, l.Target)
	})
	return s
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

// next is what to do now. Plan and apply are the commands.
func (r Outcome) next(plan, apply string) string {
	plan, apply = "`"+plan+"`", "`"+apply+"`"
	var s string
	switch names := r.unfinished(); {
	case r.OK && len(r.Only) > 0:
		return "nothing is left to do for " + strings.Join(r.Only, ", ") + "; " + plan + " looks at the other secrets"
	case r.OK:
		return "nothing is left to do; " + plan + " shows no change"
	case r.with(state.Unknown) > 0:
		s = "look at what is there now with " + plan + ", then " + apply + ": what is done is left alone"
	case len(names) > 0:
		who := hostList(names)
		if len(rangesOf(names)) > 2 {
			who = "the " + count(len(names), "target") + " that are down or left behind"
		}
		s = "mend " + who + ", then " + apply + ": finished hosts are left alone"
	case r.with(state.Ahead) > 0:
		s = "mend the cause, then " + apply + ": it goes on from there"
	case r.Changed():
		s = "mend the cause, then " + apply + ": what is done is left alone"
	default:
		s = "mend the cause, then plan and apply again"
	}
	if len(r.Down) > 0 {
		s += ". Until then what is down stays down"
	}
	return s
}

// unfinished are the targets that are down or left behind, each once.
func (r Outcome) unfinished() []string {
	var names []string
	for _, d := range r.Down {
		names = append(names, d.Host)
	}
	for _, l := range r.Left {
		names = append(names, l.Target)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (r Outcome) value() any { return r }

// Verdict is one line: how it ended.
func (r Outcome) Verdict() string {
	n := len(r.Secrets)
	proven, back, ahead, unknown := r.with(state.Proven), r.with(state.Back), r.with(state.Ahead), r.with(state.Unknown)
	var word string
	switch {
	case r.OK && n == 0:
		if r.warnings > 0 {
			return "nothing to do; " + count(r.warnings, "warning") + ": `meshrotate plan` shows what is not as it should be"
		}
		if len(r.Only) > 0 {
			return "nothing to do for " + strings.Join(r.Only, ", ") + ", which is as declared; the other secrets were not looked at"
		}
		return "nothing to do: everything is as declared"
	case n == 0 && len(r.Down) > 0:
		return "nothing was changed; since an earlier run may be DOWN: " + hostList(r.unfinished())
	case n == 0:
		return "nothing was changed"
	case r.OK:
		word = "done: " + count(proven, "secret") + " rotated and proven"
	case !r.Changed():
		word = "failed and put back"
		if !slices.ContainsFunc(r.Secrets, func(s Rotated) bool { return len(s.Evidence) == 0 }) {
			word += ": everything is as it was before"
		}
	case unknown > 0:
		word = "stopped where it was; what is live now must be looked at"
	case proven > 0 || back > 0:
		word = "applied in part"
	default:
		word = "not proven, and there is no way back; the next run goes on from there"
	}
	if r.Changed() && !r.OK {
		word += r.tally(proven, back, ahead, unknown)
	}
	return word + ", in " + seconds(r.Seconds)
}

// tally is ": 1 of 3 secrets proven, 2 put back, 40 DOWN, 41 targets left behind".
func (r Outcome) tally(proven, back, ahead, unknown int) string {
	s := ": " + number(proven) + " of " + count(len(r.Secrets), "secret") + " proven"
	for _, part := range []struct {
		n    int
		text string
	}{{back, "put back"}, {ahead, "ahead"}, {unknown, "unknown"}, {len(r.Down), "DOWN"}} {
		if part.n > 0 {
			s += ", " + number(part.n) + " " + part.text
		}
	}
	if n := len(r.Left); n > 0 {
		s += ", " + count(n, "target") + " left behind"
	}
	return s
}

func orDash(s string) string {
	if s == "" {
		return "?"
	}
	return s
}

// how says in the reader's words how a secret ended.
func (r Outcome) how(s Rotated) string {
	text := ""
	switch s.Ending {
	case state.Proven:
		text = s.Proof
		if text == "" || s.short {
			text = strings.Join(s.Evidence[:min(len(s.Evidence), 2)], "; ")
		}
		return "proven" + suffix(": ", text)
	case state.Back:
		text = "put back as it was"
		if len(s.Evidence) > 0 {
			text += ", and seen to be so: " + strings.Join(s.Evidence[:min(len(s.Evidence), 2)], "; ")
		}
	case state.Ahead:
		text = "AHEAD: what was done has no way back; the next run goes on from there"
	default:
		text = "UNKNOWN: what is live now must be looked at"
	}
	if s.Why != r.Error { // that one is told as the cause
		text += suffix(". Why: ", oneLine(s.Why))
	}
	return text
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
