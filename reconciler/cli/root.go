package cli

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"meshrotate/reconciler"
	"meshrotate/reconciler/render"
)

const overview = `meshrotate rotates IdentityMesh's secrets from one YAML document.

It looks at the live hosts over WinRM and at the Admin API, shows the
difference as a plan, and applies it as ordered steps that are proven,
recorded, and taken back when they cannot be proven.

  meshrotate validate             read the document; contact nothing
  meshrotate plan                 look, and show what would be done
  meshrotate apply                do it, and prove it
  meshrotate drift                the nightly job: what is no longer as declared

Every verb reads meshrotate.yaml here, or -f FILE, or a Git revision (--repo,
--ref, --path), and writes -o text, markdown, json or html. Of a document that
somebody else proposes it believes only what is wanted: --base, --operator.`

const exitCodes = `
Exit codes: 0 nothing to do, or done · 1 an error · 2 changes are pending, or
wait for a person · 3 applied in part, or something is down and an apply now
would not start it: the report says what is down, what is left, what to do`

func (p *program) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "meshrotate",
		Short:         "Rotate IdentityMesh's secrets from one YAML document",
		Long:          overview + "\n" + exitCodes,
		Version:       cmp.Or(p.app.Version, development),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          unknownCommand,
		// In a pipeline it is a variable that is not set: without what it should have named, other things would be believed or done.
		PersistentPreRunE: noneEmpty,
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetIn(p.io.In)
	root.SetOut(p.io.Out)
	root.SetErr(p.io.Err)
	root.SetVersionTemplate("meshrotate {{.Version}}\n")
	root.SetFlagErrorFunc(flagError)
	root.SuggestionsMinimumDistance = 2
	root.PersistentFlags().VarP((*formatFlag)(&p.format), "output", "o", "how reports are written: "+formatNames())
	_ = root.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(strings.Split(formatNames(), ", "), cobra.ShellCompDirectiveNoFileComp))
	root.SetUsageTemplate(strings.ReplaceAll(root.UsageTemplate(), ".FlagUsages ", ".FlagUsagesWrapped 80 "))
	root.AddGroup(&cobra.Group{ID: "daily", Title: "Every day:"}, &cobra.Group{ID: "rest", Title: "Now and then:"})
	for _, c := range []*cobra.Command{p.plan(), p.apply(), p.drift(), p.status(), p.history(), p.rotate()} {
		c.GroupID = "daily"
		root.AddCommand(c)
	}
	for _, c := range p.rest() {
		if c.GroupID == "" {
			c.GroupID = "rest"
		}
		root.AddCommand(c)
	}
	root.SetHelpCommandGroupID("rest")
	root.SetCompletionCommandGroupID("rest")
	return root
}

func (p *program) rest() []*cobra.Command {
	all := []*cobra.Command{p.show(), p.validate(), p.lesson(), p.schema(), p.unlock(), p.version()}
	if p.app.OpenValues != nil {
		all = append(all, p.adopt(), p.values())
	}
	if p.app.Commands != nil {
		all = append(all, p.app.Commands(p.io)...)
	}
	return all
}

// formatFlag is -o.
type formatFlag render.Format

func (f *formatFlag) String() string { return string(*f) }
func (f *formatFlag) Type() string   { return "format" }

func (f *formatFlag) Set(s string) error {
	for _, known := range render.Formats() {
		if s == string(known) {
			*f = formatFlag(known)
			return nil
		}
	}
	return fmt.Errorf("the formats are %s", formatNames())
}

func formatNames() string {
	var names []string
	for _, f := range render.Formats() {
		names = append(names, string(f))
	}
	return strings.Join(names, ", ")
}

// unknownCommand refuses what is no verb, and guesses what was meant.
func unknownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	err := fmt.Errorf("there is no verb %q", args[0])
	if s := cmd.SuggestionsFor(args[0]); len(s) > 0 {
		return reconciler.Hinted(err, "did you mean `meshrotate "+s[0]+"`?")
	}
	return reconciler.Hinted(err, "`meshrotate --help` lists the verbs")
}
