package codesigning

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
)

// guard collects the reasons not to go on, and the warnings. left are relays that the policy lets fall behind.
func (r *Rotation) guard(in reconciler.Input, w work) (all []reconciler.Finding, left []member) {
	var away []member
	shut := site.ShutOf(in)
	for _, m := range w.all {
		switch {
		case m.whole():
			all = append(all, r.guardRelay(in, m, shut)...)
		case m.reach == reconciler.Unreachable:
			away = append(away, m)
		default:
			all = append(all, site.HostFailed(in.Seen, m.host, "", ""))
		}
	}
	left, lost := site.Away(away, func(m member) string { return m.host }, r.tolerance)
	if len(lost) > 0 && len(w.edit) == 0 && !w.none() { // no list changes: what is down comes up
		all = append(append(all, site.RelaysAway(hosts(left), nil, "")...), site.RelaysSpared(hosts(lost), "no list changes"))
		left = append(left, lost...)
	} else {
		all = append(all, site.RelaysAway(hosts(left), hosts(lost), "what it accepts, and which connectors it has, is not known")...)
	}
	if len(w.dark) > 0 && !asked(in) {
		f := site.APIFailed(in.Seen, site.Relays{}, "whether relays are connected again after their restart is not seen", "")
		f.Severity = reconciler.Warning
		all = append(all, f)
	}
	all = append(all, r.guardReturn(in, w)...)
	wait := site.Awaiting{Trial: r.ready(), Used: len(w.restart) > 0}
	if f, vain := wait.Finding(in); vain {
		all = append(all, f)
	}
	settings := map[string]*site.SettingSeen{}
	for _, m := range site.Where(w.all, member.whole) {
		settings[m.host] = &m.list.SettingSeen
	}
	all = append(all, site.EnvironmentsChanged(settings)...)
	all = append(append(all, r.guardPin(in, w)...), r.guardSigner(in, w)...)
	all = append(all, r.connectors(in, w)...)
	return append(all, r.dates(in, w)...), left
}

// guardRelay looks at one relay's list, and at what stands in the way of a change.
func (r *Rotation) guardRelay(in reconciler.Input, m member, shut site.Shut) []reconciler.Finding {
	part := site.Part{Preflight: m.node.preflight, Service: m.service, Machine: m.machine, Error: m.list.Error, Restart: m.edit || m.stale || m.stopped, Replace: m.edit, Shut: shut, Fleet: true}
	if m.stale && !m.edit {
		part.Unread = &m.list.Base
	}
	all := part.Findings(in)
	if m.list.Error == 0 && m.list.Refused != "" {
		all = append(all, site.Problem("settings-refused", fmt.Sprintf("%s: %s cannot be edited: %s", m.host, m.component.Settings, m.list.Refused),
			fmt.Sprintf("mend the file on the host, with %s in it, be it as []; nothing was written", r.spec.Setting), m.host))
	}
	if m.list.Closed != "" && m.list.Refused == "" && m.list.Error == 0 && m.adds() {
		all = append(all, site.Problem("settings-refused", fmt.Sprintf("%s: %s cannot be edited: %s", m.host, m.component.Settings, m.list.Closed),
			fmt.Sprintf("make %s an array on the host, be it an empty one; nothing was written", r.spec.Setting), m.host))
	}
	all = append(all, m.list.InForce(m.host)...)
	if len(m.list.Overrides) == 0 {
		all = append(all, m.list.Uncovered(m.host, len(m.wanted))...)
	}
	if m.list.Text && len(m.wanted) > 1 {
		all = append(all, site.Warning("list-in-one-text", fmt.Sprintf("%s: %s is one text, and will hold %d thumbprints", m.host, r.spec.Setting, len(m.wanted)),
			"if the product does not take it apart at commas, make an array of it first", m.host))
	}
	for _, text := range m.list.Members {
		if _, ok := found(text); ok {
			continue
		}
		says := "holds something that is no thumbprint"
		switch t := meant(text); len(t) {
		case 40:
			says = fmt.Sprintf("spells %s so that .NET does not find it, and the relay does not accept it", short(t))
		case 64:
			says = fmt.Sprintf("holds a SHA-256 fingerprint (%s): the product compares SHA-1 thumbprints", short(t))
		}
		all = append(all, site.Warning("thumbprint-not-found", m.host+": "+r.spec.Setting+" "+says, "the rotation takes it out, and writes what is declared as .NET finds it", m.host))
	}
	return append(append(all, r.guardUse(in, m)...), r.guardRestart(in, m, r.spec.declared())...)
}

// guardUse refuses to take a certificate off while a connector of the relay is signed with it, or while nobody can say so. One whose
// key others have goes all the same, and what is signed with it is refused from then on.
func (r *Rotation) guardUse(in reconciler.Input, m member) []reconciler.Finding {
	var all []reconciler.Finding
	use := m.inUse(r.spec.declared())
	for _, t := range slices.Sorted(maps.Keys(use)) {
		if r.stolen(in, t) {
			all = append(all, site.Warning("thumbprint-in-use", fmt.Sprintf("%s: %s signed with %s, whose key others have: the relay refuses %s from then on", m.host, isSigned(use[t]), t, them(use[t])),
				replaceThem, m.host))
			continue
		}
		all = append(all, site.Problem("thumbprint-in-use", fmt.Sprintf("%s: %s signed with %s, which is to be retired: without it the relay refuses %s", m.host, isSigned(use[t]), t, them(use[t])),
			keeping(in, "deploy connectors that are signed with another accepted certificate first, or leave it on the list", t), m.host))
	}
	if spared := r.spared(in, m.going()); len(spared) > 0 {
		all = append(all, m.unknownUse(spared)...)
	}
	return all
}

// unknownUse refuses to take away certificates where nobody can say whether a connector is signed with them.
func (m member) unknownUse(gone []string) []reconciler.Finding {
	var all []reconciler.Finding
	if text, hint := m.unseen(); text != "" {
		all = append(all, site.Problem("connectors-unseen", fmt.Sprintf("%s: whether a connector is signed with %s is not known", text, shorts(gone)), hint, m.host))
	}
	for _, f := range m.signatures.Files {
		if f.Error != 0 && len(f.Signers) == 0 {
			all = append(all, site.Problem("connector-unreadable", fmt.Sprintf("%s: who has signed %s is not known (Windows error %d): it may be with %s", m.host, f.Name, f.Error, shorts(gone)),
				"see what is wrong with the file on the host", m.host))
		}
	}
	return all
}

// guardPin refuses to take a certificate off while builds are signed with it, or while nobody can say so.
func (r *Rotation) guardPin(in reconciler.Input, w work) []reconciler.Finding {
	retiring := site.Where(w.all, func(m member) bool { return m.whole() && len(m.going()) > 0 })
	if r.build == nil || len(retiring) == 0 {
		return nil
	}
	say := site.Problem
	if !slices.ContainsFunc(retiring, func(m member) bool { return len(r.spared(in, m.going())) > 0 }) {
		say = site.Warning
	}
	seen, host := site.Answer[site.PinSeen](in.Seen, r.build.pin), r.build.host
	if seen == nil || seen.Refused != "" || seen.Other {
		return []reconciler.Finding{say("pin-unseen", fmt.Sprintf("%s: which certificate it signs with is not known: it may be %s, which is to be retired", host, shorts(retiring[0].going())),
			"see that the build host can be looked at, and what "+r.build.pin.PinAt.Says()+" is", host)}
	}
	for _, m := range retiring {
		if t := pinned(seen); slices.Contains(m.going(), t) {
			if r.stolen(in, t) {
				return nil // the build host is told to sign with another one in this same plan
			}
			return []reconciler.Finding{say("thumbprint-pinned", fmt.Sprintf("%s: %s is %s, which is to be retired: relays would refuse what is built next", host, r.build.pin.PinAt.Says(), t),
				keeping(in, "accept both, mark the other with `use: signing`, and apply; then retire this one", t), host)}
		}
	}
	return nil
}

// keeping is a hint that may let people accept certificates, unless others have the key of one of them: then they go at once.
func keeping(in reconciler.Input, hint string, certificates ...string) string {
	if what, _ := in.History.Leaked(name, "", certificates); what != "" {
		return fmt.Sprintf("others have the key of %s: deploy connectors that are signed with another certificate, or take it off at once with `meshrotate rotate --compromised %s WHY`", short(what), name)
	}
	return hint
}

// unseen is why nobody knows which connectors a relay has, and what to do; "" when they are known.
func (m member) unseen() (text, hint string) {
	switch s := m.signatures; {
	case s.Error != 0:
		return fmt.Sprintf("%s: the folder %s cannot be read (Windows error %d)", m.host, s.Folder, s.Error), "let meshrotate's account read the folder"
	case m.bare && (!s.Exists || s.Below == "" && len(s.Files) == 0):
		return "", ""
	case !s.Exists:
		return fmt.Sprintf("%s: there is no folder %s", m.host, s.Folder), "name the folder that the relay has its connectors in, as secrets.codeSigning.connectors.folder; a relay that has none stands under connectors.none"
	case s.Below != "" && !strings.HasSuffix(strings.ToLower(s.Below), strings.ToLower(m.node.signatures.Suffix)):
		return fmt.Sprintf("%s: the folder %s below %s is a link, or cannot be looked into: whether connectors lie there is not known", m.host, s.Below, s.Folder),
			"lay all connectors into one folder without links, and name it as secrets.codeSigning.connectors.folder"
	case s.Below != "":
		return fmt.Sprintf("%s: %s lies in a folder below %s, where nothing is looked at", m.host, s.Below, s.Folder), "lay all connectors into one folder, and name it as secrets.codeSigning.connectors.folder"
	case len(s.Files) == 0:
		return fmt.Sprintf("%s: there is no *%s in %s", m.host, m.node.signatures.Suffix, s.Folder), "name the folder that the relay has its connectors in, and how their names end, as secrets.codeSigning.connectors; a relay that has none stands under connectors.none"
	}
	return "", ""
}

func isSigned(files []string) string {
	if len(files) == 1 {
		return files[0] + " is"
	}
	return some(files) + " are"
}

func them(files []string) string {
	if len(files) == 1 {
		return "it"
	}
	return "them"
}

// notAccepted is a connector of a certificate that the relay does not accept.
const notAccepted reconciler.FindingID = "connector-not-accepted"

// connectors are what is wrong with them, and which certificate is used where.
func (r *Rotation) connectors(in reconciler.Input, w work) []reconciler.Finding {
	var all []reconciler.Finding
	for _, m := range site.Where(w.all, member.whole) {
		if text, hint := m.unseen(); text != "" && len(m.going()) == 0 {
			all = append(all, site.Warning("connectors-unseen", text+": which connectors it has is not known", hint, m.host))
		}
		say := func(code reconciler.FindingID, says, hint string, is func(site.SignedFile) bool) {
			var files, signers []string
			refused := code == notAccepted
			for _, f := range m.signatures.Files {
				if is(f) {
					files = append(files, f.Name)
					refused = refused || f.Trust == site.Unsigned || f.Trust == site.Tampered || f.Trust == site.Expired || f.Trust == site.Untrusted
					for _, s := range f.Signers {
						signers = append(signers, s.SHA1)
					}
				}
			}
			if len(files) > 0 {
				f := site.Warning(code, fmt.Sprintf("%s: %s: %s", m.host, says, some(files)), hint, m.host)
				f.Drift = refused
				if code == notAccepted {
					if what, _ := in.History.Leaked(name, "", signers); what != "" {
						f.Hint = fmt.Sprintf("others have the key of %s: deploy connectors that are signed with another certificate, or take these away", short(what))
					}
				}
				all = append(all, f)
			}
		}
		say("connector-unsigned", "not signed", "the relay refuses it: deploy one that is signed, or take it away", func(f site.SignedFile) bool { return f.Trust == site.Unsigned })
		say("connector-tampered", "changed since it was signed", "find out who changed it and why, and deploy it anew", func(f site.SignedFile) bool { return f.Trust == site.Tampered })
		say("connector-expired", "its certificate has expired, and it has no timestamp", "sign it anew, with a timestamp", func(f site.SignedFile) bool {
			return f.Trust == site.Expired || len(f.Signers) > 0 && !f.Signers[0].Stamped && f.Signers[0].NotAfter.Before(in.Now)
		})
		say("connector-untrusted", "signed with a certificate that ends in no authority which the host trusts", "import the authority's certificate on the relay, or sign it anew with one that the host trusts", func(f site.SignedFile) bool { return f.Trust == site.Untrusted })
		say("connector-signed-twice", "signed twice, and the relay may look at either signature", "sign it once, and accept both certificates until then", func(f site.SignedFile) bool { return len(f.Signers) > 1 })
		say(notAccepted, "signed with a certificate that the relay neither accepts nor is to accept", "declare the certificate, or take the connector away", func(f site.SignedFile) bool {
			if len(f.Signers) == 0 {
				return false
			}
			first := f.Signers[0].SHA1 // a relay looks at no other
			return !m.mayAccept(first) && !slices.Contains(m.accepts, first) && !slices.Contains(r.spec.declared(), first)
		})
		say("connector-unjudged", "its signature cannot be judged", "see what is wrong with the file on the host", func(f site.SignedFile) bool {
			return f.Error != 0 && (len(f.Signers) > 0 || len(r.spared(in, m.going())) == 0) // else it refuses, by another name
		})
	}
	return append(all, r.usage(w)...)
}

// signedWith is how many connectors are signed with a certificate, and on which relays.
func (w work) signedWith() (files map[string]int, relays map[string][]member) {
	files, relays = map[string]int{}, map[string][]member{}
	for _, m := range site.Where(w.all, member.whole) {
		for _, f := range m.signatures.Files {
			for _, s := range f.Signers {
				files[s.SHA1]++
				if n := len(relays[s.SHA1]); n == 0 || relays[s.SHA1][n-1].host != m.host {
					relays[s.SHA1] = append(relays[s.SHA1], m)
				}
			}
		}
	}
	return files, relays
}

// usage says of every certificate which connectors are signed with it.
func (r *Rotation) usage(w work) []reconciler.Finding {
	files, relays := w.signedWith()
	for _, t := range r.spec.declared() {
		files[t] += 0
	}
	var all []reconciler.Finding
	for _, t := range slices.Sorted(maps.Keys(files)) {
		text := fmt.Sprintf("%s: no connector is signed with it", t)
		if dark := w.unseen(); len(dark) > 0 {
			text = fmt.Sprintf("%s: no connector that was seen is signed with it; those of %s were not", t, some(dark))
		}
		if n := files[t]; n > 0 {
			text = fmt.Sprintf("%s: %s signed with it, on %s", t, site.Count(n, "connector"), who(relays[t]))
		}
		f := site.Note("thumbprint-use", text, "")
		if len(relays[t]) > 1 { // of one alone the text says it
			f.Hosts = hosts(relays[t])
		}
		all = append(all, f)
	}
	return all
}

// guardSigner says of certificates whose key others have, as they were taken from the build host for that, that relays go on accepting
// them: a thief signs on, whatever the build host signs with.
func (r *Rotation) guardSigner(in reconciler.Input, w work) (all []reconciler.Finding) {
	for _, t := range r.trusted(w) {
		var begins []string
		for n := enough; n <= len(t); n++ {
			begins = append(begins, t[:n])
		}
		if what, why := in.History.Leaked(buildName, "", begins); what != "" && !r.stolen(in, t) {
			f := site.Warning("signer-still-accepted", fmt.Sprintf("%s: others have its key (%s), and relays accept it, or are to: what they sign is loaded", t, why), r.takeOff())
			f.Drift = true
			all = append(all, f)
		}
	}
	return all
}

// trusted are the certificates that relays are to accept, or accept now.
func (r *Rotation) trusted(w work) []string {
	all := r.spec.declared()
	for _, m := range w.all {
		all = append(all, m.accepts...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func (r *Rotation) takeOff() string {
	return "take it out of secrets.codeSigning.thumbprints, and run `meshrotate rotate --compromised " + name + " WHY`: it goes from the relays, and the build host signs with another one, in one run"
}

// guardSigner refuses to replace what others have the key of on the build host alone.
func (r *builder) guardSigner(in reconciler.Input, s sight) []reconciler.Finding {
	if in.Compromised(r.ref) == "" || s.pinned == "" || s.pinned == r.signing || !slices.Contains(r.relays.trusted(r.relays.need(in)), s.pinned) {
		return nil
	}
	return []reconciler.Finding{site.Problem("signer-still-accepted", fmt.Sprintf("%s: others have its key, and relays accept it, or are to: to sign with another one takes nothing from a thief", s.pinned), r.relays.takeOff())}
}
