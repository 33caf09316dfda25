package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"meshrotate/reconciler"
	"meshrotate/reconciler/render"
	"meshrotate/reconciler/secret"
	"meshrotate/specs"
)

// adopted is the JSON of `adopt`.
type adopted struct {
	Secret   secret.Ref `json:"secret"`
	Evidence string     `json:"evidence"`
}

func (p *program) adopt() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "adopt SECRET",
		Short: "Keep a live value as that of the declared version",
		Long: `Keep the value that is live as that of the declared version, sealed, and record
it. Nothing on any host changes, and no service stops: it is for a deployment
that meshrotate has not rotated yet, and for one whose kept values are lost.

All hosts must have the same value. Where a source holds it (from:), that must
be the live one. What cannot be read back from a host, such as the password of
a service, cannot be adopted.`,
		Example: `  meshrotate adopt ` + p.oneKind(),
		Args:    cobra.MaximumNArgs(1),
	}
	s := p.documentFlags(cmd)
	cmd.ValidArgsFunction = cobra.FixedCompletions(p.kindNames(), cobra.ShellCompDirectiveNoFileComp)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ctx := cmd.Context()
		if len(args) == 0 {
			return reconciler.Hinted(errors.New("which secret?"), "the kinds are "+strings.Join(p.kindNames(), ", "))
		}
		d, err := p.load(ctx, s)
		if err != nil {
			return err
		}
		ref, kind, err := p.secretOf(d, args[0])
		if err != nil {
			return err
		}
		s.only = []string{kind}
		n, err := p.open(ctx, s, Need{Steps: true})
		if err != nil {
			return err
		}
		defer n.close(ctx)
		show := p.progress()
		defer show.Close()
		n.Tell = show.Tell
		evidence, err := n.Adopt(ctx, ref, reconciler.Step{Phase: reconciler.Prepare, Op: p.app.Adopt(ref), Secrets: []secret.Ref{ref}})
		if err != nil {
			return named(ctx, err)
		}
		return p.write(render.Note{Text: fmt.Sprintf("%s is adopted: %s. Nothing on a host was changed; `meshrotate plan` shows what else there is", ref, evidence),
			Value: adopted{ref, evidence}})
	}
	return cmd
}

// secretOf is a declared secret by its name, or by its kind where the kind has one.
func (p *program) secretOf(d *specs.Deployment, name string) (ref secret.Ref, kind string, err error) {
	var names []string
	for _, k := range p.app.Kinds {
		all, _, err := p.rotations(d, []string{k.Name})
		if err != nil {
			return ref, "", err
		}
		for _, r := range all {
			if r.Ref().Name == name || len(all) == 1 && (strings.EqualFold(name, k.Name) || strings.EqualFold(name, k.Section.Key)) {
				return r.Ref(), k.Name, nil
			}
			names = append(names, r.Ref().Name)
		}
	}
	err = fmt.Errorf("%s declares no secret %s", d.Name, name)
	if near := specs.Nearest(name, names); near != "" {
		return ref, "", reconciler.Hinted(err, "did you mean "+near+"?")
	}
	return ref, "", reconciler.Hinted(err, "it declares "+strings.Join(names, ", "))
}
