package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"meshrotate/reconciler"
	"meshrotate/specs"
)

// flagError explains a flag that does not exist or does not fit.
func flagError(cmd *cobra.Command, err error) error {
	name, unknown := strings.CutPrefix(err.Error(), "unknown flag: --")
	if !unknown {
		return reconciler.Hinted(err, "`"+cmd.CommandPath()+" --help` lists the flags")
	}
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	if near := specs.Nearest(name, names); near != "" {
		return reconciler.Hinted(err, "did you mean --"+near+"?")
	}
	return reconciler.Hinted(err, "`"+cmd.CommandPath()+" --help` lists the flags")
}

// noneEmpty refuses flags and arguments that are there, and say nothing.
func noneEmpty(cmd *cobra.Command, args []string) (err error) {
	if cmd.Name() == cobra.ShellCompRequestCmd || cmd.Name() == cobra.ShellCompNoDescRequestCmd {
		return nil // what is being typed
	}
	const hint = "name what is meant, or leave it out; in a pipeline: is the variable set?"
	cmd.Flags().Visit(func(f *pflag.Flag) {
		empty := f.Value.Type() == "string" && strings.TrimSpace(f.Value.String()) == ""
		if list, ok := f.Value.(pflag.SliceValue); ok {
			empty = len(list.GetSlice()) == 0 || slices.Contains(list.GetSlice(), "")
		}
		if empty && err == nil {
			err = reconciler.Hinted(fmt.Errorf("--%s is empty; nothing was contacted", f.Name), hint)
		}
	})
	for _, a := range args {
		if strings.TrimSpace(a) == "" && err == nil {
			err = reconciler.Hinted(fmt.Errorf("`%s`: an argument is empty; nothing was contacted", cmd.CommandPath()), hint)
		}
	}
	return err
}

// noArgs refuses arguments.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return reconciler.Hinted(fmt.Errorf("%s takes no argument, and was given %q", cmd.CommandPath(), args[0]),
		"the document is named with -f FILE; `"+cmd.CommandPath()+" --help` shows examples")
}

// suggested gives cobra's own errors a hint where they have none.
func suggested(err error) error {
	if reconciler.HintOf(err) != "" {
		return err
	}
	text, guess, ok := strings.Cut(err.Error(), "\n\nDid you mean this?\n")
	if !ok {
		return err
	}
	return reconciler.Hinted(fmt.Errorf("%s", text), "did you mean `"+strings.TrimSpace(guess)+"`?")
}
