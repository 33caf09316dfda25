// Command meshrotate rotates IdentityMesh's secrets from a desired state in Git.
package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"meshrotate/providers"
	"meshrotate/providers/lab/labcli"
	"meshrotate/reconciler/cli"
	"meshrotate/specs"
	"meshrotate/state"
)

func main() {
	ctx, interrupt := context.WithCancelCause(context.Background())
	survive(interrupt)
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	code := cli.Main(ctx, os.Args[1:], cli.OS(), app(os.LookupEnv))
	stop()
	os.Exit(code)
}

// survive keeps a run alive whose terminal hangs up, or whose output nobody reads any more: services may be down. A hangup
// is an interrupt, however often it is sent; a write to a closed pipe fails, and that is all. Under nohup a hangup is
// nothing.
func survive(interrupt context.CancelCauseFunc) {
	signal.Ignore(syscall.SIGPIPE)
	if signal.Ignored(syscall.SIGHUP) {
		return
	}
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	go func() {
		<-hangups
		interrupt(errors.New("the terminal hung up"))
	}()
}

// app puts the program together. Lookup is the environment that credentials come from.
func app(lookup func(string) (string, bool)) cli.App {
	return cli.App{
		Kinds: providers.Kinds(),
		Open: func(ctx context.Context, d *specs.Deployment, need cli.Need) (*cli.Live, error) {
			store, err := providers.OpenState(d)
			if err != nil {
				return nil, err
			}
			tune(len(d.AllHosts()))
			site, err := providers.Open(ctx, d, providers.Options{Stay: need.Steps, Bound: need.Bound, LookupEnv: lookup})
			if err != nil {
				return nil, err
			}
			return &cli.Live{Site: site, Ledger: store, Lock: store}, nil
		},
		OpenState: func(_ context.Context, d *specs.Deployment) (state.Ledger, state.Lock, error) {
			store, err := providers.OpenState(d)
			return store, store, err
		},
		Commands: labcli.Commands(app),
	}
}

// tune trades memory for time: the collector runs less often than it would, within 70 MB and 40 KB for each host.
// Above that it works as usual.
func tune(hosts int) {
	debug.SetGCPercent(400)
	debug.SetMemoryLimit(70<<20 + int64(hosts)*40<<10)
}
