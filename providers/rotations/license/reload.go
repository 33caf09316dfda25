package license

import (
	"fmt"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
)

// rehearsable says that Admin runs with the file that is there now. To read that again changes nothing, and shows before anything
// stops whether the endpoint is there and whether the account may ask for it.
func (r *Rotation) rehearsable(input reconciler.Input, w work) bool {
	l := w.all[0]
	if !w.reload || len(w.files) == 0 || !l.whole() || l.restart || w.served == nil || r.unread(input, l) {
		return false
	}
	now := in(l.file.Content)
	return now != nil && serves(w.served, now)
}

// guardReload says that Admin cannot be asked to read the file, or that this was not tried.
func (r *Rotation) guardReload(input reconciler.Input, w work) []reconciler.Finding {
	seen := site.Answer[site.TrialSeen](input.Seen, r.reloads())
	switch {
	case !r.hasAPI || seen == nil:
	case seen.Problem != "":
		f := site.Warning("license-reload", fmt.Sprintf("Admin cannot be asked to read the license again: OPTIONS %s answers %s", r.spec.ReloadEndpoint, seen.Problem),
			"name the right endpoint as secrets.license.reloadEndpoint; where there is none, "+withoutAPI)
		if w.reload {
			f.Severity = reconciler.Error
		}
		return []reconciler.Finding{f}
	case w.reload && len(w.files) > 0 && !w.rehearse && seen.Untried:
		return []reconciler.Finding{site.Note("license-reload-untried",
			fmt.Sprintf("whether Admin takes POST %s is not known: it is first asked once the file is placed, which is put back if it refuses", r.spec.ReloadEndpoint), "")}
	}
	return nil
}
