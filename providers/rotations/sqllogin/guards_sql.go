package sqllogin

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
)

// alters says that this program changes the password itself.
func (r *Rotation) alters() bool { return r.spec.Mode == alternating || r.spec.Mode == single }

// quoted is a name as a statement takes it, in brackets where it needs them.
func quoted(name string) string {
	if strings.ContainsFunc(name, func(r rune) bool { return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		return "[" + strings.ReplaceAll(name, "]", "]]") + "]"
	}
	return name
}

// guardInstances looks at the server and its replicas: logins belong to each of them.
func (r *Rotation) guardInstances(s sight) []reconciler.Finding {
	var all []reconciler.Finding
	for n, i := range s.instances {
		if i.seen != nil {
			all = append(all, r.guardInstance(s, i, n == 0)...)
			continue
		}
		text, hint := i.server+": SQL Server could not be asked", ""
		if err := i.look.Err; err != nil {
			text += ": " + strings.TrimPrefix(err.Error(), i.server+": ")
			hint = reconciler.HintOf(err)
		}
		switch {
		case i.tolerated && i.has == r.ref.Version && !s.edits():
			all = append(all, site.Warning("replica-left-behind", text+": version "+i.has+" was proven there before, and whether it still works is not known", "bring it back"))
		case i.tolerated:
			all = append(all, site.Warning("replica-left-behind", text+": it keeps the old password, and a failover to it stops the product", "bring it back: the next plan sets it there"))
		case n > 0 && s.downOnWhatWorks() && !s.edits():
			all = append(all, site.Warning("replica-unreachable", text+"; the services that are down start without it", "bring it back, and plan again: with an old password a failover to it stops the product"))
		case n > 0:
			all = append(all, site.Problem("replica-unreachable", text, "bring it back: with the old password a failover to it stops the product; or tolerate it by name: secrets.sqlLogin.tolerate"))
		default:
			all = append(all, site.Problem("sql-unreachable", text, cmp.Or(hint, "look at the server and at connect.sql")))
		}
	}
	all = append(all, r.guardOwn(s)...)
	for _, l := range r.spec.logins() {
		all = append(all, sameSID(s, l)...)
	}
	return append(all, r.guardReplicas(s)...)
}

// guardReplicas finds replicas that nobody declared.
func (r *Rotation) guardReplicas(s sight) []reconciler.Finding {
	if s.main().seen == nil {
		return nil
	}
	if s.main().seen.Database.Grouped && len(s.main().seen.Replicas) == 0 {
		return []reconciler.Finding{site.Problem("replicas-invisible", "the database is in an availability group, and "+s.main().seen.Login+" does not see its replicas: they would keep the old password",
			"GRANT VIEW ANY DEFINITION TO "+quoted(s.main().seen.Login))}
	}
	var missing []string
	for _, replica := range s.main().seen.Replicas {
		known := slices.ContainsFunc(s.instances, func(i instance) bool {
			first, _, _ := strings.Cut(i.server, ".") // one that did not answer is known by its host's name alone
			return i.seen != nil && strings.EqualFold(i.seen.Name, replica) || i.seen == nil && strings.EqualFold(first, replica)
		})
		if !known && !slices.ContainsFunc(r.spec.Tolerate, func(t string) bool { return strings.EqualFold(t, replica) }) {
			missing = append(missing, replica)
		}
	}
	if missing == nil {
		return nil
	}
	return []reconciler.Finding{site.Problem("replica-undeclared", "the availability group has replicas that are not in the document: "+strings.Join(missing, ", ")+"; they would keep the old password, and a failover would stop the product",
		"declare them: connect.sql.replicas")}
}

// sameSID compares a login's SID on all instances: users of the databases are tied to it.
func sameSID(s sight, login string) []reconciler.Finding {
	first := ""
	for _, i := range s.reached() {
		l := i.login(login)
		if l == nil || !l.Exists {
			continue
		}
		if first == "" {
			first = l.SID
		} else if l.SID != first {
			return []reconciler.Finding{site.Problem("sid-differs", fmt.Sprintf("%s has another SID on %s than on %s: after a failover it would have no user in the database", login, i.seen.Name, s.reached()[0].seen.Name),
				"drop it there and CREATE LOGIN … WITH SID = the primary's")}
		}
	}
	return nil
}

func (r *Rotation) guardInstance(s sight, i instance, first bool) []reconciler.Finding {
	var all []reconciler.Finding
	add := func(code reconciler.FindingID, text, hint string) {
		all = append(all, site.Problem(code, i.server+": "+text, hint))
	}
	if r.ours(i.seen.Login) {
		add("rotator-is-the-product", "meshrotate signs in as "+i.seen.Login+", which is the product's own login", "give it a login of its own, with ALTER ANY LOGIN and VIEW SERVER STATE: connect.sql.user")
	}
	users, logins := r.kinds(s)
	if r.alters() && users && first && !i.seen.Database.MayAlterUsers {
		add("permission-missing", i.seen.Login+" may not alter the users of "+r.database, "in that database: GRANT ALTER ANY USER TO its user")
	}
	if r.alters() && logins && !i.seen.MayAlter {
		add("permission-missing", i.seen.Login+" may not alter logins", "GRANT ALTER ANY LOGIN TO "+quoted(i.seen.Login))
	}
	if !i.seen.MayView {
		add("permission-missing", i.seen.Login+" does not see who is signed in: nothing would show which login the services use", "GRANT VIEW SERVER STATE TO "+quoted(i.seen.Login))
	}
	if db := i.seen.Database; first {
		switch {
		case !db.Exists:
			add("database-missing", "there is no database "+r.database, "correct connect.sql.database")
		case db.State != "ONLINE":
			add("database-offline", fmt.Sprintf("the database %s is %s", r.database, strings.ToLower(db.State)), "bring it online")
		case db.ReadOnly:
			add("database-read-only", "the database "+r.database+" is read-only here: this is a secondary, or it is set so", "let connect.sql.server name the listener or the primary")
		}
	}
	for _, name := range r.spec.logins() {
		if l := i.login(name); l != nil && !(s.contained(name) && !first) { // a user is where the database is
			all = append(all, r.guardLogin(i, l)...)
		}
	}
	return all
}

// guardLogin looks at one login of one instance.
func (r *Rotation) guardLogin(i instance, l *site.LoginSeen) []reconciler.Finding {
	one := func(code reconciler.FindingID, text, hint string) []reconciler.Finding {
		return []reconciler.Finding{site.Problem(code, fmt.Sprintf("%s: %s %s", i.server, l.Name, text), hint)}
	}
	switch {
	case !l.Exists && i.seen.Database.UsersWhy != "":
		return one("login-missing", "is no login, and whether it is a user of the contained database is not known: "+i.seen.Database.UsersWhy, "in that database: CREATE USER for "+quoted(i.seen.Login)+", and GRANT VIEW DEFINITION and ALTER ANY USER to it")
	case !l.Exists && i.seen.Database.Contained:
		return one("login-missing", "is neither a login of the instance nor a user of the contained database", "CREATE USER … WITH PASSWORD in the database, or correct secrets.sqlLogin")
	case !l.Exists:
		return one("login-missing", "does not exist: dropped, renamed, or never made on this instance; or "+i.seen.Login+" may not see it", "CREATE LOGIN, with the SID of the other replicas' where there are any; correct secrets.sqlLogin; or GRANT VIEW ANY DEFINITION TO "+quoted(i.seen.Login))
	case l.Windows:
		return one("login-windows", "is a Windows account: it has no password here", "name a login of SQL Server, or declare `mode: integrated`")
	}
	return nil
}

// guardTarget looks at the login that is to get the declared version, where it is to get it.
func (r *Rotation) guardTarget(in reconciler.Input, s sight) []reconciler.Finding {
	if s.target == "" {
		return nil
	}
	var all []reconciler.Finding
	for _, i := range s.reached() {
		l := i.login(s.target)
		if l == nil || !l.Exists {
			continue
		}
		add := func(code reconciler.FindingID, text, hint string) {
			all = append(all, site.Problem(code, fmt.Sprintf("%s: %s %s", i.server, l.Name, text), hint))
		}
		switch {
		case l.Disabled && !site.IsRetired(in.History, name, l.Name) && !r.retired(in, i, l.Name) && !r.retiring(in, i, l.Name):
			add("login-disabled", "is disabled, and no run of meshrotate retired it", "find out why; then ALTER LOGIN "+quoted(l.Name)+" ENABLE")
		case l.Locked && s.halfChanged() && r.spec.Mode == single:
			text := fmt.Sprintf("%s: %s is locked out: Admin and Engine may have tried a password that a run has replaced which did not finish; this one unlocks it", i.server, l.Name)
			hint := ""
			if s.pending { // it may have this password already
				hint = "a policy with a history of passwords may refuse that: then both services stay down until a run after the lockout's end, or after somebody has unlocked it: " + unlocking(l.Name)
			}
			all = append(all, site.Warning("login-locked", text, hint))
		case l.Locked:
			add("login-locked", "is locked out: too many wrong passwords", "find who uses an old password; then wait for the lockout to end, or unlock it: "+unlocking(l.Name))
		case l.Expired && r.spec.Mode == external:
			add("login-expired", "has a password that has expired", "set a new one, without MUST_CHANGE")
		case l.MustChange && r.spec.Mode == external:
			add("login-must-change", "must change its password at its first sign-in, which the product cannot do", "set a new one, without MUST_CHANGE")
		}
	}
	return all
}

// retired says that meshrotate disabled the login on the instance itself. A ledger that does not say where tells of the only one.
func (r *Rotation) retired(in reconciler.Input, i instance, login string) bool {
	was, known := site.IsRetiredOn(in.History, name, i.server, login)
	return was || !known && len(r.servers) == 1 && site.IsRetired(in.History, name, login)
}

// retiring says that a run was cut off which may have disabled it there.
func (r *Rotation) retiring(in reconciler.Input, i instance, login string) bool {
	return site.IsRetiring(in.History, name, login) && !r.retired(in, i, login)
}

// guardSignIns says what became of the strings that are in force.
func (r *Rotation) guardSignIns(s sight) []reconciler.Finding {
	var all []reconciler.Finding
	said := map[string]bool{}
	for _, h := range s.holders {
		if !h.whole() || h.signIn == nil || h.says.Integrated || h.says.Unfit != "" || h.setting.Content == nil {
			continue
		}
		f, ok := r.guardSignIn(s, h)
		if ok && !said[f.Text] {
			said[f.Text] = true
			all = append(all, f)
		}
	}
	return all
}

func (r *Rotation) guardSignIn(s sight, h holder) (reconciler.Finding, bool) {
	in := h.signIn
	if h.accepted() {
		switch {
		case !slices.ContainsFunc(s.instances, func(i instance) bool { return i.seen != nil && strings.EqualFold(i.seen.Name, in.Instance) }):
			return site.Problem("server-undeclared", fmt.Sprintf("the connection strings lead to %s, which is not in the document", in.Instance), "correct connect.sql.server, or declare it under connect.sql.replicas", h.host), true
		case !strings.EqualFold(in.Database, r.database):
			return site.Problem("database-differs", fmt.Sprintf("the connection strings lead to the database %s, and the document names %s", in.Database, r.database), "let the string name its database", h.host), true
		}
	}
	l := s.main().login(h.says.User)
	switch {
	case r.alters() && !h.declared(r.ref.Version) && l != nil && (!l.Exists || l.Disabled || l.Locked):
		return reconciler.Finding{}, false // it is said of the login
	case r.alters() && h.rejected() && !h.declared(r.ref.Version) && l != nil && (l.Expired || l.MustChange):
		return site.Warning("login-expired", fmt.Sprintf("the password of %s has expired, or must be changed: nobody signs in anew until this rotation sets another", l.Name), "", h.host), true
	case r.spec.Mode == external && !h.declared(r.ref.Version) && in.Declared != site.Accepted:
		return site.Problem("login-not-changed", fmt.Sprintf("version %s is not accepted for %s: %s", r.ref.Version, s.target, orUnknown(in.DeclaredWhy)),
			cmp.Or(in.DeclaredHint, "change the login first, on every replica; then plan again"), h.host), true
	case h.accepted() || in.Declared == site.Accepted:
		return reconciler.Finding{}, false
	case h.declared(r.ref.Version) && (slices.ContainsFunc(s.behind, s.isMain) || l != nil && (l.Disabled || l.Locked || l.Expired || l.MustChange)):
		return reconciler.Finding{}, false // it is said of the instance, or of the login
	case r.toAnother(s, h) && in.Spared:
		return site.Warning("sign-in-unknown", fmt.Sprintf("whether the string that is in force works for %s is not known: %s; version %s goes to the other login", h.says.User, orUnknown(in.Why), r.ref.Version), in.Hint, h.host), true
	case r.toAnother(s, h) && h.rejected():
		return site.Warning("login-rejected", fmt.Sprintf("%s cannot sign in with the string that is in force: %s", h.says.User, orUnknown(in.Why)), in.Hint, h.host), true
	case r.spec.Mode == single && s.halfChanged() && !h.declared(r.ref.Version) && (h.rejected() || in.Spared):
		return site.Warning("login-half-changed", fmt.Sprintf("the string that is in force does not work for %s, or was not tried: a run that was to set version %s did not finish; version %s is set now, whatever it left", h.says.User, s.begun[0], r.ref.Version),
			"", h.host), true
	case r.spec.Mode == single && s.halfChanged() && (h.rejected() || in.Spared):
		return site.Warning("login-half-changed", fmt.Sprintf("version %s is in the files, and the server refuses it for %s, or it was not tried: a run that was to set version %s did not finish, and may have; version %s is set now", r.ref.Version, h.says.User, s.begun[0], r.ref.Version),
			"", h.host), true
	case h.rejected() && h.declared(r.ref.Version):
		return site.Problem("login-rejected", fmt.Sprintf("version %s is in the files, and the server refuses it for %s: %s", r.ref.Version, h.says.User, in.Why),
			r.setElsewhere(h), h.host), true
	case h.rejected():
		return site.Problem("neither-accepted", fmt.Sprintf("%s signs in neither with the string that is in force nor with version %s: somebody else has changed its password, or something denies it the sign-in", h.says.User, r.ref.Version),
			r.setElsewhere(h), h.host), true
	}
	hint := in.Hint
	if r.spec.Mode == single && in.Spared { // looks alone may have brought it there: the advice is the same as before that
		hint = r.setElsewhere(h)
	}
	return site.Problem("sign-in-unknown", fmt.Sprintf("whether the string that is in force works for %s is not known: %s", h.says.User, orUnknown(in.Why)), hint, h.host), true
}

// toAnother says that the declared version goes to another login than the one in the string: whether that one works does not matter.
func (r *Rotation) toAnother(s sight, h holder) bool {
	return !h.declared(r.ref.Version) && (r.spec.Mode == alternating || r.spec.Mode == single && !sameLogin(h.says.User, s.target))
}

// setElsewhere is what to do about a login that somebody else may have changed.
func (r *Rotation) setElsewhere(h holder) string {
	if h.declared(r.ref.Version) {
		return "somebody changed the login elsewhere: declare a new version, or, for one login, set it to what is kept; it is tried again an hour after the last one with a wrong password"
	}
	return "find out who, or who signs in with a wrong password; an hour after the last one it is tried again. Was it meshrotate with another state folder: apply with that one. Else set the login to the password in the files, or declare `mode: external` with the new one"
}

func orUnknown(why string) string {
	if why == "" {
		return "it was not tried"
	}
	return why
}

// guardSessions looks at who is signed in.
func (r *Rotation) guardSessions(s sight) []reconciler.Finding {
	main := s.main().seen
	if main == nil || !main.MayView || !s.whole() {
		return nil
	}
	var all []reconciler.Finding
	if r.spec.Mode == alternating && s.target == "" {
		var who []string
		for _, l := range r.spec.Logins {
			for _, i := range s.reached() {
				for _, x := range i.seen.Of(l) {
					who = append(who, fmt.Sprintf("%s by %s on %s at %s", l, x.Program, x.Host, i.server))
				}
			}
		}
		hint := "the one that is to change may be used by nobody: end what else signs in with it. Are they Admin and Engine, after meshrotate with another state folder: apply with that one"
		if len(s.begun) > 0 {
			hint = fmt.Sprintf("a run that was to set version %s did not finish: declare that version again and apply, then %s", s.begun[0], r.ref.Version)
		}
		all = append(all, site.Problem("idle-login-in-use", "neither login of the pair is idle: "+strings.Join(slices.Compact(who), "; "), hint))
	}
	a, e := s.admin(), s.engine()
	admins := func(x site.SessionSeen) bool {
		return a.host == e.host && a.component.Service != e.component.Service && x.Process != 0 && x.Process == a.service.PID
	}
	if e.accepted() && !e.stopped && !e.stale && !s.pending && e.machine != nil && !slices.ContainsFunc(main.Of(e.says.User), func(x site.SessionSeen) bool {
		return strings.EqualFold(x.Host, e.machine.ComputerName) && !admins(x)
	}) {
		f := site.Problem("engine-no-session", fmt.Sprintf("Engine runs and has no session as %s from %s: its sessions would prove nothing", e.says.User, e.machine.ComputerName),
			"after SQL Server was away its pool takes up to a minute: plan again then. Else look at Engine's log: it signs in with another string, or not at all", e.host)
		if !s.edits() {
			f.Severity = reconciler.Warning // nothing is to be proven
		}
		all = append(all, f)
	}
	return all
}
