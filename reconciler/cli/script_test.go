package cli_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"meshrotate/reconciler/cli"
)

// TestMain gives the scripts a command meshrotate, which is this test program.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"meshrotate": func() {
			ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
			context.AfterFunc(ctx, stop)
			os.Exit(cli.Main(ctx, os.Args[1:], cli.OS(), app()))
		},
	})
}

// TestScripts runs the stories of testdata: what a person types, and what comes back.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		// UPDATE_SCRIPTS=1 writes what came back into the stories, to be read before it is committed.
		UpdateScripts: os.Getenv("UPDATE_SCRIPTS") != "",
		Cmds:          map[string]func(ts *testscript.TestScript, neg bool, args []string){"code": code},
		Setup: func(e *testscript.Env) error {
			e.Setenv("USER", "ada")
			e.Setenv("NO_COLOR", "1")
			return nil
		},
	})
}

// code is exec of a program that ends with this exit code: code 2 meshrotate plan.
func code(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N PROGRAM ARGS…")
	}
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if strconv.Itoa(got) != args[0] {
		ts.Fatalf("exit code %d, not %s", got, args[0])
	}
}
