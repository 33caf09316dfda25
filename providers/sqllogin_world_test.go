package providers_test

import (
	"fmt"
	"strings"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/sqlserver"
	"meshrotate/providers/lab/wsman"
	"meshrotate/providers/mssql/connstring"
	"meshrotate/reconciler/secret"
)

// kindOf cuts the mode off: "sqllogin/single".
func kindOf(kind string) string {
	kind, _, _ = strings.Cut(kind, "/")
	return kind
}

// loginMode is the mode of the SQL login among these kinds, "" when it is none of them.
func loginMode(kinds []string) string {
	for _, k := range kinds {
		if kind, mode, ok := strings.Cut(k, "/"); kind == "sqllogin" {
			if ok {
				return mode
			}
			return "alternating"
		}
	}
	return ""
}

// alters says that a message carries a statement that changes something.
func alters(e wsman.Event) bool { return strings.HasPrefix(e.CommandLine, "ALTER") }

// signsIn: both services run with this version of the password, each with a session as the login of its string, and the login
// of the other version is not in use.
func (w *world) signsIn(version string) error {
	password := w.kept("sqllogin", version)
	if password == "" {
		return fmt.Errorf("there is no password %s", version)
	}
	return w.signsInWith(password, version)
}

func (w *world) signsInWith(password, version string) error {
	texts := w.lab.Strings()
	if len(texts) != 2 {
		return fmt.Errorf("%d services run", len(texts))
	}
	login := ""
	for host, text := range texts {
		s, err := connstring.Parse(secret.NewString(text))
		if err != nil {
			return err
		}
		if string(s.Get(connstring.Password).Expose()) != password {
			return fmt.Errorf("%s runs with another password than %s", host, version)
		}
		login = s.Shown(connstring.UserID)
	}
	instance := w.lab.SQLInstance()
	if instance == nil {
		return fmt.Errorf("no replica is the primary")
	}
	l, locked, ok := instance.LookLogin(login)
	if u, contained := instance.Data().LookUser(lab.Database, login); contained && u.Password != "" {
		l, ok = sqlserver.Login{Password: u.Password}, true
	}
	if !ok || locked || l.Disabled || l.Password != password {
		return fmt.Errorf("%s does not take version %s", login, version)
	}
	signed := map[string]bool{}
	for _, s := range instance.Live() {
		if s.Host == "IM-ADMIN" || s.Host == "IM-ENGINE" {
			signed[s.Host] = true
			if s.Login != login {
				return fmt.Errorf("%s is signed in as %s", s.Host, s.Login)
			}
		}
	}
	if len(signed) != 2 {
		return fmt.Errorf("%d services are signed in", len(signed))
	}
	return nil
}

// oneString: all services that run have the same connection string.
func (w *world) oneString() error {
	first := ""
	for host, text := range w.lab.Strings() {
		if first != "" && text != first {
			return fmt.Errorf("%s runs with another connection string", host)
		}
		first = text
	}
	return nil
}

// noLockout: no login was ever locked out.
func (w *world) noLockout() error {
	for _, r := range w.lab.SQLReplicas() {
		for _, name := range []string{lab.SQLLogin, lab.SQLSpare, lab.User} {
			if _, locked, _ := r.Instance.LookLogin(name); locked {
				return fmt.Errorf("%s is locked out at %s", name, r.Name)
			}
		}
	}
	return nil
}
