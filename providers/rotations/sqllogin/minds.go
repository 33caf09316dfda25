package sqllogin

import (
	"fmt"
	"slices"
	"strings"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/state"
)

// MindReads are what tells which string a service would start with.
func (r *Rotation) MindReads() []reconciler.Read {
	if r.spec.Mode == integrated {
		return nil
	}
	var reads []reconciler.Read
	for _, n := range r.nodes {
		reads = append(reads, n.setting, n.service, n.machine)
	}
	return reads
}

// Minds are the services that would start with another string than the other one runs with, or with one that may be dead: a run that
// did not end has swapped one file of the two, or has changed the password, or somebody else has, or has edited the string. Whether it is
// dead no look tells: SQL Server is not asked for another secret's sake.
func (r *Rotation) Minds(in reconciler.Input) (all []reconciler.Minded) {
	s := r.look(in)
	if r.spec.Mode == integrated {
		return nil
	}
	unsettled := unsettled(in.History)
	last, _ := in.History.LastProven(name)
	for i, h := range s.holders {
		why := ""
		if f, untried := r.untried(in, h, s.holders[1-i]); untried {
			all = append(all, reconciler.Minded{Service: h.component.Service, Starts: true, Finding: f})
		}
		switch other := s.holders[1-i]; {
		case !h.whole():
			continue
		case unsettled && !other.whole() && (!h.service.Running() || h.setting.Version != last.Version):
			why = fmt.Sprintf("a run that did not end may have left another string on %s (%s), which a run for this secret does not look at", other.host, other.label)
		case unsettled && s.whole() && s.parted():
			why = fmt.Sprintf("a run that did not end left another string there than on %s (%s)", other.host, other.label)
		case unsettled && r.spec.Mode != alternating && !h.declared(r.ref.Version):
			why = "a run that did not end may have changed the password that is in its string"
		case r.due(in) && strings.EqualFold(h.says.User, r.spec.Login) && !h.declared(r.ref.Version):
			why = fmt.Sprintf("version %s of %s is declared and not proven, and whoever changes it may have done so: its string has the one before", r.ref.Version, r.spec.Login)
		case h.stale && !r.shared(in, h, s.holders[1-i]):
			why = fmt.Sprintf("%s was changed since its process started, and the string in it is not known to be the one that works", h.component.Settings)
		default:
			continue
		}
		f := site.Problem("start-on-old-string", fmt.Sprintf("%s: service %s is not to be started now: %s", h.host, h.component.Service, why),
			"apply without --only, or with --only "+name+" first: that brings both services onto one string that works", h.host)
		all = append(all, reconciler.Minded{Service: h.component.Service, Starts: true, Finding: f})
	}
	return all
}

// untried says of a service that is found stopped that nobody has seen its string work: no run that this state knows has proven it, and
// the other service does not run on it. Most strings work, so nothing is refused.
func (r *Rotation) untried(in reconciler.Input, h, other holder) (reconciler.Finding, bool) {
	if !h.whole() || !h.stopped || h.says.Integrated || h.setting.Content == nil || r.shared(in, h, other) {
		return reconciler.Finding{}, false
	}
	return site.Problem("start-untried", fmt.Sprintf("%s: service %s was found stopped, and is not to be started now: whether %s signs in with the string that it would start with was not tried", h.host, h.component.Service, h.says.User),
		"find out why it was stopped; apply without --only, or with --only "+name+" first: that tries it, once. With a string that is refused the service would lock the login out", h.host), true
}

// unsettled says that a run may have left a file or a password otherwise than the last proof found it: all that was begun since is back,
// or else it may have.
func unsettled(h state.History) bool {
	for _, one := range slices.Backward(h.Rotations(name)) {
		switch one.Outcome {
		case state.Proven:
			return false
		case state.Back:
		default:
			return true
		}
	}
	return false
}

// shared says that the string in a holder's file is known to be in use: the other one runs with it, or it has what was proven last.
func (r *Rotation) shared(in reconciler.Input, h, other holder) bool {
	if other.whole() && !other.stale && !other.stopped {
		return h.setting.Alike(other.setting) || h.setting.Version == other.setting.Version && h.setting.Version != site.Unknown && h.says == other.says
	}
	proven, ok := in.History.Vouched(name)
	return ok && h.setting.Version == proven && r.ours(h.says.User)
}

// due says that somebody else may have changed the password already.
func (r *Rotation) due(in reconciler.Input) bool {
	last, _ := in.History.LastProven(name)
	return r.spec.Mode == external && last.Version != r.ref.Version
}
