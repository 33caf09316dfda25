package license

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"meshrotate/providers/licensefile"
	"meshrotate/providers/site"
	"meshrotate/reconciler"
)

// declared is what is known of the file: what it says itself, and else what the document says of it. nil without a file.
func (r *Rotation) declared(input reconciler.Input) *licensefile.License {
	v := site.Answer[site.ValueSeen](input.Seen, r.value())
	if v == nil || in(v.Content) == nil {
		return nil
	}
	l := *in(v.Content)
	if l.Customer == "" {
		l.Customer = r.spec.Customer
	}
	if l.Tier == "" && l.Opaque() {
		l.Tier = r.spec.Tier
	}
	if l.Expires.IsZero() && !l.Never && r.spec.Expires != "" {
		l.Expires, l.Precision, l.Never, _ = licensefile.ParseExpiry(r.spec.Expires) // checked when it was read
	}
	return &l
}

// live is the license that is in use: what Admin serves, or else what the live files say. nil when nobody says.
func (r *Rotation) live(input reconciler.Input, all []reader) *licensefile.License {
	if s := loaded(site.Answer[site.AnswerSeen](input.Seen, r.served())); s != nil && (s.Customer != "" || s.Tier != "" || !s.Expires.IsZero()) {
		return s
	}
	return r.liveFile(all)
}

// liveFile is what the live files say.
func (r *Rotation) liveFile(all []reader) *licensefile.License {
	for _, l := range all {
		if l.file != nil && in(l.file.Content) != nil {
			return in(l.file.Content)
		}
	}
	return nil
}

// provable is what of a license can be held against what Admin serves: a tier's number says nothing of its name, nor is it known to
// be served as a number by an Admin that does not answer yet.
func provable(l, served *licensefile.License) *licensefile.License {
	p := *l
	switch {
	case served == nil && number(p.Tier), served != nil && served.Tier != "" && number(p.Tier) != number(served.Tier):
		p.Tier = ""
	}
	return &p
}

func number(tier string) bool {
	_, err := strconv.ParseFloat(tier, 64)
	return err == nil
}

// serves says that Admin serves a license, as far as both say what it is.
func serves(s, want *licensefile.License) bool { return len(apart(s, want)) == 0 }

// apart are the fields in which what Admin serves is not what a license says, as the proof compares them.
func apart(s, want *licensefile.License) (some []difference) {
	told := fields(*s)
	for i, f := range fields(*provable(want, s)) {
		if f.Time && told[i].Within.Of() >= 24*time.Hour { // Admin tells a date
			told[i].Want = s.Expires.Format(time.DateOnly)
		}
		if !f.Met(told[i].Want) {
			some = append(some, difference{f.Name, told[i].Want, f.Want})
		}
	}
	return some
}

// sameEnd says that what Admin serves ends when a license does.
func sameEnd(s, want *licensefile.License) bool {
	return serves(s, &licensefile.License{Expires: want.Expires, Never: want.Never, Precision: max(s.Precision, want.Precision)})
}

// difference is a field that Admin's answer has otherwise than the file; told is "" where the answer has none.
type difference struct{ name, told, wanted string }

// fileRead is what the file says that Admin has read. nil where there is none, or Admin may not have read it.
func (r *Rotation) fileRead(input reconciler.Input, all []reader) *licensefile.License {
	if len(all) == 0 || !all[0].whole() || r.unread(input, all[0]) {
		return nil
	}
	return in(all[0].file.Content)
}

// measures are what the declared license is held against: what Admin serves, and the live file. Where Admin serves something else
// than the file says that it has read, the answer is in other words, and the file alone counts. Neither is nil.
func (r *Rotation) measures(input reconciler.Input, all []reader) (served, file *licensefile.License) {
	served, file = loaded(site.Answer[site.AnswerSeen](input.Seen, r.served())), r.liveFile(all)
	if read := r.fileRead(input, all); read != nil && served != nil && !serves(served, read) {
		served, file = nil, read
	}
	if served == nil {
		served = &licensefile.License{}
	}
	if file == nil {
		file = &licensefile.License{}
	}
	return served, file
}

// whose is a claim of the two, and who makes it: Admin, unless the file says the same, or Admin nothing.
func whose(served, file, admins, files string) (claim, source string) {
	if served = strings.TrimSpace(served); served == "" || strings.EqualFold(served, file) {
		return file, files
	}
	return served, admins
}

// silent says that a license says nothing that Admin's answer could be held against.
func silent(l *licensefile.License) bool {
	return l.Customer == "" && l.Tier == "" && l.Expires.IsZero() && !l.Never
}

// say is a license for people: "Contoso Ltd, Enterprise, expires 2027-12-03".
func say(l *licensefile.License) string {
	var parts []string
	for _, part := range []string{l.Customer, l.Tier, ends(l)} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	if len(parts) == 0 {
		return "a layout that only the product reads"
	}
	return strings.Join(parts, ", ")
}

func ends(l *licensefile.License) string {
	switch {
	case l.Never:
		return "never expires"
	case l.Expires.IsZero():
		return ""
	}
	return "expires " + l.Expires.UTC().Format(time.DateOnly)
}

// unread says that Admin runs since before the file was changed, and that no proof of ours came after. A file that somebody
// copied there may say the same as the one that Admin has read; one that a run of ours wrote and proved is still that one, and so is one
// that was written anew, byte for byte, under the process that was proven with it.
func (r *Rotation) unread(input reconciler.Input, l reader) bool {
	if !l.whole() || !l.service.Running() || !l.service.StartedAt.Before(l.file.Written()) {
		return false
	}
	m := site.Answer[site.MachineSeen](input.Seen, l.machine)
	written, started := l.file.Written(), l.service.StartedAt
	if m != nil {
		written, started = written.Add(-m.Skew), started.Add(-m.Skew)
	}
	e, proven := input.History.LastProven(r.ref.Name)
	if !proven || e.Version != l.file.Version {
		return true
	}
	if started.Before(e.Time) || !l.edit && site.ProvenAhead(input.History, r.ref, l.host, l.file.Base) {
		return false
	}
	return e.Time.Add(site.SkewError).Before(written) && !site.WroteIt(input.History, r.ref, l.host, m, l.file.Base, e.Time)
}

// unchecked is "" where the file's signature was checked.
func (r *Rotation) unchecked() string {
	if r.spec.PublicKey != "" {
		return ""
	}
	return ", signature not checked"
}

// until adds when an unknown license ends.
func until(l *licensefile.License) string {
	if l == nil || silent(l) {
		return ""
	}
	if l.Expires.IsZero() {
		return fmt.Sprintf(" (%s)", l.Tier)
	}
	return fmt.Sprintf(" (%s, until %s)", l.Tier, l.Expires.UTC().Format(time.DateOnly))
}
