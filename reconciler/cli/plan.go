package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"meshrotate/reconciler"
	"meshrotate/reconciler/render"
	"meshrotate/state/durable"
)

func (p *program) plan() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Look at the deployment and show what apply would do",
		Long: `Look at the hosts and at the Admin API, compare them with the document, and
show what apply would do, why, how long what would be down, and how to get
back. Nothing is changed, and no lock is taken.

A plan that is saved with --out is applied exactly, or not at all: apply looks
again and refuses when anything that the plan was made from has changed.
` + exitCodes,
		Example: `  meshrotate plan                        what would be done
  meshrotate plan --out plan.json        save it, to be reviewed and applied
  meshrotate plan -o markdown            for a pull request
  meshrotate plan --repo . --ref main    as a Git revision has the document
  meshrotate plan --host relay-07        one host, and what was seen there`,
		Args: noArgs,
	}
	s := p.liveFlags(cmd)
	cmd.Flags().StringVar(&out, "out", "", "save the whole plan as JSON in this file, for apply")
	_ = cmd.MarkFlagFilename("out", "json")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		v, _, err := p.survey(cmd.Context(), s, Need{Bound: out != ""})
		if err != nil {
			return err
		}
		if out != "" {
			if err := save(out, v.plan); err != nil {
				return err
			}
		}
		r := render.Plan{Plan: v.plan, Took: v.took, SavedTo: out, Host: s.host}
		if len(v.plan.Blocked()) == 0 {
			r.Next = s.apply(out)
		}
		if err := p.write(r); err != nil {
			return err
		}
		return p.pending(v.plan)
	}
	return cmd
}

// apply is the command that applies a plan: the saved one, or what is planned again.
func (s *source) apply(saved string) string {
	c := "meshrotate apply" + s.flags()
	if saved != "" {
		return c + " " + quoted(saved)
	}
	for _, kind := range s.only {
		c += " --only " + quoted(kind)
	}
	return c
}

// save writes the plan as JSON, for the owner alone: it holds no value, but it is a map of the deployment.
func save(path string, plan *reconciler.Plan) error {
	data, err := render.Marshal(render.Plan{Plan: plan})
	if err == nil {
		err = durable.Replace(path, data)
	}
	if err != nil {
		return fmt.Errorf("save the plan: %w", err)
	}
	return nil
}

// pending is the end of a verb that only looks.
func (p *program) pending(plan *reconciler.Plan) error {
	if err := p.stuck(plan); err != nil {
		return err
	}
	if !plan.Empty() {
		return &Exit{Code: ExitPending}
	}
	return nil
}
