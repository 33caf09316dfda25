package live

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

	"meshrotate/providers/mssql"
	"meshrotate/providers/mssql/connstring"
	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
)

// attempt is what is tried once, on whichever host it stands.
type attempt struct {
	value  [sha256.Size]byte
	login  string
	always bool
}

// mostFailures is how many wrong passwords a login may have behind it and still be tried with one that may be wrong: no
// threshold in use is lower than three.
const mostFailures = 1

// failuresAge is for how long wrong passwords count here. Windows counts them for its policy's observation window ("reset account
// lockout counter after": 10 min on new servers, 15 or 30 in baselines) after the last one, and then begins anew with the next
// (MS-SAMR 3.1.5.13.7.1), though the number stays readable.
const failuresAge = time.Hour

// signIn tries a string, and the declared version where that may tell more.
func (d *database) signIn(ctx context.Context, r site.SignIn, q *catalogue, tried map[attempt]*site.SignInSeen) *site.SignInSeen {
	value, ok := d.site.valueOf(r.Setting.Host, r.Setting.Path, r.Setting.Setting)
	if !ok {
		return &site.SignInSeen{Why: "no connection string was read on " + r.Setting.Host}
	}
	key := attempt{sha256.Sum256(value.Expose()), r.Login, r.Always}
	if seen := tried[key]; seen != nil {
		return seen
	}
	seen := &site.SignInSeen{}
	tried[key] = seen
	c, err := d.fromString(value, r.Setting.Host)
	if err != nil {
		seen.Why, seen.Hint = err.Error(), reconciler.HintOf(err)
		return seen
	}
	if why, known := d.wrong.was(c); known {
		seen.Verdict, seen.Why, seen.Hint = site.Rejected, why.why, why.hint
	} else if n := q.failures(c.User); n > mostFailures {
		seen.Why, seen.Hint, seen.Spared = sparedFor(c.User, n), sparedHint, true
		return seen
	} else {
		_ = insist(ctx, lookPatience, d.site.config.Now, func() error { return d.enter(ctx, c, seen) })
		d.wrong.note(c, seen.Verdict, refusal{seen.Why, seen.Hint})
	}
	if seen.Verdict == site.Rejected || r.Always {
		d.tryDeclared(ctx, r, c, q, seen)
	}
	return seen
}

func sparedFor(login string, failures int) string {
	return fmt.Sprintf("%s had %d wrong passwords since its last sign-in: it is not tried, as that could lock it out", login, failures)
}

const sparedHint = "find who signs in with a wrong password and stop that; an hour after the last one meshrotate tries again; or sign in with the right password once, or ALTER LOGIN … WITH PASSWORD = … UNLOCK"

// enter signs in and asks where it is. What came of it is seen.
func (d *database) enter(ctx context.Context, c mssql.Config, seen *site.SignInSeen) error {
	*seen = site.SignInSeen{}
	s, err := d.guard.Open(ctx, c)
	if err == nil {
		defer s.Close()
		if err = whereAmI(ctx, s, seen); err == nil {
			seen.May, _ = powersOf(ctx, s) // where that is not told, nobody is held against it
		}
	}
	if err != nil {
		seen.Verdict, seen.Why, seen.Hint, seen.Spared = verdict(err), err.Error(), hintOf(err), spared(err)
		return err
	}
	seen.Verdict = site.Accepted
	return nil
}

const whereBatch = "SELECT @@SERVERNAME, SUSER_SNAME(), USER_NAME(), DB_NAME(), CAST(LOGINPROPERTY(SUSER_SNAME(), 'PasswordLastSetTime') AS datetime)"

// whereAmI asks who is signed in, and where.
func whereAmI(ctx context.Context, s *mssql.Session, at *site.SignInSeen) error {
	return s.Select(ctx, whereBatch, nil, func(_ int, scan func(...any) error) error {
		var set *time.Time
		err := scan(&at.Instance, &at.Login, &at.User, &at.Database, &set)
		at.PasswordSet = stamp(set)
		return err
	})
}

// stamp is a time as the server's clock tells it: it is held against others of the same server.
func stamp(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.Format(site.Stamp)
}

// tryDeclared asks whether the declared version is taken. What is not there yet is not tried.
func (d *database) tryDeclared(ctx context.Context, r site.SignIn, c mssql.Config, q *catalogue, seen *site.SignInSeen) {
	v, ok := d.site.values.wanted(ctx, r.Setting.Secret)
	if !ok {
		return
	}
	if same := r.Login == "" || strings.EqualFold(r.Login, c.User); same && c.Password.Equal(v) {
		seen.Declared, seen.DeclaredWhy = seen.Verdict, seen.Why
		return
	}
	c.User = cmp.Or(r.Login, c.User)
	if why, known := d.wrong.was(c.As(c.User, v)); known {
		seen.Declared, seen.DeclaredWhy = site.Rejected, why.why
		return
	}
	if n := q.failures(c.User); n > mostFailures {
		seen.DeclaredWhy, seen.DeclaredHint = sparedFor(c.User, n), sparedHint
		return
	}
	c.Password = v
	var a mssql.Answer
	_ = insist(ctx, lookPatience, d.site.config.Now, func() error {
		a = d.guard.Probe(ctx, c)
		return a.Err
	})
	if a.Verdict == mssql.Accepted {
		seen.Declared = site.Accepted
	} else {
		seen.Declared, seen.DeclaredWhy = verdict(a.Err), a.Err.Error()
		d.wrong.note(c, seen.Declared, refusal{seen.DeclaredWhy, ""})
	}
}

// fromString is how the product signs in with a string of a host.
func (d *database) fromString(value secret.Value, host string) (mssql.Config, error) {
	s, err := connstring.Parse(value)
	if err != nil {
		return mssql.Config{}, err
	}
	c, err := mssql.FromString(s, host, d.config.Trust)
	if err == nil {
		err = d.hidden(c)
	}
	c.Dial = d.config.Dial
	return c, err
}

// hidden refuses a port, or an instance, that would not be tried: what is dialed instead stands for the servers that the document
// names, and the hosts dial what their string says.
func (d *database) hidden(c mssql.Config) error {
	if d.config.Moved == nil || d.config.Moved(c.Host) == 0 {
		return nil
	}
	known := c.Instance == "" && c.Port == d.config.Moved(c.Host)
	declared := false
	for _, s := range d.config.Servers {
		if strings.EqualFold(s.Host, c.Host) {
			declared = true
			known = known || door(s) == door(c)
		}
	}
	if known || !declared && door(c) == door(mssql.Config{}) {
		return nil
	}
	return reconciler.Hinted(fmt.Errorf("it names %s of %s, and connect.sql.addresses leads elsewhere: whether anything answers there is not known", door(c), c.Host),
		"name the server in connect.sql as the connection strings do; or leave the port out of its address in connect.sql.addresses")
}

// door is where an instance answers on its host.
func door(c mssql.Config) string {
	if c.Instance != "" && c.Port == 0 {
		return "instance " + strings.ToUpper(c.Instance)
	}
	return fmt.Sprintf("port %d", cmp.Or(c.Port, defaultPort))
}

// verdict is a sign-in's that failed. A login that may not sign in at all, or whose password is right, is no wrong password.
func verdict(err error) string {
	var e *mssql.SignInError
	if errors.As(err, &e) && e.Verdict == mssql.Rejected {
		return site.Rejected
	}
	return ""
}

// spared says that a login is not asked about its password.
func spared(err error) bool {
	var e *mssql.SignInError
	return errors.As(err, &e) && (e.Why == mssql.LockedOut || e.Why == mssql.Spared)
}
