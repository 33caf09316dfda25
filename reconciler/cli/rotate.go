package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"meshrotate/reconciler"
	"meshrotate/reconciler/session"
	"meshrotate/specs"
	"meshrotate/state"
	"meshrotate/state/durable"
)

// emergency is what `rotate --compromised` was asked for.
type emergency struct {
	secret, why string
	to          string // the next version; "" is the next number that no run has begun
	file        string // where the evidence goes
	yes         bool
}

func (p *program) rotate() *cobra.Command {
	var e emergency
	cmd := &cobra.Command{
		Use:   "rotate --compromised SECRET WHY",
		Short: "Replace a secret that others know, at once and everywhere",
		Long: `Give a compromised secret its next version and apply that now. In the document
the version is raised, and nothing else; where another version than the live one
is declared already, that is taken, unless a run has ever given it out: others
may know it.

There is no overlap and no soak: what a rotation leaves for a later run, such as
a login that was replaced, is taken away in this one. policy.window, suspend and
maxOutage do not hold it up; WHY is written in the ledger. It shows the plan with
the outage that it predicts, and asks. Guards refuse as ever.

At the end the evidence is written to a file, out of the ledger: who, when, why,
the proof, the outage, every place that held the old value and what became of
it, and the hashes of the entries that say so. There is no value in it. A run
that was cut off is finished by running this again, or by apply.
` + exitCodes,
		Example: `  meshrotate rotate --compromised ` + p.oneKind() + ` "posted in a public ticket"
  meshrotate history --evidence ` + pad(p.oneKind(), 15) + `the evidence once more`,
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case e.secret == "":
				return reconciler.Hinted(errors.New("rotate is for secrets that others know, and --compromised names none"),
					"an ordinary rotation is another version in the document, and `meshrotate apply`")
			case len(args) != 1 || strings.TrimSpace(args[0]) == "":
				return reconciler.Hinted(errors.New("rotate wants to know why, in one argument"), `write it in quotes: --compromised `+e.secret+` "posted in a public ticket"; it is written in the ledger`)
			}
			e.why = strings.TrimSpace(args[0])
			return nil
		},
	}
	s := p.documentFlags(cmd)
	f := cmd.Flags()
	f.StringVar(&e.secret, "compromised", "", "the `SECRET` that others know, as history and the ledger name it, such as "+p.oneKind()+"; any other word lists those that are declared")
	f.StringVar(&e.to, "to", "", "its next `VERSION` (default: the number after the declared one that no run has begun)")
	f.StringVar(&e.file, "evidence", "", "the `FILE` for the evidence (default evidence-SECRET-VERSION.json here)")
	f.BoolVar(&e.yes, "yes", false, "do not ask")
	f.IntVar(&s.parallel, "parallel", 0, "the most hosts to speak to at once, but for the switch, where it is all (default: the document's policy)")
	_ = cmd.RegisterFlagCompletionFunc("compromised", cobra.FixedCompletions(p.kindNames(), cobra.ShellCompDirectiveNoFileComp))
	cmd.RunE = p.run(s, true, func(cmd *cobra.Command, _ []string) error {
		if !e.yes && !p.io.InTerminal {
			return reconciler.Hinted(errors.New("there is nobody to ask: standard input is not a terminal; nothing was changed"), "say --yes")
		}
		return p.replace(cmd.Context(), s, e)
	})
	return cmd
}

// replace gives a compromised secret its next version, and applies that.
func (p *program) replace(ctx context.Context, s *source, e emergency) error {
	raised, err := p.raise(ctx, s, &e)
	if err != nil {
		return fmt.Errorf("%w; nothing was changed", err)
	}
	n, err := p.open(ctx, s, Need{Steps: true, Bound: true})
	if err != nil {
		return err
	}
	defer n.close(ctx)
	n.Replace(reconciler.Emergency{Secret: e.secret, Why: e.why})
	n.flags = s.flags()
	if err := n.asTrusted(nil); err != nil {
		return err
	}
	n.question = question
	n.Begun = func() error { return raised.write(p) } // whoever is killed before that has an emergency on record, and not an ordinary version in the document
	n.needs = e.secret
	err = n.apply(ctx, nil, e.yes)
	return n.witnessed(ctx, e, err)
}

// raised is a document with another version in it; nil where it stays as it is.
type raised struct {
	path     string
	was, new []byte
	said     string
}

// write makes it so, unless somebody else changed the document meanwhile.
func (r *raised) write(p *program) error {
	if r == nil {
		return nil
	}
	if now, err := specs.ReadDocument(r.path); err != nil || string(now) != string(r.was) {
		return reconciler.Hinted(errors.Join(fmt.Errorf("%s was changed meanwhile; nothing was changed here", r.path), err), "run it again")
	}
	if err := durable.Edit(followed(r.path), r.new); err != nil {
		return fmt.Errorf("raise the version in %s: %w; nothing was changed", r.path, err)
	}
	fmt.Fprintln(p.io.Err, r.said)
	return nil
}

// raise finds the secret, and its next version where the declared one is the one that others know.
func (p *program) raise(ctx context.Context, s *source, e *emergency) (*raised, error) {
	d, err := p.load(ctx, s)
	if err != nil {
		return nil, err
	}
	kind, declared, err := p.declared(d, e.secret)
	if err != nil {
		return nil, err
	}
	version := declared.Ref().Version
	s.only = []string{kind.Name}
	remembered, err := p.app.OpenState(ctx, d)
	if err != nil {
		return nil, fmt.Errorf("open the state of %s: %w", d.Name, err)
	}
	entries, err := remembered.Ledger.Entries(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the ledger of %s: %w", d.Name, err)
	}
	h := state.NewHistory(entries)
	_, pending := h.Pending(e.secret, version)
	parts := len(declared.Plan(reconciler.Input{History: h, Now: p.app.Now()}).Parts) > 0 // it is no value: what is to go is no part of it
	replaces := h.Fresh(e.secret, version)
	if parts {
		replaces = !h.MayBeLive(e.secret, version) || pending
	}
	if e.to == version || e.to == "" && replaces {
		return nil, nil // what is declared replaces what others know
	}
	return p.raiseIn(d, s, kind, *e, version, h)
}

// declared is the kind and the rotation of a secret, to the declared version.
func (p *program) declared(d *specs.Deployment, secret string) (reconciler.Kind, reconciler.Rotation, error) {
	var names []string
	for _, k := range p.app.Kinds {
		rotations, err := session.RotationsOf([]reconciler.Kind{k}, d, nil)
		if err != nil {
			return k, nil, err
		}
		for _, r := range rotations {
			if r.Ref().Name == secret {
				return k, r, nil
			}
			names = append(names, r.Ref().Name)
		}
	}
	err := fmt.Errorf("--compromised %s: %s declares no such secret", secret, d.Name)
	of := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !strings.HasPrefix(name, secret) }) // of one kind
	if near := specs.Nearest(secret, names); near != "" && len(of) == 0 {
		return reconciler.Kind{}, nil, reconciler.Hinted(err, "did you mean "+near+"? It declares "+strings.Join(names, "; "))
	}
	if len(of) == 0 {
		of = names
	}
	return reconciler.Kind{}, nil, reconciler.Hinted(err, "it declares "+strings.Join(of, "; "))
}

var versionText = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

// raiseIn writes the next version where the secret's is written. Which of the versions in its section that is, the kind itself says:
// the one with which the secret gets another version.
func (p *program) raiseIn(d *specs.Deployment, s *source, kind reconciler.Kind, e emergency, version string, h state.History) (*raised, error) {
	number, err := strconv.ParseUint(version, 10, 63)
	if e.to == "" && err != nil {
		return nil, reconciler.Hinted(fmt.Errorf("%s %s is live, and which version comes after it is not plain", e.secret, version),
			"say --to VERSION; where no version is written, as of certificates, change what the document declares and run this again")
	}
	next := cmp.Or(e.to, strconv.FormatUint(h.Unused(e.secret, number), 10))
	if !versionText.MatchString(next) {
		return nil, reconciler.Hinted(fmt.Errorf("--to %s is no version", next), "letters, digits, dots, dashes and underscores")
	}
	if s.repo != "" {
		return nil, reconciler.Hinted(fmt.Errorf("%s %s is live, and this is what %s declares", e.secret, version, d.Origin.File), "a revision is not written to: commit version "+next+" and run this again")
	}
	path := orDefault(s.file)
	was, err := specs.ReadDocument(path)
	if err != nil {
		return nil, err
	}
	for _, w := range specs.VersionsIn(was, kind.Section.Key) {
		text := w.With(was, next)
		changed, err := p.loader().LoadAs(path, text)
		if err != nil {
			continue
		}
		if _, now, err := p.declared(changed, e.secret); err == nil && now.Ref().Version != version {
			s.text = text
			return &raised{path: path, was: was, new: text, said: fmt.Sprintf("%s:%d: version %s → %s; commit it", path, w.Line, version, next)}, nil
		}
	}
	return nil, reconciler.Hinted(fmt.Errorf("%s: where the version of %s is written was not found", path, e.secret), "raise it there, and run this again")
}

// question is asked with the outage before the eyes.
func question(plan *reconciler.Plan) string {
	var down []string
	for _, c := range plan.Changes {
		for _, o := range c.Outages {
			down = append(down, fmt.Sprintf("%s about %.0f s", o.What, o.Predicted))
		}
	}
	if len(down) == 0 {
		return "Replace it in " + plan.Deployment + " now, with nothing down?"
	}
	return "Replace it in " + plan.Deployment + " now, with " + strings.Join(down, ", ") + " down?"
}

// rotates says why a plan does not replace the secret that it is to replace, or nil.
func (n *opened) rotates(plan *reconciler.Plan) error {
	for _, c := range plan.Changes {
		if c.Secret.Name == n.needs && c.Status == reconciler.AsDeclared {
			return reconciler.Hinted(fmt.Errorf("what %s declares is live already, so nothing would replace what others know; nothing was changed", c.Secret),
				"give another version, with --to VERSION, a value that nobody knows; where no version is written, change what the document declares and run this again")
		}
	}
	return nil
}
