package relaykey

import (
	"fmt"
	"slices"
	"time"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
)

// mostStarts is how often runs start a relay anew for one key, of which nothing shows that it is connected: the switch, and once more, which
// heals one that hangs. A further one is an outage for nothing where it works, and Admin's list does not show it.
const mostStarts = 2

// leftWaiting says that an earlier run has left a relay behind that has what it needs by now: only that it works was not seen, nor is it now.
func (r *Rotation) leftWaiting(in reconciler.Input, w work, l member) bool {
	last, _ := in.History.LeftBehind(r.ref.Name)
	return last.Version == r.ref.Version && slices.Contains(last.Left, l.host) && !w.editAdmin && !l.edit && !l.stale && !l.stopped && !w.listing.Heard(l.listed())
}

func (r *Rotation) startedInVain(in reconciler.Input, l member) int {
	return site.StartedInVain(in.History, r.ref, l.host, l.component.Service)
}

// isVain says that a relay was started anew in vain.
func (w work) isVain(l member) bool {
	return slices.ContainsFunc(w.vain, func(o member) bool { return o.host == l.host })
}

// notVain are those that were not.
func (w work) notVain(all []member) []member {
	return site.Where(all, func(l member) bool { return !w.isVain(l) })
}

// dark says that a relay which Admin's list does not show as connected may be so: its entry is an old one, or may be, and a new one is where
// nobody has looked.
func (w work) dark(l member) bool {
	return w.list == nil || w.unknown(l) || w.list.InPart(l.relay) || w.list.Old(l.relay, l.service.StartedAt)
}

// inVain are those that were started anew in vain. They stay on record until they are seen to work.
func (r *Rotation) inVain(in reconciler.Input, w work) (all []reconciler.Down) {
	for _, l := range w.vain {
		since, sooner := r.leftSince(in, l.host)
		d := reconciler.Down{What: l.host, Target: site.Host(l.host), Since: since, Sooner: sooner, CutOff: true, Stays: true,
			Unsure: l.connected() || w.dark(l) || !w.admin.whole() || r.upFor(in, w.admin, l) <= r.api.ConnectedTimeout.Of(),
			Cause:  "an earlier run left it behind, as it was not seen to work after its start",
			Mend:   "look at its log and at its way to Admin, or restart it yourself: no run starts it anew for this again"}
		if n := r.startedInVain(in, l); n >= mostStarts {
			d.Cause = fmt.Sprintf("runs have started it anew %s", times(n))
		}
		d.Cause += ", and " + w.shown(l)
		if !l.connected() && w.list != nil && w.dark(l) {
			d.Mend = site.PerhapsPage + ", or restart it yourself: no run starts it anew for this again"
		}
		all = append(all, d)
	}
	return all
}

// shown is what Admin's list shows of a relay that is not seen to work.
func (w work) shown(l member) string {
	switch {
	case w.list == nil:
		return "Admin's list could not be read"
	case l.relay == nil:
		return "Admin's list does not have it"
	case l.connected():
		return "Admin lists it as connected, and has not heard of it of late"
	case w.list.Old(l.relay, l.service.StartedAt):
		return "Admin still shows an old connection of it, and no new one beside it, as it does of others"
	case l.relay.Connected == nil:
		return "Admin's list does not say whether it is connected"
	}
	return "Admin lists it as not connected"
}

func times(n int) string {
	if n == 2 {
		return "twice"
	}
	return fmt.Sprintf("%d times", n)
}

// leftSince is since when a relay does not work that an earlier run has left behind, or at the latest: as runs have told it, of it alone
// or of all that were cut off.
func (r *Rotation) leftSince(in reconciler.Input, host string) (since time.Time, sooner bool) {
	last, _ := in.History.LeftBehind(r.ref.Name)
	since, sooner = last.Time, true
	if said, _ := in.History.LastWord(r.ref.Name, host); !said.Since.IsZero() {
		since, sooner = said.Since, said.Sooner
	}
	if fleet, _ := in.History.LastWord(r.ref.Name, cutOffLabel); !fleet.Since.IsZero() && fleet.Since.Before(since) { // runs have tried it more than once
		since, sooner = fleet.Since, fleet.Sooner
	}
	return since, sooner
}
