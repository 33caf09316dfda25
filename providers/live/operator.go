package live

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"meshrotate/providers/program"
	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
	"meshrotate/state"
)

// Program is a program on this machine, as it is to be run.
type Program struct {
	Path string
	Args []string
	Env  []string // "name=value"
	// Input is its whole standard input.
	Input secret.Value
}

// operator runs programs on this machine.
type operator struct {
	site *Site
	// run runs one to its end and returns the end of what it wrote.
	run func(ctx context.Context, p Program) ([]byte, error)
	// turns are for those that run at the same time.
	turns gate
}

// mostPrograms is how many run at the same time.
const mostPrograms = 8

func (o *operator) look(_ context.Context, _ reconciler.Target, reads []reconciler.Read, _ secret.Value) reconciler.Look {
	look := reconciler.Look{Reach: reconciler.Reached, Results: map[string]reconciler.Result{}}
	for _, r := range reads {
		p, ok := r.(site.OperatorProgram)
		if !ok {
			return reconciler.Look{Reach: reconciler.Broken, Err: fmt.Errorf("the operator's machine cannot answer %T", r)}
		}
		seen := &site.ProgramSeen{Path: p.Path}
		if _, err := exec.LookPath(p.Path); err != nil {
			seen.Problem = "it cannot be run: " + cause(err).Error()
		}
		look.Results[r.Key()] = seen
	}
	return look
}

// cause is an error of exec without the path, which everybody knows.
func cause(err error) error {
	var e *exec.Error
	if errors.As(err, &e) {
		err = e.Err
	}
	var p *fs.PathError
	if errors.As(err, &p) {
		err = p.Err
	}
	return err
}

func (o *operator) do(ctx context.Context, _ reconciler.Target, steps []reconciler.Step, _ func(reconciler.Event)) []reconciler.Report {
	var reports []reconciler.Report
	for _, s := range steps {
		op, ok := s.Op.(site.RunHook)
		if !ok {
			return append(reports, failed(fmt.Errorf("the operator's machine cannot do %T", s.Op))...)
		}
		r := o.hook(ctx, op)
		if reports = append(reports, r); r.Err != nil {
			break
		}
	}
	return reports
}

func (o *operator) hook(ctx context.Context, op site.RunHook) reconciler.Report {
	v, err := o.site.values.value(ctx, op.Secret)
	if err != nil {
		return refused(err)
	}
	if err := o.turns.enter(ctx); err != nil {
		return refused(err)
	}
	defer o.turns.leave()
	if err := reconciler.StillOurs(ctx); err != nil {
		return refused(err)
	}
	limited, cancel := context.WithTimeout(ctx, op.Timeout.Of())
	defer cancel()
	said, err := o.run(limited, Program{Path: op.Program, Args: op.Args, Env: told(op), Input: v})
	name, late, line := filepath.Base(op.Program)+" for "+op.Secret.Name, limited.Err() != nil, o.site.config.Known.Withhold(program.LastLine(said, v))
	var ended *EndedError
	switch {
	case err != nil && !late && !errors.As(err, &ended):
		return refused(reconciler.Hinted(fmt.Errorf("%s could not be run: %w", op.Program, cause(err)), "see that it is there and may be run"))
	case op.Proves:
		return tried(op, name, ended, late, line)
	case err == nil:
		return done(name + " ended with 0")
	case late:
		return failed(reconciler.Hinted(fmt.Errorf("%s was ended after %s, and nobody knows what it has done", name, op.Timeout),
			"see what it waits for, or give it more time; apply again runs it again with the same value"))[0]
	}
	return failed(reconciler.Hinted(fmt.Errorf("%s failed: %w%s", name, ended, line),
		"mend that; apply again runs it again with the same value"))[0]
}

// loginRefused is the exit code by which a program says so.
const loginRefused = 1

// tried is what a program has shown that tries a login.
func tried(op site.RunHook, name string, ended *EndedError, late bool, line string) reconciler.Report {
	switch {
	case late:
		return reconciler.Report{Outcome: state.Unknown, Err: fmt.Errorf("%s was ended after %s: whether the value is taken is not known", name, op.Timeout)}
	case ended == nil:
		return done(name + " has signed in with it")
	case ended.Code != loginRefused:
		return reconciler.Report{Outcome: state.Unknown, Err: fmt.Errorf("%s ended with neither 0 nor 1: whether the value is taken is not known: %w%s", name, ended, line)}
	case op.ByHand != "":
		return reconciler.Report{Outcome: state.Failed, Waits: true, Err: fmt.Errorf("a person %s; until then %s is refused%s", op.ByHand, name, line)}
	}
	return failed(reconciler.Hinted(fmt.Errorf("%s was refused%s", name, line), "see whether the source system has the new value"))[0]
}

// told is the environment of a hook: our own, without what is meshrotate's, and what it is told.
func told(op site.RunHook) []string {
	const ours = "MESHROTATE_"
	var env []string
	for _, e := range os.Environ() {
		if !strings.HasPrefix(strings.ToUpper(e), ours) {
			env = append(env, e)
		}
	}
	env = append(env, ours+"SECRET="+op.Secret.Name, ours+"VERSION="+op.Secret.Version)
	for name, value := range op.About {
		env = append(env, ours+name+"="+value)
	}
	return env
}

// EndedError is how a program ended that did not end well.
type EndedError struct {
	Code int // -1 for a signal
	Text string
}

func (e *EndedError) Error() string { return e.Text }

// runProgram is run on this machine.
func runProgram(ctx context.Context, p Program) ([]byte, error) {
	cmd := exec.CommandContext(ctx, p.Path, p.Args...)
	var said program.Tail
	cmd.Dir = filepath.Dir(p.Path) // what lies where we are run may be a request's
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = p.Env, bytes.NewReader(p.Input.Expose()), &said, &said
	cmd.WaitDelay = 2 * time.Second // what it has started may hold its output open
	program.Alone(cmd)
	err := cmd.Run()
	if cmd.ProcessState != nil && cmd.ProcessState.Success() && ctx.Err() == nil {
		err = nil // that it did not read to the end, or left somebody behind who holds its output, is its own affair
	}
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		err = &EndedError{exit.ExitCode(), exit.String()}
	}
	return said.Bytes(), err
}
