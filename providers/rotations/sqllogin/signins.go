package sqllogin

import (
	"fmt"
	"slices"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
)

// hostSignIns prove the strings where they stand, if the document asks for it.
func (r *Rotation) hostSignIns(w work) []reconciler.Op {
	if r.spec.ProveFrom != fromHosts {
		return nil
	}
	var all []reconciler.Op
	for _, h := range w.holders {
		all = append(all, site.ProveLoginFrom{Host: h.host, Path: h.component.Settings, Setting: h.node.setting.Setting, Form: r.form(w),
			Secret: r.ref, Database: r.database, Contained: w.contained(w.target), Who: h.who()})
	}
	return all
}

// guardReach says which host could not prove its string, before anything is done that would have to be proven. What an earlier
// run has begun is gone on with all the same: refusing would leave it so.
func (r *Rotation) guardReach(w work) []reconciler.Finding {
	begun := w.pending || !w.edit || slices.ContainsFunc(w.holders, func(h holder) bool { return h.stopped })
	var all []reconciler.Finding
	for _, h := range w.holders {
		if !h.whole() || h.setting.Reach == nil {
			continue
		}
		reach, hint := h.setting.Reach, "this is the network of "+h.host+": look at its names, its route and the firewalls to SQL Server; or write proveFrom: here"
		switch {
		case !reach.Client:
			hint = "Windows PowerShell has that client; without it write proveFrom: here"
		case reach.Unknown != "":
			hint = "name the port in the string, or write proveFrom: here"
		}
		switch text := fmt.Sprintf("%s: a sign-in from there is to prove the string, and %s", h.host, reach); {
		case reach.Stands() && !begun:
			all = append(all, site.Problem("host-cannot-sign-in", text, hint, h.host))
		case reach.Stands() || reach.Unknown != "":
			all = append(all, site.Warning("host-cannot-sign-in", text, hint, h.host))
		}
	}
	return all
}

// signIns prove the password: with each host's string, and on each instance, as a failover may make it the server.
func (r *Rotation) signIns(w work) []reconciler.Op {
	all := r.strings(w)
	if len(w.instances) > 1 && !w.contained(w.target) {
		for _, i := range site.Where(w.reached(), func(i instance) bool { return w.isMain(i) || !r.waived(i) }) {
			all = append(all, site.ProveAccount{Server: i.server, Login: w.target, Secret: r.ref})
		}
	}
	return all
}

func (r *Rotation) strings(w work) []reconciler.Op {
	var all []reconciler.Op
	for _, h := range w.holders {
		all = append(all, site.ProveLogin{Server: r.servers[0], On: h.host, Path: h.component.Settings, Setting: h.node.setting.Setting, Form: r.form(w),
			Secret: r.ref, Database: r.database, Contained: w.contained(w.target), Who: h.who()})
	}
	return all
}

func (r *Rotation) form(w work) site.Form {
	return site.Form{Kind: site.ConnectionString, User: w.target}
}
