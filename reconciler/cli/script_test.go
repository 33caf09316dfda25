package cli_test

import (
	"context"
	"os"
	"os/signal"
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
		Setup: func(e *testscript.Env) error {
			e.Setenv("USER", "ada")
			e.Setenv("NO_COLOR", "1")
			return nil
		},
	})
}
