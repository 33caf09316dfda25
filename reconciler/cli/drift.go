package cli

import (
	"errors"

	"github.com/spf13/cobra"

	"meshrotate/reconciler/render"
)

func (p *program) drift() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "drift",
		Short: "The nightly job: say what is no longer as declared; change nothing",
		Long: `Look at the deployment and say what is no longer as declared, what is overdue,
and what will expire. Nothing is written: no host, no ledger, no lock. Overdue
and expiring secrets are warnings; they do not change the exit code. A state
that was lost, or that does not fit together, is drift.

Exit codes: 0 as declared · 1 an error, or something could not be looked at ·
2 drift · 3 something is down, and an apply now would not start it`,
		Example: `  meshrotate drift -f prod.yaml           nightly: exit code 2 is drift
  meshrotate drift -o json > drift.json   for a dashboard
  meshrotate drift --host relay-07        what concerns one host`,
		Args: noArgs,
	}
	s := p.liveFlags(cmd)
	cmd.RunE = p.run(s, false, func(cmd *cobra.Command, _ []string) error {
		v, _, err := p.survey(cmd.Context(), s, Need{})
		if err != nil {
			return err
		}
		r := render.StatusOf(v.Plan, v.History, v.Took, s.host).Drift()
		if err := p.write(r); err != nil {
			return err
		}
		stuck := p.stuck(v.Plan)
		if stuck != nil || v.Refused != nil || v.Plan.Empty() {
			stuck = idle(v, stuck)
		}
		if r.Drifted && !errors.As(stuck, new(*Exit)) {
			return &Exit{Code: ExitPending, Err: stuck}
		}
		return stuck
	})
	return cmd
}
