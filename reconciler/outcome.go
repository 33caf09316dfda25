package reconciler

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"meshrotate/state"
)

// NothingBegun is the evidence of a secret that is back because the run did not come to it.
const NothingBegun = "nothing was begun"

// Ended is how a secret ended in a run.
type Ended struct {
	Change Change `json:"-"`
	// Ending is Proven, Back, Ahead or Unknown.
	Ending state.Outcome `json:"ending"`
	// Evidence is what showed it: that the new works, or, of a secret that is back, that everything is as it was. Without any,
	// a secret that is back was put back, or nothing was begun, and nobody looked.
	Evidence []string       `json:"evidence,omitempty"`
	Outages  []state.Outage `json:"outages,omitempty"`
	// Why it is not proven, nil when it is.
	Why error `json:"-"`
	// Waits is not nil when nothing failed: a person is to do their part, which Why names.
	Waits *Wait `json:"-"`
}

// Outcome is how a run ended.
type Outcome struct {
	Secrets []Ended
	// Left are targets on which something is left to do, with the reason.
	Left []LeftBehind
	// Down is what this run stopped and nobody started again, what an earlier one left down, what was found stopped and is so, and
	// what is cut off.
	Down []Down
	// Remarks are what happened beside, and a person should know.
	Remarks []Remark
	// Halted says that the run stopped where it was: what is live must be looked at again.
	Halted bool
	// ByRecord is not "" when the run has lost its lease, and says whether another one has taken over since: what is told of hosts and
	// was not looked at after that is by its own records.
	ByRecord string
	Err      error
}

// String is the outcome in a line, for logs and tests.
func (o Outcome) String() string {
	var all []string
	for _, e := range o.Secrets {
		all = append(all, e.Change.Secret.String()+" "+string(e.Ending))
	}
	for _, l := range o.Left {
		all = append(all, fmt.Sprintf("left %s: %v", l.Target, l.Why))
	}
	for _, d := range o.Down {
		all = append(all, "down "+d.What)
	}
	if o.Halted {
		all = append(all, "halted")
	}
	if o.Err != nil {
		all = append(all, o.Err.Error())
	}
	return strings.Join(all, "; ")
}

// With are the secrets with this ending.
func (o Outcome) With(ending state.Outcome) []Ended {
	var some []Ended
	for _, e := range o.Secrets {
		if e.Ending == ending {
			some = append(some, e)
		}
	}
	return some
}

// LeftBehind is a target that a run could not finish.
type LeftBehind struct {
	Target Target
	Why    error
	// Secrets names what is unfinished there.
	Secrets []string
}

// Down is something that is stopped at the end of a run.
type Down struct {
	// What is its name in the outages: "Admin", "relay-07".
	What    string `json:"what"`
	Service string `json:"service,omitempty"`
	Target  Target `json:"target"`
	// With are the services that were stopped with it, as they depend on it.
	With  []string  `json:"with,omitempty"`
	Since time.Time `json:"since,omitzero"` // zero of what was Found
	// Sooner: at Since it was seen down, and it had worked some time before.
	Sooner bool `json:"sooner,omitempty"`
	// Found stopped: by no run that the ledger knows.
	Found bool `json:"found,omitempty"`
	// CutOff says that it runs, if its host does, and cannot work: what it depends on was changed, and it was not.
	CutOff bool `json:"cutOff,omitempty"`
	// Unwell says that it runs, and was not seen to do its work since it was started: it is not ready.
	Unwell bool `json:"unwell,omitempty"`
	// Started says that an earlier run started it again, and did not see it work, or not to its end.
	Started bool `json:"started,omitempty"`
	// Cause is what the ledger and its host say of why it is down, where an earlier run left it so.
	Cause string `json:"cause,omitempty"`
	// Why is nil when only its stop is known.
	Why error `json:"-"`
	// Unsure: its stop was asked for, no answer came, and nobody could look since; or it is not seen to work any more, and its
	// host was not asked.
	Unsure bool `json:"unsure,omitempty"`
	// Gone: its host has no such service any more.
	Gone bool `json:"gone,omitempty"`
	// Elsewhere: the document does not name its host any more, so nobody asks it.
	Elsewhere bool `json:"elsewhere,omitempty"`
	// StoppedBy is when the stop of an earlier run had ended for certain: whoever is heard of after that was started since.
	StoppedBy time.Time `json:"-"`
}

// Returned is something that an earlier run left down, or was cut off after its stop, and that runs: nobody saw when it came up.
type Returned struct {
	// What is its name in the outages.
	What  string    `json:"what"`
	Since time.Time `json:"since"`
	// UpBy is when it was up at the latest; zero when it runs, and does not work: then its outage goes on.
	UpBy time.Time `json:"upBy,omitzero"`
	// Ran is since when its process runs, zero when that is not known: it worked then, or later.
	Ran time.Time `json:"ran,omitzero"`
	// Sooner is Down.Sooner. Later: it was started again after Since, and may have worked meanwhile.
	Sooner bool `json:"sooner,omitempty"`
	Later  bool `json:"later,omitempty"`
}

// Remark is what happened on a target beside what was to be done.
type Remark struct {
	Target Target
	Text   string
}

func (p *progress) outcome() Outcome {
	o := Outcome{Halted: p.halted, Err: p.cause, Down: p.clock.stillDown(), Remarks: p.remarks}
	changed := false
	for _, c := range p.rotating() {
		e := Ended{Change: c, Ending: p.ending[c.Secret.Name], Evidence: p.evidence[c.Secret.Name], Outages: p.outages(c)}
		if e.Ending == state.Back {
			e.Evidence = p.asBefore[c.Secret.Name]
		}
		if e.Ending != state.Proven {
			e.Why = p.why(c.Secret.Name)
		}
		if w, ok := p.waits[c.Secret.Name]; ok && e.Ending == state.Ahead {
			e.Waits = &w
		}
		o.Secrets = append(o.Secrets, e)
		if e.Ending == state.Back {
			continue // nothing is left to do on a host that was away: nothing was done anywhere
		}
		changed = true
		for _, t := range c.Left {
			o.Left = append(o.Left, LeftBehind{Target: t, Why: errors.New("not reachable, tolerated by the policy"), Secrets: []string{c.Secret.Name}})
		}
	}
	for _, c := range p.run.Plan.Behind() {
		for _, t := range c.Left {
			o.Left = append(o.Left, LeftBehind{Target: t, Why: errors.New("could not be looked at, and the emergency did not wait for it"), Secrets: []string{c.Secret.Name}})
		}
	}
	var left []LeftBehind
	for _, t := range p.order {
		stuck, back := p.stuck[t]
		if (changed || p.touched[t]) && (stuck || !back) {
			left = append(left, p.left[t])
		}
	}
	o.Left = slices.Concat(left, o.Left, p.notReached())
	o.Down = append(o.Down, p.cutOff(o.Left, o.Secrets)...)
	return o
}

// why a secret is not proven. Where nothing of it failed, its proof may have been left out with a target that was left behind before.
func (p *progress) why(name string) error {
	err := cmp.Or(p.failed[name], p.cause)
	for _, t := range p.order {
		if err == nil && slices.ContainsFunc(p.run.Plan.Steps(), func(s Step) bool { return s.Op.Target() == t && s.needs(name) }) {
			err = p.left[t].Why
		}
	}
	return cmp.Or(err, errNothingShown)
}

// cutOff are those of the targets left behind that cannot work: what they depend on was changed, and nothing was there, or as far as
// anybody knows; or they have what they are to have, and their proof says that they do not work. While that
// is down itself for certain, it is what brings them back. And what an earlier run cut off, of secrets about which this one does nothing, or that went
// back to what that one left.
func (p *progress) cutOff(left []LeftBehind, ended []Ended) (all []Down) {
	add := func(d Down) {
		_, down := p.clock.now[d.What]
		if !down && !slices.ContainsFunc(all, func(o Down) bool { return o.What == d.What }) {
			all = append(all, d)
		}
	}
	for _, c := range p.rotating() {
		for _, o := range c.Outages {
			changed, sure := p.changed(c, o.With)
			if d, down := p.clock.now[o.With]; o.With == "" || down && !d.Unsure || !changed {
				continue
			}
			for _, l := range left {
				since, own := p.clock.since(cutOff(l.Target.Name)), p.clock.since(l.Target.Name)
				if since.IsZero() || !own.IsZero() && own.Before(since) {
					since = own
				}
				unseen, why := slices.Contains(o.Unseen, l.Target.Name), l.Why
				if unseen {
					why = fmt.Errorf("%w; nor was it seen to work when this run looked", l.Why)
				}
				lacks := !p.touched[l.Target] || p.unsure[l.Target] // what was sent to it may not have come that far
				if (unseen || slices.Contains(o.Members, l.Target.Name)) && slices.Contains(l.Secrets, c.Secret.Name) && !since.IsZero() && (lacks || p.unproven[l.Target]) {
					add(Down{What: l.Target.Name, Target: l.Target, Since: since, Sooner: unseen, CutOff: true, Unsure: !sure || p.touched[l.Target] && !p.unproven[l.Target], Why: why})
				}
			}
		}
	}
	for _, d := range p.run.Plan.CutOff() {
		add(d)
	}
	for _, e := range ended {
		for _, d := range e.Change.cutOff() {
			if e.Ending == state.Back {
				d.Why = errCutOffBefore
				add(d)
			}
		}
	}
	return all
}

var errCutOffBefore = Hinted(errors.New("an earlier run cut it off, and everything went back to what that one left"), cutOffEnds)

// changed says that what is called so has what this secret is to be, or may have, and whether it is sure that it runs with it. Where
// this run did not change it, the plan has seen it.
func (p *progress) changed(c Change, what string) (changed, sure bool) {
	changed, sure = true, true
	for _, s := range p.all {
		if s.edits() && s.needs(c.Secret.Name) && s.Op.Target() == p.clock.where[what].Target {
			changed, sure = p.began(s), p.done[s.ID] && slices.ContainsFunc(p.all, func(o Step) bool {
				serves, ok := o.Op.(Serving)
				if !ok || !p.done[o.ID] || !p.before.any(o, func(b Step) bool { return b.ID == s.ID }) || p.tries(o) > 1 { // somebody may have started it between two tries
					return false
				}
				name, _ := serves.Serves()
				return name == what
			})
		}
	}
	return changed, sure
}

// tries counts how often a step was begun in this round.
func (p *progress) tries(s Step) (n int) {
	for _, o := range p.ran {
		if o.ID == s.ID {
			n++
		}
	}
	return n
}

// notReached are the hosts whose files a secret was to change that goes no way back, or of which nobody knows what became, and whose
// turn never came: they have the old value beside those that have the new one.
func (p *progress) notReached() (all []LeftBehind) {
	index := map[Target]int{}
	some := map[string]bool{} // secrets of which a file was swapped, or may have been
	came := map[Target]bool{} // whose turn came, whatever became of it
	for _, s := range p.ran {
		came[s.Op.Target()] = came[s.Op.Target()] || s.Phase == Switch
		for _, r := range s.Secrets {
			some[r.Name] = some[r.Name] || s.edits()
		}
	}
	for _, s := range p.all {
		if _, left := p.left[s.Op.Target()]; left || !s.edits() || came[s.Op.Target()] && !p.dropped[s.Op.Target()] {
			continue
		}
		for _, r := range s.Secrets {
			if e := p.ending[r.Name]; e != state.Ahead && (e != state.Unknown || !some[r.Name]) {
				continue
			}
			i, known := index[s.Op.Target()]
			if !known {
				i = len(all)
				index[s.Op.Target()] = i
				all = append(all, LeftBehind{Target: s.Op.Target(), Why: errNotReached})
			}
			all[i].Secrets = append(all[i].Secrets, r.Name)
		}
	}
	return all
}

var errNotReached = errors.New("the run ended before its turn came, and it has what it had")

var errNothingShown = errors.New("nothing showed that it works")
