package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"meshrotate/reconciler"
	"meshrotate/reconciler/render"
	"meshrotate/reconciler/secret"
	"meshrotate/specs"
	"meshrotate/state"
	"meshrotate/state/durable"
)

// evidenceOf is what is on record of a compromised secret: of the last emergency, or of the one that a run worked at.
func (p *program) evidenceOf(ctx context.Context, d *specs.Deployment, entries []state.Entry, name, run string) (render.Evidence, error) {
	all := state.EvidencesOf(entries, name)
	if len(all) == 0 {
		return render.Evidence{}, reconciler.Hinted(fmt.Errorf("no rotation of %s is on record that was said to be compromised", name), "`meshrotate history` shows all rotations")
	}
	found := all[len(all)-1]
	if run != "" {
		i := slices.IndexFunc(all, func(e state.Evidence) bool {
			return slices.ContainsFunc(e.Rotations, func(r state.Rotation) bool { return r.Run == run })
		})
		if i < 0 {
			return render.Evidence{}, reconciler.Hinted(fmt.Errorf("run %s worked at no emergency of %s", run, name),
				"emergencies began with "+strings.Join(append(found.Earlier, found.Rotations[0].Run), ", "))
		}
		found = all[i]
	}
	if p.app.OpenValues == nil {
		return render.EvidenceOf(d.Name, found, nil), nil
	}
	var sealed []string
	if keep, err := p.app.OpenValues(ctx, d); err == nil {
		sealed = sealedOf(ctx, keep, found)
	}
	return render.EvidenceOf(d.Name, found, sealed), nil
}

// sealedOf is what the state keeps of what others know, whatever the document declares: the version itself; and of one that is made of
// several things what is kept by their names, of this secret and of those that are called after it, as a certificate's PFX and its password.
func sealedOf(ctx context.Context, keep Values, found state.Evidence) (sealed []string) {
	names, _ := keep.Names(ctx)
	for _, name := range names {
		versions, _ := keep.Versions(ctx, name)
		for _, v := range versions {
			begins := func(part string) bool { return strings.HasPrefix(part, v) }
			of := name == found.Secret || strings.HasPrefix(name, found.Secret+":")
			if name == found.Secret && (v == found.Before || slices.Contains(found.Also, v)) || of && slices.ContainsFunc(found.Parts, begins) {
				sealed = append(sealed, secret.Ref{Name: name, Version: v}.String())
			}
		}
	}
	return sealed
}

// witnessed writes the evidence after a run, whatever came of it; nothing where no run began.
func (n *opened) witnessed(ctx context.Context, e emergency, done error) error {
	entries, err := n.State.Ledger.Entries(context.WithoutCancel(ctx))
	if err != nil {
		return errors.Join(done, fmt.Errorf("the evidence was not written: %w", err))
	}
	report, err := n.program.evidenceOf(context.WithoutCancel(ctx), n.Document, entries, e.secret, "")
	if err != nil {
		return done // it was refused before it began
	}
	if n.ran == "" || report.Rotations[len(report.Rotations)-1].Run != n.ran {
		return done
	}
	path := cmp.Or(e.file, "evidence-"+fileName(e.secret)+"-"+report.Version+".json")
	data, err := render.Marshal(report)
	if err == nil {
		err = writeNew(path, data, `"meshrotate.evidence/`)
	}
	if err != nil {
		fmt.Fprintf(n.program.io.Err, "the evidence was not written: %v; `meshrotate history --evidence %s -o json` has it\n", err, quoted(e.secret))
		return done
	}
	fmt.Fprintf(n.program.io.Err, "evidence in %s; `meshrotate history%s --evidence %s` shows it\n", path, n.flags, quoted(e.secret))
	return done
}

// finishedEmergency says where the evidence is once a run went on with an emergency of an earlier one, whose file says less.
func (n *opened) finishedEmergency(p *reconciler.Plan) {
	for _, c := range p.Changes {
		if n.Emergency == nil && c.Compromised != "" && c.Status == reconciler.Rotate {
			fmt.Fprintf(n.program.io.Err, "what held the old %s, and what became of it there: `meshrotate history%s --evidence %s`\n", c.Title, n.flags, quoted(c.Secret.Name))
		}
	}
}

// fileName is a name without what a file's name may not have.
func fileName(name string) string {
	return strings.Map(func(r rune) rune {
		if isAlnum(r) || strings.ContainsRune("-_.", r) {
			return r
		}
		return '-'
	}, name)
}

// writeNew writes a file that is not there yet, or that holds an earlier one of the same kind.
func writeNew(path string, data []byte, kind string) error {
	if old, err := specs.ReadReferred(path); err == nil && !strings.Contains(string(old[:min(len(old), 256)]), kind) {
		return fmt.Errorf("%s is there, and holds something else", path)
	}
	return durable.Replace(followed(path), data)
}
