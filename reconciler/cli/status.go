package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"meshrotate/reconciler/render"
)

func (p *program) status() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show every secret: version, last rotated, due, blockers",
		Long: `Look at the deployment and show every secret: the version in use and the
declared one, when it was last rotated, when it is due and when it expires,
what is in the way on which host, and who is changing the deployment now.
` + exitCodes,
		Example: `  meshrotate status
  meshrotate status --host relay-07     and what was seen on one host
  meshrotate status -o json`,
		Args: noArgs,
	}
	s := p.liveFlags(cmd)
	cmd.RunE = p.run(s, false, func(cmd *cobra.Command, _ []string) error {
		v, n, err := p.survey(cmd.Context(), s, Need{})
		if err != nil {
			return err
		}
		r := render.StatusOf(v.Plan, v.History, v.Took, s.host)
		if n.State.Lock != nil { // else nothing was opened: nobody has agreed to it
			holder, held, err := n.State.Lock.Current(cmd.Context())
			if err != nil {
				return fmt.Errorf("look at the lock: %w", err)
			}
			if held {
				r.Lock = &holder
			}
		}
		if err := p.write(r); err != nil {
			return err
		}
		return p.pending(v)
	})
	return cmd
}
