package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"meshrotate/reconciler"
	"meshrotate/reconciler/render"
	"meshrotate/specs"
	"meshrotate/state"
)

// patience is how old a heartbeat may be for its holder to count as alive.
const patience = 30 * time.Second

// unlocked is the JSON of `unlock`.
type unlocked struct {
	// Locked says that somebody held the lock.
	Locked bool `json:"locked"`
	// Holder is who it was.
	Holder *state.Holder `json:"holder,omitempty"`
	// Last is the run that changed the deployment last, by its name on the Admin host; with --marker, where nobody is at work.
	Last *state.Holder `json:"last,omitempty"`
	// Removed says that the lock is gone, or the name of the last run.
	Removed bool `json:"removed"`
}

func (p *program) unlock() *cobra.Command {
	var yes, onHost bool
	var fence uint64
	cmd := &cobra.Command{
		Use:   "unlock",
		Short: "Show who holds the deployment's lock, and remove it",
		Long: `Show who holds the deployment's lock and what that run was doing, ask, and
remove the lock. A run that lost its lock stops before its next effect; in its
switch it takes the lock anew, if nobody else has by then, to bring up what it
has stopped. The lock of a process that has ended on this machine needs no
unlock: the next run takes it over.

A run also leaves a marker on the Admin host, for operators with other state
folders. Without a heartbeat for 5 minutes it is taken over; --marker shows and
removes it before. A run that looks alive has half a minute to notice: so long
nobody else gets in.

Where nobody is at work, --marker shows which run changed the deployment last,
and forgets it: for when the state of that run is lost for good, and this one
applies nothing behind it.`,
		Example: `  meshrotate unlock
  meshrotate unlock --yes --fence 12     only if it is still that holder's
  meshrotate unlock --marker             the marker on the Admin host instead`,
		Args: noArgs,
	}
	s := p.documentFlags(cmd)
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	cmd.Flags().Uint64Var(&fence, "fence", 0, "remove this lock and no later one")
	cmd.Flags().BoolVar(&onHost, "marker", false, "the marker on the Admin host, not the lock in the state folder")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		ctx := cmd.Context()
		d, err := p.load(ctx, s)
		if err != nil {
			return err
		}
		lock, what, end, err := p.lockOf(ctx, d, s, onHost)
		if err != nil {
			return err
		}
		defer end()
		h, held, err := lock.Current(ctx)
		if err != nil {
			return fmt.Errorf("look at the %s: %w", what, err)
		}
		if m, is := lock.(reconciler.Marker); is && !held {
			return p.forgetRun(ctx, m, d.Name, yes)
		}
		if !held {
			return p.write(render.Note{Text: d.Name + " is not locked", Value: unlocked{}})
		}
		if err := p.mayBreak(cmd, h, fence, yes); err != nil {
			return err
		}
		if onHost && p.format != render.JSON {
			style := p.errStyle()
			style.Format = render.Text
			_ = render.Write(p.io.Err, style, render.Note{Text: "removing it; a run that is alive has half a minute to notice, and nobody else gets in before"})
		}
		if err := lock.Break(ctx, h.Fence); err != nil {
			return fmt.Errorf("remove the %s: %w", what, err)
		}
		return p.write(render.Note{Text: "the " + what + " is removed. `meshrotate plan` shows what that run left to do",
			Value: unlocked{Locked: true, Holder: &h, Removed: true}})
	}
	return cmd
}

// breakable is a lock or a marker that somebody else holds.
type breakable interface {
	Current(ctx context.Context) (holder state.Holder, ok bool, err error)
	Break(ctx context.Context, fence uint64) error
}

// lockOf is the lock of the state, or the marker on the host, which alone needs a connection.
func (p *program) lockOf(ctx context.Context, d *specs.Deployment, s *source, onHost bool) (lock breakable, what string, end func(), err error) {
	if !onHost {
		remembered, err := p.app.OpenState(ctx, d)
		if err != nil {
			return nil, "", nil, fmt.Errorf("open the state of %s: %w", d.Name, err)
		}
		return remembered.Lock, "lock", func() {}, nil
	}
	n, err := p.open(ctx, s, Need{})
	if err != nil {
		return nil, "", nil, err
	}
	m := n.Site.Marker()
	if m == nil {
		n.close(ctx)
		return nil, "", nil, fmt.Errorf("%s has no place for a marker", d.Name)
	}
	return m, "marker", func() { n.close(ctx) }, nil
}

// forgetRun shows which run changed the deployment last, and removes its name.
func (p *program) forgetRun(ctx context.Context, m reconciler.Marker, name string, yes bool) error {
	last, ok, err := m.Signed(ctx)
	if err != nil {
		return err
	}
	none := "there is no marker on the Admin host of " + name
	if !ok {
		return p.write(render.Note{Text: none, Value: unlocked{}})
	}
	who := "the last to change it was " + last.Name()
	if last.Damaged != "" {
		who = last.Damaged
	}
	if p.format != render.JSON {
		style := p.errStyle()
		style.Format = render.Text
		_ = render.Write(p.io.Err, style, render.Note{Text: none + "; " + who + "\n"})
	}
	if !yes && !p.io.InTerminal {
		return reconciler.Hinted(errors.New("there is nobody to ask: standard input is not a terminal; nothing was changed"),
			"its name refuses every state that does not know that run. Where that state is lost for good, say --yes")
	}
	if !yes {
		if err := p.ask(ctx, "Forget that run? Whatever it set is not known to this state."); err != nil {
			return err
		}
	}
	if err := m.Forget(ctx); err != nil {
		return err
	}
	return p.write(render.Note{Text: "the run is forgotten. `meshrotate plan` shows what this state would do", Value: unlocked{Last: &last, Removed: true}})
}

// mayBreak shows the holder and makes sure that its lock is meant.
func (p *program) mayBreak(cmd *cobra.Command, h state.Holder, fence uint64, yes bool) error {
	age := p.app.Now().Sub(h.Heartbeat).Round(time.Second)
	alive := age < patience && !h.Ended && h.Damaged == ""
	if p.format != render.JSON {
		style := p.errStyle()
		style.Format = render.Text
		_ = render.Write(p.io.Err, style, render.Note{Text: describe(h, age, alive)})
	}
	switch {
	case fence != 0 && fence != h.Fence:
		return fmt.Errorf("the lock's fence is %d, not %d: somebody else holds it now; nothing was changed", h.Fence, fence)
	case yes && fence == 0 && alive:
		return reconciler.Hinted(fmt.Errorf("the holder was alive %s ago; nothing was changed", age),
			fmt.Sprintf("wait for it to end; to stop it, say --fence %d with --yes", h.Fence))
	case yes:
		return nil
	case !p.io.InTerminal:
		return reconciler.Hinted(errors.New("there is nobody to ask: standard input is not a terminal; nothing was changed"),
			fmt.Sprintf("say --yes --fence %d", h.Fence))
	}
	return p.ask(cmd.Context(), "Remove this lock?")
}

// describe tells about a holder.
func describe(h state.Holder, age time.Duration, alive bool) string {
	if h.Damaged != "" && h.Run == "" {
		return "nobody can say whose it is: " + h.Damaged + "\n"
	}
	text := fmt.Sprintf("locked by   %s@%s, process %d\nrun         %s\nsince       %s\n", h.By, h.Host, h.PID, h.Run, h.Started.UTC().Format(time.RFC3339))
	if h.Doing != "" {
		text += "doing       " + h.Doing + "\n"
	}
	if h.Commit != "" {
		text += "commit      " + h.Commit + "\n"
	}
	when := age.String() + " ago"
	if age < 0 {
		when = "in " + (-age).String() + ", by this machine's clock"
	}
	text += "heartbeat   " + when
	switch {
	case h.Damaged != "":
		text += ": " + h.Damaged
	case h.Silent:
		text += ": it did not renew its lock; it has ended, or it is suspended or cut off, and stops once it notices; the next apply takes over"
	case h.Ended:
		text += ": it has ended; the next apply takes over"
	case alive:
		text += ": it looks ALIVE; it would stop once it notices"
	}
	return text + fmt.Sprintf("\nfence       %d\n", h.Fence)
}
