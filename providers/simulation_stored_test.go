package providers_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"meshrotate/providers/lab"
	"meshrotate/reconciler"
	"meshrotate/state"
)

// drawStored adds connectors' secrets to some schedules, and the account of the services to some, each with numbers of its own:
// the others stay what they were without them.
func drawStored(s *schedule) {
	if r := rand.New(rand.NewPCG(s.Seed, 4)); r.IntN(6) == 0 {
		s.Connectors = 1 + r.IntN(3)
		for i := range s.Runs {
			for range few(r, 2) {
				f := storedFault(r, "secrets.set before", "secrets.set before", "secrets.set after", "secrets.look before")
				f.Host = "im-engine"
				s.Runs[i].Faults = append(s.Runs[i].Faults, f)
			}
		}
	}
	if r := rand.New(rand.NewPCG(s.Seed, 5)); r.IntN(6) == 0 {
		s.Account = pick(r, "now", "now", "later")
		for i := range s.Runs {
			for range few(r, 2) {
				f := storedFault(r, "service.logon before", "service.logon after", "logon.try before", "logon.try after", "service.start before")
				f.Host = pick(r, "", "im-engine", "im-admin")
				s.Runs[i].Faults = append(s.Runs[i].Faults, f)
			}
		}
	}
}

func storedFault(r *rand.Rand, actions ...string) fault {
	f := fault{Action: pick(r, actions...), Nth: 1 + r.IntN(2), What: pick(r, "crash", "cut reply", "hang script", "error", "error", "kill", "kill after", "lost lease"), Times: pick(r, 0, 0, 0, 2)}
	if f.What == "error" {
		f.Code = pick(r, 5, 112) // not 1326: a password that is wrong is not tried again
	}
	return f
}

// hasSQL says that a SQL Server is there.
func (u *universe) hasSQL() bool { return u.Login != "" || u.Connectors > 0 }

// storedFolders are where the values of what is stored on hosts and in the database are kept.
func (u *universe) storedFolders() (folders []string) {
	if u.Account != "" {
		folders = append(folders, lab.AccountSecret)
	}
	for _, ref := range u.ours() {
		var b strings.Builder
		for _, c := range []byte("connector:" + ref) {
			if 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_' {
				b.WriteByte(c)
			} else {
				fmt.Fprintf(&b, "%%%02x", c)
			}
		}
		folders = append(folders, b.String())
	}
	return folders
}

// checkStored is what holds after every run: a connector has the old value or the new one, and nobody was locked out by a run.
func (u *universe) checkStored() {
	for _, ref := range u.ours() {
		if u.w.lab.SQLInstance() == nil {
			break // between two primaries nobody answers
		}
		old, next := u.w.lab.ConnectorSecrets(ref)
		if got, set, ok := u.w.lab.Stored(ref); !ok && !set.Before(u.moves.last) || ok && got != old && got != next {
			u.wrong("3: what is stored for %s is nobody's (it opens: %v)", ref, ok)
		}
	}
	if _, wrong, locked, _ := u.w.lab.Directory().Look(lab.Account); u.Account != "" && locked && !u.restarted && !u.lockout.locked {
		u.wrong("8: the account is locked out, after %d wrong passwords", wrong)
	}
}

// judgeStored compares what a run says of them with the world.
func (u *universe) judgeStored(out reconciler.Outcome, left map[string]bool) {
	for _, e := range out.Secrets {
		ref, connector := strings.CutPrefix(e.Change.Secret.Name, "connector:")
		switch {
		case e.Ending != state.Proven:
		case connector:
			_, next := u.w.lab.ConnectorSecrets(ref)
			if got, _, _ := u.w.lab.Stored(ref); got != next && u.w.lab.SQLInstance() != nil {
				u.wrong("7: %s is proven, and another value is stored", e.Change.Secret)
			}
		case e.Change.Secret.Name == lab.AccountSecret:
			for _, h := range u.services() {
				if !left[h.Name] && h.Machine.Password(serviceOf(h)) != u.wantAccount() {
					u.wrong("7: %s is proven, and the service manager of %s has another password", e.Change.Secret, h.Name)
				}
			}
		}
	}
}

// unlockAccount is what a person does whose account is locked out, because a service started with a password that was dead.
func (u *universe) unlockAccount() {
	if _, _, locked, _ := u.w.lab.Directory().Look(lab.Account); (u.Account != "" || u.lockout.locked) && locked {
		u.lockout.locked = false
		u.scheduler.Note("somebody unlocks the account")
		u.w.lab.Directory().Lock(lab.Account, false)
	}
}

// saidSetElsewhere says that the last plan warns that somebody else has set the secret.
func (u *universe) saidSetElsewhere(ref string) bool {
	for _, c := range u.first.applied.Plan.Changes {
		if slices.ContainsFunc(c.Findings, func(f reconciler.Finding) bool {
			return f.Code == "connector-set-elsewhere" && strings.HasPrefix(f.Text, ref+" ")
		}) {
			return true
		}
	}
	return false
}

// storedSettled: after calm runs everything stored is as declared, or the plan warns that somebody else has set it since, as the
// way back of a run with another state does: then which value is right only a person knows.
func (u *universe) storedSettled() (errs []error) {
	for _, ref := range u.ours() {
		_, next := u.w.lab.ConnectorSecrets(ref)
		if got, _, ok := u.w.lab.Stored(ref); !ok || got != next && !u.saidSetElsewhere(ref) {
			errs = append(errs, fmt.Errorf("%s is not stored with its new value (it opens: %v)", ref, ok))
		} else if !u.w.lab.Works(ref) {
			errs = append(errs, fmt.Errorf("the source of %s does not take what is stored", ref))
		}
	}
	if u.Account != "" {
		if err := u.w.logsOn(true); err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}
