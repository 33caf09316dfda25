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

	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
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
	name := filepath.Base(op.Program)
	var exit *exec.ExitError
	switch {
	case err == nil:
		return done(fmt.Sprintf("%s for %s ended with 0", name, op.Secret.Name))
	case limited.Err() != nil:
		return failed(reconciler.Hinted(fmt.Errorf("%s for %s was ended after %s, and nobody knows what it has done", name, op.Secret.Name, op.Timeout),
			"see what it waits for, or give it more time; apply again runs it again with the same value"))[0]
	case errors.As(err, &exit):
		return failed(reconciler.Hinted(fmt.Errorf("%s for %s failed: %s%s", name, op.Secret.Name, exit, lastLine(said, v)),
			"mend that; apply again runs it again with the same value"))[0]
	}
	return refused(reconciler.Hinted(fmt.Errorf("%s could not be run: %w", op.Program, cause(err)), "see that it is there and may be run"))
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

// maxSaid is how much of a program's output is kept: its end.
const maxSaid = 16 << 10

// tail keeps the end of what is written to it.
type tail struct{ bytes.Buffer }

func (t *tail) Write(b []byte) (int, error) {
	n, err := t.Buffer.Write(b)
	if over := t.Len() - maxSaid; over > 0 {
		t.Next(over)
	}
	return n, err
}

// runProgram is run on this machine.
func runProgram(ctx context.Context, p Program) ([]byte, error) {
	cmd := exec.CommandContext(ctx, p.Path, p.Args...)
	var said tail
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = p.Env, bytes.NewReader(p.Input.Expose()), &said, &said
	cmd.WaitDelay = 2 * time.Second // what it has started may hold its output open
	alone(cmd)
	err := cmd.Run()
	if cmd.ProcessState != nil && cmd.ProcessState.Success() && ctx.Err() == nil {
		err = nil // that it did not read to the end, or left somebody behind who holds its output, is its own affair
	}
	return said.Bytes(), err
}
