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
	// Stays says that no apply brings it back, as it is now: it is looked at, and Mend is what a person may do.
	Stays bool   `json:"stays,omitempty"`
	Mend  string `json:"-"`
	// Gone: its host has no such service any more.
	Gone bool `json:"gone,omitempty"`
	// Elsewhere: the document does not name its host any more, so nobody asks it.
	Elsewhere bool `json:"elsewhere,omitempty"`
	// MayBeUp: Elsewhere, and a run was to stop it and was cut off: it may never have been down.
	MayBeUp bool `json:"-"`
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
			why := cmp.Or(c.LeftWhy[t], errors.New("not reachable, tolerated by the policy"))
			o.Left = append(o.Left, LeftBehind{Target: t, Why: why, Secrets: []string{c.Secret.Name}})
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
