package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/user"
	"strings"

	"github.com/spf13/cobra"

	"meshrotate/reconciler"
	"meshrotate/reconciler/render"
	"meshrotate/state"
)

func (p *program) apply() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "apply [plan.json]",
		Short: "Rotate: do what the plan says, and prove it",
		Long: `Take the deployment's lock, look, plan, and do it. Every step is recorded
before and after; a rotation that cannot be proven is taken back.

A secret that a guard refuses, or that could not be looked at, stops the whole
apply before anything is changed; --only rotates the others alone.

With a saved plan, apply looks again and refuses when anything differs from
what the plan saw, naming the host and the field. Without one it shows the plan
and asks.

An interrupt (Ctrl-C) or a lost terminal ends the run at the next safe point:
services that are down are started first. A second Ctrl-C kills it. Either way,
run apply again: it looks at what is there and finishes.
` + exitCodes,
		Example: `  meshrotate apply                       show the plan, ask, do it
  meshrotate apply plan.json             exactly this plan, or nothing
  meshrotate apply --yes                 for machines: do not ask
  meshrotate apply --only license        one kind of secret`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return reconciler.Hinted(fmt.Errorf("apply takes one saved plan, and was given %d arguments", len(args)), "the document is named with -f FILE")
			}
			return nil
		},
	}
	s := p.liveFlags(cmd)
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	_ = cmd.Flags().MarkHidden("host") // it is refused, with the reason
	cmd.ValidArgsFunction = cobra.FixedCompletions(nil, cobra.ShellCompDirectiveDefault)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if s.host != "" {
			return reconciler.Hinted(errors.New("apply cannot be limited to one host: all that share a secret must change together"),
				"--host works with plan, status and drift; --only limits apply to one kind of secret")
		}
		saved, err := readSaved(args, s)
		if err != nil {
			return err
		}
		if saved == nil && !yes && !p.io.InTerminal {
			return reconciler.Hinted(errors.New("there is nobody to ask: standard input is not a terminal; nothing was changed"),
				"apply a saved plan (`meshrotate plan --out plan.json`, then `meshrotate apply plan.json`), or say --yes")
		}
		n, err := p.open(cmd.Context(), s, Need{Steps: true, Bound: true})
		if err != nil {
			return err
		}
		defer n.close(cmd.Context())
		return n.apply(cmd.Context(), saved, yes)
	}
	return cmd
}

// readSaved reads the saved plan, nil when none is named. The plan knows for which kinds it was made.
func readSaved(args []string, s *source) (*reconciler.Saved, error) {
	if len(args) == 0 {
		return nil, nil
	}
	data, err := os.ReadFile(args[0])
	if err != nil {
		return nil, reconciler.Hinted(fmt.Errorf("the saved plan: %w", err), "save one with `meshrotate plan --out plan.json`; the document is named with -f")
	}
	saved, err := reconciler.ReadSaved(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", args[0], err)
	}
	if len(s.only) > 0 {
		return nil, reconciler.Hinted(errors.New("--only does not go with a saved plan: it is applied as it is, or not at all"), "leave --only out")
	}
	s.only = saved.Only
	return saved, nil
}

// apply takes the lock, looks, and runs the plan.
func (n *session) apply(ctx context.Context, saved *reconciler.Saved, yes bool) (err error) {
	run := n.program.runID()
	by := n.program.user()
	lease, err := n.live.Lock.Acquire(ctx, state.Holder{Run: run, By: by, Commit: n.document.Origin.Commit})
	if ctx.Err() != nil && err != nil {
		return errInterrupted
	}
	if err != nil {
		return fmt.Errorf("nothing was changed: %w", err)
	}
	defer func() {
		// A lease that was lost is somebody else's: what the run did is the news, not this.
		if e := lease.Release(context.WithoutCancel(ctx)); e != nil && err == nil {
			err = fmt.Errorf("done, but the lock was not given back: %w", e)
		}
	}()
	_ = lease.Doing(ctx, "looking") // for readers only
	show := n.program.progress()
	defer show.Close()
	v, err := n.look(ctx, show)
	show.Close()
	if err != nil {
		return err
	}
	if err := n.agreed(ctx, lease, v, saved, yes); err != nil {
		return err
	}
	if v.plan.Empty() {
		return n.nothingToDo(v)
	}
	return n.run(ctx, reconciler.Run{ID: run, By: by + "@" + hostname(), Site: n.live.Site, Ledger: n.live.Ledger, Lease: lease,
		Plan: v.plan, Parallel: n.parallel, Now: n.program.app.Now})
}

// agreed makes sure that this plan is what was reviewed, or asks.
func (n *session) agreed(ctx context.Context, lease state.Lease, v *view, saved *reconciler.Saved, yes bool) error {
	if saved != nil {
		if err := saved.Check(v.plan, v.history); err != nil {
			return err
		}
	}
	if stuck := blocked(v.plan); stuck != nil {
		n.program.explain(v)
		return fmt.Errorf("nothing was changed: %w", stuckHint(stuck, v.plan))
	}
	if saved != nil || v.plan.Empty() {
		return nil
	}
	n.program.explain(v)
	if yes {
		return nil
	}
	_ = lease.Doing(ctx, "waiting for an answer at the prompt")
	return n.program.ask(ctx, "Apply this to "+v.plan.Deployment+"?")
}

// stuckHint adds the way around a secret that is stuck.
func stuckHint(err error, plan *reconciler.Plan) error {
	if plan.Count(reconciler.Rotate) == 0 {
		return err
	}
	return reconciler.Hinted(err, reconciler.HintOf(err)+"; or rotate the others alone: --only KIND")
}

// explain shows the plan to whoever is about to decide, or to read a log. Where standard output holds one report in
// another format, the plan goes to standard error.
func (p *program) explain(v *view) {
	w, style := p.io.Out, p.outStyle()
	switch p.format {
	case render.Text:
	case render.Markdown:
		w, style = p.io.Err, p.errStyle()
		style.Format = render.Text
	default:
		return
	}
	_ = render.Write(w, style, render.Plan{Plan: v.plan, Took: v.took})
	fmt.Fprintln(w)
}

func (n *session) nothingToDo(v *view) error {
	return n.program.write(render.OutcomeOf(v.plan, "", 0, reconciler.Outcome{}))
}

// run applies and reports.
func (n *session) run(ctx context.Context, run reconciler.Run) error {
	show := n.program.progress()
	defer show.Close()
	show.Expect(run.Plan)
	run.Tell = show.Tell
	quiet := context.AfterFunc(ctx, func() {
		show.Note("interrupted: ending at the next safe point, with services that are down started first; Ctrl-C again kills the run")
	})
	defer quiet()
	began := n.program.app.Now()
	o := run.Apply(ctx)
	show.Close()
	r := render.OutcomeOf(run.Plan, run.ID, n.program.app.Now().Sub(began), o)
	if err := n.program.write(r); err != nil {
		return &Exit{Code: ExitPartly, Err: err}
	}
	switch {
	case r.OK:
		return nil
	case r.Changed() && n.program.seen():
		return &Exit{Code: ExitPartly}
	case r.Changed():
		if o.Err == nil {
			o.Err = errors.New("applied in part: the report says what is left")
		}
		return &Exit{Code: ExitPartly, Err: withHint(o.Err, r.Next)}
	case o.Err != nil && n.program.seen():
		return &Exit{Code: ExitError}
	case o.Err != nil:
		return withHint(o.Err, r.Next)
	default:
		return errors.New("not everything could be proven")
	}
}

// seen says that a person has the report before the eyes, with the cause and what to do: once is enough.
func (p *program) seen() bool {
	return p.format == render.Text && p.io.OutTerminal && p.io.ErrTerminal
}

// withHint gives an error a hint where it has none.
func withHint(err error, hint string) error {
	if reconciler.HintOf(err) != "" {
		return err
	}
	return reconciler.Hinted(err, hint)
}

// runID names a run: when it began, and a random part.
func (p *program) runID() string {
	return p.app.Now().UTC().Format("20060102-150405") + "-" + strings.ToLower(rand.Text()[:6])
}

// user is who runs this, as the environment says, or else the system.
func (p *program) user() string {
	for _, name := range []string{"USER", "LOGNAME", "USERNAME"} {
		if v := p.io.Env(name); v != "" {
			return v
		}
	}
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return "unknown"
}

func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return "unknown"
	}
	return name
}
