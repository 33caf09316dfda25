package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"meshrotate/reconciler"
	"meshrotate/reconciler/render"
)

func (p *program) show() *cobra.Command {
	var host string
	cmd := &cobra.Command{
		Use:   "show plan.json",
		Short: "Show a saved plan again",
		Long: `Show a plan that was saved with plan --out, in any format. Nothing is contacted:
what is shown is what was seen then. A plan in which a word was changed
since it was made is refused, but for one whose digest was made again: the
seal, which only apply can check, is not looked at.`,
		Example: `  meshrotate show plan.json
  meshrotate show plan.json -o markdown
  meshrotate show plan.json --host relay-07.contoso.example`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return reconciler.Hinted(fmt.Errorf("show takes one saved plan, and was given %d arguments", len(args)), "save one with `meshrotate plan --out plan.json`")
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&host, "host", "", "show only what concerns this host, and what was seen there: its full name")
	cmd.ValidArgsFunction = cobra.FixedCompletions(nil, cobra.ShellCompDirectiveDefault)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		data, err := readPlanFile(args[0])
		if err != nil {
			return err
		}
		plan, err := reconciler.ReadPlan(data)
		if err != nil {
			return fmt.Errorf("%s: %w", args[0], err)
		}
		fmt.Fprintln(p.io.Err, "its seal is not checked here: `apply` does that, with the state and the age identity")
		return p.write(render.Plan{Plan: plan, SavedTo: args[0], Host: host})
	}
	return cmd
}
