package serviceaccount

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"

	"meshrotate/providers/site"
	"meshrotate/reconciler/secret"
	"meshrotate/specs"
)

// When services restart.
const now, window, later = "now", "window", "later"

// Who changes the password in the domain.
const others, kpasswd = "others", "kpasswd"

// Spec is `secrets.serviceAccounts` in the document.
type Spec []Account

// Account is one account, and the services that run as it.
type Account struct {
	// Services are names of the product's services. A relay's is that of every relay.
	Services []string `json:"services" jsonschema:"required,minItems=1,minLength=1,example=IdentityMeshEngine" trust:"target"`
	// Account is CONTOSO\name, name@contoso.example or .\name. A managed account (CONTOSO\name$), a virtual one (NT SERVICE\name)
	// and Windows' own (LocalSystem, NT AUTHORITY\name) take neither version nor from.
	Account string `json:"account" jsonschema:"required,minLength=1,example=CONTOSO\\svc-im" trust:"target,key"`
	// Version names the wanted password. Changing it is what asks for a rotation.
	Version specs.Version `json:"version,omitempty" trust:"wanted"`
	// From is where the password comes from. Whoever changed it in the domain has put it there. With kpasswd it may be generated.
	From specs.Source `json:"from,omitzero" trust:"value"`
	// Keep is a place in a store of connect.stores, version 2 of Vault's KV engine, in which a generated password is kept as well, so
	// that others can read it there.
	Keep *specs.Place `json:"keep,omitempty" trust:"keep"`
	// ChangedBy says who changes the password in the domain: somebody else, who has put it at from; or the account itself, by
	// Kerberos (kpasswd), signed in with the version before, which meshrotate keeps.
	ChangedBy string `json:"changedBy,omitempty" jsonschema:"enum=others,enum=kpasswd,default=others" trust:"guard"`
	// Every is how often it should be rotated; status and drift say when it is due.
	Every specs.Duration `json:"every,omitzero" trust:"wanted"`
	// Restart says when the services start with it: now; in a window, by the first apply that is run in one; or whenever they next
	// start. Until then the password is stored: a service that runs keeps its logon.
	Restart string `json:"restart,omitempty" jsonschema:"enum=now,enum=window,enum=later,default=now" trust:"guard"`
	// RestartIn are the windows, written as policy.window's: days, hours, zone.
	RestartIn []string `json:"restartIn,omitempty" jsonschema:"minLength=1,example=Sat 02:00-05:00 Europe/Zurich" trust:"guard"`
}

// unversioned stands for the version where there is no password.
const unversioned = "passwordless"

// slug is the account in the secret's name.
func (a Account) slug() string {
	return strings.Trim(strings.Map(func(r rune) rune {
		if r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r)) {
			return unicode.ToLower(r)
		}
		return '-'
	}, a.Account), "-")
}

func (a Account) ref() secret.Ref {
	return secret.Ref{Name: name + "-" + a.slug(), Version: cmp.Or(string(a.Version), unversioned)}
}

// maxPassword is what Windows takes, in UTF-16 units.
const maxPassword = 256

// fits refuses what is no password, or was copied with something around it.
func fits(password []byte, _ func(string) ([]byte, error)) error {
	text := string(password)
	switch n := len(utf16.Encode([]rune(text))); {
	case n == 0:
		return errors.New("it is empty")
	case n > maxPassword:
		return fmt.Errorf("it has %d characters, and Windows takes %d", n, maxPassword)
	case strings.TrimSpace(text) != text:
		return errors.New("it begins or ends with a blank: it was copied with something around it")
	case strings.ContainsFunc(text, unicode.IsControl):
		return errors.New("there is a line end, or another control character, in it")
	}
	return nil
}

func check(d *specs.Deployment, spec any, report specs.Report) {
	all := *spec.(*Spec)
	slugs, services := map[string]bool{}, map[string]bool{}
	for i := range all {
		a := &all[i]
		say := func(path, problem, hint string) { report(fmt.Sprintf("%d/%s", i, path), problem, hint) }
		a.Restart, a.ChangedBy = cmp.Or(a.Restart, now), cmp.Or(a.ChangedBy, others)
		if slugs[a.slug()] {
			say("account", "is there twice", "one entry names all services of an account")
		} else if other := a.among(all[:i], d); other != "" {
			say("account", "cannot be told apart from "+other+", which has an entry", "one entry names all services of an account; "+alike)
		}
		slugs[a.slug()] = true
		for j, s := range a.Services {
			at := fmt.Sprintf("services/%d", j)
			if services[strings.ToLower(s)] {
				say(at, "is there twice: a service runs as one account", "name it once")
			}
			services[strings.ToLower(s)] = true
			if len(nodesOf(d, s)) == 0 {
				say(at, "is not a service of the product on a host of the document", fmt.Sprintf("the services are %s, %s and %s; product.*.service names others",
					d.Product.Admin.Service, d.Product.Engine.Service, d.Product.Relay.Service))
			}
		}
		a.check(d, say)
	}
}

// alike is how two accounts can be told apart.
const alike = `where they are two, write the domains of both alike: CONTOSO\name, or contoso.example\name`

// among finds an account that has a password, and may be this one.
func (a *Account) among(others []Account, d *specs.Deployment) string {
	for _, other := range others {
		if !site.Passwordless(a.Account) && site.SameAccount(a.Account, other.Account, d.AllHosts()...) {
			return other.Account
		}
	}
	return ""
}

func (a *Account) checkRestart(say specs.Report) {
	switch {
	case a.Restart == window && len(a.RestartIn) == 0:
		say("restartIn", "is missing", "it says when the services may restart: restartIn: [Sat 02:00-05:00 Europe/Zurich]")
	case a.Restart != window && len(a.RestartIn) > 0:
		say("restartIn", "says when the services restart, and restart is "+a.Restart, "write restart: window, or leave it out")
	}
	for i, text := range a.RestartIn {
		if _, err := specs.ParseWindow(text); err != nil {
			say(fmt.Sprintf("restartIn/%d", i), err.Error(), "days, hours and a zone: Mon-Fri 22:00-04:00 Europe/Zurich")
		}
	}
}

func (a *Account) check(d *specs.Deployment, say specs.Report) {
	a.checkRestart(say)
	if problem, hint := specs.AccountProblem(a.Account); problem != "" {
		say("account", problem, hint)
	} else if a.slug() == "" {
		say("account", "is no name of an account", `CONTOSO\name, name@contoso.example or .\name`)
	}
	ours, unnamed := signsIn(d)
	if unnamed && !site.Passwordless(a.Account) {
		say("account", "whose tickets meshrotate itself signs in with is not said, and they may be this account's", "name the account beside the cache: connect.winrm.user, or the user of whatever else has a kerberos.cache")
	}
	for _, own := range ours {
		if site.SameAccount(own, a.Account, d.AllHosts()...) {
			say("account", fmt.Sprintf("meshrotate itself signs in with this account, or with one that cannot be told apart from it (%s): it would lock itself out in the middle of the rotation", own),
				"give the services and meshrotate an account each; "+alike)
			break
		}
	}
	if site.Passwordless(a.Account) {
		if a.Version != "" || !a.From.IsZero() || a.Keep != nil {
			say("account", "Windows manages this account's password: there is none to rotate", "leave out version, from and keep")
		}
		if a.ChangedBy == kpasswd {
			say("changedBy", "Windows manages this account's password: there is none to change", "leave it out")
		}
		return
	}
	if !strings.ContainsAny(a.Account, `\@`) {
		say("account", "does not say whose account it is", `CONTOSO\name, name@contoso.example, or .\name for one of the host's own`)
	}
	if a.ChangedBy == kpasswd && strings.HasPrefix(a.Account, `.\`) {
		say("changedBy", "an account of the host's own is in no domain", "leave it out")
	}
	if a.ChangedBy == kpasswd && !hasRealm(a.Account, d.Connect.WinRM.Kerberos) {
		say("changedBy", "which Kerberos realm the account is of is not known: what this machine takes for its own may be a stranger's",
			"write the account as name@CONTOSO.EXAMPLE, or name the realm: connect.winrm.kerberos.realm; or the file that does: connect.winrm.kerberos.config")
	}
	if a.Version == "" {
		say("version", "is missing", "it names the wanted password: version: 1")
	}
	switch {
	case a.From.IsZero():
		say("from", "is missing", "write where the password is: {env: NAME} or {file: PATH.age}")
	case a.From.Generated && a.ChangedBy != kpasswd:
		say("from", "whoever changes the account in the domain knows its password: it cannot be generated here", "write {env: NAME} or {file: PATH.age}; or let the account change it: changedBy: kpasswd")
	case a.From.File != "" && !strings.HasSuffix(a.From.File, ".age"):
		say("from", "a password in a plain file beside the document would be committed with it", "seal the file with age and name it *.age")
	}
}

// hasRealm says that the document says which realm the account is of: a domain with a dot is one, a NetBIOS name is none.
func hasRealm(account string, k *specs.Kerberos) bool {
	domain, _, _ := strings.Cut(account, `\`)
	return strings.HasPrefix(account, `.\`) || strings.ContainsAny(account, "@") || strings.Contains(domain, ".") && domain != account || k != nil
}

// signsIn are the Windows accounts that meshrotate uses itself, and whether one is not named: that of tickets in a cache.
func signsIn(d *specs.Deployment) (all []string, unnamed bool) {
	winRM := d.Connect.WinRM
	add := func(user string, own *specs.Kerberos) {
		tickets := own
		if own == nil {
			user, tickets = cmp.Or(user, winRM.User), winRM.Kerberos
		}
		if user != "" {
			all = append(all, user)
		}
		unnamed = unnamed || user == "" && tickets != nil && tickets.Cache != ""
	}
	add(winRM.User, winRM.Kerberos)
	add(d.Connect.AdminAPI.User, d.Connect.AdminAPI.Kerberos)
	if q := d.Connect.SQL; q.Auth == "ntlm" || q.Auth == "kerberos" {
		add(q.User, q.Kerberos)
	}
	if q := d.State.SQL; q != nil && (q.Auth == "ntlm" || q.Auth == "kerberos") {
		add(q.User, q.Kerberos)
	}
	for _, h := range d.Connect.Hosts {
		add(cmp.Or(h.User, winRM.User), h.Kerberos)
	}
	return all, unnamed
}
