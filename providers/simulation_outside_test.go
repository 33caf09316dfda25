package providers_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"

	"meshrotate/providers/lab"
	"meshrotate/providers/live"
	"meshrotate/providers/negotiate"
	"meshrotate/reconciler/secret"
)

// Who changes a password outside of what meshrotate rotates. With a hook, at the source systems of connectors, the operator's
// program does, before the secret is set or after; with a person, they do, after. With kpasswd the services' account does, in the
// domain. Without any of these it was done before.
const (
	hookBefore, hookAfter, byPerson = "hook before", "hook after", "person"
	byLogin, byNothing              = "login", "nothing"
	kpasswd                         = "kpasswd"
)

// outsideTrouble strikes programs of the operator, and the domain: before they have done it, or after.
var outsideTrouble = []string{"fails", "hangs"}

// drawOutside lets some schedules with connectors, or an account, have somebody who changes the password elsewhere, with numbers of
// its own: the others stay what they were.
func drawOutside(s *schedule) {
	trouble := func(r *rand.Rand, host, action string) {
		for i := range s.Runs {
			for range few(r, 3) {
				s.Runs[i].Faults = append(s.Runs[i].Faults, fault{What: pick(r, "fails", "hangs", "kill", "kill after", "interrupt", "lost lease"),
					Host: host, Action: action + pick(r, " before", " after"), Nth: 1 + r.IntN(2), Times: pick(r, 0, 0, 2)})
			}
		}
	}
	if r := rand.New(rand.NewPCG(s.Seed, 7)); s.Connectors > 0 && r.IntN(2) == 0 {
		s.Source, s.Proof = pick(r, hookBefore, hookAfter, byPerson), pick(r, "", "", byLogin, byNothing)
		if s.Source != byPerson {
			trouble(r, operatorSide, "hook")
		}
		if s.Proof == byLogin {
			trouble(r, operatorSide, byLogin)
		}
		for i := range s.Runs {
			s.Runs[i].Person, s.Runs[i].Confirm = pick(r, 0, 1, 1+r.IntN(120)), r.IntN(2) == 0
		}
	}
	if r := rand.New(rand.NewPCG(s.Seed, 8)); s.Account != "" && r.IntN(2) == 0 {
		s.ChangedBy = kpasswd
		trouble(r, domainSide, kpasswd)
	}
}

// operatorSide and domainSide are the operator's machine and the domain among the hosts.
const operatorSide, domainSide = "operator", "domain"

// outside is what a universe knows of those who change passwords elsewhere.
type outside struct {
	changed   bool            // a person has changed the sources
	asked     bool            // the last run waits for a person's word
	ranWell   map[string]bool // by books and reference: the hook ended well, and the ledger knows
	confirmed map[string]bool // likewise: a person has said that it works, and it was proven
}

// ours are the references that the document declares. It begins with two.
func (u *universe) ours() []string {
	if u.Connectors == 0 {
		return nil
	}
	return u.w.lab.Refs()
}

// beginOutside writes into the document who changes what, and puts the world before that.
func (u *universe) beginOutside() {
	u.ranWell, u.confirmed = map[string]bool{}, map[string]bool{}
	if u.Source != "" && u.Connectors > 0 {
		how := map[string]string{hookBefore: "changed: before, by: hook", hookAfter: "changed: after, by: hook", byPerson: "changed: after"}[u.Source]
		if u.Proof == byLogin {
			how += ", proof: login"
		}
		const every, secrets = "every: 180d}", "    secrets:\n      - {ref: "
		head, list, _ := strings.Cut(u.text, secrets)
		lines := strings.SplitAfter(list, "\n")
		for i := range u.ours() {
			lines[i] = strings.Replace(lines[i], every, "every: 180d, source: {"+how+"}}", 1)
		}
		programs := ""
		there, err := os.Executable()
		if err != nil {
			u.t.Fatal(err)
		}
		if u.Source != byPerson {
			programs += fmt.Sprintf("    hook: {program: '%s', timeout: 1m}\n", there)
		}
		if u.Proof == byLogin {
			programs += fmt.Sprintf("    login: {program: '%s', args: [%s], timeout: 1m}\n", there, byLogin)
		}
		if u.text = head + programs + secrets + strings.Join(lines, ""); u.Proof != "" {
			u.text = strings.Replace(u.text, "    syncs: {path: /api/connectors, timeout: 2m}\n", "", 1)
		}
		for _, ref := range u.ours() {
			old, _ := u.w.lab.ConnectorSecrets(ref)
			u.w.lab.Accept(ref, old)
		}
	}
	if u.ChangedBy == kpasswd && u.Account != "" {
		restart := "      restart: " + u.Account + "\n"
		u.text = strings.Replace(u.text, restart, restart+"      changedBy: kpasswd\n", 1)
		u.text = strings.Replace(u.text, "{auth: ntlm, transport: http,", "{auth: ntlm, transport: http, kerberos: {realm: LAB.EXAMPLE},", 1)
		old, _ := u.w.lab.AccountPasswords()
		u.w.lab.Directory().Set(lab.Account, old)
	}
}

// beside waits for the turn of something outside, at one of its two moments, and says how it goes wrong there, "" when it does not.
func (o *operator) beside(host, what, moment, object string) string {
	return o.u.scheduler.Pass(fmt.Sprint(o.name, " ", what, " ", moment, " ", object),
		occasion{kind: "outside", operator: o.name, by: o, host: host, action: what + " " + moment}).outside
}

// errEnded is how a program ends that fails, or is ended.
var errEnded = &live.EndedError{Code: 3, Text: "exit status 3"}

// program is one of the operator's.
func (o *operator) program(ctx context.Context, p live.Program) ([]byte, error) {
	if slices.Contains(p.Args, byLogin) {
		return o.triesLogin(ctx, p)
	}
	return o.hook(ctx, p)
}

// triesLogin is the operator's login: it says whether the source takes the value, or that it cannot tell.
func (o *operator) triesLogin(ctx context.Context, p live.Program) ([]byte, error) {
	taken := false
	for _, moment := range []string{"before", "after"} {
		switch o.beside(operatorSide, byLogin, moment, refOf(p)) {
		case "hangs":
			<-ctx.Done()
			return nil, errEnded
		case "fails":
			return p.Input.Expose(), errEnded
		}
		o.u.alone(func() { taken = o.u.w.lab.Takes(refOf(p), string(p.Input.Expose())) })
	}
	if !taken {
		return nil, &live.EndedError{Code: 1, Text: "exit status 1"}
	}
	return nil, nil
}

// hook changes the password at a source: from then on the source takes the new value, and no other. One that was begun goes on when
// meshrotate is killed.
func (o *operator) hook(ctx context.Context, p live.Program) ([]byte, error) {
	u, ref := o.u, refOf(p)
	said := p.Input.Expose() // what it says is nobody's to see
	goesOn := func(moment string) error {
		switch o.beside(operatorSide, "hook", moment, ref) {
		case "hangs":
			<-ctx.Done()
			return errEnded
		case "fails":
			return errEnded
		}
		if ctx.Err() != nil && !o.dead.Load() {
			return errEnded
		}
		return nil
	}
	u.alone(func() {
		if u.ranWell[o.books+ref] {
			u.wrong("2: %s runs the hook for %s, which has ended well", o.name, ref)
		}
	})
	if err := goesOn("before"); err != nil {
		return said, err
	}
	u.alone(func() {
		if _, next := u.w.lab.ConnectorSecrets(ref); string(p.Input.Expose()) != next {
			u.wrong("2: the hook for %s gets another value than the declared one", ref)
		}
		u.w.lab.Accept(ref, string(p.Input.Expose()))
	})
	err := goesOn("after")
	if err == nil {
		u.alone(func() { o.hooked = append(o.hooked, ref) })
	}
	return said, err
}

// changesPassword is what the domain makes of an account that changes its password.
func (o *operator) changesPassword(ctx context.Context, account string, old, next secret.Value) (was bool, err error) {
	lost := errors.New("the answer was lost")
	switch o.beside(domainSide, kpasswd, "before", account) {
	case "fails":
		return false, &negotiate.UnchangedError{Err: errors.New("the domain's policy does not take it")}
	case "hangs":
		<-ctx.Done()
		return false, lost
	}
	if o.dead.Load() {
		return false, errKilled
	}
	o.u.alone(func() { was, err = o.u.w.domainChanges(account, old, next) })
	switch o.beside(domainSide, kpasswd, "after", account) {
	case "fails":
		return false, lost
	case "hangs":
		<-ctx.Done()
		return false, lost
	}
	return was, err
}

// someone is a person who changes the passwords at the sources.
func (u *universe) someone() {
	for _, ref := range u.ours() {
		_, next := u.w.lab.ConnectorSecrets(ref)
		u.w.lab.Accept(ref, next)
	}
	u.changed = true
	u.scheduler.Note("a person changes the passwords at the source systems")
}

// confirms says that a person does so for this run: one who was asked, and has done it.
func (u *universe) confirms(asked bool) []string {
	if asked && u.asked && u.changed {
		return []string{"connector"}
	}
	return nil
}

// person is what somebody does who is told that their part is waited for.
func (u *universe) person(o *operator) bool {
	if u.Source != byPerson || o.applied == nil {
		return false
	}
	for _, e := range o.applied.Outcome.Secrets {
		if e.Waits != nil {
			u.alone(u.someone)
			return true
		}
	}
	return false
}
