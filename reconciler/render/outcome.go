package render

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"meshrotate/reconciler"
	"meshrotate/state"
)

// Outcome is how an apply ended, format "meshrotate.outcome/v1".
type Outcome struct {
	Format     string `json:"format"`
	Deployment string `json:"deployment"`
	Commit     string `json:"commit,omitempty"`
	// Plan is the digest of what was applied, Run the run's name in the ledger.
	Plan string `json:"plan"`
	Run  string `json:"run"`
	// OK says that everything was done and proven. Halted says that the run stopped where it was: what is live is not
	// known.
	OK     bool `json:"ok"`
	Halted bool `json:"halted,omitempty"`
	// Seconds is how long the run lasted, without the look before it.
	Seconds float64   `json:"seconds"`
	Secrets []Rotated `json:"secrets"`
	// Left is what a later run has to finish.
	Left []Left `json:"left,omitempty"`
	// Error is why not everything was done.
	Error string `json:"error,omitempty"`
	// Hint is what to do about the error, where it is known.
	Hint string `json:"hint,omitempty"`
	// Next says what to do now.
	Next string `json:"next"`
}

// Rotated is one secret of an Outcome.
type Rotated struct {
	Secret string `json:"secret"`
	// Kind is the rotation package's name: "relaykey".
	Kind   string `json:"kind"`
	Title  string `json:"title"`
	Before string `json:"before"`
	After  string `json:"after"`
	Proven bool   `json:"proven"`
	// Undone says that everything was put back as it was before.
	Undone bool `json:"undone,omitempty"`
	// Proof is what was to be proven; Evidence is what was seen.
	Proof    string         `json:"proof,omitempty"`
	Evidence []string       `json:"evidence,omitempty"`
	Outages  []state.Outage `json:"outages,omitempty"` // seconds

	// short says that the run left a target behind that the plan counted on: Proof promises more than was seen.
	short bool
}

// Left is one target on which something is left to do.
type Left struct {
	Target  string   `json:"target"`
	Secrets []string `json:"secrets"`
	Why     string   `json:"why"`
}

// OutcomeOf tells how a run of a plan ended.
func OutcomeOf(p *reconciler.Plan, run string, took time.Duration, o reconciler.Outcome) Outcome {
	r := Outcome{Format: "meshrotate.outcome/v1", Secrets: []Rotated{}, Deployment: p.Deployment, Commit: p.Commit, Plan: p.Digest, Run: run,
		Halted: o.Halted, Seconds: took.Seconds(), OK: o.Err == nil && len(o.Left) == 0 && len(o.Undone) == 0}
	if o.Err != nil {
		r.Error, r.Hint = o.Err.Error(), reconciler.HintOf(o.Err)
	}
	for _, c := range p.Changes {
		if c.Status != reconciler.Rotate {
			continue
		}
		s := Rotated{Secret: c.Secret.Name, Kind: kindOf(c.Secret.Name), Title: c.Title, Before: c.Before,
			After: c.Secret.Version, Proof: c.Proof, Undone: slices.Contains(o.Undone, c.Secret.Name)}
		for _, pr := range o.Proven {
			if pr.Change.Secret == c.Secret {
				s.Proven, s.Evidence, s.Outages = true, pr.Evidence, pr.Outages
			}
		}
		s.short = slices.ContainsFunc(o.Left, func(l reconciler.LeftBehind) bool {
			return slices.Contains(l.Secrets, s.Secret) && !slices.Contains(c.Left, l.Target)
		})
		r.OK = r.OK && s.Proven
		r.Secrets = append(r.Secrets, s)
	}
	for _, l := range o.Left {
		r.Left = append(r.Left, Left{Target: l.Target.String(), Secrets: l.Secrets, Why: l.Why.Error()})
	}
	r.Next = r.next()
	return r
}

// kindOf is the kind in a secret's name: connectors are "connector:REF".
func kindOf(name string) string {
	kind, _, _ := strings.Cut(name, ":")
	return kind
}

// Changed says whether anything was done that was not taken back.
func (r Outcome) Changed() bool {
	return r.Halted || len(r.Left) > 0 || slices.ContainsFunc(r.Secrets, func(s Rotated) bool { return s.Proven })
}

func (r Outcome) next() string {
	switch {
	case r.OK:
		return "nothing is left to do; `meshrotate plan` shows no change"
	case r.Halted:
		return "look at what is there now with `meshrotate plan`, then apply again: what is done is left alone"
	case len(r.Left) > 0:
		return "mend the hosts that were left behind, then `meshrotate apply` again: finished hosts are left alone"
	case r.Changed():
		return "mend the cause, then `meshrotate apply` again: what is done is left alone"
	default:
		return "mend the cause, then plan and apply again"
	}
}

func (r Outcome) value() any { return r }

func (r Outcome) text(p *page) {
	p.hang(r.colour(), "", 4, r.verdict())
	if r.OK && len(r.Secrets) == 0 {
		return
	}
	p.blank()
	rows := [][]string{{"secret", "before", "after", "how it was proven"}}
	for _, s := range r.Secrets {
		rows = append(rows, []string{s.Title, orDash(s.Before), s.After, s.how()})
	}
	p.table(0, rows)
	r.outages(p)
	r.left(p)
	p.blank()
	p.hang(plain, "run", 7, r.Run+", plan "+digest(r.Plan))
	if r.Error != "" && !r.OK {
		p.hang(red, "cause", 7, strings.ReplaceAll(r.Error, "\n", " "))
	}
	if r.Hint != "" && !r.OK {
		p.hang(bold, "hint", 7, r.Hint)
	}
	p.hang(bold, "next", 7, r.Next)
}

func (r Outcome) colour() string {
	if r.OK {
		return green
	}
	return red
}

// verdict is one line: how it ended.
func (r Outcome) verdict() string {
	proven, undone := 0, 0
	for _, s := range r.Secrets {
		if s.Proven {
			proven++
		}
		if s.Undone {
			undone++
		}
	}
	word := "nothing was changed"
	switch {
	case r.OK && len(r.Secrets) == 0:
		return "nothing to do: everything is as declared"
	case r.OK:
		word = "done: " + count(proven, "secret") + " rotated and proven"
	case r.Halted:
		word = "stopped where it was: what is live now must be looked at again"
	case proven > 0 || len(r.Left) > 0:
		word = fmt.Sprintf("applied in part: %d of %s proven", proven, count(len(r.Secrets), "secret"))
		if n := len(r.Left); n > 0 {
			word += ", " + count(n, "target") + " left behind"
		}
	case undone > 0:
		word = "failed and undone: everything is as it was before"
	}
	return word + ", in " + seconds(r.Seconds)
}

func orDash(s string) string {
	if s == "" {
		return "?"
	}
	return s
}

// how says how a secret was proven, or that it was not.
func (s Rotated) how() string {
	switch {
	case s.Proven && s.Proof != "" && !s.short:
		return s.Proof
	case s.Proven:
		return strings.Join(s.Evidence[:min(len(s.Evidence), 2)], "; ")
	case s.Undone:
		return "NOT rotated: put back as it was"
	default:
		return "NOT proven"
	}
}

// left lists what was left behind; hosts with the same reason are one row.
func (r Outcome) left(p *page) {
	if len(r.Left) == 0 {
		return
	}
	rows := [][]string{{"left behind", "secret", "why"}}
	for _, g := range groupLeft(r.Left) {
		rows = append(rows, []string{hostList(g.hosts), g.secrets, g.why})
	}
	p.blank()
	p.table(0, rows)
}

type leftGroup struct {
	hosts        []string
	secrets, why string
}

func groupLeft(all []Left) []leftGroup {
	type key struct{ secrets, why string }
	index := map[key]int{}
	var groups []leftGroup
	for _, l := range all {
		k := key{strings.Join(l.Secrets, ", "), strings.ReplaceAll(strings.TrimPrefix(l.Why, l.Target+": "), l.Target, "the host")}
		i, known := index[k]
		if !known {
			i = len(groups)
			index[k] = i
			groups = append(groups, leftGroup{secrets: k.secrets, why: k.why})
		}
		groups[i].hosts = append(groups[i].hosts, l.Target)
	}
	return groups
}

func (r Outcome) markdown(m *mark) {
	m.add("**%s**: %s\n\n", md(r.Deployment), md(r.verdict()))
	if r.OK && len(r.Secrets) == 0 {
		return
	}
	m.head("secret", "before", "after", "how it was proven")
	for _, s := range r.Secrets {
		m.row(md(clip(s.Title, 80)), code(clip(orDash(s.Before), 80)), code(clip(s.After, 80)), md(clip(s.how(), 300)))
	}
	m.fold("outages, what is left, what next", inset(func(p *page) {
		r.outages(p)
		r.left(p)
		if r.Error != "" {
			p.hang(plain, "cause", 7, clip(r.Error, 2000))
		}
		if r.Hint != "" && !r.OK {
			p.hang(plain, "hint", 7, clip(r.Hint, 500))
		}
	}))
	m.end("\nNext: %s\n", md(r.Next))
}
