package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"meshrotate/reconciler"
	"meshrotate/reconciler/render"
	"meshrotate/reconciler/session"
	"meshrotate/specs"
)

// recordTime is for how long the record is waited for by a verb that has failed.
const recordTime = 15 * time.Second

// run is a verb that looks at a deployment. Where it ends before it has looked, whatever the reason, it says what is down by the ledger.
// A verb that changes something writes an outcome.
func (p *program) run(s *source, changes bool, verb func(*cobra.Command, []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		err := verb(cmd, args)
		if err == nil || p.looked {
			return err
		}
		ctx, end := context.WithTimeout(context.WithoutCancel(cmd.Context()), recordTime)
		defer end()
		d, down, untold := p.downByRecord(ctx, s)
		if untold != "" {
			err = withNote(err, untold)
		}
		if len(down) == 0 {
			return err
		}
		cause := err
		if exit, ok := errors.AsType[*Exit](err); ok && exit.Err != nil {
			cause = exit.Err
		}
		err = &Exit{Code: ExitPartly, Err: &render.Unlooked{Err: cause, Down: down}}
		if !changes || p.format == render.Text {
			return err
		}
		plan := &reconciler.Plan{Deployment: d.Name, Commit: d.Origin.Commit, Down: down}
		return p.refused(render.OutcomeOf(plan, "", 0, reconciler.Outcome{Err: cause}).Naming(s.flags()), err)
	}
}

// refused also writes the report for whoever reads no errors: what is down is in every format.
func (p *program) refused(r render.Outcome, err error) error {
	return errors.Join(err, p.write(r))
}

// withNote is an error, with its code and its hint, that says something more.
func withNote(err error, note string) error {
	exit, ok := errors.AsType[*Exit](err)
	if !ok {
		return fmt.Errorf("%w; %s", err, note)
	}
	if exit.Err == nil {
		return &Exit{Code: exit.Code, Err: errors.New(note)}
	}
	return &Exit{Code: exit.Code, Err: fmt.Errorf("%w; %s", exit.Err, note)}
}

// downByRecord is what the ledger says to be down, of the deployment whose record may be read; and what it does not say, as it may be
// the business of a run at work.
func (p *program) downByRecord(ctx context.Context, s *source) (*specs.Deployment, []reconciler.Down, string) {
	if s.remembers == nil { // it ended before the document was read
		_, _ = p.inForce(ctx, s)
	}
	if s.remembers == nil {
		return nil, nil, ""
	}
	d := s.remembers()
	if d == nil {
		return nil, nil, ""
	}
	remembered, err := p.app.OpenState(ctx, d)
	if err != nil {
		return nil, nil, "" // it may be why the verb has ended
	}
	down, untold := session.DownByRecord(ctx, p.app.Kinds, d, remembered, p.app.Now())
	return d, down, untold
}

// agreedTo says where the record of a request is that cannot be read, by what was agreed to.
func (p *program) agreedTo(ctx context.Context, l specs.Loader, s *source, operator string) *specs.Deployment {
	d := &specs.Deployment{}
	if s.repo == "" {
		d.Origin.File, d.Origin.Dir = orDefault(s.file), filepath.Dir(orDefault(s.file))
	}
	tree, err := workTree(s, d, s.base != "")
	if err != nil {
		return nil
	}
	side, err := p.side(ctx, l, s, tree, operator)
	if err != nil || side.Base == nil {
		return nil
	}
	return remembering(d, side.Base, tree)
}

// remembering says where the record of a request is: where its base has it, or in the folder that nobody has to name, which no request
// can choose. A request does not say it.
func remembering(d, base *specs.Deployment, tree *specs.WorkTree) *specs.Deployment {
	at := *d
	if base != nil {
		at = *base
		at.Origin.Dir = d.Origin.Dir
	} else if d.State.SQL != nil || d.State.Git != nil || d.State.Dir != defaultState {
		return nil
	}
	if ownState(&at, tree) != nil {
		return nil
	}
	return &at
}

// defaultState is the folder of the record where a document names none.
const defaultState = ".meshrotate"

// aboutState says that what was not agreed to may be where the record is, or how it is reached.
func aboutState(d specs.Doubt) bool {
	top, _, _ := strings.Cut(d.Path, ".")
	return top == "name" || top == "state" || top == "connect"
}
