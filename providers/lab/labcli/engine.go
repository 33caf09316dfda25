package labcli

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/engine"
	"meshrotate/reconciler"
	"meshrotate/reconciler/cli"
)

// playCommand is the hidden verb that is a program of the product, started by the PowerShell of an emulated host.
func playCommand(io cli.Stdio) *cobra.Command {
	return &cobra.Command{Use: "play", Hidden: true, DisableFlagParsing: true, Run: func(_ *cobra.Command, args []string) {
		os.Exit(engine.Play(args, io.In, io.Out, io.Err))
	}}
}

// openEngine finds what runs the host script; "" is the model in Go.
func openEngine(name string) (lab.Engine, error) {
	switch name {
	case "":
		return nil, nil
	case "pwsh":
		e, err := engine.OpenPwsh()
		if err != nil {
			return nil, reconciler.Hinted(err, "put a PowerShell called pwsh on PATH, or leave --engine out")
		}
		return e, nil
	case "pwsh-windows":
		e, err := engine.OpenWine()
		if err != nil {
			return nil, reconciler.Hinted(err, "put pwsh-windows and wine on PATH, or leave --engine out")
		}
		return e, nil
	}
	return nil, reconciler.Hinted(fmt.Errorf("no engine %q", name), "the engines are pwsh and pwsh-windows")
}
