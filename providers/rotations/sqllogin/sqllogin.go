// Package sqllogin rotates the password with which Admin and Engine sign in to SQL Server. Both have it in a connection
// string in their settings files, and may never run on two different ones.
//
//	alternating   two logins take turns. The idle one gets the new password, is proven on a fresh connection with the very
//	              strings that the hosts get, and then both files are swapped while both services are stopped. Nothing live
//	              breaks if that fails: the other login still works, so the way back is open until it is retired, after a soak,
//	              in a later run.
//	single        one login. Both services stop, the password is changed and proven, the files are swapped. There is no way
//	              back once the password was changed; what a run that died has left is learnt by a sign-in.
//	external      somebody else changes the password. It must be accepted before anything is staged.
//	integrated    Windows signs in: there is no password here, and a string with one is refused, not rewritten.
//
// Logins belong to an instance: every replica of an availability group is changed, and proven, or tolerated by its name.
package sqllogin

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
	"meshrotate/specs"
)

// name is the secret's name in references and in the ledger.
const name = "sqllogin"

// The modes.
const (
	integrated, alternating, single, external = "integrated", "alternating", "single", "external"
)

// fromHosts is the other place than here from where a string is tried.
const fromHosts = "hosts"

// Spec is `secrets.sqlLogin` in the document.
type Spec struct {
	// Mode is how the login rotates. Left out: alternating, where two logins are declared.
	Mode string `json:"mode,omitempty" jsonschema:"enum=integrated,enum=alternating,enum=single,enum=external" trust:"target"`
	// Logins are the two that take turns, for mode: alternating.
	Logins []string `json:"logins,omitempty" jsonschema:"minItems=2,maxItems=2,minLength=1" trust:"target"`
	// Login is the one, for single and external.
	Login string `json:"login,omitempty" jsonschema:"minLength=1" trust:"target"`
	// Version names the wanted password. Changing it is what asks for a rotation.
	Version specs.Version `json:"version,omitempty" trust:"wanted"`
	// From is where the password comes from.
	From specs.Source `json:"from,omitzero" trust:"value"`
	// Keep is a place in a store of connect.stores, version 2 of Vault's KV engine, in which a generated password is kept as well, so
	// that others can read it there.
	Keep *specs.Place `json:"keep,omitempty" trust:"keep"`
	// Every is how often it should be rotated; status and drift say when it is due.
	Every specs.Duration `json:"every,omitzero" trust:"wanted"`
	// Soak is how long the login that was replaced stays as it is, for mode: alternating.
	Soak specs.Duration `json:"soak,omitzero" jsonschema:"default=7d" trust:"either"`
	// Retire says what becomes of it then.
	Retire string `json:"retire,omitempty" jsonschema:"enum=disable,enum=keep,default=disable" trust:"guard"`
	// Settings are the configuration keys that hold the connection string, as .NET names them.
	Settings Settings `json:"settings,omitzero"`
	// ProveFrom is from where a string is tried before the services get it: from here, or also from the hosts, over their own
	// network, with the client that Windows has.
	ProveFrom string `json:"proveFrom,omitempty" jsonschema:"enum=here,enum=hosts,default=here" trust:"guard"`
	// Tolerate names replicas and other instances that may be left with the old password: a failover to one stops the product.
	Tolerate []string `json:"tolerate,omitempty" jsonschema:"minLength=1" trust:"less"`
}

// Settings are the configuration keys that hold the connection string.
type Settings struct {
	// Admin is the key in Admin's file.
	Admin string `json:"admin,omitempty" jsonschema:"minLength=1,default=IdentityMesh:SqlConnectionString" trust:"target"`
	// Engine is the key in Engine's file.
	Engine string `json:"engine,omitempty" jsonschema:"minLength=1,default=IdentityMesh:SqlConnectionString" trust:"target"`
}

func (s *Spec) ref() secret.Ref {
	return secret.Ref{Name: name, Version: cmp.Or(string(s.Version), integrated)}
}

// logins are all that the document names.
func (s *Spec) logins() []string {
	if s.Mode == alternating {
		return s.Logins
	}
	if s.Login == "" {
		return nil
	}
	return []string{s.Login}
}

// maxPassword is SQL Server's limit, in UTF-16 units.
const maxPassword = 128

// Kind registers the rotation.
func Kind() reconciler.Kind {
	return reconciler.Kind{
		Lessons: lessons,
		Name:    name,
		Section: specs.Section{Key: "sqlLogin", New: func() any { return &Spec{} }, Check: check},
		Values: func(spec any) []reconciler.Needed {
			s := spec.(*Spec)
			if s.Mode == integrated {
				return nil
			}
			return []reconciler.Needed{{Ref: s.ref(), From: s.From, Keep: s.Keep, Plain: true, Check: fits}}
		},
		New: func(d *specs.Deployment, spec any) ([]reconciler.Rotation, error) {
			return []reconciler.Rotation{New(d, spec.(*Spec))}, nil
		},
	}
}

func fits(password []byte, _ func(string) ([]byte, error)) error {
	if n := len(utf16.Encode([]rune(string(password)))); n > maxPassword {
		return fmt.Errorf("it has %d characters, and SQL Server takes %d", n, maxPassword)
	}
	if strings.ContainsFunc(string(password), func(r rune) bool { return r > 0xFFFF }) {
		return errors.New("it has a character beyond U+FFFF, such as an emoji, and nobody could prove from here that SQL Server takes it; choose one without")
	}
	return nil
}

func check(d *specs.Deployment, spec any, report specs.Report) {
	s := spec.(*Spec)
	if s.Mode == "" && len(s.Logins) > 0 {
		s.Mode = alternating
	}
	s.Settings.Admin = cmp.Or(s.Settings.Admin, defaultKey)
	s.Settings.Engine = cmp.Or(s.Settings.Engine, defaultKey)
	s.Retire = cmp.Or(s.Retire, "disable")
	s.ProveFrom = cmp.Or(s.ProveFrom, "here")
	if s.Soak.IsZero() {
		s.Soak = specs.MustDuration("7d")
	}
	for key, at := range map[string]string{s.Settings.Admin: "settings/admin", s.Settings.Engine: "settings/engine"} {
		if slices.Contains(strings.Split(key, ":"), "") {
			report(at, "every part between colons needs a name", defaultKey)
		}
	}
	if s.Mode == integrated {
		if len(s.Logins) > 0 || s.Login != "" || s.Version != "" || !s.From.IsZero() || s.Keep != nil {
			report("mode", "where Windows signs in there is neither a login nor a password to rotate", "leave out login, logins, version, from and keep; the account's password is another secret")
		}
		return
	}
	s.checkLogins(report)
	s.checkOwn(d, report)
	if s.Version == "" {
		report("version", "is missing", "it names the wanted password: version: 1")
	}
	switch {
	case s.From.IsZero():
		report("from", "is missing", "write `from: generated`, or where the password is")
	case s.From.Generated && s.Mode == external:
		report("from", "whoever changes the login elsewhere knows its password: it cannot be generated here", "write {env: NAME} or {file: PATH}, or another mode")
	case s.From.File != "" && !strings.HasSuffix(s.From.File, ".age"):
		report("from", "a password in a plain file beside the document would be committed with it", "seal the file with age and name it *.age")
	}
	if d.Connect.SQL.Server == "" {
		report("", "a login cannot be rotated without access to its SQL Server", "declare connect.sql")
	}
	if d.Connect.AdminAPI.URL == "" {
		report("", "a login cannot be rotated without the Admin API: nothing else says that Admin works with it", "declare connect.adminApi.url")
	}
	for i, t := range s.Tolerate {
		if !slices.Contains(slices.Concat(d.Connect.SQL.Replicas, d.Connect.SQL.AlsoAt), t) {
			report("tolerate/"+strconv.Itoa(i), "is not one of connect.sql.replicas or alsoAt", "only these can be tolerated")
		}
	}
}

// maxName is how long a name may be, in UTF-16 units: sysname is nvarchar(128).
const maxName = 128

const defaultKey = "IdentityMesh:SqlConnectionString"

func (s *Spec) checkLogins(report specs.Report) {
	for _, l := range s.logins() {
		at := "login"
		if i := slices.Index(s.Logins, l); i >= 0 {
			at = "logins/" + strconv.Itoa(i)
		}
		switch {
		case len(utf16.Encode([]rune(l))) > maxName:
			report(at, fmt.Sprintf("it has more than %d characters, which no login has (sysname)", maxName), "write the name as sys.server_principals has it")
		case strings.ContainsFunc(l, func(r rune) bool { return unicode.IsControl(r) || r > 0xFFFF }):
			report(at, "it has a line break, another control character, or one beyond U+FFFF: meshrotate cannot sign in with it", "write the name as sys.server_principals has it, or name another login")
		}
	}
	switch {
	case s.Mode == "":
		report("mode", "one login: say how it rotates", "mode: single stops both services while the password changes; external rolls out what was changed elsewhere; two logins take turns: logins: [a, b]")
	case s.Mode == alternating && (len(s.Logins) != 2 || s.Login != ""):
		report("logins", "two logins take turns", "logins: [im_app_a, im_app_b]")
	case s.Mode != alternating && (s.Login == "" || len(s.Logins) > 0):
		report("login", "one login is rotated", "login: im_app")
	case s.Mode == alternating && sameLogin(s.Logins[0], s.Logins[1]):
		report("logins", "two names of one login", "SQL Server tells neither capital letters apart nor blanks at the end")
	}
}

// Rotation is the SQL login of one deployment.
type Rotation struct {
	ref      secret.Ref
	spec     *Spec
	database string
	servers  []string // the first is the server of the strings, or its listener
	state    string   // the login with which the state is read, "" where there is none
	nodes    [2]node  // Admin, Engine
	api      specs.API
}

// node is a service that has the connection string in its settings file.
type node struct {
	label, host string
	component   specs.Component
	setting     site.Setting
	service     site.Service
	machine     site.Machine
	signIn      site.SignIn
	preflight   site.Preflight
}

func (n node) who() site.Who { return site.Who{Name: n.label} }

// New makes the rotation that the document asks for.
func New(d *specs.Deployment, spec *Spec) *Rotation {
	r := &Rotation{ref: spec.ref(), spec: spec, database: d.Connect.SQL.Database, servers: d.SQLServers(), api: d.Product.API}
	if q, ok := d.StateServer(); ok {
		r.state = ownLogin(q)
	}
	make := func(label, host, key string, c specs.Component) node {
		c = c.Holding(key)
		n := node{label: label, host: host, component: c,
			setting: site.Setting{Host: host, Path: c.Settings, Setting: key, Secret: r.ref, Service: c.Service, Form: site.Form{Kind: site.ConnectionString},
				Reach: spec.ProveFrom == fromHosts && spec.Mode != integrated},
			service: site.Service{Host: host, Name: c.Service}, machine: site.Machine{Host: host}, preflight: site.Preflight{Host: host, Service: c.Service, Path: c.Settings, Settings: c.Settings}}
		if len(r.servers) > 0 {
			n.signIn = site.SignIn{Server: r.servers[0], Setting: n.setting, Login: spec.Login, Always: spec.Mode == external}
		}
		return n
	}
	r.nodes = [2]node{make(site.AdminLabel, d.Hosts.Admin, spec.Settings.Admin, d.Product.Admin.On(d.Hosts.Admin)),
		make("Engine", d.EngineHost(), spec.Settings.Engine, d.Product.Engine.On(d.EngineHost()))}
	return r
}

// Ref names the secret and the declared version.
func (r *Rotation) Ref() secret.Ref { return r.ref }

// Reads are the string and the service on both hosts, the logins on every instance, and whether the strings sign in.
func (r *Rotation) Reads() []reconciler.Read {
	var reads []reconciler.Read
	for _, n := range r.nodes {
		reads = append(reads, n.setting, n.service, n.machine)
	}
	if r.spec.Mode == integrated {
		for _, server := range r.servers { // logins that were in the strings before may sign in still
			reads = append(reads, site.Instance{Server: server, Database: r.database})
		}
		return reads
	}
	reads = append(reads, site.Value{Secret: r.ref})
	for _, t := range r.trials() {
		reads = append(reads, t)
	}
	for _, n := range r.nodes {
		reads = append(reads, n.preflight, n.preflight.Exposure("the connection string"))
	}
	for _, server := range r.servers {
		reads = append(reads, site.Instance{Server: server, Database: r.database})
		for _, l := range r.spec.logins() {
			reads = append(reads, site.Login{Server: server, Name: l})
		}
	}
	for _, n := range r.nodes {
		reads = append(reads, n.signIn)
	}
	if r.spec.Mode == external { // whoever changes it there does not tell
		for _, server := range r.servers[1:] {
			reads = append(reads, r.account(server))
		}
	}
	return reads
}

func (r *Rotation) account(server string) site.Account {
	return site.Account{Server: server, Login: r.spec.Login, Secret: r.ref}
}

// trials ask Admin what is asked once it has started again.
func (r *Rotation) trials() []site.Trial {
	return []site.Trial{{Path: r.api.Ready, Asks: site.AsksReady}, {Path: r.api.Dashboard, Asks: site.AsksObject}}
}
