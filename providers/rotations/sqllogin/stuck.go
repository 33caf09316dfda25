package sqllogin

import (
	"cmp"
	"slices"
	"strings"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
)

// stuck is a login that was replaced and cannot be ended on an instance: nobody sees what it is there, or may change it.
type stuck struct {
	login, server string
	name          string // the instance's own: a listener leads to it, too
	why, hint     string
}

// stuckOf are these. One that a run has ended there is none; and where the declared ones lack the same permission, the plan is refused
// for that.
func (r *Rotation) stuckOf(in reconciler.Input, w work) (all []stuck) {
	if !r.alters() {
		return nil
	}
	users, logins := r.kinds(w.sight)
	for _, one := range w.left {
		for _, i := range w.reached() {
			s, l := stuck{login: one.login, server: i.server, name: i.seen.Name}, w.there(i, one.login)
			who, db := quoted(i.seen.Login), i.seen.Database
			switch grant := "in " + r.database + ": GRANT ALTER ANY USER TO " + who; {
			case l == nil && site.IsRetiredUser(in.History, name, one.login), l == nil && r.retired(in, i, one.login):
				continue
			case l == nil && !i.seen.MayAlter && !logins:
				s.why, s.hint = i.seen.Login+" does not see whether it is a login there", "GRANT ALTER ANY LOGIN TO "+who
			case l == nil && i.seen.MayAlter && !(users && db.UsersWhy == ""):
				s.why = "it is no login there, and whether it is a user of the contained database is not known: " + cmp.Or(db.UsersWhy, i.seen.Login+" may not alter the users, and does not see all of them")
				s.hint = grant + ", which needs a user there"
			case l == nil, !r.enabled(in, w, i, one.login):
				continue
			case l.Contained && !db.MayAlterUsers && !users:
				s.why, s.hint = i.seen.Login+" may not alter the users of "+r.database, grant
			case !l.Contained && !i.seen.MayAlter && !logins:
				s.why, s.hint = i.seen.Login+" may not alter logins there", "GRANT ALTER ANY LOGIN TO "+who
			default:
				continue
			}
			all = append(all, s)
		}
	}
	return all
}

// kinds says what is declared: users of a contained database, logins, or one of each.
func (r *Rotation) kinds(s sight) (users, logins bool) {
	for _, l := range r.spec.logins() {
		users, logins = users || s.contained(l), logins || !s.contained(l)
	}
	return users, logins
}

// isStuck finds the one of a login on an instance.
func (w work) isStuck(login string, i instance) (stuck, bool) {
	n := slices.IndexFunc(w.stuck, func(s stuck) bool {
		return sameLogin(s.login, login) && i.seen != nil && strings.EqualFold(s.name, i.seen.Name)
	})
	if n < 0 {
		return stuck{}, false
	}
	return w.stuck[n], true
}
