package license

import (
	"fmt"
	"strings"
	"time"

	"meshrotate/providers/licensefile"
	"meshrotate/providers/site"
	"meshrotate/reconciler"
)

// withoutAPI is the way where Admin's API is of no use. Other secrets demand the API, so the document has the license alone.
const withoutAPI = "apply a document that has the license alone and no connect.adminApi: it restarts the services instead"

// zones is how far local times lie apart at the most.
const zones = 14 * time.Hour

// guardEnds says when the live license ends, unless the declared one is known to end then: that is said of the declared one.
func (r *Rotation) guardEnds(input reconciler.Input, w work) []reconciler.Finding {
	now := r.live(input, w.all)
	if now == nil || now.Expires.IsZero() || w.next != nil && (w.next.Never || !w.next.Expires.IsZero()) && sameEnd(now, w.next) {
		return nil
	}
	days := reconciler.Days(now.Expires, input.Now)
	if days > 60 {
		return nil
	}
	hint := "apply the declared one before that"
	if len(w.files) == 0 && !w.reload {
		hint = "order the next one"
	}
	on := now.Expires.UTC().Format(time.DateOnly)
	text := fmt.Sprintf("the live license expires on %s, %s%s", on, inDays(days), urgency(days))
	if !now.Expires.Add(now.Precision).After(input.Now) {
		text = fmt.Sprintf("the live license expired on %s", on)
	}
	return []reconciler.Finding{site.Warning("license-ends", text, hint)}
}

// guardAnswer holds what Admin serves now against the file that it has read, as the proof will against the next: an answer that
// does not name what is asked for, or names it otherwise, would do so of the next license too. Engine would be stopped, and the
// file put back, in vain.
func (r *Rotation) guardAnswer(input reconciler.Input, w work) []reconciler.Finding {
	now, served := r.fileRead(input, w.all), w.served
	if served == nil || now == nil || w.next == nil || w.pending {
		return nil
	}
	asked := map[string]bool{}
	for _, f := range fields(*provable(w.next, served)) {
		asked[f.Name] = f.Want != ""
	}
	var lacks, says []string
	vain := w.all[0].edit // else the declared file is there, and a reload may be all that Admin needs
	for _, d := range apart(served, now) {
		text := fmt.Sprintf("the %s %q, and the file that Admin has read %q", d.name, d.told, d.wanted)
		switch {
		case !asked[d.name]:
		case d.told == "":
			lacks, vain = append(lacks, d.name), vain || w.reload
		case d.name == "expiry" && zoneless(served, now):
			says, vain = append(says, text+": a time without its zone"), vain || w.reload
		case d.name == "customer":
			says, vain = append(says, text), vain || w.reload
		default:
			says = append(says, text)
		}
	}
	var parts []string
	if len(lacks) > 0 {
		parts = append(parts, fmt.Sprintf("names no %s, which the live file has", strings.Join(lacks, ", no ")))
	}
	if len(says) > 0 {
		parts = append(parts, "has "+strings.Join(says, "; "))
	}
	if len(parts) == 0 {
		return nil
	}
	f := site.Warning("license-answer", fmt.Sprintf("Admin's answer to GET %s %s: nothing would prove another license", r.spec.Endpoint, strings.Join(parts, ", and ")),
		"see that secrets.license.path is the file that Admin reads, and that secrets.license.endpoint shows it as it is; if it does by other names, or in a zone of its own, name them in secrets.license.fields; where no endpoint does, "+withoutAPI)
	if vain {
		f.Severity = reconciler.Error
	}
	return []reconciler.Finding{f}
}

// zoneless says that two ends lie apart as local times do.
func zoneless(a, b *licensefile.License) bool {
	apart := a.Expires.Sub(b.Expires).Abs()
	return !a.Expires.IsZero() && !b.Expires.IsZero() && apart <= zones && apart%(15*time.Minute) == 0
}
