package connector

import (
	"fmt"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
)

// which names the secret where others are proven by their sync runs: what is said is not true of all.
func (r *Rotation) which() string {
	if r.spec.Syncs.Path == "" {
		return ""
	}
	return r.secret.Ref + ": "
}

// opensAndTaken is what nothing shows of a connector without sync runs and without a login.
const opensAndTaken = "that the stored value opens on the Engine host and that the source system takes it"

// shown says that something tells whether the stored value works.
func (r *Rotation) shown(s sight) bool { return r.syncs(s) || r.logsIn() }

func (r *Rotation) howShown() string {
	return "name the endpoint that tells of sync runs, secrets.connectors.syncs, and the connector; or a program that signs in at its source, secrets.connectors.login; or look at the next sync run"
}

// doubts are what a run will not have shown in the end, and what is left to a person.
func (r *Rotation) doubts(s sight) []reconciler.Finding {
	var all []reconciler.Finding
	switch {
	case !s.known() || r.syncs(s):
	case r.logsIn():
		all = append(all, site.Note("connector-not-proven", r.which()+"not proven: that the stored value opens on the Engine host; only that it was stored, and that the source system takes it, is",
			"name the endpoint that tells of sync runs, secrets.connectors.syncs, and the connector; or look at the next sync run"))
	default:
		all = append(all, site.Warning("connector-not-proven", r.which()+"not proven: "+opensAndTaken+"; only that it was stored is", r.howShown()))
	}
	if r.secret.Source.Changed == before && !r.hooked() && !r.again(s) {
		all = append(all, site.Note("connector-source-before", "the passwords are taken to be changed at their source systems already, by a person",
			"else do that first; or declare `source: {changed: after}`, or a hook that does it"))
	}
	if r.secret.Source.Changed == after && !r.hooked() && !r.again(s) {
		hint := "prepare that before you apply; the run waits for a sync run that succeeds, and pauses; later runs go on waiting"
		switch {
		case r.syncs(s):
		case r.logsIn():
			hint = "prepare that before you apply; the run tries the login there, and pauses while it is refused; later runs try it again"
		default:
			hint = "prepare that before you apply: the run pauses there, and goes on when it is told that it was done, apply --confirm"
		}
		all = append(all, site.Warning("connector-source-after", fmt.Sprintf("a person changes the password of %s at its source system once it is set here; until then its sync runs fail", r.label(s)), hint))
	}
	return all
}
