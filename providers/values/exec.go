package values

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"meshrotate/providers/program"
	"meshrotate/reconciler/secret"
	"meshrotate/specs"
)

// Exec is a program that writes a value on its standard output: sops, op, az, aws. No value is among its arguments, and it is given
// no more of our environment than it needs to run and what is declared.
type Exec struct {
	name  string // the store's
	spec  specs.Exec
	read  func(path string) ([]byte, error)
	env   func(name string) (string, bool)
	turns chan struct{}
}

const (
	mostExec  = 8       // programs that run at the same time
	maxOutput = 1 << 20 // of one, in bytes
)

// NewExec runs nothing yet. Files that a program is given on its standard input, and declared variables, are read as c says.
func NewExec(name string, spec specs.Exec, c Config) *Exec {
	c = c.filled()
	return &Exec{name: name, spec: spec, read: c.ReadFile, env: c.LookupEnv, turns: make(chan struct{}, mostExec)}
}

// Read runs the program once.
func (e *Exec) Read(ctx context.Context, at specs.Item) (v secret.Value, about string, err error) {
	select {
	case e.turns <- struct{}{}:
	case <-ctx.Done():
		return v, "", context.Cause(ctx)
	}
	defer func() { <-e.turns }()
	args, input := slices.Clone(e.spec.Args), []byte(nil)
	if e.spec.Stdin {
		if input, err = e.read(at.Path); err != nil {
			return v, "", fmt.Errorf("store %s: %w", e.name, err)
		}
	} else {
		args = append(args, at.Path)
	}
	limited, cancel := context.WithTimeout(ctx, e.spec.Timeout.Of())
	defer cancel()
	cmd := exec.CommandContext(limited, e.spec.Program, args...)
	cmd.WaitDelay = 2 * time.Second                                  // what it has started may hold its output open
	cmd.Dir, cmd.Env = filepath.Dir(e.spec.Program), e.environment() // its own folder: what lies where we are run may be a request's
	out, told := &bounded{end: cancel}, &program.Tail{}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(input), out, told
	program.Alone(cmd)
	err = cmd.Run()
	return e.ended(ctx, limited, at, cmd, err, out, told)
}

// ended is what a run has shown.
func (e *Exec) ended(ctx, limited context.Context, at specs.Item, cmd *exec.Cmd, err error, out *bounded, told *program.Tail) (v secret.Value, about string, _ error) {
	v = secret.New(out.data)
	said := ""
	if len(told.Bytes()) > 0 { // nobody knows what the value would have been: it may be what was written there
		said = "; what it wrote on standard error may hold a value, and is not shown"
	}
	what := fmt.Sprintf("store %s: %s for %s", e.name, filepath.Base(e.spec.Program), at.Path)
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return secret.Value{}, "", context.Cause(ctx)
	case out.over:
		return secret.Value{}, "", hint(fmt.Errorf("%s wrote more than 1 MiB", what), "let it write the value alone")
	case limited.Err() != nil:
		return secret.Value{}, "", hint(fmt.Errorf("%s was ended after %s%s", what, e.spec.Timeout, said), "it may wait for somebody to sign in: do so, or give it a token by a variable under its env; or more time")
	case errors.As(err, &exit):
		return secret.Value{}, "", hint(fmt.Errorf("%s failed: %s%s", what, exit, said),
			fmt.Sprintf("run it by hand as the same user. It is given no variables but the usual ones and those under connect.stores.%s.exec.env", e.name))
	case err != nil && !(cmd.ProcessState != nil && cmd.ProcessState.Success()):
		return secret.Value{}, "", hint(fmt.Errorf("%s could not be run: %w", what, reason(err)), "see that it is there and may be run")
	}
	return v, "", nil
}

// reason is an error of exec without the path, which everybody knows.
func reason(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	var lookup *exec.Error
	if errors.As(err, &lookup) {
		return lookup.Err
	}
	return err
}

// usual are the variables without which programs do not run, or do not find their own settings.
var usual = []string{"PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR"}

// usualOnWindows are those of Windows, beside the same.
var usualOnWindows = []string{"SystemRoot", "SystemDrive", "windir", "ComSpec", "PATHEXT", "TEMP", "TMP", "USERPROFILE", "USERNAME", "USERDOMAIN", "HOMEDRIVE", "HOMEPATH", "APPDATA", "LOCALAPPDATA",
	"ProgramData", "ProgramFiles", "ProgramFiles(x86)", "CommonProgramFiles"}

func (e *Exec) environment() []string {
	env := []string{}
	add := func(names []string, lookup func(string) (string, bool)) {
		for _, name := range names {
			if value, set := lookup(name); set {
				env = append(env, name+"="+value)
			}
		}
	}
	add(usual, os.LookupEnv)
	if runtime.GOOS == "windows" {
		add(usualOnWindows, os.LookupEnv)
	}
	add(e.spec.Env, e.env)
	return env
}

// bounded takes no more than is read of a program.
type bounded struct {
	data []byte
	over bool
	end  func()
}

func (b *bounded) Write(p []byte) (int, error) {
	if len(b.data)+len(p) > maxOutput {
		b.over = true
		b.end() // it may not heed that its standard output is closed
		return 0, errors.New("too much")
	}
	b.data = append(b.data, p...)
	return len(p), nil
}
