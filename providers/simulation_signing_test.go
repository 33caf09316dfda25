package providers_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"meshrotate/providers/appsettings"
	"meshrotate/providers/lab"
	"meshrotate/providers/winhost"
	"meshrotate/reconciler"
	"meshrotate/state"
)

// drawSigning adds the certificates of connectors to some schedules, with numbers of its own: the others stay what they were.
func drawSigning(s *schedule) {
	r := rand.New(rand.NewPCG(s.Seed, 6))
	if r.IntN(6) != 0 || s.Relays == 0 {
		return
	}
	s.Signing = true
	for i := range s.Runs {
		if i > 0 {
			s.Runs[i].Ship = r.IntN(2) == 0
			s.Runs[i].Retire = r.IntN(3) == 0 // too early, as a rule, when nothing was shipped
		}
		for range few(r, 2) {
			s.Runs[i].Faults = append(s.Runs[i].Faults, storedFault(r, "signatures.read before", "signatures.read after", "file.stage after", "service.start before"))
		}
	}
}

// drawBuilding adds a build host to half of these.
func drawBuilding(s *schedule) {
	r := rand.New(rand.NewPCG(s.Seed, 8))
	if !s.Signing || r.IntN(2) != 0 {
		return
	}
	s.Building = true
	for i := range s.Runs {
		for range few(r, 3) {
			f := storedFault(r, "certificate.import before", "certificate.import after", "build.run before", "build.run after", "file.swap before", "file.swap after", "file.stage after")
			f.Host = "im-build"
			s.Runs[i].Faults = append(s.Runs[i].Faults, f)
		}
	}
}

// thumbprints are the certificates that the document asks for.
func (u *universe) thumbprints() []string {
	old, next := lab.Certificates()
	if u.retired {
		return []string{next.SHA1}
	}
	return slices.Sorted(slices.Values([]string{old.SHA1, next.SHA1}))
}

// retire takes the old certificate out of the document, or puts it back.
func (u *universe) retire(on bool) {
	old, _ := lab.Certificates()
	const list, line = "    thumbprints:\n", "      - {sha1: %s}\n"
	if u.text = strings.Replace(u.text, fmt.Sprintf(line, old.SHA1), "", 1); !on {
		u.text = strings.Replace(u.text, list, list+fmt.Sprintf(line, old.SHA1), 1)
	}
	u.retired = on
}

// ship deploys connectors that are signed with the next certificate, to relays that accept it, once a run has proven that. It says
// whose service it has restarted.
func (u *universe) ship() (restarted []drift) {
	_, next := lab.Certificates()
	for _, h := range u.w.lab.Relays {
		state := h.Machine.Service(lab.RelayService).State
		if !u.accepted || !slices.Contains(u.w.lab.Accepting(h), next.SHA1) || state != winhost.Running {
			continue
		}
		err := u.w.lab.Redeploy(h, "2", next)
		u.scheduler.Note("ship to %s: %v", label(h.Name), err)
		u.alone(func() { u.disturb(label(h.Name)) })
		u.restarted = true
		restarted = append(restarted, drift{"start", label(h.Name)})
	}
	return restarted
}

// withoutList is a settings file whose list of thumbprints has one member, whatever it had.
func withoutList(b []byte) []byte {
	if bare, err := appsettings.SetList(b, "Relay:AcceptedThumbprints", []string{"LIST"}); err == nil {
		return bare
	}
	return b
}

// watchSigning: no relay refuses a connector, but for what is signed with what was stolen.
func (u *universe) watchSigning() {
	if u.outlawed {
		return
	}
	for host, files := range u.w.lab.Rejected() {
		if !u.refusing[host] {
			u.refusing[host] = true // said once
			u.wrong("4: %s refuses %v", host, files)
		}
	}
}

// accepting is what every relay that runs has loaded.
func (u *universe) accepting() map[string]string {
	all := map[string]string{}
	for _, h := range u.w.lab.Relays {
		if got := u.w.lab.Accepting(h); got != nil {
			all[h.Name] = strings.Join(slices.Sorted(slices.Values(got)), " ")
		}
	}
	return all
}

// judgeSigning compares what a run says of the certificates with what the relays have loaded.
func (u *universe) judgeSigning(out reconciler.Outcome, before snapshot, left map[string]bool) {
	now := u.accepting()
	for _, e := range out.Secrets {
		if e.Change.Secret.Name != "codesigning" {
			continue
		}
		for i, h := range u.w.lab.Relays {
			is, up := now[h.Name]
			was, ran := before.accepting[h.Name]
			switch {
			case !up || left[h.Name] || u.disturbed[label(h.Name)]:
			case e.Ending == state.Proven && i < u.declared && is != strings.Join(u.thumbprints(), " "):
				u.wrong("7: the certificates are proven, and %s has loaded %s", h.Name, is)
			case e.Ending == state.Back && ran && is != was && !before.haunted:
				u.wrong("1: the certificates are back, it says, and %s has loaded others than before", h.Name)
			}
		}
		u.accepted = e.Ending == state.Proven
	}
}

// signingSettled: after calm runs every relay has loaded what is declared.
func (u *universe) signingSettled() error {
	if !u.Signing {
		return nil
	}
	for host, is := range u.accepting() {
		if is != strings.Join(u.thumbprints(), " ") {
			return fmt.Errorf("%s has loaded %s", host, is)
		}
	}
	return u.w.builds(true)
}

// retireAtLast ends the overlap in calm weather, as an operator does: everything is deployed anew, then the old one goes.
func (u *universe) retireAtLast() {
	if !u.Signing {
		return
	}
	u.accepted = true
	u.ship()
	u.retire(true)
	u.commit(episode{Declared: max(u.Relays, 1)})
	u.calmRun("retire", "shared")
	if err := u.signingSettled(); err != nil {
		u.wrong("6: after the old certificate was retired: %v", err)
	}
}
