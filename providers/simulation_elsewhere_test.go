package providers_test

import (
	"slices"
	"strings"

	"meshrotate/providers/lab"
	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/state"
)

// watchOutside is asked at every event: a service manager has the new password only when the domain does.
func (u *universe) watchOutside() {
	if u.ChangedBy == "" || u.Account == "" {
		return
	}
	old, next := u.w.lab.AccountPasswords()
	has := u.domainHas()
	if has != old && has != next {
		u.wrong("2: the account has a password that nobody knows")
	}
	for _, h := range u.services() {
		if has == old && h.Machine.Password(serviceOf(h)) == next {
			u.wrong("1: %s would start with the new password, and the domain has the old one", label(h.Name))
		}
	}
}

// domainHas is the account's password in the domain.
func (u *universe) domainHas() string {
	has, _, _, _ := u.w.lab.Directory().Look(lab.Account)
	return has
}

// judgeOutside compares what a run says with what was changed elsewhere.
func (u *universe) judgeOutside(o *operator, out reconciler.Outcome, before snapshot) {
	u.asked = false
	for _, e := range out.Secrets {
		ref, connector := strings.CutPrefix(e.Change.Secret.Name, "connector:")
		switch {
		case connector && u.Source != "":
			u.judgeSource(o, e, ref)
		case u.ChangedBy == "" || e.Change.Secret.Name != lab.AccountSecret:
		case e.Ending == state.Proven && u.domainHas() == before.domain && before.domain != u.newPassword():
			u.wrong("7: %s is proven, and the domain has the old password", e.Change.Secret)
		case e.Ending == state.Back && u.domainHas() != before.domain && !before.haunted:
			u.wrong("4: %s is back, it says, and the domain has the new password", e.Change.Secret)
		}
	}
}

func (u *universe) newPassword() string {
	_, next := u.w.lab.AccountPasswords()
	return next
}

// judgeSource: what is proven works, and somebody has shown it; what has reached a source is not called back; and a run that pauses
// has set the secret, and goes on when it was told to.
func (u *universe) judgeSource(o *operator, e reconciler.Ended, ref string) {
	_, next := u.w.lab.ConnectorSecrets(ref)
	stored, _, _ := u.w.lab.Stored(ref)
	switch {
	case e.Ending == state.Proven && stored == next && !u.w.lab.Works(ref):
		u.wrong("7: %s is proven, and its source does not take it", ref)
	case e.Ending == state.Proven && u.Source == byPerson && u.Proof == byNothing && o.session.Confirmed == nil && !u.confirmed[o.books+ref]: // after a move the same value is set again, and its source has it
		u.wrong("7: %s is proven, and nobody has confirmed it", ref)
	case e.Ending == state.Back && slices.Contains(o.hooked, ref):
		u.wrong("4: %s is back, it says, and its source has the new value", ref)
	case e.Waits == nil:
	case u.Source != byPerson || e.Waits.Confirm != (u.Proof == byNothing):
		u.wrong("7: %s waits for what nobody will do: %+v", ref, *e.Waits)
	case e.Waits.Confirm && o.session.Confirmed != nil:
		u.wrong("6: %s waits for a person, who has said it", ref)
	case stored != next && u.w.lab.SQLInstance() != nil: // between two primaries nobody answers
		u.wrong("7: %s waits for a person, and is not set", ref)
	}
	u.asked = u.asked || e.Waits != nil && e.Waits.Confirm
	if e.Ending == state.Proven && o.session.Confirmed != nil {
		u.confirmed[o.books+ref] = true
	}
}

// wroteHooks learns of hooks that ended well, and the ledger knows.
func (o *operator) wroteHooks(entries []state.Entry) {
	for _, e := range entries {
		if ref, is := strings.CutPrefix(e.Secret, "connector:"); is && e.Outcome == state.Done && strings.HasPrefix(e.Step, "switch/run ") {
			o.u.ranWell[o.books+ref] = true
		}
	}
}

// sawHooks learns of hooks that ended well in a run that could tell its books.
func (u *universe) sawHooks(o *operator) {
	if o.dead.Load() || o.lost || o.record.refused {
		return
	}
	for _, ref := range o.hooked {
		if !slices.Contains(o.refuted, ref) {
			u.ranWell[o.books+ref] = true
		}
	}
}

// refutes: a sync run has failed, or none came, or a login was refused: the hook may be run again.
func (o *operator) refutes(s reconciler.Step) {
	op, program := s.Op.(site.RunHook)
	if _, sync := s.Op.(site.ProveSync); !sync && !(program && op.Proves) {
		return
	}
	for _, secret := range s.Secrets {
		ref := strings.TrimPrefix(secret.Name, "connector:")
		delete(o.u.ranWell, o.books+ref)
		o.refuted = append(o.refuted, ref)
	}
}
