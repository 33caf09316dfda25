// Package cli is the command line: one file for each verb.
//
// A verb loads the document, opens the deployment, lets the engine work, and gives what came out to package render.
// Reports go to standard output, everything else to standard error. The exit codes mean the same for every verb:
//
//	0  nothing to do, or done
//	1  an error; nothing was changed, or everything was put back as it was
//	2  changes are pending, or all that is left waits for a person
//	3  something was changed and not everything is proven, or something is down or left behind: what, and how to go on,
//	   is said. Who only looks ends so when something is down and an apply now would not start it
package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"meshrotate/reconciler"
	"meshrotate/reconciler/render"
	"meshrotate/reconciler/secret"
	"meshrotate/specs"
	"meshrotate/state"
)

// The exit codes.
const (
	ExitOK      = 0
	ExitError   = 1
	ExitPending = 2
	ExitPartly  = 3
)

// App is the program that the command line drives.
type App struct {
	// Version is the program's own, "" for a development build.
	Version string
	// Kinds are the kinds of secret, in the order in which plans show them.
	Kinds []reconciler.Kind
	// Lessons are those of findings that no single kind has.
	Lessons []reconciler.Lesson
	// Schema is the document's JSON Schema; nil is the embedded one.
	Schema []byte
	// Open makes the deployment ready to be looked at and changed. It may connect when it is first needed. The
	// document's policy says how many hosts at once. Need says what for.
	Open func(ctx context.Context, d *specs.Deployment, need Need) (*Live, error)
	// OpenState opens what is remembered alone, for verbs that need no hosts.
	OpenState func(ctx context.Context, d *specs.Deployment) (state.State, error)
	// OpenValues opens the kept values alone.
	OpenValues func(ctx context.Context, d *specs.Deployment) (Values, error)
	// Adopt is the op that keeps the live value of a secret as that of a version.
	Adopt func(ref secret.Ref) reconciler.Op
	// Commands are further verbs: lab, demo, bench. It may be nil.
	Commands func(io Stdio) []*cobra.Command
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Need is what a verb wants of an open deployment.
type Need struct {
	// Steps will follow the look: connections stay open.
	Steps bool
	// Bound: what is seen will be compared with what another run sees, so fingerprints must last. Without it nothing
	// is written, not even on the first run.
	Bound bool
	// Hosts is how many will be looked at.
	Hosts int
}

// Live is an open deployment.
type Live struct {
	Site  reconciler.Site
	State state.State
}

// Exit is an error that ends the program with a code of its own. Err is printed when it is not nil.
type Exit struct {
	Code int
	Err  error
}

func (e *Exit) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("exit code %d", e.Code)
	}
	return e.Err.Error()
}

// Unwrap returns what is printed.
func (e *Exit) Unwrap() error { return e.Err }

// Main runs the command line and returns the exit code. Args are without the program's name.
func Main(ctx context.Context, args []string, io Stdio, app App) int {
	if app.Now == nil {
		app.Now = time.Now
	}
	p := &program{app: app, io: io.filled(), format: render.Text}
	root := p.root()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return ExitOK
	}
	code, shown := ExitError, err
	var exit *Exit
	if errors.As(err, &exit) {
		code, shown = exit.Code, exit.Err
	}
	if shown != nil {
		if asksForJSON(args) {
			p.format = render.JSON // the arguments themselves may be what is wrong
		}
		render.Error(p.io.Err, p.errStyle(), suggested(shown))
	}
	return code
}

// asksForJSON looks for -o json without parsing.
func asksForJSON(args []string) bool {
	for i, a := range args {
		switch {
		case a == "--":
			return false
		case a == "-ojson" || a == "-o=json" || a == "--output=json":
			return true
		case (a == "-o" || a == "--output") && i+1 < len(args) && args[i+1] == "json":
			return true
		}
	}
	return false
}

// program is one run of the command line.
type program struct {
	app    App
	io     Stdio
	format render.Format
	looked bool // at the deployment: what is down is told by that
}

// write writes a report to standard output.
func (p *program) write(r render.Report) error {
	if err := render.Write(p.io.Out, p.outStyle(), r); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

func (p *program) outStyle() render.Style {
	return render.Style{Format: p.format, Width: p.io.Width, Colour: p.io.OutTerminal && p.io.colour()}
}

func (p *program) errStyle() render.Style {
	return render.Style{Format: p.format, Width: p.io.Width, Colour: p.io.ErrTerminal && p.io.colour()}
}

func (p *program) progress() *render.Progress {
	terminal := p.io.ErrTerminal && p.io.env("TERM") != "dumb"
	return render.NewProgress(newUnheard(p.io.Err), p.errStyle(), terminal, p.app.Now)
}
