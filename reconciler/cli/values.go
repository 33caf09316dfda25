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
	"meshrotate/reconciler/secret"
	"meshrotate/specs"
	"meshrotate/state"
)

// Values are the kept ones.
type Values interface {
	// Check says whether there is an identity to open them with.
	Check(ctx context.Context) error
	Versions(ctx context.Context, name string) ([]string, error)
	// Names are those of all that is kept, whether the document declares it or not.
	Names(ctx context.Context) ([]string, error)
	// Get opens one.
	Get(ctx context.Context, ref secret.Ref) (secret.Value, error)
	// Forget removes one for good.
	Forget(ctx context.Context, ref secret.Ref) error
	// Place is where they are, for people.
	Place() string
}

// keptValue is one of them in the JSON of `values`.
type keptValue struct {
	Secret   secret.Ref `json:"secret"`
	Declared bool       `json:"declared,omitempty"`
	// Trouble is why it cannot be used, "" when it can.
	Trouble   string `json:"trouble,omitempty"`
	Forgotten bool   `json:"forgotten,omitempty"`
}

func (p *program) values() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "values",
		Short: "Show which values are kept, and whether they open",
		Long: `Show which values are kept, also of secrets that the document does not declare
(any more), and whether each opens with the age identity as what it should be.
No value is shown, and no host is contacted.`,
		Args: noArgs,
	}
	s := p.documentFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		_, keep, all, err := p.keptValues(cmd.Context(), s, nil)
		if err != nil {
			return err
		}
		text := "kept in " + keep.Place() + "\n" + said(all)
		if len(all) == 0 {
			text = "nothing is kept in " + keep.Place()
		}
		if err := p.write(render.Note{Text: text, Value: map[string]any{"place": keep.Place(), "values": all}}); err != nil {
			return err
		}
		return closed(all)
	}
	cmd.AddCommand(p.forget())
	return cmd
}

func (p *program) forget() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "forget [SECRET [VERSION...]]",
		Short: "Remove kept values that nobody can open any more",
		Long: `Remove kept values for good: all that cannot be opened with the present age
identity, those of one secret, or the versions that are named. It shows what
follows from that, and asks.

It is the way on when an identity is lost. Set the new one first, and copy the
state before: a value that was forgotten is gone, also when the old identity is
found again.`,
		Example: `  meshrotate values forget
  meshrotate values forget ` + p.oneKind() + ` 6`,
	}
	s := p.documentFlags(cmd)
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ctx := cmd.Context()
		d, keep, all, err := p.keptValues(ctx, s, args)
		if err != nil {
			return err
		}
		if len(args) < 2 {
			all = slices.DeleteFunc(all, func(v keptValue) bool { return v.Trouble == "" })
		}
		if len(all) == 0 {
			return p.write(render.Note{Text: "nothing to forget: all kept values can be opened", Value: map[string]any{"values": all}})
		}
		if p.format != render.JSON {
			style := p.errStyle()
			style.Format = render.Text
			_ = render.Write(p.io.Err, style, render.Note{Text: said(all) + consequence(all)})
		}
		if !yes {
			if err := p.ask(ctx, "Forget "+count(len(all))+" for good?"); err != nil {
				return err
			}
		}
		if err := p.forgetAll(ctx, d, keep, all); err != nil {
			return err
		}
		return p.write(render.Note{Text: count(len(all)) + " forgotten. `meshrotate adopt SECRET` keeps a live value as that of the declared version", Value: map[string]any{"values": all}})
	}
	return cmd
}

// keptValues are those of all secrets, the declared ones first, or of the one that is named first, or its versions that are named after it.
func (p *program) keptValues(ctx context.Context, s *source, named []string) (*specs.Deployment, Values, []keptValue, error) {
	d, err := p.load(ctx, s)
	if err != nil {
		return nil, nil, nil, err
	}
	keep, err := p.app.OpenValues(ctx, d)
	if err == nil {
		err = keep.Check(ctx)
	}
	if err != nil {
		return nil, nil, nil, err
	}
	rotations, _, err := p.rotations(d, nil)
	if err != nil {
		return nil, nil, nil, err
	}
	declared := map[string]string{}
	var names []string
	for _, r := range rotations {
		declared[r.Ref().Name] = r.Ref().Version
		names = append(names, r.Ref().Name)
	}
	kept, err := keep.Names(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	for _, name := range kept {
		if _, is := declared[name]; !is {
			names = append(names, name)
		}
	}
	if len(named) > 0 {
		name := named[0]
		if !slices.Contains(kept, name) {
			ref, _, err := p.secretOf(d, name)
			if err != nil {
				return nil, nil, nil, err
			}
			name = ref.Name
		}
		names, named = []string{name}, named[1:]
	}
	var all []keptValue
	for _, name := range names {
		versions, err := keep.Versions(ctx, name)
		if err != nil {
			return nil, nil, nil, err
		}
		for _, v := range named {
			if !slices.Contains(versions, v) {
				return nil, nil, nil, reconciler.Hinted(fmt.Errorf("no value of %s %s is kept", name, v), "kept are: "+strings.Join(versions, ", "))
			}
		}
		for _, v := range versions {
			if len(named) > 0 && !slices.Contains(named, v) {
				continue
			}
			k := keptValue{Secret: secret.Ref{Name: name, Version: v}, Declared: v == declared[name]}
			if _, err := keep.Get(ctx, k.Secret); err != nil {
				k.Trouble = strings.ReplaceAll(err.Error(), "\n", "; ")
			}
			all = append(all, k)
		}
	}
	return d, keep, all, ctx.Err()
}

// forgetAll records each before it goes, under the lock.
func (p *program) forgetAll(ctx context.Context, d *specs.Deployment, keep Values, all []keptValue) (err error) {
	remembered, err := p.app.OpenState(ctx, d)
	if err != nil {
		return err
	}
	run := "forget-" + p.app.Now().UTC().Format("20060102-150405")
	lease, err := remembered.Lock.Acquire(ctx, state.Holder{Run: run, By: p.user(), Commit: d.Origin.Commit, Doing: "forgetting kept values"})
	if err != nil {
		return fmt.Errorf("nothing was changed: %w", err)
	}
	defer func() { err = errors.Join(err, lease.Release(context.WithoutCancel(ctx))) }()
	for i, v := range all {
		// The entry is of no secret: what was rotated, and how it ended, stays as it is.
		e := state.Entry{Time: p.app.Now().UTC(), Run: run, By: p.user() + "@" + hostname(), Commit: d.Origin.Commit, Deployment: d.Name, Fence: lease.Fence(),
			Step: state.ForgetStep + v.Secret.String(), Outcome: state.Done, Detail: v.Trouble}
		if err := lease.Check(ctx); err != nil {
			return err
		}
		if err := remembered.Ledger.Append(ctx, e); err != nil {
			return fmt.Errorf("the ledger does not take it: %w", err)
		}
		if err := keep.Forget(ctx, v.Secret); err != nil {
			return err
		}
		all[i].Forgotten = true
	}
	return nil
}

// closed is an error where what is declared does not open, or nothing does. Of older versions some may have been sealed for an identity
// that is gone.
func closed(all []keptValue) error {
	n, needed := 0, false
	for _, v := range all {
		if v.Trouble != "" {
			n++
			needed = needed || v.Declared
		}
	}
	if n == 0 || n < len(all) && !needed {
		return nil
	}
	return reconciler.Hinted(fmt.Errorf("%d of %d kept values do not open", n, len(all)),
		"give the age identity that they were sealed for; where that is lost for good: `meshrotate values forget`, and then `meshrotate adopt`")
}

// said is one line for each.
func said(all []keptValue) string {
	var b strings.Builder
	for _, v := range all {
		name, state := v.Secret.String(), "opens"
		if v.Declared {
			name += ", declared"
		}
		if v.Trouble != "" {
			state = v.Trouble
		}
		fmt.Fprintf(&b, "%s%s\n", pad(name, 28), state)
	}
	return b.String()
}

// consequence is what follows when they are gone.
func consequence(all []keptValue) string {
	text := "Without them: where a host holds such a value, it holds one that meshrotate does not\nknow, and there is no way back to it.\n"
	for _, v := range all {
		if v.Declared {
			text += fmt.Sprintf("%s is declared: it is not rolled out again, for a version gets no second value.\nAdopt the live value (`meshrotate adopt %s`), or declare a new version.\n", v.Secret, v.Secret.Name)
		}
	}
	return text
}

func count(n int) string {
	if n == 1 {
		return "1 kept value"
	}
	return fmt.Sprintf("%d kept values", n)
}
