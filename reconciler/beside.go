package reconciler

import (
	"maps"
	"slices"
	"strings"
	"time"

	"meshrotate/state"
)

// LeftDown are those of some rotations, which are not planned for, that have a service that one host alone has, or that by the ledger may
// have left something down. Of their reads the services on those hosts are left, and of one that did not finish all that hosts and Admin
// tell, as who runs may be cut off: a run that is limited to other secrets says what is down all the same. A fleet's hosts, of which there
// may be thousands, are looked at by the record alone.
func LeftDown(others []Rotation, h state.History, now time.Time) []Rotation {
	var some []Rotation
	for _, r := range others {
		if left, _ := h.LeftBehind(r.Ref().Name); len(h.Begun(r.Ref().Name)) > 0 || len(left.Left) > 0 {
			some = append(some, hostLook{r})
			continue
		}
		at := alone(r)
		for _, d := range r.Plan(Input{History: h, Now: now}).Down {
			at[d.Target] = true
		}
		if len(at) > 0 {
			some = append(some, serviceLook{r, at})
		}
	}
	return some
}

// alone are the targets that have a service which no other one has.
func alone(r Rotation) map[Target]bool {
	of := map[string]map[Target]bool{}
	for _, read := range r.Reads() {
		if s, is := read.(ServiceRead); is {
			if of[s.OfService()] == nil {
				of[s.OfService()] = map[Target]bool{}
			}
			of[s.OfService()][read.Target()] = true
		}
	}
	at := map[Target]bool{}
	for _, targets := range of {
		if len(targets) == 1 {
			maps.Copy(at, targets)
		}
	}
	return at
}

// serviceLook is a rotation of which only the services on some targets are looked at, nil for all: that needs no value.
type serviceLook struct {
	Rotation
	at map[Target]bool
}

func (l serviceLook) Reads() []Read {
	return slices.DeleteFunc(slices.Clone(l.Rotation.Reads()), func(r Read) bool {
		_, service := r.(ServiceRead)
		return !service || l.at != nil && !l.at[r.Target()]
	})
}

// hostLook is a rotation of which only hosts and Admin are looked at: that needs no value either.
type hostLook struct{ Rotation }

func (l hostLook) Reads() []Read {
	return slices.DeleteFunc(slices.Clone(l.Rotation.Reads()), func(r Read) bool {
		return r.Target().Kind != HostTarget && r.Target().Kind != APITarget
	})
}

// Minder is a rotation that may object when steps of another secret stop or start a service: what it runs with is not what it would
// start with, or that is not good.
type Minder interface {
	Rotation
	// MindReads are what it has to look at for that.
	MindReads() []Read
	// Minds are its reasons.
	Minds(in Input) []Minded
}

// Minded is a reason not to stop a service, on the host that the finding names first.
type Minded struct {
	Service string
	// Starts: nor is it to be started, where it is stopped.
	Starts  bool
	Finding Finding
}

// Minders are those of some rotations, which are not planned for, that look whether a service may be stopped: on the targets that the
// planned ones look at, and nowhere else.
func Minders(others, planned []Rotation) []Rotation {
	at := map[Target]bool{}
	for _, r := range planned {
		for _, read := range r.Reads() {
			at[read.Target()] = true
		}
	}
	var some []Rotation
	for _, r := range others {
		if m, ok := r.(Minder); ok {
			some = append(some, minding{m, at})
		}
	}
	return some
}

type minding struct {
	Minder
	at map[Target]bool
}

func (m minding) Reads() []Read {
	return slices.DeleteFunc(m.MindReads(), func(r Read) bool { return !m.at[r.Target()] })
}

// unminded is what was seen without what only minders asked: a plan is not bound to it.
func (in Input) unminded(planned []Rotation) Seen {
	if len(in.Minders) == 0 {
		return in.Seen
	}
	asked := map[string]bool{}
	each := func(all []Rotation, do func(id string, r Read)) {
		for _, rotation := range all {
			for _, r := range rotation.Reads() {
				do(r.Target().id()+" "+r.Key(), r)
			}
		}
	}
	each(planned, func(id string, _ Read) { asked[id] = true })
	own := maps.Clone(in.Seen)
	each(in.Minders, func(id string, r Read) {
		if look, ok := own[r.Target()]; ok && !asked[id] {
			look.Results = maps.Clone(look.Results)
			delete(look.Results, r.Key())
			own[r.Target()] = look
		}
	})
	return own
}

// mind refuses changes that stop a service, or start it, where another secret, that is not planned for, objects.
func mind(changes []Change, in Input) {
	all := slices.Clone(in.Forgotten)
	for _, r := range in.Minders {
		all = append(all, r.(Minder).Minds(in)...)
	}
	for i := range changes {
		c, refused := &changes[i], false
		for _, m := range all {
			if c.turns(Target{Kind: HostTarget, Name: m.Finding.Hosts[0]}, m.Service, m.Starts) {
				c.Findings = append(c.Findings, m.Finding)
				refused = refused || m.Finding.Severity == Error
			}
		}
		if refused {
			c.Status, c.Rounds, c.Outages = Refused, nil, nil
		}
	}
}

// turns says that a step of the change stops the service, or starts it where that counts too.
func (c *Change) turns(t Target, service string, starts bool) bool {
	for _, r := range c.Rounds {
		for _, s := range r.Steps {
			if op, ok := s.Op.(Turning); ok && (op.Stops() || starts) && s.Op.Target() == t {
				if _, is := op.Serves(); strings.EqualFold(is, service) {
					return true
				}
			}
		}
	}
	return false
}

// of is what was seen of some reads.
func (s Seen) of(reads []Read) Seen {
	some := Seen{}
	for _, r := range reads {
		look, asked := s[r.Target()]
		if !asked {
			continue
		}
		if _, known := some[r.Target()]; !known {
			some[r.Target()] = Look{Reach: look.Reach, Err: look.Err, Results: map[string]Result{}}
		}
		if res, ok := look.Results[r.Key()]; ok {
			some[r.Target()].Results[r.Key()] = res
		}
	}
	return some
}

// NoteDown adds what is down by the record of rotations that are not planned for.
func (p *Plan) NoteDown(others []Rotation, in Input) {
	for _, r := range others {
		c := beside(r, in)
		p.Down = append(append(p.Down, c.Down...), c.cutOff()...)
	}
	known := map[string]bool{}
	for _, c := range p.Changes {
		for _, d := range c.Down {
			known[d.What] = true
		}
	}
	var told []Down
	for _, d := range p.Down {
		if d.Found && known[d.What] {
			continue // that change says what it does about it
		}
		known[d.What] = known[d.What] || d.Found
		d.Found = d.Found && d.Unsure // what is on its way may run in a moment; of the others no change says it
		told = append(told, d)
	}
	found := stillDown(told)
	for i, f := range found {
		found[i].Hint = strings.Replace(f.Hint, "apply", "apply without --only", 1)
	}
	p.Fleet = append(p.Fleet, found...)
}

// NoteReturned lets what came back be down since the earliest time that the record of any rotation knows, planned for or not. It
// takes no more than what was looked at.
func (p *Plan) NoteReturned(others []Rotation, in Input) {
	changes := slices.Clone(p.Changes)
	if !slices.ContainsFunc(changes, func(c Change) bool { return len(c.Returned) > 0 }) {
		return
	}
	for _, r := range others {
		changes = append(changes, beside(serviceLook{Rotation: r}, in))
	}
	oneReturn(changes)
}

// beside is what a rotation that is not planned for knows of its services.
func beside(r Rotation, in Input) Change {
	in.Seen = in.Seen.of(r.Reads()) // it judges no more than those
	return r.Plan(in)
}
