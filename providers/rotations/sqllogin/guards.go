package sqllogin

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
)

// guard collects the reasons not to go on, and the warnings.
func (r *Rotation) guard(in reconciler.Input, s sight) []reconciler.Finding {
	var all []reconciler.Finding
	settings, shut := map[string]*site.SettingSeen{}, site.ShutOf(in)
	for i, h := range s.holders {
		if i > 0 && h.host == s.holders[0].host && !h.whole() {
			continue // it was said
		}
		all = append(all, r.guardHost(in, s, h, shut)...)
		if h.whole() {
			settings[h.host] = h.setting
		}
	}
	all = append(all, site.EnvironmentsChanged(settings)...)
	if r.spec.Mode == integrated {
		return append(all, r.guardIntegrated(s)...)
	}
	all = append(all, r.guardValue(in, s)...)
	all = append(all, r.guardStrings(s)...)
	all = append(all, r.guardInstances(s)...)
	all = append(all, r.guardSignIns(s)...)
	return append(all, r.guardSessions(s)...)
}

// guardHost looks at one host, its service and its file.
func (r *Rotation) guardHost(in reconciler.Input, s sight, h holder, shut site.Shut) []reconciler.Finding {
	if !h.whole() {
		return []reconciler.Finding{site.HostFailed(in.Seen, h.host, h.label, "the pair never runs on two strings")}
	}
	part := site.Part{Preflight: h.preflight, Service: h.service, Machine: h.machine, Error: h.setting.Error, Restart: s.edits() || h.stale || h.stopped, Replace: h.edit, Shut: shut}
	if h.stale && !h.edit {
		part.Unread = &h.setting.Base
	}
	all := part.Findings(in)
	add := func(code reconciler.FindingID, text, hint string) {
		all = append(all, site.Problem(code, h.host+": "+text, hint, h.host))
	}
	path, key := h.component.Settings, h.setting.Key
	switch {
	case h.setting.Error != 0: // and that is said
	case h.setting.Refused != "":
		add("settings-refused", fmt.Sprintf("%s in %s cannot be edited: %s", key, path, h.setting.Refused), "mend the file on the host; nothing was written")
	case h.setting.Content == nil:
		add("string-missing", fmt.Sprintf("there is no connection string at %s in %s", key, path), "name its key: secrets.sqlLogin.settings")
	}
	all = append(all, h.setting.InForce(h.host)...)
	return all
}

// guardIntegrated refuses strings with a password where the document says that there is none.
func (r *Rotation) guardIntegrated(s sight) []reconciler.Finding {
	var all []reconciler.Finding
	for _, h := range s.holders {
		if h.whole() && h.setting.Content != nil && !h.says.Integrated {
			all = append(all, site.Problem("sql-login-found", fmt.Sprintf("%s: the connection string signs in as %s with a password, and the document says that Windows signs in", h.host, h.says.User),
				"declare the login: secrets.sqlLogin with logins, or change the string by hand; it is not rewritten", h.host))
		}
	}
	return all
}

// guardValue looks at the declared password.
func (r *Rotation) guardValue(in reconciler.Input, s sight) []reconciler.Finding {
	v := s.value
	switch {
	case v == nil || v.Problem != "":
		text, hint := "the value of "+r.ref.String()+" is not to be had", "look at secrets.sqlLogin.from and at state.seal"
		if v != nil {
			text, hint = text+": "+v.Problem, cmp.Or(v.Hint, hint)
		} else if err := in.Seen[site.Values].Err; err != nil {
			text += ": " + err.Error()
		}
		return []reconciler.Finding{site.Problem("value-unavailable", text, hint)}
	case v.Unfit != "":
		return []reconciler.Finding{site.Unfit(r.ref, v)}
	case v.SameAs != "" && v.SameAs != r.ref.Version:
		return []reconciler.Finding{site.Problem("value-unchanged", fmt.Sprintf("version %s has the same password as version %s: nothing would be rotated", r.ref.Version, v.SameAs),
			"put a new value at its source, or write `from: generated`")}
	case v.SourceChanged:
		return []reconciler.Finding{site.SourceChanged(r.ref, r.spec.From.String())}
	}
	return nil
}

// guardStrings compares the two strings with each other and with the document.
func (r *Rotation) guardStrings(s sight) []reconciler.Finding {
	var all []reconciler.Finding
	for _, h := range s.holders {
		if !h.whole() || h.setting.Content == nil {
			continue
		}
		switch c := h.says; {
		case c.Integrated:
			all = append(all, site.Problem("integrated-security", h.host+": the connection string lets Windows sign in, and the document declares a login",
				"declare `mode: integrated`, or change the string by hand; it is not rewritten", h.host))
		case c.Unfit != "":
			all = append(all, site.Problem("string-unfit", h.host+": nobody here signs in with its connection string: "+c.Unfit, "change the string, or rotate this login by hand", h.host))
		case c.Database != "" && !strings.EqualFold(c.Database, r.database):
			all = append(all, site.Problem("database-differs", fmt.Sprintf("%s: the connection string names the database %s, and the document %s", h.host, c.Database, r.database), "correct connect.sql.database, or the string", h.host))
		case !c.Encrypted:
			all = append(all, site.Warning("string-unencrypted", h.host+": the product does not ask for an encrypted connection: its data crosses in clear", "write Encrypt=True into the string", h.host))
		}
	}
	a, e := s.admin(), s.engine()
	if !s.whole() || a.setting.Content == nil || e.setting.Content == nil {
		return all
	}
	both := []string{a.host, e.host}
	for _, d := range []struct{ what, a, e string }{{"server", a.says.Server, e.says.Server}, {"database", a.says.Database, e.says.Database}} {
		if plainServer(d.a) != plainServer(d.e) {
			all = append(all, site.Problem("strings-differ", fmt.Sprintf("Admin and Engine name different %ss: %s and %s", d.what, d.a, d.e), "let both name the same one", both...))
		}
	}
	known := s.pending || a.declared(r.ref.Version) || e.declared(r.ref.Version) ||
		slices.Contains(s.begun, a.setting.Version) || slices.Contains(s.begun, e.setting.Version)
	if !strings.EqualFold(a.says.User, e.says.User) && !known {
		all = append(all, site.Problem("half-rotated", fmt.Sprintf("Admin signs in as %s and Engine as %s, and no run that this state knows left it so", a.says.User, e.says.User),
			"find out who changed it: apply with the state folder of the run that did, or let both name the login that works, and plan again", both...))
	}
	return all
}

// plainServer is the name of a server, or of a database, as it is compared: a default instance listens on port 1433, and
// the protocol is TCP.
func plainServer(name string) string {
	name = strings.TrimPrefix(strings.ToLower(strings.TrimSpace(name)), "tcp:")
	host, port, _ := strings.Cut(name, ",")
	if host = strings.TrimSpace(host); !strings.Contains(host, `\`) && strings.TrimSpace(port) == "1433" {
		return host
	}
	return name
}
