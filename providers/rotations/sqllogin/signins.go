package sqllogin

import (
	"meshrotate/providers/site"
	"meshrotate/reconciler"
)

// hostSignIns prove the strings where they stand, if the document asks for it.
func (r *Rotation) hostSignIns(w work) []reconciler.Op {
	if r.spec.ProveFrom != "hosts" {
		return nil
	}
	var all []reconciler.Op
	for _, h := range w.holders {
		all = append(all, site.ProveLoginFrom{Host: h.host, Path: h.component.Settings, Setting: h.node.setting.Setting, Form: r.form(w),
			Secret: r.ref, Database: r.database, Contained: w.contained(w.target), Who: h.who()})
	}
	return all
}

// signIns prove the password: with each host's string, and on each instance, as a failover may make it the server.
func (r *Rotation) signIns(w work) []reconciler.Op {
	all := r.strings(w)
	if reached := w.reached(); len(reached) > 1 && !w.contained(w.target) {
		for _, i := range reached {
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
