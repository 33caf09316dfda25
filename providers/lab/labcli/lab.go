// Package labcli is the verbs around the lab: lab, demo and bench.
package labcli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"meshrotate/providers/lab"
	"meshrotate/reconciler"
	"meshrotate/reconciler/cli"
)

// Commands are the verbs.
func Commands(app func(lookup func(string) (string, bool)) cli.App) func(cli.Stdio) []*cobra.Command {
	return func(io cli.Stdio) []*cobra.Command {
		return []*cobra.Command{labCommand(io), demoCommand(io, app), benchCommand(io)}
	}
}

// labFlags are what a lab can be told.
type labFlags struct {
	relays     int
	dir        string
	powershell time.Duration
	engine     string
	converged  bool
}

func labCommand(io cli.Stdio) *cobra.Command {
	var f labFlags
	c := &cobra.Command{
		Use:   "lab",
		Short: "Run a whole IdentityMesh on loopback, to try everything on",
		Long: `lab runs a whole IdentityMesh on loopback: Admin, Engine and relays, each on an emulated Windows host that speaks
real WinRM. It writes a document, licenses and an environment into a folder and stays until it is interrupted.
In a second terminal, plan and apply work against it as they would against real hosts.

It is a model of the product, not Windows: see "What the lab cannot prove" in the README.`,
		Example: `  meshrotate lab --relays 12 --dir /tmp/lab
  (second terminal)
  cd /tmp/lab && . ./env
  meshrotate plan
  meshrotate apply
  meshrotate lab break key relay-03 && meshrotate drift`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runLab(cmd.Context(), io, f) },
	}
	c.Flags().IntVar(&f.relays, "relays", 3, "how many relays")
	c.Flags().StringVar(&f.dir, "dir", "", "the folder for the document and the state (default: a new one)")
	c.Flags().DurationVar(&f.powershell, "powershell", 400*time.Millisecond, "how long the emulated PowerShell takes to start")
	c.Flags().StringVar(&f.engine, "engine", "", "what runs the host script: empty for the model, pwsh or pwsh-windows for the real engine where it is installed")
	c.AddCommand(breakCommand(io), showCommand(io))
	return c
}

func runLab(ctx context.Context, io cli.Stdio, f labFlags) error {
	debug.SetGCPercent(400) // the lab shares the machine with what is tried on it
	l, dir, err := startLab(f)
	if err != nil {
		return err
	}
	defer l.Close()
	if err := l.ServeControl(); err != nil {
		return err
	}
	fmt.Fprintf(io.Out, "IdentityMesh on loopback: Admin, Engine, %d relays. Nothing outside this machine is contacted.\n\n%s\n", f.relays, head(l.Document(), 30))
	fmt.Fprintf(io.Out, "In a second terminal:\n\n  cd %s && . ./env\n  meshrotate plan\n  meshrotate apply\n  meshrotate lab break key relay-01     (and others: meshrotate lab break --help)\n\nCtrl-C ends the lab.\n", dir)
	<-ctx.Done()
	_ = os.Remove(filepath.Join(dir, "control.json"))
	return nil
}

func startLab(f labFlags) (*lab.Lab, string, error) {
	if f.relays < 0 || f.relays > 10000 {
		return nil, "", reconciler.Hinted(fmt.Errorf("a lab of %d relays", f.relays), "0 to 10000 are possible")
	}
	dir := f.dir
	if dir == "" {
		made, err := os.MkdirTemp("", "meshrotate-lab-")
		if err != nil {
			return nil, "", err
		}
		dir = made
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, "", err
	}
	if _, err := os.Stat(filepath.Join(dir, "meshrotate.yaml")); err == nil {
		return nil, "", reconciler.Hinted(fmt.Errorf("%s holds a meshrotate.yaml already", dir), "name an empty folder with --dir: a lab never overwrites a document")
	}
	engine, err := openEngine(f.engine)
	if err != nil {
		return nil, "", err
	}
	l, err := lab.Start(lab.Config{Relays: f.relays, Dir: dir, Engine: engine, Converged: f.converged, Time: lab.Timing{PowerShell: f.powershell}})
	return l, dir, err
}

// head is the first lines of a long text.
func head(text string, n int) string {
	lines := strings.SplitAfter(text, "\n")
	if len(lines) <= n {
		return text
	}
	return strings.Join(lines[:n], "") + fmt.Sprintf("    # and %d more lines, in meshrotate.yaml\n", len(lines)-n-1)
}

func breakCommand(io cli.Stdio) *cobra.Command {
	var dir string
	var names []string
	long := "break changes something behind meshrotate's back in the lab that runs with this folder:\n\n"
	for _, m := range lab.Mishaps() {
		names = append(names, m.Name)
		long += fmt.Sprintf("  %-8s %s\n", m.Name, m.Does)
	}
	c := &cobra.Command{
		Use: "break WHAT HOST", Short: "Make drift in a running lab", Long: strings.TrimSuffix(long, "\n"),
		Example:   "  meshrotate lab break key relay-03\n  meshrotate lab break stop im-engine\n  meshrotate lab break unplug relay-01",
		Args:      cobra.ExactArgs(2),
		ValidArgs: names,
		RunE: func(cmd *cobra.Command, args []string) error {
			return command(cmd.Context(), io, dir, "break", args[0], args[1])
		},
	}
	c.Flags().StringVar(&dir, "dir", ".", "the lab's folder")
	return c
}

func showCommand(io cli.Stdio) *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use: "show", Short: "Say what really runs in a running lab", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return command(cmd.Context(), io, dir, "show") },
	}
	c.Flags().StringVar(&dir, "dir", ".", "the lab's folder")
	return c
}

func command(ctx context.Context, io cli.Stdio, dir string, args ...string) error {
	text, err := lab.Command(ctx, dir, args...)
	if err != nil {
		return reconciler.Hinted(err, "name the folder of a running lab with --dir; `meshrotate lab break --help` lists what can be broken")
	}
	fmt.Fprintln(io.Out, strings.TrimRight(text, "\n"))
	return nil
}
