package codesigning

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
)

// denied is Windows' error where the account may not.
const denied = 5

// guard collects the reasons not to go on, and the warnings.
func (r *builder) guard(in reconciler.Input, s sight) []reconciler.Finding {
	if !s.whole() {
		return []reconciler.Finding{site.HostFailed(in.Seen, r.host, "the build host", "")}
	}
	part := site.Part{Preflight: r.preflight, Machine: s.machine, Error: s.pin.Error, Replace: s.set && !r.pin.Machine,
		Import: s.load, Variable: s.set && r.pin.Machine}
	all := part.Findings(in)
	problem := func(code reconciler.FindingID, text, hint string) {
		all = append(all, site.Problem(code, r.host+": "+text, hint, r.host))
	}
	switch p := s.pin; {
	case p.Error != 0:
	case !p.Exists:
		problem("build-script-missing", "there is no "+r.spec.Script, "name the script that builds, as secrets.codeSigning.buildHost.script")
	case p.Refused != "":
		problem("pin-unseen", fmt.Sprintf("%s: %s", r.spec.Script, p.Refused), fmt.Sprintf("write `set %s=…` on one line of the script, or pin the certificate in the machine's environment (pin: %s)", r.spec.Variable, inEnvironment))
	case p.Other || p.Text != "" && s.pinned == "":
		problem("pin-unseen", r.pin.PinAt.Says()+" is no thumbprint", "find out what it is for; write the thumbprint there, or nothing, and plan again")
	case p.Overridden != "" && meant(p.Overridden) != r.signing:
		problem("pin-overridden", fmt.Sprintf("%s counts only where the machine's environment has no such variable, and it has one", r.pin.PinAt.Says()),
			"take the variable out of the environment, or pin the certificate there (pin: "+inEnvironment+")")
	}
	if s.store.Error != 0 {
		problem("store-unseen", fmt.Sprintf("%s cannot be read (Windows error %d)", r.spec.Store, s.store.Error), "let meshrotate's account be an administrator of the host")
	}
	for i, a := range s.artifacts {
		if a.Error != 0 {
			problem("artifacts-unseen", fmt.Sprintf("%s cannot be read (Windows error %d)", r.artifacts[i].Folder, a.Error), "let meshrotate's account read the folder")
		}
	}
	for i, a := range r.writes { // a folder that is not there the build makes
		if t := site.Answer[site.PreflightSeen](in.Seen, a); t != nil && t.Folder == denied && s.run {
			problem("artifacts-denied", "meshrotate's account, which builds, may not make files in "+r.artifacts[i].Folder, "let it be an administrator of the host, or give it the right to make and change files there")
		}
	}
	if s.load && s.store.Error == 0 {
		all = append(all, r.guardImport(in)...)
	}
	if r.spec.Store != `LocalMachine\My` {
		all = append(all, site.Warning("store-of-one-account", fmt.Sprintf("%s: %s is the store of meshrotate's own account", r.host, r.spec.Store),
			`what another account builds does not find the certificate, and a remote sign-in without a password to hand on (Kerberos, NTLM) may not open its key: prefer LocalMachine\My`, r.host))
	}
	if s.run {
		for _, h := range s.unsure {
			all = append(all, site.Warning("built-before-accepted", fmt.Sprintf("%s: never seen to accept %s: it would refuse what is built now", h, short(r.signing)),
				"deploy nothing of it there before a run has reached the relay and proven it", h))
		}
	}
	return append(append(all, r.guardSigner(in, s)...), r.dates(in, s)...)
}

// leaveBehind lets the relays be rid of what others have the key of while the build host cannot be looked at: it may be off the network
// just for that. What it builds the relays refuse then.
func (r *builder) leaveBehind(in reconciler.Input, c *reconciler.Change) {
	if in.Compromised(r.relays.ref) == "" {
		return
	}
	c.Behind, c.Left = true, site.LeftOf([]string{r.host})
	for i, f := range c.Findings {
		c.Findings[i].Severity, c.Findings[i].Hint = reconciler.Warning, f.Hint+"; the relays do not wait for it: until a later run comes to it, it may sign with what they accept no longer"
	}
}

// whence is where it says where the PFX and its password are.
const whence = "look at pfx and password in secrets.codeSigning.buildHost, and at state.seal"

// guardImport looks at the PFX that is to be imported, before anybody sees it.
func (r *builder) guardImport(in reconciler.Input) []reconciler.Finding {
	problem := func(code reconciler.FindingID, text, hint string) []reconciler.Finding {
		return []reconciler.Finding{site.Problem(code, text, hint)}
	}
	if r.spec.PFX == nil {
		return []reconciler.Finding{site.Problem("certificate-missing", fmt.Sprintf("%s: %s is not in %s with its key, and no PFX is declared", r.host, short(r.signing), r.spec.Store),
			"import it there, or name its PFX as secrets.codeSigning.buildHost.pfx", r.host)}
	}
	for _, ref := range []site.Value{{Secret: r.ref}, {Secret: r.password}} {
		v := site.Answer[site.ValueSeen](in.Seen, ref)
		what := map[bool]string{true: "the PFX", false: "the password of the PFX"}[ref.Secret == r.ref]
		switch {
		case v == nil:
			return problem("value-unavailable", what+" could not be looked for", whence)
		case v.Problem != "":
			return problem("value-unavailable", what+" is not to be had: "+v.Problem, cmp.Or(v.Hint, whence))
		}
		if f, wrong := site.KeptPartFinding(in, r.ref, ref.Secret, true); wrong {
			return []reconciler.Finding{f}
		}
	}
	p := site.Answer[site.PackageSeen](in.Seen, r.pfx())
	switch {
	case p == nil || p.Problem != "":
		text, hint := "the PFX could not be looked at", whence
		if p != nil {
			text, hint = p.Problem, cmp.Or(p.Hint, whence)
		}
		return problem("pfx-unfit", text, hint)
	case p.SHA1 != r.signing:
		return problem("pfx-unfit", fmt.Sprintf("the PFX has the certificate %s (%s), and %s is to be signed with", p.SHA1, p.Subject, r.signing), "name the PFX of the certificate that is marked with `use: signing`, or mark the other one")
	case !p.Code:
		return problem("pfx-unfit", "the certificate in the PFX is not for signing code", "get one from the authority that is")
	case !p.NotAfter.After(in.Now):
		return problem("pfx-unfit", "the certificate in the PFX has expired on "+p.NotAfter.UTC().Format(time.DateOnly), "get its successor")
	case p.NotBefore.After(in.Now):
		return problem("pfx-unfit", "the certificate in the PFX is not valid before "+p.NotBefore.UTC().Format("2006-01-02 15:04 UTC"), "wait until then, or get one that is valid now")
	}
	if days, soon := expiring(p.NotAfter, in.Now); soon {
		return []reconciler.Finding{site.Warning("certificate-expires", fmt.Sprintf("%s, in the PFX that is to be imported, expires on %s, within %d days", p.SHA1, p.NotAfter.UTC().Format(time.DateOnly), days),
			"get its successor, accept that one on the relays, and sign with it")}
	}
	return nil
}

// dates say of the declared certificates in the store, and of the one that is pinned, which expires soon. Of those that connectors
// on relays are signed with it is said there.
func (r *builder) dates(in reconciler.Input, s sight) []reconciler.Finding {
	var all []reconciler.Finding
	known := r.relays.need(in).certificates()
	for _, c := range s.store.All {
		all = append(all, r.early(in, s, c)...)
		_, told := known[c.SHA1]
		days, soon := expiring(c.NotAfter, in.Now)
		switch named := c.SHA1 == s.pinned || slices.Contains(r.relays.spec.declared(), c.SHA1); {
		case c.SHA1 == r.signing && !c.NotAfter.After(in.Now): // whatever connectors are signed with, and said of them
			all = append(all, site.Problem("certificate-expired", fmt.Sprintf("%s: %s in %s has expired on %s: nothing can be signed with it", r.host, c.SHA1, r.spec.Store, c.NotAfter.UTC().Format(time.DateOnly)),
				"get its successor, accept it on the relays, and mark it with `use: signing`", r.host))
		case soon && named && !told:
			all = append(all, site.Warning("certificate-expires", fmt.Sprintf("%s: %s in %s expires on %s, within %d days", r.host, c.SHA1, r.spec.Store, c.NotAfter.UTC().Format(time.DateOnly), days),
				"get its successor, accept it on the relays, and sign with it", r.host))
		}
	}
	return all
}

// early says that a declared certificate in the store is not valid yet, and refuses to sign with it.
func (r *builder) early(in reconciler.Input, s sight, c site.Certificate) []reconciler.Finding {
	if !c.NotBefore.After(in.Now) || !slices.Contains(r.relays.spec.declared(), c.SHA1) {
		return nil
	}
	say, hint := site.Warning, "mark it with `use: signing` once it is valid"
	if c.SHA1 == r.signing && (s.set || s.run) {
		say, hint = site.Problem, "sign with another one until then: nothing was changed"
	}
	return []reconciler.Finding{say("certificate-early", fmt.Sprintf("%s: %s in %s is not valid before %s: nothing can be signed with it until then", r.host, c.SHA1, r.spec.Store, c.NotBefore.UTC().Format("2006-01-02 15:04 UTC")), hint, r.host)}
}

// unsaid is the change where no certificate is marked for signing. No document is so; but a request may leave out the mark and the build
// host, and the build host stays as it was agreed to.
func (r *builder) unsaid(s sight) reconciler.Change {
	is := "no certificate is pinned"
	if s.pinned != "" {
		is = short(s.pinned) + " stays pinned"
	}
	return reconciler.Change{Secret: r.ref, Title: "build host", Before: s.pinned[:min(8, len(s.pinned))], Status: reconciler.Refused, Reason: "no certificate is marked for signing; " + is,
		Findings: []reconciler.Finding{site.Problem("signing-unsaid", r.host+": it is declared to build, and no certificate is marked with `use: signing`",
			"mark the one to sign with; or take secrets.codeSigning.buildHost out where that is agreed to, by itself, and the mark after that", r.host)}}
}
