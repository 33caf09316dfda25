package cli

import (
	"github.com/spf13/cobra"

	"meshrotate/reconciler/render"
	"meshrotate/reconciler/session"
)

func (p *program) validate() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "validate",
		Short: "Check the document; contact nothing",
		Long: `Read the document and report everything that is wrong with it at once: unknown
and duplicate keys, wrong types, hosts named twice, references to nothing, each
with its line and a hint. No host is contacted. With --base or --operator it
says as well what in it nobody who may has agreed to.

Exit codes: 0 valid · 1 not valid`,
		Example: `  meshrotate validate
  meshrotate validate -f deployments/contoso.yaml
  meshrotate validate --repo . --ref feature --path deployments/contoso.yaml`,
		Args: noArgs,
	}
	s := p.documentFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		d, err := p.inForce(cmd.Context(), s)
		if err != nil {
			return err
		}
		secrets := []render.Declared{}
		for _, k := range p.app.Kinds {
			rotations, err := session.RotationsOf(p.app.Kinds, d, []string{k.Name})
			if err != nil {
				return err
			}
			for _, r := range rotations {
				ref := r.Ref()
				secrets = append(secrets, render.Declared{Secret: ref.Name, Kind: k.Name, Version: ref.Version})
			}
		}
		return p.write(render.DocumentOf(d, secrets, session.Untrusted(d)))
	}
	return cmd
}
