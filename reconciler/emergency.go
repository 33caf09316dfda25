package reconciler

import (
	"cmp"
	"slices"
	"strings"

	"meshrotate/reconciler/secret"
	"meshrotate/state"
)

// Emergency says that others know the live value of a secret.
type Emergency struct {
	Secret string // its name in the ledger
	Why    string
}

// Compromised is why nothing may go on accepting the old value of a secret, "" where it may: somebody says so now, or said so to an
// earlier run and nothing has replaced it since. Then there is no overlap: what a rotation would leave for a later run is done in
// this one.
func (in Input) Compromised(ref secret.Ref) string {
	if e := in.Emergency; e != nil && e.Secret == ref.Name {
		return e.Why
	}
	return in.History.Compromised(ref.Name)
}

// compromised says so of a change.
func compromised(c *Change, in Input) {
	if c.Compromised = in.Compromised(c.Secret); c.Compromised == "" {
		return
	}
	text := "compromised: " + c.Compromised + ". Nothing is to accept the old value after this run"
	c.Findings = append(c.Findings, Finding{Severity: Warning, Code: "secret-compromised", Text: text,
		Hint: "what held it, and what became of it there: `meshrotate history --evidence " + c.Secret.Name + "`"})
}

// Holder is an op that takes a value out of where it was: what that place is called, "" for none.
type Holder interface{ Holds() string }

// heldFacts are the places that have the old value of a compromised secret, each with the step that takes it out of there.
func heldFacts(p *Plan, c Change) []state.Fact {
	if c.Compromised == "" {
		return nil
	}
	var held []state.Fact
	for _, s := range p.Steps() {
		h, ok := s.Op.(Holder)
		if !ok || h.Holds() == "" || !s.needs(c.Secret.Name) {
			continue
		}
		f := state.Fact{Field: state.HeldUntil(s.Name()), Value: h.Holds()}
		if t := s.Op.Target(); t.Kind == HostTarget {
			f.Host = t.Name
		} else {
			f.Value += " on " + t.Name
		}
		held = append(held, f)
	}
	slices.SortStableFunc(held, func(a, b state.Fact) int {
		return cmp.Or(strings.Compare(a.Field, b.Field), strings.Compare(a.Host, b.Host))
	})
	return append([]state.Fact{{Field: state.Compromised, Value: c.Compromised}}, held...)
}
