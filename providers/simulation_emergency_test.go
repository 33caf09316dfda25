package providers_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"meshrotate/providers/lab"
	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
	"meshrotate/state"
)

// firstWithEmergencies is the first seed in whose schedule a secret may be stolen: those before stay what they were.
const firstWithEmergencies = 60_000_000

// firstWithStolenCertificates is the first one in which that may be the certificate of connectors.
const firstWithStolenCertificates = 64_000_000

// drawEmergency ends half of the schedules with an emergency, which is cut off like any run, and some of these with another one, or with
// an ordinary run; with numbers of its own. Two state folders are left out: what one knows of a theft, the other does not.
func drawEmergency(s *schedule) {
	r := rand.New(rand.NewPCG(s.Seed, 15))
	own := slices.ContainsFunc(s.Runs, func(e episode) bool { return e.Second != nil && e.Second.State == "own" })
	if s.Seed < firstWithEmergencies || own || r.IntN(2) != 0 {
		return
	}
	kinds := []string{"relaykey"}
	if s.Login == "single" || s.Login == "alternating" {
		kinds = append(kinds, "sqllogin", "sqllogin")
	}
	if s.Signing && s.Seed >= firstWithStolenCertificates {
		kinds = append(kinds, "codesigning", "codesigning")
	}
	stolen := pick(r, kinds...)
	for range 1 + r.IntN(3) {
		e := episode{Wait: r.IntN(3) * r.IntN(400), Unlock: r.IntN(2) == 0, Stolen: stolen}
		for range few(r, 5) {
			if s.Login != "" {
				e.Faults = append(e.Faults, drawSQLFault(r, s.Replicas))
			}
			e.Faults = append(e.Faults, drawFault(r, s.Relays))
		}
		s.Runs = append(s.Runs, e)
		stolen = pick(r, stolen, "", "", pick(r, kinds...))
	}
}

// leak is what others know: a relay key, logins with their passwords, or the key of a certificate.
type leak struct {
	kind   string
	raised bool // the declared version was others' too
	keys   map[string]bool
	logins map[[2]string]bool
	signer string
}

// thefts are the emergencies on record of a secret.
func (u *universe) thefts(secret string) (h state.History, entries []state.Entry, emergencies int) {
	entries, err := u.w.state.Ledger.Entries(context.Background())
	if err != nil {
		u.t.Fatal(err)
	}
	for _, e := range entries {
		for _, f := range e.Facts {
			if f.Field == state.Compromised && e.Secret == secret {
				emergencies++
			}
		}
	}
	return state.NewHistory(entries), entries, emergencies
}

// steal notes what is live, and gives the document the next version, as `rotate --compromised` does.
func (u *universe) steal(kind string) leak {
	l := leak{kind: kind, keys: map[string]bool{}, logins: map[[2]string]bool{}}
	h, _, _ := u.thefts(kind)
	var next episode
	switch kind {
	case "relaykey":
		for host, key := range u.w.lab.Keys() {
			if host == u.w.lab.Admin.Name || key != "" {
				l.keys[key] = true
			}
		}
		if _, key := u.without(u.w.lab.Admin); key != "" {
			l.keys[key] = true
		}
		if !h.Fresh(kind, u.wantKey) {
			next.Key = after(h, kind, u.wantKey)
		}
	case "codesigning": // its document gives it up
		old, _ := lab.Certificates()
		l.signer, l.raised = old.SHA1, !u.retired
		u.scheduler.Note("%s is stolen; commit: without %s", kind, old.SHA1)
		u.outlawed = true
		u.commit(episode{Retire: true})
		return l
	default:
		for _, s := range u.services() {
			login, password := u.loginOf(s)
			l.logins[[2]string{login, password}] = true
		}
		for _, text := range u.w.lab.Strings() {
			login, password := loginIn(secret.NewString(text))
			l.logins[[2]string{login, password}] = true
		}
		if !h.Fresh(kind, u.login.want) {
			next.Login = after(h, kind, u.login.want)
		}
	}
	l.raised = next.Key+next.Login != ""
	u.scheduler.Note("%s is stolen; commit: relay key %s, SQL login %s", kind, next.Key, next.Login)
	u.commit(next)
	return l
}

func after(h state.History, kind, version string) string {
	n, _ := strconv.ParseUint(version, 10, 63)
	return strconv.FormatUint(h.Unused(kind, n), 10)
}

// good says where what was stolen is good still, by the world.
func (u *universe) good(l leak) (places []string) {
	running := u.w.lab.Keys()
	for _, h := range append([]*lab.Host{u.w.lab.Admin}, u.w.lab.Relays[:u.declared]...) {
		if l.keys[running[h.Name]] {
			places = append(places, "a service on "+h.Name)
		}
		if _, key := u.without(h); l.keys[key] {
			places = append(places, "a file on "+h.Name)
		}
		if l.signer != "" && h != u.w.lab.Admin && (slices.Contains(u.w.lab.Accepting(h), l.signer) || u.lists(h, l.signer)) {
			places = append(places, "the list of "+h.Name)
		}
	}
	for known := range l.logins {
		for _, r := range u.w.lab.SQLReplicas() {
			if has, _, _ := r.Instance.LookLogin(known[0]); has.Password == known[1] && !has.Disabled && known[1] != "" {
				places = append(places, fmt.Sprintf("the login %s on %s", known[0], r.Name))
			}
		}
	}
	slices.Sort(places)
	return places
}

// lists says whether a relay's file names a certificate.
func (u *universe) lists(h *lab.Host, thumbprint string) bool {
	b, _, err := h.Machine.FS.Read(lab.RelaySettings)
	return err == nil && strings.Contains(string(b), thumbprint)
}

// told says whether a plan says that others know something of a kind still.
func told(p *reconciler.Plan, kind string) bool {
	return slices.ContainsFunc(p.Changes, func(c reconciler.Change) bool {
		return c.Secret.Name == kind && slices.ContainsFunc(c.Findings, func(f reconciler.Finding) bool { return f.Code == "secret-compromised" })
	})
}

// leaksSettled: in calm weather what was stolen is good nowhere, nobody says that it is, and the evidence says so of each place.
func (u *universe) leaksSettled() (wrong []error) {
	a := u.first.applied
	if a == nil || a.Plan == nil {
		return nil
	}
	for _, l := range u.leaks {
		good, said := u.good(l), told(a.Plan, l.kind)
		switch {
		case len(good) > 0 && !said:
			wrong = append(wrong, fmt.Errorf("what was stolen of %s is good still, and nobody says so: %v", l.kind, good))
		case len(good) > 0:
			wrong = append(wrong, fmt.Errorf("what was stolen of %s is good still: %v", l.kind, good))
		case said:
			wrong = append(wrong, fmt.Errorf("what was stolen of %s is good nowhere, and the plan says that others know it", l.kind))
		}
	}
	return wrong
}

// judgeLeaks: once what replaces it is proven, what was stolen is good nowhere but where the run says so.
func (u *universe) judgeLeaks(out reconciler.Outcome, left map[string]bool, late bool) {
	for _, e := range out.Secrets {
		if e.Ending != state.Proven || len(left) > 0 || late {
			continue
		}
		for _, l := range u.leaks {
			if l.kind != e.Change.Secret.Name || len(l.logins) > 0 && u.disturbed[sqlSide] {
				continue
			}
			if good := u.good(l); len(good) > 0 {
				u.wrong("9: %s is proven, and what was stolen is good still: %v: %v", l.kind, good, out)
			}
		}
	}
}

// lookBack notes a theft whose emergency is on record: of another one nobody knows. Who says it again of one that was cut off finishes that.
func (u *universe) lookBack(l leak, before int) {
	goesOn := !l.raised && slices.ContainsFunc(u.leaks, func(o leak) bool { return o.kind == l.kind })
	switch _, _, now := u.thefts(l.kind); {
	case now > before && !goesOn:
		u.leaks = append(u.leaks, l)
	case now == before && l.signer != "" && !slices.ContainsFunc(u.leaks, func(o leak) bool { return o.signer != "" }): // it was refused, or ended before it began: an ordinary run may not take it out
		u.outlawed = false
		u.retire(false)
		u.commit(episode{})
	}
}
