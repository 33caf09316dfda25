// Package connector rotates the secrets with which Engine's connectors sign in to their source systems. The product keeps
// them in its database, sealed for the Engine host, and has a program there that sets them.
//
// A value cannot be read back, so what is stored is known by the ledger: the version that a run proved. What a run has begun
// and not proven is set again, which is harmless: the same value is stored. The program is not believed. That the value was
// stored is proven by the database's own time of it, and that it opens and is taken, by a sync run that began after it, where
// Admin tells of those. That its source takes it a program of the operator can show as well, by a login there.
//
// What Windows seals (DPAPI) opens on that machine alone, and for some products under that account alone. So the ledger has of
// each secret which machine it was set on and what Engine ran as. Where that has changed, or is about to change in the same
// plan, the secret is set again, with the same value.
//
// The source system takes the new value by a person's hand, before the version is declared or after the secret was set, or by a
// program of the operator, before or after. What comes after is a round of its own, which a later run goes on with.
//
// Each secret is a rotation of its own, with a line of its own in the ledger. All of them are set by one process on the Engine
// host, and read in one round trip. Nothing restarts: Engine reads a secret whenever a connector starts.
package connector

import (
	"strings"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
	"meshrotate/specs"
)

// name is the kind's; a secret's is this, a colon and its reference.
const name = "connector"

const permitted, byFile, before, after, hook, login = "permitted", "file", "before", "after", "hook", "login"

func (s *Secret) secret() secret.Ref {
	return secret.Ref{Name: name + ":" + s.Ref, Version: string(s.Version)}
}

// Kind registers the rotation.
func Kind() reconciler.Kind {
	return reconciler.Kind{
		Lessons: lessons,
		Name:    name,
		Section: specs.Section{Key: "connectors", New: func() any { return &Spec{} }, Check: check, Never: never},
		Values: func(spec any) []reconciler.Needed {
			s := spec.(*Spec)
			var all []reconciler.Needed
			for i := range s.Secrets {
				all = append(all, reconciler.Needed{Ref: s.Secrets[i].secret(), From: s.Secrets[i].From, Keep: s.Secrets[i].Keep, Plain: true, Document: true, Check: s.fits})
			}
			return all
		},
		New: func(d *specs.Deployment, spec any) ([]reconciler.Rotation, error) {
			return New(d, spec.(*Spec)), nil
		},
	}
}

// Rotation is one secret.
type Rotation struct {
	*section
	secret *Secret
	// first speaks for all of them where something is to be said once.
	first bool
}

// section is what the secrets of a deployment share.
type section struct {
	spec             *Spec
	host, sqlServer  string
	stored           site.StoredSecrets
	tool             site.SecretsTool
	beside           site.Preflight // of the tool, where a value stands in a file for a moment
	program          site.Exposure  // of the tool
	settings         site.Exposure  // of Engine, which opens what is stored
	machine          site.Machine
	identity         site.Identity
	engine           site.Service
	declared         map[string]bool
	folded           map[string]string // as they are declared, by their lower case
	timeout, syncing reconciler.Span
	hook, login      site.OperatorProgram
}

// New makes the rotations that the document asks for.
func New(d *specs.Deployment, spec *Spec) []reconciler.Rotation {
	s := &section{spec: spec, host: d.EngineHost(), sqlServer: d.Connect.SQL.Server, declared: map[string]bool{}, folded: map[string]string{},
		timeout: reconciler.Span(spec.Timeout.Of()), syncing: reconciler.Span(spec.Syncs.Timeout.Of())}
	t := spec.Tables
	s.stored = site.StoredSecrets{Server: s.sqlServer, Database: d.Connect.SQL.Database,
		Tables: site.Tables{Secrets: t.Secrets, Ref: t.Ref, Updated: t.Updated, Owners: t.Connectors, ID: t.ID, Name: t.Name}}
	s.tool = site.SecretsTool{Host: s.host, Program: spec.Tool}
	engine := d.Product.Engine.On(s.host)
	s.program = site.Exposure{Host: s.host, Path: spec.Tool, Runs: "secretscli"}
	s.settings = site.Exposure{Host: s.host, Service: engine.Service, Path: engine.Settings, Bears: "the connection string"}
	s.beside = site.Preflight{Host: s.host, Path: spec.Tool}
	s.machine, s.identity = site.Machine{Host: s.host}, site.Identity{Host: s.host, Service: d.Product.Engine.Service}
	s.engine = site.Service{Host: s.host, Name: d.Product.Engine.Service}
	s.hook, s.login = site.OperatorProgram{Path: spec.Hook.Program}, site.OperatorProgram{Path: spec.Login.Program}
	var all []reconciler.Rotation
	for i := range spec.Secrets {
		one := &spec.Secrets[i]
		s.declared[one.Ref], s.folded[strings.ToLower(one.Ref)] = true, one.Ref
		s.stored.Refs = append(s.stored.Refs, one.Ref)
		all = append(all, &Rotation{section: s, secret: one, first: i == 0})
	}
	return all
}

// Ref names the secret and the declared version.
func (r *Rotation) Ref() secret.Ref { return r.secret.secret() }

// Reads are what is stored, the program that sets it, who its host is, and the value. All but the value are the same for every secret.
func (r *Rotation) Reads() []reconciler.Read {
	all := []reconciler.Read{site.Value{Secret: r.Ref()}, r.stored, r.tool, r.machine, r.identity, r.program, r.settings}
	if r.spec.Value == byFile {
		all = append(all, r.beside)
	}
	if r.hooked() {
		all = append(all, r.hook)
	}
	if r.logsIn() {
		all = append(all, r.login)
	}
	if r.spec.Syncs.Path != "" {
		all = append(all, r.runs(), r.engine)
	}
	return all
}

// runs asks whether Admin tells of sync runs.
func (s *section) runs() site.Trial {
	return site.Trial{Path: s.spec.Syncs.Path, List: s.spec.Syncs.List, ListKey: "secrets.connectors.syncs.list", Asks: site.AsksRuns}
}
