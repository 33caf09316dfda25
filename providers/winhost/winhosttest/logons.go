package winhosttest

import (
	"time"

	"meshrotate/providers/winhost"
	"meshrotate/reconciler/secret"
)

// Accounts that a Host under test must know: one that may log on as a service, and one that may not. There is no third.
const (
	Allowed = `MRTEST\svc-im`
	Barred  = `MRTEST\barred`
	nobody  = `MRTEST\nobody`
	// Password is that of both.
	Password = "as it was"
)

// plain is without what differs from run to run.
func (w *world) plain(l *winhost.Logon) winhost.Logon {
	bare := *l
	const most = 400 * 24 * time.Hour // the lab's accounts are a year old
	if age := time.Since(bare.PasswordSet); !bare.PasswordSet.IsZero() && (age < 0 || age > most) {
		w.Errorf("its password was set at %v", bare.PasswordSet)
	}
	bare.PasswordSet = time.Time{}
	return bare
}

var logonCases = []testCase{
	{
		name:   "logon",
		reason: "the password reaches the service manager as it is, whatever it is made of, and the log never",
		run: func(w *world) {
			account := Allowed
			if w.Kind == Wine {
				account = `.\mrtest` // it takes any
			}
			for _, password := range []string{Canary, Canary + ` "'` + "`$(x) \\ äß 鍵 😀 ", "x"} {
				r := w.one(winhost.OK, &winhost.ServiceLogon{Service: QuickService, Account: account, Password: secret.NewString(password)})
				if s := r.Service; s.Account != account || s.Begin.IsZero() || s.End.Before(s.Begin) {
					w.Errorf("after it: %+v", s)
				}
				if w.Stored != nil && w.Stored() != password {
					w.Errorf("%d characters of another password are kept", len(w.Stored()))
				}
			}
			if l := w.one(winhost.OK, &winhost.LogonRead{Service: QuickService, Account: account}).Logon; l.Configured != winhost.Yes {
				w.Errorf("%+v", l)
			}
			system := &winhost.ServiceLogon{Service: QuickService, Account: "LocalSystem"}
			if s := w.one(winhost.OK, system).Service; s.Account != "LocalSystem" {
				w.Errorf("without a password: %+v", s)
			}
			w.one(winhost.Unchanged, system)
			if w.Kind == Wine { // whether the call is made, and comes back
				w.one(winhost.OK, &winhost.LogonTry{Account: account, Password: secret.NewString(Canary)})
			}
		},
	}, {
		name:   "logon try",
		reason: "a wrong password is found while everything runs: no service is touched",
		not:    map[Kind]string{Wine: "it lets anybody log on"},
		run: func(w *world) {
			w.one(winhost.OK, &winhost.LogonTry{Account: Allowed, Password: secret.NewString(Password)})
			for _, c := range []struct {
				account, password string
				number            uint32
			}{{Allowed, Canary, 1326}, {Allowed, "", 1326}, {Barred, Password, 1385}} {
				if r := w.one(winhost.Failed, &winhost.LogonTry{Account: c.account, Password: secret.NewString(c.password)}); r.Win32 != c.number {
					w.Errorf("%s: %+v", c.account, r)
				}
			}
		},
	}, {
		name:   "logon read",
		reason: "whoever may not log on as a service is found before a service stops",
		not:    map[Kind]string{Wine: "it has no accounts and no rights of its own"},
		run: func(w *world) {
			for account, want := range map[string]winhost.Logon{
				Allowed: {Exists: winhost.Yes, Right: winhost.Yes, Configured: winhost.No},
				Barred:  {Exists: winhost.Yes, Right: winhost.No, Configured: winhost.No},
				nobody:  {Exists: winhost.No},
			} {
				if l := w.one(winhost.OK, &winhost.LogonRead{Service: QuickService, Account: account}).Logon; w.plain(l) != want {
					w.Errorf("%s: %+v", account, l)
				}
			}
		},
	}, {
		name:   "logon read of Windows' own account",
		reason: "the calls themselves, where there is a Windows to answer them; what it cannot know it leaves open",
		not:    map[Kind]string{Linux: "nothing answers the calls"},
		run: func(w *world) {
			w.one(winhost.OK, &winhost.ServiceStart{Service: QuickService, TimeoutSeconds: 10})
			l := w.one(winhost.OK, &winhost.LogonRead{Service: QuickService, Account: "LocalSystem"}).Logon
			if l.Exists != winhost.Yes || l.Right != winhost.Yes || l.Configured != winhost.Yes {
				w.Errorf("%+v", l)
			}
			if w.Kind == Wine { // a group is in its database, and holds no right there
				if g := w.one(winhost.OK, &winhost.LogonRead{Service: QuickService, Account: `BUILTIN\Administrators`}).Logon; g.Exists != winhost.Yes || g.Right == winhost.Yes || g.Configured != winhost.No {
					w.Errorf("a group: %+v", g)
				}
			}
			if w.Kind != Wine && l.Running != winhost.Yes { // there all processes are one user's
				w.Errorf("its process: %+v", l)
			}
			w.one(winhost.OK, &winhost.ServiceStop{Service: QuickService, TimeoutSeconds: 10})
		},
	}, {
		name:   "logon that is refused",
		reason: "each refusal has its number, and changes nothing",
		not:    map[Kind]string{Wine: "it takes any account"},
		run: func(w *world) {
			for _, c := range []struct {
				service, account string
				code             winhost.Code
				number           uint32
			}{
				{QuickService, nobody, winhost.Failed, 1057},
				{DisabledService, Allowed, winhost.Failed, 1072}, // marked for deletion, too
				{"mr-none", Allowed, winhost.NotFound, 1060},
			} {
				if r := w.one(c.code, &winhost.ServiceLogon{Service: c.service, Account: c.account, Password: secret.NewString(Canary)}); r.Win32 != c.number {
					w.Errorf("%s as %s: %+v", c.service, c.account, r)
				}
			}
			w.one(winhost.NotFound, &winhost.LogonRead{Service: "mr-none", Account: Allowed})
			if s := w.one(winhost.OK, &winhost.ServiceQuery{Service: QuickService}).Service; s.Account != "LocalSystem" {
				w.Errorf("%+v", s)
			}
		},
	},
}
