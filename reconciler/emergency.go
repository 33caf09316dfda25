package reconciler

import (
	"cmp"
	"fmt"
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
	if in.urgent(ref) {
		return in.Emergency.Why
	}
	if what, _ := in.History.Leaked(ref.Name, ref.Version, nil); what != "" {
		return "" // it is no replacement of what others know: nothing is taken away for it at once
	}
	return in.History.Compromised(ref.Name)
}

func (in Input) urgent(ref secret.Ref) bool {
	return in.Emergency != nil && in.Emergency.Secret == ref.Name
}

// Needing is a rotation that does not work without others of its deployment: an emergency of one takes them along.
type Needing interface {
	Rotation
	// Needs names them, as the ledger does.
	Needs() []string
}

// Urgent takes from some rotations the one that an emergency is about, and what that one needs. An emergency touches nothing else.
func Urgent(rotations []Rotation, secret string) (urgent, others []Rotation) {
	names := map[string]bool{secret: true}
	for range rotations { // what is needed may need others
		for _, r := range rotations {
			if n, ok := r.(Needing); ok && names[r.Ref().Name] {
				for _, name := range n.Needs() {
					names[name] = true
				}
			}
		}
	}
	for _, r := range rotations {
		if names[r.Ref().Name] {
			urgent = append(urgent, r)
		} else {
			others = append(others, r)
		}
	}
	return urgent, others
}

// NoteDue names what else is due by the record, and is left as it is by an emergency. Nobody looks at it for that.
func (p *Plan) NoteDue(others []Rotation, in Input) {
	if in.Emergency == nil {
		return
	}
	var due []string
	for _, r := range others {
		last, proven := in.History.LastProven(r.Ref().Name)
		_, pending := in.History.Pending(r.Ref().Name, r.Ref().Version)
		c := r.Plan(Input{History: in.History, Now: in.Now})
		switch late := !c.Due.IsZero() && c.Due.Before(in.Now); {
		case !proven && !pending:
			due = append(due, r.Ref().String()+" (proven by no run)")
		case pending:
			due = append(due, r.Ref().String()+" (begun, and not proven)")
		case last.Version != r.Ref().Version:
			due = append(due, fmt.Sprintf("%s (%s was proven last)", r.Ref(), last.Version))
		case late:
			due = append(due, r.Ref().String()+" (its cadence)")
		}
	}
	if len(due) == 0 {
		return
	}
	const most = 8
	text := strings.Join(due[:min(len(due), most)], ", ")
	if more := len(due) - most; more > 0 {
		text += fmt.Sprintf(", and %d more", more)
	}
	p.Fleet = append(p.Fleet, Finding{Severity: Note, Code: "due-and-left", Text: "due as well by the record, and left as it is: " + text,
		Hint: "`meshrotate plan` looks at it, when this is done"})
}

// compromised says so of a change.
func compromised(c *Change, in Input) {
	if what, why := in.History.Leaked(c.Secret.Name, c.Secret.Version, c.Parts); what != "" {
		leaked(c, in, what, why)
		return
	}
	if c.Compromised = in.Compromised(c.Secret); c.Compromised == "" {
		c.finishes = in.History.Emergency(c.Secret.Name) == c.Secret.Version || len(c.Still) > 0
		accepted(c, in)
		return
	}
	if last, _ := in.History.LastProven(c.Secret.Name); c.Status == AsDeclared && last.Version == c.Secret.Version && last.Unproven != "" {
		unshown(c)
		return
	}
	text := "compromised: " + c.Compromised + ". Nothing is to accept the old value after this run"
	if n := len(c.Still); n > 0 {
		text += ", but " + c.Still[0].Place + " goes on"
		if n > 1 {
			text += fmt.Sprintf(", and so do %d more places", n-1)
		}
	}
	evidence := "`meshrotate history --evidence " + c.Secret.Name + "`"
	hint := "what held it, and what became of it there: " + evidence
	if !in.History.WasCompromised(c.Secret.Name) {
		hint = "nothing of this is on record before a run has begun, also where a guard refuses: run it again then; " + evidence + " is what it leaves"
	}
	c.Findings = append(c.Findings, Finding{Severity: Warning, Code: "secret-compromised", Text: text, Hint: hint})
}

// unshown says of a secret whose next value was stored that nothing has shown it to be taken: what others know may be good still. Where
// something shows it now, the emergency is over.
func unshown(c *Change) {
	if c.Unproven == "" {
		c.Compromised = ""
		return
	}
	c.Findings = append(c.Findings, Finding{Severity: Warning, Code: "secret-compromised", Drift: true,
		Text: fmt.Sprintf("compromised: %s. Version %s is stored, and not proven: %s; what others know may be good still", c.Compromised, c.Secret.Version, c.Unproven),
		Hint: "see where it is used that the new value is taken and the old one is not; what shows it to a plan, the other finding says"})
}

// accepted says which hosts may accept still what others know: the run that took it out elsewhere left them behind, or could not.
func accepted(c *Change, in Input) {
	said := map[string]bool{}
	for _, host := range c.Unseen {
		what, why := in.History.LeakedOn(c.Secret.Name, host)
		if len(what) == 0 {
			continue
		}
		hint := "bring the host back, and apply: it is taken out there, too"
		if i := slices.IndexFunc(c.Still, func(s Still) bool { return s.On == host }); i >= 0 {
			hint = c.Still[i].Hint
		}
		c.Findings = append(c.Findings, Finding{Severity: Warning, Code: "secret-compromised", Drift: true, Hosts: []string{host},
			Text: fmt.Sprintf("%s: left behind when %s was taken out, and others know it: %s. As far as is known it is accepted there still", host, strings.Join(what, ", "), why), Hint: hint})
		said[host] = true
	}
	for _, s := range c.Still {
		if !said[s.On] {
			c.Findings = append(c.Findings, Finding{Severity: Warning, Code: "secret-compromised", Drift: true, Hosts: []string{s.On},
				Text: s.Place + ": others know what it has, and it was not taken away. As far as is known it is accepted still", Hint: s.Hint})
		}
	}
}

// LeakDropped says of what others know that the document does not come to it any more: of what is live of a secret that it does not declare,
// or of what a host accepts that an emergency left behind. Named says that it names the host still.
func LeakDropped(l state.Leak, named bool) Finding {
	f := Finding{Severity: Warning, Code: "secret-compromised", Drift: true}
	if l.Host == "" {
		f.Text = fmt.Sprintf("others know what is live of %s (%s), and the document does not declare it any more", l.Secret, l.Why)
		f.Hint = "declare it again, and replace it: `meshrotate rotate --compromised " + l.Secret + " WHY`"
		return f
	}
	gone, again := "does not name this host any more", "name the host again and apply, which takes it out there"
	if named {
		gone, again = "does not declare "+l.Secret+" any more", "declare it again and apply, which takes it out there"
	}
	f.Hosts = []string{l.Host}
	f.Text = fmt.Sprintf("%s: left behind when what others know of %s was taken out (%s), and the document %s. As far as is known it is accepted there still", l.Host, l.Secret, l.Why, gone)
	f.Hint = again + "; or take it out by hand, and silence this for the host, with the reason (policy.silence)"
	return f
}

// accepts are the hosts that accept what others know, once a change is proven that leaves them behind.
func (c *Change) accepts(left []string) (all []state.Fact) {
	for _, host := range c.Unseen {
		if c.Compromised != "" && slices.Contains(left, host) {
			all = append(all, state.Fact{Host: host, Field: state.Accepts, Value: c.Compromised})
		}
	}
	return all
}

// StillOn says that a target accepts what others know.
func (c *Change) StillOn(target string) bool {
	return slices.ContainsFunc(c.Still, func(s Still) bool { return s.On == target })
}

// leaked says of a change that what is declared is what others know. Who puts it back to have a product that works may do so; an
// emergency is not ended by it.
func leaked(c *Change, in Input, what, why string) {
	c.Leaked = what
	f := Finding{Severity: Warning, Code: "secret-compromised", Drift: true, Text: fmt.Sprintf("%s is declared, and others know it: %s", what, why),
		Hint: "declare another one that nobody knows; `meshrotate rotate --compromised " + c.Secret.Name + " WHY` does so without an overlap"}
	if in.urgent(c.Secret) {
		f.Severity, f.Hint = Error, "declare another one that nobody knows"
		if c.Status != Unknown {
			c.Status, c.Rounds, c.Outages = Refused, nil, nil
		}
	}
	c.Findings = append(c.Findings, f)
}

// Holder is an op that takes a value out of where it was: what that place is called, "" for none.
type Holder interface{ Holds() string }

// Maker is an op that puts a copy of a value somewhere: what a Holder that takes it out there calls that place.
type Maker interface{ Makes() string }

// heldFacts are the places that have the old value of a compromised secret, each with the step that takes it out of there, also where
// an emergency was proven without them; or that the rotation keeps such a value in force.
func heldFacts(p *Plan, c Change) []state.Fact {
	if c.Leaked != "" {
		return []state.Fact{{Field: state.Keeps, Value: c.Leaked}}
	}
	if c.Compromised == "" && !c.finishes {
		return nil
	}
	var held []state.Fact
	for _, s := range slices.Concat(p.Steps(), c.Unreached) {
		if m, ok := s.Op.(Maker); ok && (s.Secrets == nil || s.needs(c.Secret.Name)) && s.Op.Target().Kind == HostTarget {
			held = append(held, state.Fact{Host: s.Op.Target().Name, Field: state.MadeBy(s.Name()), Value: m.Makes()})
		}
		h, ok := s.Op.(Holder)
		if !ok || h.Holds() == "" || s.Secrets != nil && !s.needs(c.Secret.Name) {
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
	left := slices.Clone(c.Unseen)
	for _, t := range c.Left {
		left = append(left, t.Name)
	}
	slices.Sort(left)
	left = slices.Compact(left)
	all := []state.Fact{{Field: state.LookedBut, Value: strings.Join(left, ",")}}
	if c.Compromised == "" {
		return append(all, held...)
	}
	all = append([]state.Fact{{Field: state.Compromised, Value: c.Compromised}}, all...)
	for _, part := range c.Ousted {
		all = append(all, state.Fact{Field: state.Ousted, Value: part})
	}
	for _, k := range c.Keepers {
		k.Field = cmp.Or(k.Field, state.Keeper)
		all = append(all, k)
	}
	return append(all, held...)
}
