package specs

import (
	"path/filepath"
	"reflect"
	"strings"
)

// Store is where values may come from, besides variables and files, and where generated ones may be kept: exactly one of these.
type Store struct {
	// Vault is HashiCorp Vault or OpenBao, with a KV secrets engine.
	Vault *Vault `json:"vault,omitempty"`
	// KeyVault is Azure Key Vault.
	KeyVault *KeyVault `json:"keyVault,omitempty"`
	// Exec is a program of whoever runs meshrotate that writes a value on its standard output: sops, op, az, aws.
	Exec *Exec `json:"exec,omitempty"`
}

// Vault is a server of HashiCorp Vault or OpenBao, and how it is signed in to: with one of token, appRole and kubernetes. What
// VAULT_ADDR and its like say does not count.
type Vault struct {
	// URL is the server's root, https.
	URL string `json:"url" jsonschema:"required,minLength=1,example=https://vault.contoso.example:8200" trust:"url"`
	// Namespace is the one of Vault Enterprise or OpenBao.
	Namespace string `json:"namespace,omitempty" jsonschema:"minLength=1" trust:"signIn"`
	// Mount is where the KV engine is mounted.
	Mount string `json:"mount,omitempty" jsonschema:"minLength=1,default=secret" trust:"signIn"`
	// KV is the engine's version: 2 keeps the versions of a value, 1 does not.
	KV int `json:"kv,omitempty" jsonschema:"enum=1,enum=2,default=2" trust:"signIn"`
	// Token says where a token comes from.
	Token *Source `json:"token,omitempty" trust:"credential"`
	// AppRole signs in as an application.
	AppRole *AppRole `json:"appRole,omitempty"`
	// Kubernetes signs in as a pod.
	Kubernetes *Kubernetes `json:"kubernetes,omitempty"`
	// CAFile is a PEM file with the certificate authorities to trust instead of the system's.
	CAFile string `json:"caFile,omitempty" jsonschema:"minLength=1" trust:"file"`
}

// AppRole is Vault's way to sign in with a role's id and a secret id.
type AppRole struct {
	// RoleID is the role's id.
	RoleID string `json:"roleId" jsonschema:"required,minLength=1" trust:"signIn"`
	// SecretID says where the secret id comes from.
	SecretID *Source `json:"secretId" jsonschema:"required" trust:"credential"`
	// Mount is where the method is mounted.
	Mount string `json:"mount,omitempty" jsonschema:"minLength=1,default=approle" trust:"signIn"`
}

// Kubernetes is Vault's way to sign in with the token that Kubernetes gives to a pod.
type Kubernetes struct {
	// Role is Vault's role.
	Role string `json:"role" jsonschema:"required,minLength=1" trust:"signIn"`
	// JWT says where that token comes from: the file that Kubernetes puts into the pod.
	JWT *Source `json:"jwt" jsonschema:"required" trust:"credential"`
	// Mount is where the method is mounted.
	Mount string `json:"mount,omitempty" jsonschema:"minLength=1,default=kubernetes" trust:"signIn"`
}

// KeyVault is an Azure Key Vault, and as which application of Microsoft Entra it is signed in to.
type KeyVault struct {
	// URL is the vault's, https.
	URL string `json:"url" jsonschema:"required,minLength=1,example=https://contoso-im.vault.azure.net" trust:"url"`
	// Entra says as which application.
	Entra *Application `json:"entra" jsonschema:"required"`
}

// Exec is a program on the machine that meshrotate runs on. A value's path is its last argument, and what it writes on its standard
// output is the value. It runs in its own folder, and no shell is between.
type Exec struct {
	// Program is its full path.
	Program string `json:"program" jsonschema:"required,minLength=1" trust:"program"`
	// Args are its arguments before the path.
	Args []string `json:"args,omitempty" trust:"program"`
	// Env are the variables of meshrotate's environment that it is given, besides those that programs need to run at all.
	Env []string `json:"env,omitempty" trust:"variable"`
	// Stdin says that a value's path is a file like those of {file: PATH}, which the program is given on its standard input: it has
	// no argument then.
	Stdin bool `json:"stdin,omitempty" trust:"program"`
	// Timeout is how long it may take for one value.
	Timeout Duration `json:"timeout,omitzero" jsonschema:"default=1m" trust:"more"`
}

func (c *Connect) fillStores() {
	for _, s := range c.Stores {
		if v := s.Vault; v != nil {
			orText(&v.Mount, "secret")
			if v.KV == 0 {
				v.KV = 2
			}
			if v.AppRole != nil {
				orText(&v.AppRole.Mount, "approle")
			}
			if v.Kubernetes != nil {
				orText(&v.Kubernetes.Mount, "kubernetes")
			}
		}
		if s.KeyVault != nil && s.KeyVault.Entra != nil {
			s.KeyVault.Entra.fillDefaults()
		}
		if s.Exec != nil {
			orDuration(&s.Exec.Timeout, "1m")
		}
	}
}

// emptyStores are stores of the same kinds, that say nothing of themselves.
func emptyStores(all map[string]Store) map[string]Store {
	empty := map[string]Store{}
	for name, s := range all {
		var e Store
		if s.Vault != nil {
			if e.Vault = (&Vault{}); s.Vault.AppRole != nil {
				e.Vault.AppRole = &AppRole{}
			}
			if s.Vault.Kubernetes != nil {
				e.Vault.Kubernetes = &Kubernetes{}
			}
		}
		if s.KeyVault != nil {
			e.KeyVault = &KeyVault{Entra: &Application{}}
		}
		if s.Exec != nil {
			e.Exec = &Exec{}
		}
		empty[name] = e
	}
	return empty
}

var (
	storeName = form(`^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$`)
	variable  = form(`^[A-Za-z_][A-Za-z0-9_]*$`)
	keyName   = form(`^[A-Za-z0-9-]{1,127}$`) // of a secret of Azure Key Vault
)

// checkStores looks at connect.stores as it was written.
func (r *reader) checkStores(c *Connect) {
	if r.isBroken("connect", "stores") {
		return
	}
	for _, name := range sortedKeys(c.Stores) {
		s, path := c.Stores[name], []string{"connect", "stores", name}
		if !storeName().MatchString(name) {
			r.at(path, "a store's name has 1 to 63 letters, digits, hyphens and underscores", "corp")
		}
		if !exactlyOne(s.Vault != nil, s.KeyVault != nil, s.Exec != nil) {
			r.at(path, "one of vault, keyVault and exec is needed, and no other", "")
			continue
		}
		switch {
		case s.Vault != nil:
			r.checkVault(s.Vault, under(path, "vault"))
		case s.KeyVault != nil:
			path = under(path, "keyVault")
			r.checkURL(s.KeyVault.URL, under(path, "url")...)
			r.checkApplication(s.KeyVault.Entra, under(path, "entra"))
		case s.Exec != nil:
			r.checkExec(s.Exec, under(path, "exec"))
		}
	}
}

func (r *reader) checkVault(v *Vault, path []string) {
	r.checkURL(v.URL, under(path, "url")...)
	if !exactlyOne(v.Token != nil, v.AppRole != nil, v.Kubernetes != nil) {
		r.at(path, "one of token, appRole and kubernetes is needed, and no other", "write token: {env: NAME}, appRole: {roleId: ID, secretId: {env: NAME}} or kubernetes: {role: NAME, jwt: {file: PATH}}")
	}
	mount := func(name string, path []string) {
		if name != "" && !plainPath(name) {
			r.at(under(path, "mount"), "a mount is written without a slash at its ends, and without . and ..", "secret")
		}
	}
	mount(v.Mount, path)
	if v.AppRole != nil {
		mount(v.AppRole.Mount, under(path, "appRole"))
	}
	if v.Kubernetes != nil {
		mount(v.Kubernetes.Mount, under(path, "kubernetes"))
	}
}

func (r *reader) checkExec(e *Exec, path []string) {
	if !filepath.IsAbs(e.Program) && !strings.HasPrefix(e.Program, "/") {
		r.at(under(path, "program"), "it is not a full path: what it names would depend on the folder that meshrotate is run in", "name it as in /usr/local/bin/op")
	}
	for _, name := range e.Env {
		switch {
		case !variable().MatchString(name):
			r.at(under(path, "env"), "these are names of variables, without their values", "OP_CONNECT_TOKEN")
		case strings.HasPrefix(strings.ToUpper(name), "MESHROTATE_"):
			r.at(under(path, "env"), "meshrotate's own variables are given to no program", "leave it out")
		}
	}
}

func exactlyOne(all ...bool) bool {
	given := 0
	for _, is := range all {
		if is {
			given++
		}
	}
	return given == 1
}

// plainPath says that each part between slashes is a name.
func plainPath(path string) bool {
	for _, part := range strings.Split(path, "/") {
		if part == "" || part == "." || part == ".." || strings.ContainsFunc(part, func(c rune) bool { return c < ' ' || c == 0x7f || c == '\\' }) {
			return false
		}
	}
	return true
}

// checkItems looks at every value of the document that comes from a store, or is kept in one.
func (r *reader) checkItems(d *Deployment) {
	check := func(path []string, i Item) {
		s, declared := d.Connect.Stores[i.Store]
		switch {
		case i.Store == "":
		case path[0] == "connect" && len(path) > 1 && path[1] == "stores":
			r.at(path, "what a store is signed in to with is not asked of a store", "write {env: NAME}, or {file: PATH} outside the repository")
		case !declared:
			r.at(path, "there is no such store", "declare it under connect.stores, or name one of those: "+strings.Join(sortedKeys(d.Connect.Stores), ", "))
		case s.Vault != nil:
			r.checkVaultItem(path, i, s.Vault)
		case i.Key != "":
			r.at(path, "key is for Vault alone: here a path has one value", "leave it out")
		case s.KeyVault != nil && !keyName().MatchString(i.Path):
			r.at(path, "a secret of Azure Key Vault is named by 1 to 127 letters, digits and hyphens", "im-token")
		case s.Exec != nil && i.At != "":
			r.at(path, "a program knows no versions", "leave `at` out, or make it a part of the path")
		case s.Exec != nil && (strings.HasPrefix(i.Path, "-") || strings.ContainsFunc(i.Path, func(c rune) bool { return c < ' ' || c == 0x7f })):
			r.at(path, "the path is an argument of a program: it begins with no hyphen, and has no control characters", "")
		}
	}
	for at, v := range map[string]any{"connect": d.Connect, "state": d.State, "secrets": d.Secrets} {
		eachSource(reflect.ValueOf(v), rootPath(at), func(path []string, s *Source) { check(path, s.Item) })
		eachKept(reflect.ValueOf(v), rootPath(at), func(path []string, from Source, i Place) {
			check(path, Item{Place: i})
			s := d.Connect.Stores[i.Store]
			switch {
			case !from.Generated:
				r.at(path, "only a value that meshrotate makes is kept elsewhere", "write `from: generated`, or leave keep out")
			case s.Vault != nil && s.Vault.KV == 1, s.Vault == nil && s != (Store{}):
				r.at(path, "only version 2 of Vault's KV engine takes a value if nobody was faster, so that a version never has two", "name such a store")
			}
		})
	}
}

func (r *reader) checkVaultItem(path []string, i Item, v *Vault) {
	switch {
	case !plainPath(i.Path):
		r.at(path, "a path in Vault is written without a slash at its ends, and without . and ..", "im/relay")
	case v.KV == 1 && i.At != "":
		r.at(path, "version 1 of Vault's KV engine keeps no versions", "leave `at` out")
	case i.At != "" && strings.Trim(string(i.At), "0123456789") != "":
		r.at(path, "Vault's versions are numbers", "at: 4")
	}
}
