package license

import (
	"fmt"
	"strings"
	"time"

	"meshrotate/providers/licensefile"
	"meshrotate/providers/site"
	"meshrotate/reconciler"
)

// guard collects the reasons not to go on, and the warnings.
func (r *Rotation) guard(input reconciler.Input, all []reader) []reconciler.Finding {
	findings := r.guardFile(input, all)
	switch {
	case !r.hasAPI || r.asked(input):
	case all[0].whole() && !all[0].service.Running():
		// A run that was cut off in the switch leaves it so. Refusing here would leave it so for ever.
		findings = append(findings, reconciler.Finding{Severity: reconciler.Warning, Code: "admin-stopped",
			Text: "Admin is stopped, so its API does not answer: it is started, and then asked which license it serves"})
	default:
		findings = append(findings, site.APIFailed(input.Seen, r.served(), "the license that Admin serves is not known",
			"or "+withoutAPI))
	}
	shut := site.ShutOf(input)
	for _, l := range all {
		part := site.Part{Preflight: l.preflight, Service: l.service, Machine: site.Answer[site.MachineSeen](input.Seen, l.machine), Restart: l.restart, Replace: l.edit, Shut: shut}
		if l.whole() && l.restart && !l.edit && l.service.Running() {
			part.Unread = &l.file.Base
		}
		if !l.whole() {
			findings = append(findings, site.HostFailed(input.Seen, l.host, l.label, ""))
		} else if l.preflight.Path != "" {
			part.Error = l.file.Error
		}
		findings = append(findings, part.Findings(input)...)
	}
	return findings
}

// guardFile looks at the declared file: an expired one, another customer's, or one of a lower tier never gets near a host.
func (r *Rotation) guardFile(input reconciler.Input, all []reader) []reconciler.Finding {
	v := site.Answer[site.ValueSeen](input.Seen, r.value())
	switch {
	case v == nil:
		text := "the license file is not to be had"
		if err := input.Seen[site.Values].Err; err != nil {
			text += ": " + err.Error()
		}
		return []reconciler.Finding{site.Problem("value-unavailable", text, "look at secrets.license.from and at state.seal")}
	case v.Problem != "":
		hint := "look at secrets.license.from"
		if v.Hint != "" {
			hint = v.Hint
		}
		return []reconciler.Finding{site.Problem("value-unavailable", "the license file is not to be had: "+v.Problem, hint)}
	case v.Unfit != "":
		return []reconciler.Finding{site.Problem("license-invalid", v.Unfit, "ask for the file again; if it is one that only the product reads, declare secrets.license.layout: opaque; nothing was changed")}
	case in(v.Content) == nil:
		return []reconciler.Finding{site.Problem("license-invalid", "the license file could not be read", "ask for the file again")}
	}
	next := r.declared(input)
	findings := append(r.guardLayout(next, r.liveFile(all)), r.guardClaims(input, next, all)...)
	if v.SourceChanged {
		findings = append(findings, site.SourceChanged(r.ref, r.spec.From.String()))
	}
	findings = append(findings, r.guardStanding(next, input.Now)...)
	if next.Expires.IsZero() {
		return findings // never, or nobody here knows
	}
	if !next.Expires.Add(next.Precision).After(input.Now) {
		findings = append(findings, site.Problem("license-expired", fmt.Sprintf("license %s expired on %s", r.ref.Version, next.Expires.UTC().Format(time.DateOnly)),
			"ask for a file that is still good"))
	} else if days := reconciler.Days(next.Expires, input.Now); days <= 60 {
		findings = append(findings, reconciler.Finding{Severity: reconciler.Warning, Code: "license-expires",
			Text: fmt.Sprintf("license %s expires on %s, %s%s", r.ref.Version, next.Expires.UTC().Format(time.DateOnly), inDays(days), urgency(days)),
			Hint: "order the next one"})
	}
	return findings
}

// guardStanding refuses a file that is not valid yet, or says of itself that it is withdrawn: the product would run without a license.
func (r *Rotation) guardStanding(next *licensefile.License, now time.Time) []reconciler.Finding {
	var findings []reconciler.Finding
	if b := next.Begins.UTC(); b.Add(-next.BeginsWithin).After(now) {
		form := time.DateOnly
		if !b.Equal(b.Truncate(24 * time.Hour)) {
			form = "2006-01-02 15:04 UTC"
		}
		findings = append(findings, site.Problem("license-early", fmt.Sprintf("license %s is not valid before %s", r.ref.Version, b.Format(form)),
			"apply it once it is valid, or ask for a file that is valid now"))
	}
	if next.Withdrawn != "" {
		findings = append(findings, site.Problem("license-withdrawn", fmt.Sprintf("license %s says of itself that it is not good: %s", r.ref.Version, next.Withdrawn),
			"ask for a file that is good"))
	}
	return findings
}

func (r *Rotation) guardClaims(input reconciler.Input, next *licensefile.License, all []reader) []reconciler.Finding {
	var findings []reconciler.Finding
	served, file := r.measures(input, all)
	customer, source := r.spec.Customer, "the document names"
	if customer == "" {
		customer, source = whose(served.Customer, file.Customer, "Admin serves one for", "the live file is for")
	}
	if customer != "" && next.Customer != "" && !strings.EqualFold(strings.TrimSpace(customer), next.Customer) {
		findings = append(findings, site.Problem("license-customer", fmt.Sprintf("license %s is for %q; %s %q", r.ref.Version, next.Customer, source, customer),
			"if the customer was renamed, declare the new name as secrets.license.customer"))
	}
	findings = append(findings, r.guardTier(input, next, all, served, file)...)
	if end, precision, never, err := licensefile.ParseExpiry(r.spec.Expires); r.spec.Expires != "" && err == nil &&
		!next.SameExpiry(&licensefile.License{Expires: end, Precision: precision, Never: never}) {
		findings = append(findings, site.Problem("license-expiry", fmt.Sprintf("license %s %s; the document says %s", r.ref.Version, ends(next), r.spec.Expires),
			"name the file that is meant, or correct secrets.license.expires"))
	}
	now := served
	if !file.Expires.IsZero() && sameEnd(served, file) || now.Expires.IsZero() && !now.Never {
		now = file
	}
	if !next.Expires.IsZero() && now.Never {
		findings = append(findings, site.Warning("license-earlier",
			fmt.Sprintf("license %s expires on %s; the live one never does", r.ref.Version, next.Expires.UTC().Format(time.DateOnly)), "make sure that it is the one that is meant"))
	}
	if !next.Expires.IsZero() && next.Expires.Before(now.Expires) {
		findings = append(findings, reconciler.Finding{Severity: reconciler.Warning, Code: "license-earlier",
			Text: fmt.Sprintf("license %s expires on %s, before the live one (%s)", r.ref.Version, next.Expires.UTC().Format(time.DateOnly), now.Expires.UTC().Format(time.DateOnly)),
			Hint: "make sure that it is not an old file"})
	}
	return findings
}

// guardTier refuses a lower tier than is declared, or else live. Which one a number is, only Admin can say: of the file that it has read.
func (r *Rotation) guardTier(input reconciler.Input, next *licensefile.License, all []reader, served, file *licensefile.License) []reconciler.Finding {
	tier, source := r.spec.Tier, "the document asks for"
	if tier == "" {
		tier, source = whose(served.Tier, file.Tier, "Admin serves", "the live file has")
	}
	have, want := r.spec.rank(next.Tier), r.spec.rank(tier)
	lower := func(text string) []reconciler.Finding {
		return []reconciler.Finding{site.Problem("license-tier", fmt.Sprintf("license %s %s; %s %s", r.ref.Version, text, source, tier),
			"if the lower tier is meant, declare it as secrets.license.tier")}
	}
	switch {
	case next.Tier == "" || number(next.Tier):
		read, told := r.fileRead(input, all), ""
		if answer := loaded(site.Answer[site.AnswerSeen](input.Seen, r.served())); answer != nil && read != nil && (!all[0].edit || next.Tier != "" && read.Tier == next.Tier) {
			told = answer.Tier
		}
		_, pending := input.History.Pending(r.ref.Name, r.ref.Version) // the proof has the word then, and a way back
		if have = r.spec.rank(told); have >= 0 && have < want && !pending {
			return lower(fmt.Sprintf("has a tier that Admin calls %s", told))
		}
		if have >= 0 || next.Tier == "" || r.spec.Tier == "" && (next.Tier == served.Tier || next.Tier == file.Tier) {
			return nil
		}
	case have < 0:
		return []reconciler.Finding{site.Problem("license-tier", fmt.Sprintf("license %s has the tier %q, which is none of %s", r.ref.Version, next.Tier, strings.Join(r.spec.Tiers, ", ")),
			"if the vendor has new tiers, list all of them, lowest first, as secrets.license.tiers")}
	case have < want:
		return lower("has the tier " + next.Tier)
	case !number(tier):
		return nil
	}
	if tier == "" {
		return nil
	}
	text := fmt.Sprintf("license %s has the tier %s; %s %s: whether that is lower is not known", r.ref.Version, next.Tier, source, tier)
	if r.hasAPI && want >= 0 && !number(served.Tier) {
		text += ", and it is put back where Admin calls it by the name of a lower one"
	}
	return []reconciler.Finding{site.Warning("license-tier-number", text, "make sure that it is the one that is meant")}
}

// guardLayout refuses a file that is written in another way than the live one: the vendor may have changed that, or a part such as its
// signature is missing.
func (r *Rotation) guardLayout(next, now *licensefile.License) []reconciler.Finding {
	var findings []reconciler.Finding
	want, source := r.spec.Layout, "the document says"
	if want == "" && now != nil && !now.Opaque() { // an unreadable one may be damaged, and this its repair
		want, source = now.Layout, "the live file is"
	}
	if want != "" && next.Layout != want {
		what, otherwise := "the vendor writes them otherwise now, or a part such as the signature is missing, or it is another file", "compare it with what the vendor sent"
		switch {
		case next.Opaque() && next.Whole:
			what = "it is whole, so that the vendor writes them otherwise now, or it is another file"
		case next.Opaque():
			what, otherwise = "it is cut short, or something else, or the vendor writes them otherwise now", "ask for the file again"
		}
		findings = append(findings, site.Problem("license-layout", fmt.Sprintf("license %s is a file of the layout %s; %s %s: %s", r.ref.Version, next.Layout, source, want, what),
			"if the vendor writes them so now, declare it: secrets.license.layout: "+next.Layout+"; else "+otherwise))
	}
	return findings
}

func inDays(n int) string {
	switch {
	case n < 0:
		return "which is over, but not in every zone"
	case n == 0:
		return "today"
	}
	return "in " + site.Count(n, "day")
}

// urgency marks the runbook's last two of its three reminders: 60, 30 and 7 days.
func urgency(days int) string {
	switch {
	case days <= 7:
		return ": urgent"
	case days <= 30:
		return ": soon"
	default:
		return ""
	}
}
