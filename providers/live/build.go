package live

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"meshrotate/providers/cmdscript"
	"meshrotate/providers/pfx"
	"meshrotate/providers/site"
	"meshrotate/providers/winhost"
	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
	"meshrotate/specs"
)

// builds is the family of what signs programs: stores of certificates, and the script that builds.
func builds(f *family) {
	f.reading(looking(func(q *questions, r site.Certificates) { q.ask(winhost.CertificatesRead{Store: r.Store}, r.Key()) }, readCertificates))
	f.reading(looking(func(q *questions, r site.Pin) {
		q.ask(winhost.FileRead{Path: r.Script}, r.Script)
		q.ask(winhost.VariableRead{Variable: r.Variable}, "variable "+r.Variable)
	}, readPin))
	f.op(doing(importCertificate, func(_ context.Context, _ *host, o site.ImportCertificate, _ deed) reconciler.Report {
		return done("it is in " + o.Store + " with its key")
	}))
	f.op(doing(func(_ context.Context, _ *host, o site.RemoveCertificate) ([]winhost.Op, error) {
		return one(winhost.CertificateRemove{Store: o.Store, SHA1: o.SHA1})
	}, nil))
	f.op(doing(stageScript, nil))
	f.op(doing(func(_ context.Context, _ *host, o site.SetVariable) ([]winhost.Op, error) {
		return one(winhost.VariableSet{Variable: o.Variable, Value: o.Value, Was: o.Was})
	}, nil))
	f.op(doing(func(_ context.Context, _ *host, o site.RunBuild) ([]winhost.Op, error) {
		run := winhost.BuildRun{Script: o.Script, TimeoutSeconds: seconds(o.Timeout.Of())}
		if o.Machine { // our process began before the variable was set
			run.Variable, run.Value = o.Variable, o.SHA1
		}
		return one(run)
	}, nil))
	f.op(doing(func(_ context.Context, _ *host, o site.ProvePin) ([]winhost.Op, error) { return readsPin(o.PinAt), nil }, provePin))
	f.op(doing(func(_ context.Context, _ *host, o site.ProveUnpinned) ([]winhost.Op, error) {
		return readsPin(o.PinAt), nil
	}, proveUnpinned))
	f.op(doing(func(_ context.Context, _ *host, o site.ProveSigned) ([]winhost.Op, error) {
		return one(winhost.SignaturesRead{Folder: o.Folder, Suffix: o.Suffix})
	}, proveSigned))
}

func readCertificates(_ context.Context, q *questions, r site.Certificates) (reconciler.Result, error) {
	res, err := q.result(r.Key())
	if res.Win32 != 0 { // an answer of its own: the host can be looked at, and this store cannot
		return &site.CertificatesSeen{Store: r.Store, Error: res.Win32}, nil
	}
	if err != nil {
		return nil, err
	}
	seen := &site.CertificatesSeen{Store: r.Store}
	for _, c := range res.Certificates {
		seen.All = append(seen.All, site.Certificate{SHA1: c.SHA1, Subject: c.Subject, NotBefore: c.NotBefore, NotAfter: c.NotAfter, HasKey: c.HasKey})
	}
	return seen, nil
}

func readPin(_ context.Context, q *questions, r site.Pin) (reconciler.Result, error) {
	base, content, err := q.base(r.Script)
	if err != nil {
		return nil, err
	}
	res, err := q.result("variable " + r.Variable)
	if err != nil || res.Variable == nil {
		return nil, known(err, "no variable "+r.Variable)
	}
	seen := pinned(r.PinAt, content, *res.Variable)
	seen.Base, seen.PinAt = base, r.PinAt
	return &seen, nil
}

func importCertificate(ctx context.Context, h *host, o site.ImportCertificate) ([]winhost.Op, error) {
	file, err := h.site.values.value(ctx, o.File)
	if err != nil {
		return nil, err
	}
	password, err := h.site.values.value(ctx, o.Password)
	if err != nil {
		return nil, err
	}
	return one(winhost.CertificateImport{Store: o.Store, SHA1: o.SHA1, PFX: file, Password: password})
}

func stageScript(_ context.Context, h *host, o site.StageScript) ([]winhost.Op, error) {
	f := h.files.of(o.Script)
	if f == nil || f.content.IsZero() {
		return nil, fmt.Errorf("%s was not read in this run", o.Script)
	}
	content, err := cmdscript.Set(f.content.Expose(), o.Variable, o.Value)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.Script, err)
	}
	return h.stage(o.Script, secret.New(content))
}

// thumbprintMarks are what thumbprints are made of, as people paste them.
const thumbprintMarks = " \t:\u200e\u200f0123456789abcdefABCDEF"

// pinned is what a build is told: by its script, or by the machine.
func pinned(at site.PinAt, script secret.Value, v winhost.Variable) (seen site.PinSeen) {
	if at.Machine {
		seen.Text, seen.Other = v.Value, v.Exists && v.Value == ""
		if _, err := cmdscript.Get(script.Expose(), at.Variable); !errors.Is(err, cmdscript.ErrMissing) {
			seen.Refused = "the script sets the variable itself, whatever the machine has"
		}
		return seen
	}
	a, err := cmdscript.Get(script.Expose(), at.Variable)
	if err != nil {
		seen.Refused = err.Error()
		return seen
	}
	if seen.Text = strings.TrimSpace(a.Value); strings.Trim(seen.Text, thumbprintMarks) != "" { // what else may stand there is not told
		seen.Text, seen.Other = "", true
	}
	if a.Conditional && v.Exists {
		seen.Overridden = v.Value
		if v.Value == "" {
			seen.Overridden = site.Unknown
		}
	}
	return seen
}

func readsPin(at site.PinAt) []winhost.Op {
	return []winhost.Op{winhost.FileRead{Path: at.Script}, winhost.VariableRead{Variable: at.Variable}}
}

func proveUnpinned(_ context.Context, h *host, o site.ProveUnpinned, d deed) reconciler.Report {
	file, v := d.results[0].File, d.results[1].Variable
	if file == nil || !file.Exists || v == nil {
		return h.unproven("%s could not be read back", o.Script)
	}
	seen := pinned(o.PinAt, file.Content, *v)
	if seen.Refused != "" || seen.Other || seen.Overridden == site.Unknown {
		return h.unproven("which certificate %s names is not known: it may be %s", o.PinAt.Says(), o.What)
	}
	for _, text := range []string{seen.Text, seen.Overridden} {
		if t, err := specs.ParseThumbprint(text); err == nil && slices.ContainsFunc(o.Certificates, func(digits string) bool { return strings.HasPrefix(string(t), digits) }) {
			r := h.unproven("%s is %s", o.PinAt.Says(), o.What)
			r.Err = reconciler.Hinted(r.Err, "somebody has set it back since the plan, and relays would refuse what is built next: find out who, then apply again")
			return r
		}
	}
	return done(o.PinAt.Says() + " is another one")
}

func provePin(_ context.Context, h *host, o site.ProvePin, d deed) reconciler.Report {
	file, v := d.results[0].File, d.results[1].Variable
	if file == nil || !file.Exists || v == nil {
		return h.unproven("%s could not be read back", o.Script)
	}
	seen := pinned(o.PinAt, file.Content, *v)
	switch {
	case seen.Refused != "":
		return h.unproven("%s: %s", o.Script, seen.Refused)
	case seen.Other || !strings.EqualFold(seen.Text, o.SHA1):
		r := h.unproven("%s names another certificate", o.PinAt.Says())
		r.Err = reconciler.Hinted(r.Err, "somebody has changed it since: find out who, then apply again")
		return r
	case seen.Overridden != "" && !strings.EqualFold(seen.Overridden, o.SHA1):
		return h.unproven("%s is overridden by the machine's environment", o.PinAt.Says())
	}
	return done(o.PinAt.Says() + " names it")
}

func proveSigned(_ context.Context, h *host, o site.ProveSigned, d deed) reconciler.Report {
	s := d.results[0].Signatures
	if s == nil || !s.Exists || len(s.Files) == 0 {
		return h.unproven("there is no *%s in %s", o.Suffix, o.Folder)
	}
	for _, f := range s.Files {
		file := site.SignedFile{Name: f.Name, Error: f.Error}
		if f.Error == 0 {
			file.Trust, file.Error = trustOf(f)
			file.Signers = h.site.signersOf(f)
		}
		if why := file.Unfit(o.SHA1, o.What); why != "" {
			r := h.unproven("%s", why)
			r.Err = reconciler.Hinted(r.Err, "see what the build has said of it; where it is no part of the build, take it away")
			return r
		}
	}
	return done(fmt.Sprintf("%s signed with %s and stamped", site.Count(len(s.Files), "file"), o.What))
}

// opened answers what is in a PFX, of the values that are declared.
func (k *kept) opened(ctx context.Context, r site.Package) *site.PackageSeen {
	file, known := k.wanted(ctx, r.File)
	password, both := k.wanted(ctx, r.Password)
	if !known || !both {
		return &site.PackageSeen{Problem: "there is no PFX with its password to be looked at"}
	}
	c, err := pfx.Open(ctx, file, password)
	if err != nil {
		return &site.PackageSeen{Problem: err.Error(), Hint: pfx.Hint(err)}
	}
	return &site.PackageSeen{Certificate: site.Certificate{SHA1: pfx.SHA1(c), Subject: c.Subject.String(), NotBefore: c.NotBefore, NotAfter: c.NotAfter, HasKey: true}, Code: pfx.SignsCode(c)}
}
