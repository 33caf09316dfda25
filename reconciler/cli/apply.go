package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"meshrotate/reconciler"
	"meshrotate/reconciler/render"
	"meshrotate/reconciler/session"
)

func (p *program) apply() *cobra.Command {
	var yes, again bool
	var glass string
	var confirmed []string
	cmd := &cobra.Command{
		Use:   "apply [plan.json]",
		Short: "Rotate: do what the plan says, and prove it",
		Long: `Take the deployment's lock, look, plan, and do it. Every step is recorded
before and after; a rotation that cannot be proven is taken back. A marker on
the Admin host keeps operators with other state folders out meanwhile.

A secret that a guard refuses, or that could not be looked at, stops the whole
apply before anything is changed; --only rotates the others alone.

With a saved plan, apply looks again and refuses when anything differs from
what the plan saw, naming the host and the field. The document is the one that
the plan names, unless -f or --repo says otherwise. A plan that is too old is
refused; with --replan-if-equal it is applied if a plan made now is the same.
Without a saved plan it shows what it would do and asks.

Where a person has a part, such as a password that is changed by hand at its
source, the run does all else, says what is to be done, and ends with 2. When
it is done, run apply again, with --confirm SECRET where the outcome says so.

An interrupt (Ctrl-C) or a lost terminal ends the run at the next safe point:
services that are down are started first. A second Ctrl-C kills it. Either way,
run apply again: it looks at what is there and finishes.
` + exitCodes,
		Example: `  meshrotate apply                       show the plan, ask, do it
  meshrotate apply plan.json             exactly this plan, or nothing
  meshrotate apply --yes                 for machines: do not ask
  meshrotate apply --only ` + pad(p.oneKind(), 15) + `one kind of secret`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return reconciler.Hinted(fmt.Errorf("apply takes one saved plan, and was given %d arguments", len(args)), "the document is named with -f FILE")
			}
			return nil
		},
	}
	s := p.liveFlags(cmd)
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	cmd.Flags().BoolVar(&again, "replan-if-equal", false, "apply a saved plan that is too old if a plan made now is equal to it")
	cmd.Flags().StringVar(&glass, "break-glass", "", "apply though policy.window, policy.suspend or policy.maxOutage forbids it\nnow; `WHY` is written in the ledger")
	cmd.Flags().StringArrayVar(&confirmed, "confirm", nil, "say that a person's part of `SECRET`, or of all of a kind, is done: go on after it;\nor that nothing is down on a host that the document does not name any more")
	_ = cmd.Flags().MarkHidden("host") // it is refused, with the reason
	cmd.ValidArgsFunction = cobra.FixedCompletions(nil, cobra.ShellCompDirectiveDefault)
	cmd.RunE = p.run(s, true, func(cmd *cobra.Command, args []string) error {
		if s.host != "" {
			return reconciler.Hinted(errors.New("apply cannot be limited to one host: all that share a secret must change together"),
				"--host works with plan, status and drift; --only limits apply to one kind of secret")
		}
		operator, _ := p.io.Env(operatorFile)
		saved, err := readSaved(args, s, s.base+s.operator+operator != "")
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
		n.flags, n.again = s.flags(), again
		n.BreakGlass, n.Confirmed = strings.TrimSpace(glass), confirmed
		defer n.close(cmd.Context())
		if err := n.asTrusted(saved); err != nil {
			return err
		}
		return n.apply(cmd.Context(), saved, yes)
	})
	return cmd
}

// apply takes the lock, looks, agrees, runs the plan, and reports.
func (n *opened) apply(ctx context.Context, saved *reconciler.Saved, yes bool) error {
	show := n.program.progress()
	defer show.Close()
	n.believed(show)
	n.Tell = show.Tell
	deaf := func() bool { return true }
	done, err := n.Session.Apply(ctx, func(ctx context.Context, v *session.View, doing func(string)) error {
		show.Rest()
		if err := n.agreed(ctx, v, saved, yes, doing); err != nil || v.Plan.Empty() {
			return err
		}
		if v.Plan.Continues != "" {
			show.Note(fmt.Sprintf("goes on with the saved plan %.8s, whose run was cut off", v.Plan.Continues))
		}
		// Whoever ends the context has made sure before that a second signal kills.
		deaf = context.AfterFunc(ctx, func() { show.Note(heard(ctx)) })
		return nil
	})
	deaf()
	if done != nil {
		n.ran = done.Run
	}
	show.Close() // from here on only the report is written
	switch {
	case done == nil:
		return named(ctx, err)
	case done.Run == "" && err != nil:
		n.program.looked = len(done.Plan.Seen) > 0
		err = stillDown(done.Plan.Untouched(), named(ctx, err))
		if n.program.format == render.Text || !n.program.looked {
			return err
		}
		return n.program.refused(render.OutcomeOf(done.Plan, "", done.Took, reconciler.Outcome{Err: err}).Naming(n.flags), err)
	}
	n.program.looked = true
	n.finishedEmergency(done.Plan)
	return n.report(done, err)
}

// heard is what a person is told whose interrupt has reached a run.
func heard(ctx context.Context) string {
	text := interrupted(ctx) + ": ending at the next safe point, with services that are down started first"
	if ctrlC(ctx) {
		text += "; Ctrl-C again kills the run"
	}
	return text
}

// agreed makes sure that this plan is what was reviewed, or asks.
func (n *opened) agreed(ctx context.Context, v *session.View, saved *reconciler.Saved, yes bool, doing func(string)) error {
	if saved != nil {
		if n.again {
			saved.GoodUntil = v.Plan.GoodUntil // if nothing differs, what was reviewed then is what would be reviewed now
		}
		if err := saved.Check(v.Plan, v.History); err != nil {
			return err
		}
	}
	if stuck := session.Stuck(v.Plan); stuck != nil {
		n.program.explain(v)
		return fmt.Errorf("nothing was changed: %w", n.stuckHint(stuck, v.Plan))
	}
	if err := n.rotates(v.Plan); err != nil || saved != nil || v.Plan.Empty() {
		return err
	}
	n.program.explain(v)
	if !yes {
		question := "Apply this to " + v.Plan.Deployment + "?"
		if n.question != nil {
			question = n.question(v.Plan)
		}
		doing("waiting for an answer at the prompt")
		if err := n.program.ask(ctx, question); err != nil {
			return err
		}
	}
	return nil
}

// stuckHint adds the way around a secret that is stuck. An emergency is of one secret, and of what that one needs.
func (n *opened) stuckHint(err error, plan *reconciler.Plan) error {
	fleet := slices.ContainsFunc(plan.Fleet, func(f reconciler.Finding) bool { return f.Severity == reconciler.Error })
	if fleet || n.Emergency != nil || plan.Count(reconciler.Rotate) == 0 { // what is wrong with all of it is wrong with a part
		return err
	}
	return reconciler.Hinted(err, reconciler.HintOf(err)+"; or rotate the others alone: --only KIND")
}

// explain shows the plan to whoever is about to decide, or to read a log. Where standard output holds one report in
// another format, the plan goes to standard error.
func (p *program) explain(v *session.View) {
	w, style := p.io.Out, p.outStyle()
	switch p.format {
	case render.Text:
	case render.Markdown:
		w, style = p.io.Err, p.errStyle()
		style.Format = render.Text
	default:
		return
	}
	_ = render.Write(w, style, render.Plan{Plan: v.Plan, Took: v.Took})
	fmt.Fprintln(w)
}

// report says what was done. Late is an error that came after it: the lock was not given back.
func (n *opened) report(done *session.Applied, late error) error {
	r := render.OutcomeOf(done.Plan, done.Run, done.Took, done.Outcome)
	code := exitOf(r)
	r = r.Keeping(late).Naming(n.flags)
	if err := n.program.write(r); err != nil {
		if code == ExitOK && done.Run != "" {
			code = ExitPartly // it was changed, and nobody was told
		}
		return &Exit{Code: max(code, ExitError), Err: errors.Join(err, late)}
	}
	switch {
	case late != nil && r.Changed():
		return &Exit{Code: ExitPartly, Err: late} // it was changed: 1 would deny it
	case late != nil:
		return late
	case code == ExitOK:
		return nil
	case code == ExitPending, n.program.seen(): // nothing failed; or it is before the eyes
		return &Exit{Code: code}
	}
	err := done.Outcome.Err
	if err == nil {
		err = errors.New(r.Verdict())
	}
	return &Exit{Code: code, Err: withHint(err, r.Next)}
}

// exitOf is the exit code that an outcome deserves.
func exitOf(r render.Outcome) int {
	switch {
	case r.OK:
		return ExitOK
	case r.Paused():
		return ExitPending
	case r.Changed():
		return ExitPartly
	default:
		return ExitError
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
