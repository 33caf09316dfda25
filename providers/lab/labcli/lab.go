// Package labcli is the verbs around the lab: lab, demo and bench.
package labcli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
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
	return func(stdio cli.Stdio) []*cobra.Command {
		return []*cobra.Command{labCommand(stdio), demoCommand(stdio, app), benchCommand(stdio), masterzenCommand(stdio)}
	}
}

// labFlags are what a lab can be told.
type labFlags struct {
	relays     int
	dir        string
	powershell time.Duration
	engine     string
	relaying   string
	license    string
	converged  bool
	https      bool
	all        bool
}

func labCommand(stdio cli.Stdio) *cobra.Command {
	var f labFlags
	c := &cobra.Command{
		Use:   "lab",
		Short: "Run a whole IdentityMesh on loopback, to try everything on",
		Long: `Run a whole IdentityMesh on loopback: Admin, Engine and relays, each on an
emulated Windows host that speaks real WinRM. The lab writes a document,
licenses and an environment into a folder and stays until it is interrupted. In
a second terminal, plan and apply work against it as against real hosts.

It is a model of the product, not Windows: see "What the lab cannot prove" in
the README.`,
		Example: `  meshrotate lab --relays 12 --dir /tmp/lab
  (second terminal)
  cd /tmp/lab && . ./env
  meshrotate plan
  meshrotate apply
  meshrotate lab break key relay-03 && meshrotate drift`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runLab(cmd.Context(), stdio, f) },
	}
	c.Flags().IntVar(&f.relays, "relays", 3, "how many relays")
	c.Flags().StringVar(&f.dir, "dir", "", "the folder for the document and the state (default: a new one)")
	c.Flags().DurationVar(&f.powershell, "powershell", 400*time.Millisecond, "how long the emulated PowerShell takes to start")
	c.Flags().StringVar(&f.engine, "engine", "", "what runs the host script: `NAME` is pwsh or pwsh-windows, where that is installed (default: a model of it)")
	c.Flags().StringVar(&f.relaying, "api", "", "how Admin lists its relays: `SHAPE` is "+strings.Join(lab.RelayShapes, ", ")+" (default: the first)")
	c.Flags().StringVar(&f.license, "license", "", "how the vendor writes licenses: `SHAPE` is "+strings.Join(lab.LicenseShapes, ", ")+" (default: the first)")
	c.Flags().BoolVar(&f.all, "all", false, "let the document declare every kind of secret, with a build host; license and relay key alone otherwise")
	c.Flags().BoolVar(&f.https, "https", false, "let the hosts' WinRM listen with certificates (default: HTTP, sealed by NTLM)")
	c.AddCommand(breakCommand(stdio), showCommand(stdio), playCommand(stdio))
	return c
}

func runLab(ctx context.Context, stdio cli.Stdio, f labFlags) error {
	debug.SetGCPercent(400) // the lab shares the machine with what is tried on it
	l, dir, err := startLab(f)
	if err != nil {
		return err
	}
	defer l.Close()
	if err := l.ServeControl(); err != nil {
		return err
	}
	welcome(stdio.Out, l, dir)
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
	config := lab.Config{Relays: f.relays, Dir: dir, Engine: engine, License: f.license, Relaying: f.relaying, Converged: f.converged, HTTPS: f.https, Time: lab.Timing{PowerShell: f.powershell}}
	if f.all {
		config = every(config)
	}
	l, err := lab.Start(config)
	return l, dir, err
}

// every lets the document declare every kind of secret.
func every(c lab.Config) lab.Config {
	c.Login, c.Account, c.Connectors, c.Signing, c.Build = "alternating", "now", 2, true, true
	return c
}

// welcome says what runs, and what to type where.
func welcome(w io.Writer, l *lab.Lab, dir string) {
	document, _, _ := strings.Cut(l.Document(), "  hosts:\n    ")
	victim := l.EngineHost
	if len(l.Relays) > 0 {
		victim = l.Relays[0]
	}
	host, _, _ := strings.Cut(victim.Name, ".")
	fmt.Fprintf(w, `IdentityMesh on loopback: Admin, Engine, %d relays. Nothing outside this
machine is contacted. Its document is %s:

%s  hosts:   # %d addresses, in the file

SQL Server listens on %s; keys/sql-server.pem is its authority, and
im_rotator may sign in with the account's password.

In a second terminal:

  cd %s && . ./env
  meshrotate plan
  meshrotate apply
  meshrotate lab show                    what really runs
  meshrotate lab break stop %-12s drift; lab break --help has more

env holds the account's password and the age identity that seals the state.
Ctrl-C ends the lab.
`, len(l.Relays), filepath.Join(dir, "meshrotate.yaml"), document, len(l.Hosts()), l.SQLAddress(), dir, host)
}

func breakCommand(stdio cli.Stdio) *cobra.Command {
	var dir string
	var names []string
	long := "Change something behind meshrotate's back in a running lab:\n\n"
	for _, m := range lab.Mishaps() {
		names = append(names, m.Name)
		long += fmt.Sprintf("  %-14s %s\n", m.Name, m.Does)
	}
	c := &cobra.Command{
		Use: "break WHAT HOST", Short: "Make drift in a running lab", Long: strings.TrimSuffix(long, "\n"),
		Example:   "  meshrotate lab break key relay-03\n  meshrotate lab break stop im-engine\n  meshrotate lab break unplug relay-01",
		ValidArgs: names,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return reconciler.Hinted(fmt.Errorf("lab break takes a mishap and a host, and was given %d arguments", len(args)),
					"`meshrotate lab break key relay-03`; the mishaps are "+strings.Join(names, ", "))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return command(cmd, stdio, dir, "break", args[0], args[1])
		},
	}
	c.Flags().StringVar(&dir, "dir", ".", "the lab's folder")
	return c
}

func showCommand(stdio cli.Stdio) *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use: "show", Short: "Say what really runs in a running lab", Args: cobra.NoArgs,
		Long:    "Say what really runs in a running lab, as the lab knows it and not as meshrotate\nsees it. Of a large fleet only the relays that differ are listed.",
		Example: "  meshrotate lab show\n  meshrotate lab show --dir /tmp/lab",
		RunE:    func(cmd *cobra.Command, _ []string) error { return command(cmd, stdio, dir, "show") },
	}
	c.Flags().StringVar(&dir, "dir", ".", "the lab's folder")
	return c
}

// command lets a running lab do something, and writes what it says: in JSON, each line of it.
func command(cmd *cobra.Command, stdio cli.Stdio, dir string, args ...string) error {
	text, err := lab.Command(cmd.Context(), dir, args...)
	var gone *url.Error
	if errors.As(err, &gone) || errors.Is(err, fs.ErrNotExist) {
		return reconciler.Hinted(err, "name the folder of a running lab with --dir, or start one with `meshrotate lab`")
	}
	if err != nil {
		return err
	}
	text = strings.TrimRight(text, "\n")
	if cmd.Flag("output").Value.String() == "json" {
		return json.NewEncoder(stdio.Out).Encode(map[string][]string{"said": strings.Split(text, "\n")})
	}
	_, err = fmt.Fprintln(stdio.Out, text)
	return err
}
