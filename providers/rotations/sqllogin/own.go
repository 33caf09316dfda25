package sqllogin

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/specs"
)

// checkOwn refuses to rotate a login that meshrotate itself signs in with. Which server that is on does not matter: one has several names.
func (s *Spec) checkOwn(d *specs.Deployment, report specs.Report) {
	say := func(q specs.SQL, where, problem string) {
		i := slices.IndexFunc(s.logins(), func(l string) bool { return sameLogin(l, ownLogin(q)) })
		switch {
		case i < 0:
		case s.Mode == alternating:
			report("logins/"+strconv.Itoa(i), where+problem, "give meshrotate a login of its own: "+where+".user")
		default:
			report("login", where+problem, "give meshrotate a login of its own: "+where+".user")
		}
	}
	say(d.Connect.SQL, "connect.sql", " signs in with this login: it would lock itself out in the middle of the rotation")
	if q, ok := d.StateServer(); ok && d.State.SQL.Server != "" {
		say(q, "state.sql", " signs in with this login: after its rotation nobody could read the state, and each try would count towards a lockout")
	}
}

// sameLogin says that two names are one login's: SQL Server compares them without blanks at the end.
func sameLogin(a, b string) bool {
	return strings.EqualFold(strings.TrimRight(a, " "), strings.TrimRight(b, " "))
}

// ownLogin is the login of SQL Server that meshrotate signs in with, "" where it is an account of Windows or of Entra.
func ownLogin(q specs.SQL) string {
	if cmp.Or(q.Auth, "sql") != "sql" {
		return ""
	}
	return q.User
}

// guardOwn looks for a login in force that is not declared, and that meshrotate itself uses. It is not changed here, but whoever ends it
// now that the product has another ends meshrotate's sign-in as well.
func (r *Rotation) guardOwn(s sight) []reconciler.Finding {
	own := map[string]string{"state.sql": r.state}
	if s.main().seen != nil {
		own["connect.sql"] = s.main().seen.Login
	}
	for _, h := range s.holders {
		for _, where := range []string{"connect.sql", "state.sql"} {
			if l := own[where]; h.whole() && l != "" && strings.EqualFold(l, h.says.User) && !r.ours(l) {
				return []reconciler.Finding{site.Warning("rotator-is-the-product", where+" signs in as "+l+", which is in the product's own string", "give meshrotate a login of its own: "+where+".user", h.host)}
			}
		}
	}
	return nil
}
