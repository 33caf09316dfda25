package codesigning

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/specs"
)

// stages are how many days before its end it is said of a certificate that it expires, the last ones first.
var stages = []int{7, 30, 60}

// expiring is within how many days a certificate expires, if that is soon. Of one that has expired it is said what needs it.
func expiring(at, now time.Time) (days int, soon bool) {
	i := slices.IndexFunc(stages, func(days int) bool { return at.Sub(now) <= time.Duration(days)*24*time.Hour })
	if i < 0 || !at.After(now) {
		return 0, false
	}
	return stages[i], true
}

// certificates are those that connectors are signed with, by thumbprint.
func (w work) certificates() map[string]site.Signer {
	all := map[string]site.Signer{}
	for _, m := range site.Where(w.all, member.whole) {
		for _, f := range m.signatures.Files {
			for _, s := range f.Signers {
				all[s.SHA1] = s
			}
		}
	}
	return all
}

// expires is when the first of the declared certificates does that connectors are signed with, zero while none is.
func (r *Rotation) expires(w work) (at time.Time) {
	seen := w.certificates()
	for _, c := range r.spec.Thumbprints {
		if s, ok := seen[string(c.SHA1)]; ok && (at.IsZero() || s.NotAfter.Before(at)) {
			at = s.NotAfter
		}
	}
	return at
}

// overlaps are the certificates that are to be retired, while another one is accepted beside them.
func (r *Rotation) overlaps(in reconciler.Input, w work) []reconciler.Overlap {
	var all []reconciler.Overlap
	for _, c := range r.spec.Thumbprints {
		day, err := time.Parse(time.DateOnly, c.RetireAfter)
		if err != nil || len(r.spec.Thumbprints) < 2 {
			continue
		}
		o := reconciler.Overlap{Old: short(string(c.SHA1)), Ends: specs.EndOf(day)}
		if since, ok := in.History.Since(name); ok && since.Version == r.ref.Version {
			o.Began = since.Time
		}
		o.Held = strings.Join(r.holds(in, w, string(c.SHA1)), "; ")
		all = append(all, o)
	}
	return all
}

// holds are what keeps a certificate from being taken off, and what nobody has seen that may.
func (r *Rotation) holds(in reconciler.Input, w work, certificate string) (all []string) {
	if files, _ := w.signedWith(); files[certificate] > 0 {
		all = append(all, site.Count(files[certificate], "connector")+" signed with it")
	}
	if r.build != nil {
		switch pin := site.Answer[site.PinSeen](in.Seen, r.build.pin); {
		case pin == nil || pin.Error != 0 || pin.Refused != "" || pin.Other:
			all = append(all, "what the build host signs with is not known")
		case pinned(pin) == certificate:
			all = append(all, "the build host signs with it")
		}
	}
	if dark := w.unseen(); len(dark) > 0 {
		all = append(all, "which connectors "+some(dark)+" "+hasOrHave(len(dark))+" is not known")
	}
	return all
}

// unseen are the relays of which nobody knows by whom all of their connectors are signed.
func (w work) unseen() []string {
	return hosts(site.Where(w.all, func(m member) bool {
		if !m.whole() {
			return true
		}
		text, _ := m.unseen()
		return text != "" || slices.ContainsFunc(m.signatures.Files, func(f site.SignedFile) bool { return f.Error != 0 && len(f.Signers) == 0 })
	}))
}

func hasOrHave(n int) string {
	if n == 1 {
		return "has"
	}
	return "have"
}

// dates say which certificate expires soon, and which overlap has lasted long enough.
func (r *Rotation) dates(in reconciler.Input, w work) []reconciler.Finding {
	var all []reconciler.Finding
	seen := w.certificates()
	_, relays := w.signedWith()
	for _, t := range slices.Sorted(maps.Keys(seen)) {
		at := seen[t].NotAfter
		days, soon := expiring(at, in.Now)
		if !soon {
			continue
		}
		all = append(all, site.Warning("certificate-expires", fmt.Sprintf("%s expires on %s, within %d days: what is signed with it and has no timestamp is invalid then", t, at.UTC().Format(time.DateOnly), days),
			"get its successor, accept it here, and sign the connectors with it, each with a timestamp", hosts(relays[t])...))
	}
	for _, c := range r.spec.Thumbprints {
		day, err := time.Parse(time.DateOnly, c.RetireAfter)
		if err != nil || in.Now.Before(specs.EndOf(day)) {
			continue
		}
		text, hint := fmt.Sprintf("%s is to be retired after %s, and nothing is signed with it any more", c.SHA1, c.RetireAfter), "take it out of the document"
		if _, used := seen[string(c.SHA1)]; used {
			text, hint = fmt.Sprintf("%s is to be retired after %s, and connectors are still signed with it", c.SHA1, c.RetireAfter), "deploy connectors that are signed with another accepted certificate; then take it out of the document"
		} else if holds := r.holds(in, w, string(c.SHA1)); len(holds) > 0 {
			text, hint = fmt.Sprintf("%s is to be retired after %s: %s", c.SHA1, c.RetireAfter, strings.Join(holds, "; ")), "see to that first; then take it out of the document"
		}
		all = append(all, site.Warning("thumbprint-overdue", text, hint))
	}
	return all
}
