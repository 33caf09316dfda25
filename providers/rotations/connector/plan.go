package connector

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
	"meshrotate/state"
)

// sight is what was seen of one secret.
type sight struct {
	stored *site.StoredSeen // nil when the database did not answer
	tool   *site.ToolSeen   // nil when the host did not
	value  *site.ValueSeen
	// updated is when it was set last; there says that it is stored at all.
	updated  time.Time
	identity *site.IdentitySeen
	there    bool
	// owner is the connector that uses it, guessed by the reference or declared; zero when it is not known.
	owner   site.Owner
	guessed bool
	// elsewhere is what has changed, or will in this plan, about the machine that it was sealed on, nil for nothing; changing is
	// the round after which that is so, -1 when it is so already. recorded: the ledger knows that machine.
	elsewhere []string
	changing  int
	// moved says that more than the account has changed.
	moved bool
	// failing says that its latest sync run began after it was set, and did not succeed; shut, that Admin says that it does not open.
	failing, shut bool
	recorded      bool
	// vouched is the version that the ledger vouches for, "" for none. pending: a run began with the declared one.
	vouched string
	pending bool
	// push: it is to be set. wait: it was set, and its source is still to take it. ran: the hook has changed it there already.
	push, wait, ran bool
}

// known says that the tables could be read.
func (s sight) known() bool { return s.stored != nil && s.stored.Problem == "" }

func (r *Rotation) look(in reconciler.Input) sight {
	ref := r.Ref()
	s := sight{stored: site.Answer[site.StoredSeen](in.Seen, r.stored), tool: site.Answer[site.ToolSeen](in.Seen, r.tool),
		value: site.Answer[site.ValueSeen](in.Seen, site.Value{Secret: ref})}
	s.vouched, _ = in.History.Vouched(ref.Name)
	_, s.pending = in.History.Pending(ref.Name, ref.Version)
	if s.known() {
		s.updated, s.there = s.stored.Updated[r.secret.Ref]
		s.owner, s.guessed = r.ownerOf(s.stored)
	}
	r.sealer(in, &s)
	if last := r.latest(in, s.stored, s.owner); last.Failed {
		s.failing = true
		s.shut = last.Shut && s.vouched == ref.Version && s.elsewhere == nil && !r.setElsewhere(in, s)
	}
	s.push = s.vouched != ref.Version || s.pending || s.shut || s.elsewhere != nil || s.known() && !s.there
	if s.push && s.there && !s.shut && s.elsewhere == nil && r.roundDone(in) && !r.setElsewhere(in, s) {
		s.push, s.wait = false, true
	}
	s.ran = r.hooked() && r.hookRan(in, s)
	return s
}

// hookRan says that an earlier run saw the hook end well with the declared version, and that no proof of it has failed since. A
// run that comes back takes nothing back of that; one to another version does.
func (r *Rotation) hookRan(in reconciler.Input, s sight) bool {
	ref, step := r.Ref(), r.runHook(s).Name()
	_, done := in.History.StepDone(ref.Name, ref.Version, step, "")
	if ever, _ := in.History.Ever(ref.Name, ref.Version, step); ever && !done {
		other := func(o state.Rotation) bool { return o.Version != ref.Version }
		all := in.History.Rotations(ref.Name)
		done = !slices.ContainsFunc(all[max(0, slices.IndexFunc(all, func(o state.Rotation) bool { return !other(o) })):], other)
	}
	return done && !slices.ContainsFunc(r.taken(in, s), func(p reconciler.Step) bool {
		return in.History.FailedSince(ref.Name, ref.Version, p.Name(), step)
	})
}

// sealer compares the machine that sealed the secret with the one that is there now, and with what it will be.
func (r *Rotation) sealer(in reconciler.Input, s *sight) {
	was, recorded := site.SealedUnder(in.History, r.Ref().Name)
	s.identity, s.recorded, s.changing = site.Answer[site.IdentitySeen](in.Seen, r.identity), recorded, -1
	if s.identity == nil {
		return
	}
	now := s.identity.MachineIdentity
	if !recorded {
		was = now
	}
	for _, c := range in.Coming {
		if c.Target == r.identity.Target() && c.Fact.Field == site.AccountOf(r.identity.Service) {
			now.Account, s.changing = c.Fact.Value, max(s.changing, c.Round)
		}
	}
	s.elsewhere, s.moved = was.Changed(now), !was.SameMachine(now)
}

// again says that what is stored is the declared version, and does not open: its source has taken it already.
func (r *Rotation) again(s sight) bool {
	return s.shut || s.vouched == r.Ref().Version && s.elsewhere != nil
}

// latest is the latest sync run of a secret's connector, if it began after the secret was set. Where Admin does not say when,
// it may have.
func (r *Rotation) latest(in reconciler.Input, stored *site.StoredSeen, owner site.Owner) site.Run {
	seen := site.Answer[site.TrialSeen](in.Seen, r.runs())
	if seen == nil || stored == nil || owner == (site.Owner{}) {
		return site.Run{}
	}
	run := seen.Runs[strings.ToLower(owner.Name)]
	if updated, there := stored.Updated[r.secret.Ref]; !there || !run.Began.IsZero() && !run.Began.After(updated) {
		return site.Run{}
	}
	return run
}

// unrecorded says that all there is to do is to record which machine it is.
func (r *Rotation) unrecorded(s sight) bool {
	return !s.push && !s.wait && !s.recorded && s.identity != nil
}

// ownerOf finds the connector by its declared name or id, or else by the parts of the reference, if they name just one.
func (r *Rotation) ownerOf(stored *site.StoredSeen) (owner site.Owner, guessed bool) {
	if r.secret.Connector != "" {
		owner, _ = stored.Owner(r.secret.Connector)
		return owner, false
	}
	for _, part := range strings.FieldsFunc(r.secret.Ref, func(c rune) bool { return strings.ContainsRune("/:#?=.", c) }) {
		o, ok := stored.Owner(part)
		switch {
		case !ok || o == owner:
		case owner != (site.Owner{}):
			return site.Owner{}, false
		default:
			owner = o
		}
	}
	return owner, owner != (site.Owner{})
}

// inRounds says that the source takes the value only after it was set: then that is a round of its own, and what the first one
// proved stays.
func (r *Rotation) inRounds(s sight) bool { return r.secret.Source.Changed == after && !r.again(s) }

// hooked says that the operator's program changes the value at its source.
func (r *Rotation) hooked() bool { return r.secret.Source.By == hook }

// logsIn says that the operator's program can show that the source takes the value.
func (r *Rotation) logsIn() bool { return r.secret.Source.Proof == login }

// syncs says that a sync run can show whether the value works.
func (r *Rotation) syncs(s sight) bool { return r.spec.Syncs.Path != "" && s.owner != (site.Owner{}) }

// mostRounds is how many a plan may have: two of an account, the push, and its source's.
const mostRounds = 4

// roundDone says that the declared version was set and seen to be stored by an earlier run, which is not proven yet.
func (r *Rotation) roundDone(in reconciler.Input) bool {
	ref := r.Ref()
	if r.secret.Source.Changed != after {
		return false
	}
	_, pending := in.History.Pending(ref.Name, ref.Version)
	for n := 2; pending && n < mostRounds; n++ {
		if _, done := in.History.StepDone(ref.Name, ref.Version, fmt.Sprintf("round %d of %d", n, n+1), ""); done {
			return true
		}
	}
	return false
}

// setElsewhere says that the secret was set since a run of meshrotate saw it stored.
func (r *Rotation) setElsewhere(in reconciler.Input, s sight) bool {
	last, ok := r.lastSet(in)
	return ok && s.there && !s.updated.Equal(last)
}

// lastSet is when the secret was set by the last run that saw that, by the database's clock.
func (r *Rotation) lastSet(in reconciler.Input) (time.Time, bool) {
	text, ok := in.History.Fact(r.Ref().Name, "", site.StoredOn)
	at, err := time.Parse(time.RFC3339Nano, text)
	return at, ok && err == nil
}

// Plan compares what the ledger vouches for with the declared version.
func (r *Rotation) Plan(in reconciler.Input) reconciler.Change {
	ref, s := r.Ref(), r.look(in)
	c := reconciler.Change{Secret: ref, Title: "connector " + r.label(s), Group: "connector secrets",
		Before: s.vouched, Findings: r.guard(in, s)}
	if r.first {
		c.Beside = site.Exposed(in.Seen, []reconciler.Read{r.program, r.settings})
	}
	if e, ok := in.History.Unfinished(ref.Name, ref.Version); ok {
		c.Before = e.Before
	}
	c.Due, _ = in.History.Due(ref.Name, r.secret.Every.Of())
	switch blocked := reconciler.Blocked(c.Findings); {
	case blocked && !s.push && !s.wait:
		c.Status, c.Reason = reconciler.Unknown, "not everything could be looked at"
	case blocked:
		c.Status, c.Reason = reconciler.Refused, r.reason(s)
	case r.unrecorded(s):
		c.Status, c.Reason = reconciler.Rotate, "on which machine it was sealed is not on record; from now on it is"
		c.Rounds = []reconciler.Round{{Steps: []reconciler.Step{{Phase: reconciler.Verify, Op: site.RecordMachine{Host: r.host, Service: r.identity.Service}, Back: reconciler.Nothing()}}}}
	case !s.push && !s.wait:
		c.Status, c.Reason = reconciler.AsDeclared, "set on "+s.updated.UTC().Format(time.DateOnly)
		if last, is := r.unproven(in, s); is {
			c.Unproven = last.Unproven
		}
		if s.failing {
			c.Reason += ", and its latest sync run failed"
		}
	default:
		c.Status, c.Reason = reconciler.Rotate, r.reason(s)
		c.Rounds = r.rounds(in, s, c.Before)
		if !r.shown(s) {
			c.Unproven = opensAndTaken
		}
		if s.push && !r.hookFirst(s) && r.earlier(s, c.Before) != nil {
			c.Undo = "the value before it is set again, until the new one is proven"
		}
	}
	return c
}

// unproven is the rotation that stored what there is, where nothing has shown since that it works.
func (r *Rotation) unproven(in reconciler.Input, s sight) (last state.Entry, is bool) {
	last, _ = in.History.LastProven(r.Ref().Name)
	return last, s.known() && s.there && !s.push && !s.wait && !r.shown(s) && last.Version == r.Ref().Version && last.Unproven != ""
}

// label is what people call it.
func (r *Rotation) label(s sight) string {
	return cmp.Or(s.owner.Name, r.secret.Connector, r.secret.Ref)
}

func (r *Rotation) reason(s sight) string {
	version := r.Ref().Version
	asks := "the spec asks for " + version
	switch {
	case s.wait && r.logsIn():
		return version + " was set; nothing has shown yet that the source system takes it"
	case s.wait && r.syncs(s):
		return version + " was set; no sync run has shown yet that the source system takes it"
	case s.wait && s.ran:
		return version + " was set, and the hook has changed it at its source system; the run did not come to its end"
	case s.wait && r.hooked():
		return version + " was set; that the hook has changed it at its source system is not on record"
	case s.wait:
		return version + " was set; nobody has confirmed yet that the source system has it"
	case s.elsewhere != nil && s.changing >= 0:
		return "re-provision: set again once " + r.identity.Service + " has another account"
	case s.shut:
		return "re-provision: what is stored does not open on " + r.host + " any more, as Admin tells"
	case r.again(s) && s.moved:
		return "re-provision: sealed on another machine than " + r.host + " is now"
	case r.again(s):
		return "re-provision: sealed when " + r.identity.Service + " had another account"
	case s.known() && !s.there:
		return asks + "; it is not in " + r.spec.Tables.Secrets
	case s.pending:
		return "an earlier run began to set " + version + " and did not prove it"
	case s.vouched == "":
		return asks + "; which version is stored is not known here"
	}
	return asks + "; " + s.vouched + " was set last"
}

// earlier is the secret's version before this one, when its value is kept here.
func (r *Rotation) earlier(s sight, before string) *secret.Ref {
	if before == "" || before == r.Ref().Version || s.value == nil || !slices.Contains(s.value.Others, before) {
		return nil
	}
	return &secret.Ref{Name: r.Ref().Name, Version: before}
}
