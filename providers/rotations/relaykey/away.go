package relaykey

import (
	"slices"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
)

// awayBefore are relays that do not work already: no rotation makes that better, and its proof will miss them.
func awayBefore(admin member, relays []member) []reconciler.Finding {
	off := filter(relays, func(l member) bool {
		return l.whole() && admin.whole() && l.service.Running() && admin.service.Running() && !l.stale && !admin.stale && l.setting.Version == admin.setting.Version && !l.connected()
	})
	if len(off) == 0 {
		return nil
	}
	verb := " runs with Admin's key and is not connected, before the rotation: it is left behind if it does not come"
	if len(off) > 1 {
		verb = " run with Admin's key and are not connected, before the rotation: those that do not come are left behind"
	}
	return []reconciler.Finding{site.Warning("relay-disconnected", count(len(off), "relay")+verb, "look at the relay's log and at its way to Admin first", hosts(off)...)}
}

func disconnected(admin member, relays []member) []reconciler.Finding {
	off := filter(relays, func(l member) bool { return l.whole() && !l.connected() })
	if len(off) == 0 {
		return nil
	}
	f := reconciler.Finding{Severity: reconciler.Warning, Code: "relay-disconnected", Hosts: hosts(off),
		Text: count(len(off), "relay") + " with the right key, running, and not connected", Hint: "look at the relay's log and at its way to Admin: the key is not the reason"}
	if !admin.sure() || slices.ContainsFunc(off, func(l member) bool { return !l.sure() }) {
		f.Hint = "look at the relay's log; restart it if that speaks of its key: whether its process has read the file as it is now, or Admin's has, is not proven"
	}
	return []reconciler.Finding{f}
}
