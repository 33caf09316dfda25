package license

import (
	"cmp"
	"fmt"
	"strings"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
)

// Names that those who serve a license give to what else tells one from another, and to whether it is good.
var (
	numberNames = []string{"licenseNumber", "licenseId", "serialNumber", "serial", "number", "id"}
	printNames  = []string{"fingerprint", "thumbprint", "sha256", "hash", "checksum"}
	issueNames  = []string{"issuedUtc", "issuedAt", "issuedOn", "issued", "issueDate", "issuedDate", "validFrom", "notBefore", "iat"}
	validNames  = []string{"valid", "isValid", "licenseValid", "isLicensed", "licensed"}
	endedNames  = []string{"isExpired", "expired", "hasExpired", "isRevoked", "revoked", "isSuspended", "isBlocked", "isTampered"}
	statusNames = []string{"status", "licenseStatus", "state", "licenseState"}
)

// unlicensed are tiers of no license, and bad are words for one that is not good.
var (
	unlicensed = []string{"unlicensed", "none"}
	bad        = []string{"invalid", "expired", "revoked", "rejected", "unlicensed", "suspended", "disabled", "blocked", "missing", "corrupt", "tampered", "error", "failed",
		"notFound", "not found", "none"}
	no  = []string{"false", "no", "0"}
	yes = []string{"true", "yes", "1"}
)

// marks are what else tells one license from another. Seats do not: two licenses may have as many, and one may change how many are in use.
func (r *Rotation) marks() []site.Field {
	all := []site.Field{{Name: "number", Of: numberNames, Own: true}, {Name: "fingerprint", Of: printNames, Fold: true, Own: true}, {Name: "issue", Of: issueNames, Time: true, Own: true}}
	if r.spec.Fields != nil && r.spec.Fields.Number != "" {
		all[0].Of = []string{r.spec.Fields.Number}
	}
	return all
}

// health is whether Admin finds the license good: that tells no license from another.
func (r *Rotation) health() []site.Field {
	all := []site.Field{{Name: "valid", Of: validNames, Own: true, Not: no, Beside: true}, {Name: "status", Of: statusNames, Fold: true, Own: true, Not: bad, Beside: true}}
	for _, name := range endedNames { // each by itself: one that has not expired may be revoked
		all = append(all, site.Field{Name: name, Of: []string{name}, Own: true, Not: yes, Beside: true})
	}
	if r.spec.Fields != nil && r.spec.Fields.Status != "" {
		own := []string{r.spec.Fields.Status}
		all = []site.Field{{Name: "status", Of: own, Fold: true, Not: append(append([]string{}, no...), bad...), Beside: true}}
	}
	return all
}

// told is how far Admin's answer tells the declared license from the one before.
type told int

const (
	plainly told = iota // what is known of it is in the answer, and is not there yet
	changed             // something in the answer must change
	untold              // nothing in the answer could: a start after the file was placed shows that it was read
	read                // the same, of a file that Admin was proven with before
)

// tells says how the declared license is told. What Admin answered before must never prove it: where that is all that is known of it,
// something else must change, or Admin starts anew.
func (r *Rotation) tells(input reconciler.Input, w work) (told, map[string]string) {
	answer := site.Answer[site.AnswerSeen](input.Seen, r.served())
	if w.next == nil || !w.reload {
		return plainly, nil
	}
	before := site.AnsweredBefore(input.History, r.ref.Name, r.noteName())
	noted := before != nil
	if !noted && answer != nil {
		before = answer.Fields
	}
	was := loaded(&site.AnswerSeen{Fields: before})
	e, proven := input.History.LastProven(r.ref.Name)
	whole := w.next.Customer != "" && w.next.Tier != "" && (w.next.Never || !w.next.Expires.IsZero())
	switch {
	case before != nil && !serves(was, w.next), before == nil && !w.next.Opaque() && !silent(w.next):
		return plainly, before
	case proven && e.Version == r.ref.Version:
		return read, nil
	case w.pending && !noted && len(w.files) == 0:
		return untold, nil // it may have been read already
	case before != nil && (!whole && !r.alike(w) || r.marked(before)):
		return changed, before
	}
	return untold, before
}

// alike says that the live file says its end in the very words of the declared one, which nobody here can read, and the rest, too: the
// answer cannot change.
func (r *Rotation) alike(w work) bool {
	live := r.liveFile(w.all)
	return live != nil && w.next.UnreadEnd != "" && live.UnreadEnd == w.next.UnreadEnd && live.Customer == w.next.Customer && live.Tier == w.next.Tier && live.Customer != "" && live.Tier != ""
}

// noteName is by what name the ledger keeps what Admin answered before this version.
func (r *Rotation) noteName() string { return "license answer before " + r.ref.Version }

func (r *Rotation) marked(answer map[string]string) bool {
	for _, f := range r.marks() {
		if answer[f.Name] != "" {
			return true
		}
	}
	return false
}

// proof is what Admin must answer of the declared license. What nobody says of an opaque file is as in the license before: its
// customer, and no lower tier.
func (r *Rotation) proof(w work) site.ProveAnswer {
	next := *provable(w.next, w.served)
	note := ""
	if w.before != nil {
		note = r.noteName()
	}
	if w.told == plainly {
		op := r.serves(&next)
		if next.Tier == "" { // what the file does not say by name, Admin does
			tier := r.fields(next)[1]
			tier.Not = r.lower(cmp.Or(r.spec.Tier, w.before["tier"]))
			op.Want = append(op.Want, tier)
		}
		op.Want, op.Before = append(op.Want, r.health()...), note
		for i, f := range op.Want {
			op.Want[i].Was, op.Want[i].Lasting = w.before[f.Name], f.Name == "expiry"
		}
		return op
	}
	next.Customer = cmp.Or(next.Customer, w.before["customer"])
	op := r.serves(&next)
	op.Want = nil
	for _, f := range append(r.fields(next), r.marks()...) {
		f.Was = w.before[f.Name]
		if f.Name == "tier" {
			f.Not = r.lower(f.Was)
		}
		f.Lasting = f.Name == "expiry" && w.told == changed
		op.Want = append(op.Want, f)
	}
	op.Want = append(op.Want, r.health()...)
	op.Before = note
	switch w.told {
	case untold:
		op.Untold, op.What = true, "Admin answers as it did before: that it has read the file its start shows"
		return op
	case read:
		op.Untold, op.What = true, "Admin answers as it did when this version was proven, and was asked to read its file again"
		return op
	}
	op.Changed, op.Again, op.What = true, r.spec.ReloadEndpoint, "what Admin answers of its license has changed"
	op.Hint = "see in Admin's log whether it took the file; if it did, declare what the file says, secrets.license.customer, tier and expires (a tier below the live one is taken only where it is declared), or name what in the answer is another for each license as secrets.license.fields.number"
	return op
}

// lower are the tiers below one, and those of no license.
func (r *Rotation) lower(tier string) []string {
	return append(append([]string{}, unlicensed...), r.spec.Tiers[:max(r.spec.rank(tier), 0)]...)
}

// guardTold says how far a file that nobody here can read will be proven.
func (r *Rotation) guardTold(input reconciler.Input, w work) []reconciler.Finding {
	var findings []reconciler.Finding
	findings = append(findings, r.guardState(input, w)...)
	const declare = "declare what the file says: secrets.license.customer, tier, expires"
	code, says := reconciler.FindingID("license-opaque"), fmt.Sprintf("license %s is of a layout that only the product reads", r.ref.Version)
	switch {
	case w.next == nil || w.next.Opaque():
	case w.next.UnreadEnd != "" && w.next.Expires.IsZero() && !w.next.Never:
		code, says = "license-end", fmt.Sprintf("license %s says %s, which nobody here can read: whether it has ended is not checked", r.ref.Version, w.next.UnreadEnd)
		if w.told == plainly {
			findings = append(findings, site.Warning(code, says, "declare when it ends: secrets.license.expires"))
		}
	case w.next.Expires.IsZero() && !w.next.Never:
		code, says = "license-end", fmt.Sprintf("license %s does not say when it ends", r.ref.Version)
	default:
		code, says = "license-alike", fmt.Sprintf("license %s says what Admin serves already", r.ref.Version)
	}
	switch w.told {
	case changed:
		text := says + fmt.Sprintf(": it is proven once Admin's answer to GET %s changes%s, and else put back", r.spec.Endpoint, r.kept(w))
		if !r.marked(w.before) && strings.TrimSpace(w.before["customer"]+w.before["tier"]+w.before["expiry"]) == "" {
			return append(findings, site.Problem("license-answer", fmt.Sprintf("%s, and Admin's answer to GET %s names nothing of a license: nothing would prove it", says, r.spec.Endpoint),
				declare+"; if the answer has them by other names, name those in secrets.license.fields; where it has not, "+withoutAPI))
		}
		findings = append(findings, site.Warning(code, text, declare))
	case untold:
		findings = append(findings, site.Warning(code, says+", and what is known of it does not tell it from the one before: Admin is asked to read it, and then starts anew, as nothing else shows that it has",
			"name what in the answer is another for each license as secrets.license.fields.number: then no start is needed; relays are not connected while Admin starts"))
	case read:
		findings = append(findings, site.Warning(code, says+", and was proven before: Admin is asked to read it again, and that it has is not shown",
			"see in Admin's log that it took the file; or name what in the answer is another for each license as secrets.license.fields.number"))
	}
	return findings
}

// guardState says that a proof would not take what Admin says of the live license. A new one may be the cure, but for a word that is not
// the license's: one that says it has ended, when by the same answer it has not.
func (r *Rotation) guardState(input reconciler.Input, w work) (findings []reconciler.Finding) {
	answer := site.Answer[site.AnswerSeen](input.Seen, r.served())
	if answer == nil {
		return nil
	}
	lasts := w.served.Never || w.served.Expires.After(input.Now)
	for _, f := range r.health() {
		word := answer.Fields[f.Name]
		if !f.Refused(word) {
			continue
		}
		text := fmt.Sprintf("Admin's answer to GET %s says %s = %q of the license that it serves", r.spec.Endpoint, f.Name, word)
		if lasts && w.reload && !w.pending && strings.Contains(strings.ToLower(f.Name+word), "expired") {
			findings = append(findings, site.Problem("license-state", text+fmt.Sprintf(", which %s: that is said of something else, another license would not change it, and no proof takes it", ends(w.served)),
				"name the field that tells whether the license is good as secrets.license.fields.status, such as license.status"))
			continue
		}
		findings = append(findings, site.Warning("license-state", text+": a proof does not take that of another",
			"see what is wrong with the live license; if another field tells whether it is good, name it as secrets.license.fields.status"))
	}
	return findings
}

// kept is what must not change with the rest.
func (r *Rotation) kept(w work) string {
	text := ""
	if tier := w.before["tier"]; w.next != nil && w.next.Tier == "" && r.spec.rank(tier) > 0 {
		text = " and names no tier below " + tier
	}
	return text
}
