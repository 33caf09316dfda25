package license

import (
	"fmt"
	"strings"
	"time"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
)

// zones is how far local times lie apart at the most.
const zones = 14 * time.Hour

// guardAnswer holds what Admin serves now against the live file, which it has read: an answer that does not name what the proof asks
// for would not name it of the next license either. Engine would be stopped, and the file put back, in vain. It also says when the
// live license ends.
func (r *Rotation) guardAnswer(input reconciler.Input, w work) (findings []reconciler.Finding) {
	if now := r.live(input, w.all); now != nil && !now.Expires.IsZero() && (w.next == nil || !now.SameExpiry(w.next)) {
		if days := daysLeft(now.Expires, input.Now); days <= 60 {
			findings = append(findings, site.Warning("license-ends", fmt.Sprintf("the live license expires on %s, in %s%s", now.Expires.UTC().Format(time.DateOnly), dayCount(days), urgency(days)),
				"apply the declared one before that"))
		}
	}
	now, served := r.liveFile(w.all), w.served
	if served == nil || now == nil || w.next == nil || w.pending || len(w.all) == 0 || r.unread(input, w.all[0]) {
		return findings
	}
	now = provable(now, served)
	var lacks []string
	for _, f := range []struct {
		name        string
		asked, told bool
	}{
		{"customer", w.next.Customer != "" && now.Customer != "", served.Customer != ""},
		{"tier", provable(w.next, served).Tier != "" && now.Tier != "", served.Tier != ""},
		{"expiry", (!w.next.Expires.IsZero() || w.next.Never) && !now.Expires.IsZero(), !served.Expires.IsZero() || served.Never},
	} {
		if f.asked && !f.told {
			lacks = append(lacks, f.name)
		}
	}
	text := ""
	switch apart := served.Expires.Sub(now.Expires).Abs(); {
	case len(lacks) > 0:
		text = fmt.Sprintf("Admin's answer to GET %s names no %s, which the live file has", r.spec.Endpoint, strings.Join(lacks, ", no "))
	case !served.Expires.IsZero() && !now.Expires.IsZero() && !now.SameExpiry(served) && apart <= zones && apart%(15*time.Minute) == 0:
		text = fmt.Sprintf("Admin's answer to GET %s has the expiry %s, and the live file %s: a time without its zone", r.spec.Endpoint, served.Expires.UTC().Format(time.RFC3339), now.Expires.UTC().Format(time.RFC3339))
	default:
		return findings
	}
	f := site.Warning("license-answer", text+": nothing would prove another license",
		"see what that endpoint answers, and name the right one as secrets.license.endpoint; or declare less: what the document and the file do not say is not asked for")
	if len(w.files) > 0 || w.reload {
		f.Severity = reconciler.Error
	}
	return append(findings, f)
}
