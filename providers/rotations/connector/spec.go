package connector

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"meshrotate/specs"
)

// Spec is `secrets.connectors` in the document.
type Spec struct {
	// Secrets are the secrets that connectors sign in with.
	Secrets []Secret `json:"secrets" jsonschema:"required,minItems=1"`
	// Tool is the product's program that sets them, on the Engine host.
	Tool string `json:"tool,omitempty" jsonschema:"minLength=1,default=%ProgramFiles%\\IdentityMesh.Service\\secretscli.exe" trust:"program"`
	// Value says how the tool gets a value: on its standard input, or in a file that SYSTEM, administrators and meshrotate's account
	// alone can read, for a tool that takes none there. The file is deleted once the tool has ended.
	Value string `json:"value,omitempty" jsonschema:"enum=stdin,enum=file,default=stdin" trust:"guard"`
	// Argv says whether a value may stand on the tool's command line, where others on the host and its logs can see it, when
	// the tool takes none on its standard input.
	Argv string `json:"argv,omitempty" jsonschema:"enum=refused,enum=permitted,default=refused" trust:"guard"`
	// Timeout is how long the tool may take for one secret.
	Timeout specs.Duration `json:"timeout,omitzero" jsonschema:"default=30s" trust:"more"`
	// Hook is a program of whoever runs meshrotate that changes the password at a source system, for the secrets that say so.
	Hook Hook `json:"hook,omitzero"`
	// Login is a program of whoever runs meshrotate that signs in at a source system, for the secrets that say so.
	Login Login `json:"login,omitzero"`
	// Syncs says where Admin tells of sync runs. Left out: nothing shows that a new value opens and is taken by its source.
	Syncs Syncs `json:"syncs,omitzero"`
	// Tables are where the product's database keeps the secrets.
	Tables Tables `json:"tables,omitzero"`
}

// Secret is one secret of a connector.
type Secret struct {
	specs.Secret `json:",inline"`
	// Ref is its reference, as the tool and the database have it.
	Ref string `json:"ref" jsonschema:"required,minLength=1,maxLength=400" trust:"target,key"`
	// Connector is the name or the id of the connector that uses it. Left out: the one whose name or id is a part of ref.
	Connector string `json:"connector,omitempty" jsonschema:"minLength=1" trust:"target"`
	// Source is about the system that the connector signs in to.
	Source Source `json:"source,omitzero"`
}

// Source is about the system that a connector signs in to.
type Source struct {
	// Changed says when that system takes the new value: before it is set here, or after.
	Changed string `json:"changed,omitempty" jsonschema:"enum=before,enum=after,default=before" trust:"guard"`
	// By says who changes it there: a person, who has done so before the version is declared, or does once it is set; or the hook.
	By string `json:"by,omitempty" jsonschema:"enum=person,enum=hook,default=person" trust:"guard"`
	// Proof says what shows that the system takes the new value: sync runs, where Admin tells of them; or the login as well.
	Proof string `json:"proof,omitempty" jsonschema:"enum=syncs,enum=login,default=syncs" trust:"guard"`
}

// Hook is a program on the machine that meshrotate runs on. It gets the value on its standard input, and what it is about in its
// environment: MESHROTATE_REF, MESHROTATE_CONNECTOR, MESHROTATE_SECRET, MESHROTATE_VERSION. It may be run again with the same value.
type Hook struct {
	// Program is its full path.
	Program string `json:"program,omitempty" jsonschema:"minLength=1" trust:"program"`
	// Args are its arguments. No shell reads them.
	Args []string `json:"args,omitempty" trust:"program"`
	// Timeout is how long it may take for one secret.
	Timeout specs.Duration `json:"timeout,omitzero" jsonschema:"default=1m" trust:"more"`
}

// Login is a program on the machine that meshrotate runs on. It is told what a hook is told, signs in at the source system with the
// value, and changes nothing. It ends with 0 when the value was taken, with 1 when it was refused, and with anything else when it
// cannot tell. It is run once a run: a system may count what it refuses.
type Login struct {
	// Program is its full path.
	Program string `json:"program,omitempty" jsonschema:"minLength=1" trust:"program"`
	// Args are its arguments. No shell reads them.
	Args []string `json:"args,omitempty" trust:"program"`
	// Timeout is how long it may take for one secret.
	Timeout specs.Duration `json:"timeout,omitzero" jsonschema:"default=1m" trust:"more"`
}

// Syncs says where Admin tells of sync runs.
type Syncs struct {
	// Path is an endpoint of the Admin API that lists connectors with the begin and the outcome of their latest run.
	Path string `json:"path,omitempty" jsonschema:"minLength=1" trust:"target"`
	// List is where the list is in its answer, where that holds several: a field, or a path such as data.connectors.
	List string `json:"list,omitempty" jsonschema:"minLength=1,example=data.connectors" trust:"target"`
	// Timeout is how long to wait for a run that began after the push.
	Timeout specs.Duration `json:"timeout,omitzero" jsonschema:"default=15m" trust:"more"`
}

// Tables are where the product's database keeps the secrets: tables, with their schema if it is not dbo, and their columns.
type Tables struct {
	// Secrets is the table of secrets.
	Secrets string `json:"secrets,omitempty" jsonschema:"minLength=1,default=dbo.IM_Secrets" trust:"target"`
	// Ref is its column with the reference.
	Ref string `json:"ref,omitempty" jsonschema:"minLength=1,default=SecretRef" trust:"target"`
	// Updated is its column with the time of the last change, UTC.
	Updated string `json:"updated,omitempty" jsonschema:"minLength=1,default=UpdatedOn" trust:"target"`
	// Connectors is the table of connectors.
	Connectors string `json:"connectors,omitempty" jsonschema:"minLength=1,default=dbo.IM_Connectors" trust:"target"`
	// ID is its column with the connector's id.
	ID string `json:"id,omitempty" jsonschema:"minLength=1,default=ConnectorId" trust:"target"`
	// Name is its column with the connector's name.
	Name string `json:"name,omitempty" jsonschema:"minLength=1,default=Name" trust:"target"`
}

// maxArgument is how long a value may be on a command line, in UTF-16 units: Windows takes 32,767 of the whole, some programs
// less.
const maxArgument = 8000

// fits says whether the tool can take a value.
func (s *Spec) fits(value []byte, _ func(string) ([]byte, error)) error {
	text := string(value)
	switch {
	case !utf8.ValidString(text):
		return errors.New("it is no text")
	case strings.ContainsFunc(text, func(r rune) bool { return r == 0 || r == '\n' || r == '\r' }):
		return errors.New("it has a line break or a NUL in it, which not every tool reads as it is")
	case s.Argv == permitted && len(utf16.Encode([]rune(text))) > maxArgument:
		return fmt.Errorf("it is longer than %d characters, and may have to stand on a command line", maxArgument)
	}
	return nil
}

// most is how many secrets there may be: one request to a host carries no more.
const most = 4000

func check(d *specs.Deployment, spec any, report specs.Report) {
	s := spec.(*Spec)
	s.fillDefaults()
	specs.CheckHostPath(s.Tool, "tool", report)
	if s.Argv == permitted && !strings.HasSuffix(strings.ToLower(s.Tool), ".exe") {
		report("tool", "a value can stand on the command line of a program only: a shell would read it", "name an .exe")
	}
	if s.Syncs.Path != "" {
		specs.CheckEndpoint(s.Syncs.Path, "syncs/path", report)
		if d.Connect.AdminAPI.URL == "" {
			report("syncs", "sync runs cannot be asked for without the Admin API", "declare connect.adminApi.url, or leave out syncs")
		}
	}
	if d.Connect.SQL.Server == "" {
		report("", "connectors' secrets cannot be rotated without access to the product's database: nothing else says that they were set", "declare connect.sql")
	}
	if len(s.Secrets) > most {
		report("secrets", fmt.Sprintf("there are more than %d", most), "keep the others in a deployment of their own")
	}
	for _, p := range []struct{ at, path string }{{"hook/program", s.Hook.Program}, {"login/program", s.Login.Program}} {
		if p.path != "" && !filepath.IsAbs(p.path) && !strings.HasPrefix(p.path, "/") {
			report(p.at, "it is not a full path: what it names would depend on the folder that meshrotate is run in", "name it as in /usr/local/bin/at-source")
		}
	}
	seen := map[string]bool{}
	for i := range s.Secrets {
		one, at := &s.Secrets[i], func(field string) string { return fmt.Sprintf("secrets/%d/%s", i, field) }
		one.Source.Changed = cmp.Or(one.Source.Changed, before)
		one.Source.By = cmp.Or(one.Source.By, "person")
		one.Source.Proof = cmp.Or(one.Source.Proof, "syncs")
		if problem := unfit(one.Ref); problem != "" {
			report(at("ref"), problem, "use a reference as secretscli lists it")
		}
		if key := strings.ToLower(one.Ref); seen[key] {
			report(at("ref"), "two secrets have the same reference", "leave out one")
		} else {
			seen[key] = true
		}
		if one.Source.By == hook && s.Hook.Program == "" {
			report(at("source"), "the hook is to change it at its source system, and none is declared", "declare secrets.connectors.hook, or write `by: person`")
		}
		if one.Source.Proof == login && s.Login.Program == "" {
			report(at("source"), "the login is to show that its source system takes it, and none is declared", "declare secrets.connectors.login, or leave `proof` out")
		}
		switch {
		case one.From.File != "" && !strings.HasSuffix(one.From.File, ".age"):
			report(at("from"), "a password in a plain file beside the document would be committed with it", "seal the file with age and name it *.age")
		case one.From.Generated && one.Source.Changed != after && one.Source.By != hook:
			report(at("from"), "the source system cannot have a value before it is generated", "write `source: {changed: after}` or `source: {by: hook}`, or where the value is")
		}
	}
}

// unfit says why no tool could be given the reference, "" when one can.
func unfit(ref string) string {
	switch {
	case strings.HasPrefix(ref, "-") || strings.HasPrefix(ref, "/"):
		return "it begins like an option of a program"
	case strings.ContainsFunc(ref, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }):
		return "it has white space or a character in it that cannot be seen"
	case strings.ContainsAny(ref, "\"'`%^&|<>!\\"):
		return "it has a character in it that a command line may read otherwise: one of \" ' ` % ^ & | < > ! \\"
	}
	return ""
}

func (s *Spec) fillDefaults() {
	s.Tool = cmp.Or(s.Tool, `%ProgramFiles%\IdentityMesh.Service\secretscli.exe`)
	s.Value = cmp.Or(s.Value, "stdin")
	s.Argv = cmp.Or(s.Argv, "refused")
	if s.Timeout.IsZero() {
		s.Timeout = specs.MustDuration("30s")
	}
	if s.Hook.Program != "" && s.Hook.Timeout.IsZero() {
		s.Hook.Timeout = specs.MustDuration("1m")
	}
	if s.Login.Program != "" && s.Login.Timeout.IsZero() {
		s.Login.Timeout = specs.MustDuration("1m")
	}
	if s.Syncs.Path != "" && s.Syncs.Timeout.IsZero() {
		s.Syncs.Timeout = specs.MustDuration("15m")
	}
	t := &s.Tables
	t.Secrets, t.Ref, t.Updated = cmp.Or(t.Secrets, "dbo.IM_Secrets"), cmp.Or(t.Ref, "SecretRef"), cmp.Or(t.Updated, "UpdatedOn")
	t.Connectors, t.ID, t.Name = cmp.Or(t.Connectors, "dbo.IM_Connectors"), cmp.Or(t.ID, "ConnectorId"), cmp.Or(t.Name, "Name")
}
