// Command meshrotate rotates IdentityMesh's secrets from a desired state in Git.
package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"syscall"

	"meshrotate/providers"
	"meshrotate/providers/connect"
	"meshrotate/providers/lab/labcli"
	"meshrotate/providers/live"
	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/reconciler/cli"
	"meshrotate/reconciler/secret"
	"meshrotate/specs"
	"meshrotate/state"
)

func main() {
	debug.SetGCPercent(400) // a start ends before the collector's first run
	code := cli.Main(prepared(), os.Args[1:], cli.OS(), app(os.LookupEnv))
	labcli.TellCost()
	os.Exit(code)
}

// prepared is the program's context, once the process is what one with secrets has to be.
func prepared() context.Context {
	noCore()
	return interruptible()
}

// interruptible is a context that ends with the first Ctrl-C, request to terminate or hangup, which is its cause. The
// second Ctrl-C or request to terminate kills the program. That is so before the context ends: whoever is told of the
// end, and at once tries the second, must not find it swallowed.
//
// A run outlives its terminal and the readers of its output, for services may be down: a hangup is an interrupt, however
// often it is sent, and nothing under nohup; a write to a closed pipe fails, and that is all.
func interruptible() context.Context {
	ctx, end := context.WithCancelCause(context.Background())
	signal.Ignore(syscall.SIGPIPE)
	signals, hangups := make(chan os.Signal, 1), make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) {
		signal.Notify(hangups, syscall.SIGHUP)
	}
	go func() {
		cause := errors.New("the terminal hung up")
		select {
		case s := <-signals:
			cause = errors.New(nameOf(s))
		case <-hangups:
		}
		signal.Stop(signals)
		end(cause)
	}()
	return ctx
}

// nameOf is what people call a signal.
func nameOf(s os.Signal) string {
	if s == os.Interrupt {
		return "Ctrl-C"
	}
	return s.String()
}

// app puts the program together. Lookup is the environment that credentials come from.
func app(lookup func(string) (string, bool)) cli.App {
	return cli.App{
		Kinds:   providers.Kinds(),
		Lessons: site.Lessons(),
		Open: func(ctx context.Context, d *specs.Deployment, need cli.Need) (*cli.Live, error) {
			remembered, err := connect.OpenState(d, connect.Options{LookupEnv: lookup})
			if err != nil {
				return nil, err
			}
			tune(len(d.AllHosts()))
			site, err := connect.Open(ctx, providers.Kinds(), d, connect.Options{Stay: need.Steps, Bound: need.Bound, Hosts: need.Hosts, LookupEnv: lookup, State: &remembered, Shells: shells(), Busy: live.Busy()})
			if err != nil {
				return nil, err
			}
			return &cli.Live{Site: site, State: remembered}, nil
		},
		OpenState: func(_ context.Context, d *specs.Deployment) (state.State, error) {
			return connect.OpenState(d, connect.Options{LookupEnv: lookup})
		},
		OpenValues: func(_ context.Context, d *specs.Deployment) (cli.Values, error) {
			return connect.Values(d, connect.Options{LookupEnv: lookup})
		},
		Adopt:    func(ref secret.Ref) reconciler.Op { return site.Adopt{Secret: ref} },
		Commands: labcli.Commands(app),
	}
}

// shells is where this user's processes record the shells that they make on hosts, "" where there is no place for that.
func shells() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "meshrotate", "shells")
}

// tune trades memory for time: with ten thousand hosts, of which much is in use, the collector runs more often than it would by
// itself, and with a thousand more seldom. It is a ratio to what is in use, and no limit: who needs more has more.
func tune(hosts int) { debug.SetGCPercent(min(max(30, 300_000/max(1, hosts)), 150)) }
