package codesigning

import (
	"cmp"
	"slices"
	"strings"

	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
	"meshrotate/specs"
)

// buildName and passwordName are what the certificate on the build host, and the password of its PFX, are called in references.
const buildName, passwordName = name + ":build", name + ":password"

// Build is how connectors are built and signed, on hosts.build, with the certificate that is marked for signing.
type Build struct {
	// PFX is where the certificate is, with its key. Left out: it comes into the store by other means.
	PFX *specs.Source `json:"pfx,omitempty" trust:"value"`
	// Password opens the PFX.
	Password *specs.Source `json:"password,omitempty" trust:"value"`
	// Store is where the certificate and its key are on the build host. CurrentUser is the store of the account that meshrotate
	// signs in with: what another account builds does not find it.
	Store string `json:"store,omitempty" jsonschema:"enum=LocalMachine\\My,enum=CurrentUser\\My,default=LocalMachine\\My" trust:"target"`
	// Script is the full path of what builds and signs, a .cmd or .bat file, which is run in its own folder.
	Script string `json:"script" jsonschema:"required,minLength=1,example=C:\\build\\identitymesh-installer\\build-installer.cmd" trust:"program"`
	// Pin is what tells the script which certificate to sign with: a line `set NAME=…` of the script itself, or the environment of
	// the machine.
	Pin string `json:"pin,omitempty" jsonschema:"enum=script,enum=environment,default=script" trust:"target"`
	// Variable is its name.
	Variable string `json:"variable,omitempty" jsonschema:"minLength=1,maxLength=100,pattern=^[A-Za-z_][A-Za-z0-9_]*$,default=CODESIGN_THUMBPRINT" trust:"target"`
	// Artifacts are the connectors that the script makes.
	Artifacts Artifacts `json:"artifacts" jsonschema:"required"`
	// Further is what else the script makes and signs, such as the installer (.msi) and the services' programs (.exe).
	Further []Artifacts `json:"further,omitempty"`
	// Timeout bounds the script. What it has started ends with it.
	Timeout specs.Duration `json:"timeout,omitzero" jsonschema:"default=30m" trust:"more"`
}

// Artifacts are what a build makes.
type Artifacts struct {
	// Folder is the full path on the build host. Folders in it are not looked into.
	Folder string `json:"folder" jsonschema:"required,minLength=1,example=C:\\build\\out\\connectors" trust:"target"`
	// Suffix is how the names of what is signed end.
	Suffix string `json:"suffix,omitempty" jsonschema:"minLength=1,default=.dll" trust:"target"`
}

const inEnvironment = "environment"

func (b *Build) check(d *specs.Deployment, signing int, report specs.Report) {
	b.Store = cmp.Or(b.Store, `LocalMachine\My`)
	b.Pin, b.Variable = cmp.Or(b.Pin, "script"), cmp.Or(b.Variable, "CODESIGN_THUMBPRINT")
	for i := range b.Further {
		b.Further[i].Suffix = cmp.Or(b.Further[i].Suffix, ".dll")
		specs.CheckHostPath(b.Further[i].Folder, "buildHost/further", report)
	}
	b.Artifacts.Suffix = cmp.Or(b.Artifacts.Suffix, ".dll")
	if b.Timeout.IsZero() {
		b.Timeout = specs.MustDuration("30m")
	}
	specs.CheckHostPath(b.Script, "buildHost/script", report)
	specs.CheckHostPath(b.Artifacts.Folder, "buildHost/artifacts/folder", report)
	at := func(field, problem, hint string) { report("buildHost/"+field, problem, hint) }
	if d.Hosts.Build == "" {
		report("buildHost", "there is no build host", "declare hosts.build, or leave out buildHost")
	}
	if signing == 0 {
		report("thumbprints", "which certificate the build host signs with is not said", "mark it with `use: signing`")
	}
	if s := strings.ToLower(b.Script); b.Script != "" && !strings.HasSuffix(s, ".cmd") && !strings.HasSuffix(s, ".bat") || strings.ContainsAny(b.Script, `"&|<>^`) {
		at("script", "only a script of cmd.exe is run, whose path has none of \" & | < > ^ in it", "name a .cmd or .bat file that starts what you need")
	}
	switch {
	case (b.PFX == nil) != (b.Password == nil):
		at("pfx", "a PFX and its password go together", "name both, or neither where the certificate comes into the store by other means")
	case b.PFX == nil:
	case b.PFX.Generated || b.Password.Generated:
		at("pfx", "a certificate cannot be generated: an authority issues it", "name the PFX file and where its password is")
	case b.Password.File != "" && !strings.HasSuffix(b.Password.File, ".age"):
		at("password", "a password in a plain file beside the document would be committed with it", "seal the file with age and name it *.age")
	}
}

// signing is the thumbprint of the certificate that is marked for it, "" when none is.
func (s *Spec) signing() string {
	if i := slices.IndexFunc(s.Thumbprints, func(c Certificate) bool { return c.Use != "" }); i >= 0 {
		return string(s.Thumbprints[i].SHA1)
	}
	return ""
}

// buildVersion is the version of the certificate on the build host.
func (s *Spec) buildVersion() string {
	const digits = 8
	return s.signing()[:min(digits, len(s.signing()))]
}

// values are the PFX and its password.
func (s *Spec) values() []reconciler.Needed {
	if s.BuildHost == nil || s.BuildHost.PFX == nil || s.signing() == "" {
		return nil
	}
	v := s.buildVersion()
	return []reconciler.Needed{{Ref: secret.Ref{Name: buildName, Version: v}, From: *s.BuildHost.PFX, Exact: true},
		{Ref: secret.Ref{Name: passwordName, Version: v}, From: *s.BuildHost.Password}}
}
