package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"meshrotate/reconciler"
	"meshrotate/reconciler/render"
	"meshrotate/specs"
	"meshrotate/state"
)

func (p *program) history() *cobra.Command {
	var since, secret, evidence, run string
	cmd := &cobra.Command{
		Use:   "history",
		Short: "Show the ledger as a change-log",
		Long: `Show every rotation on record, newest first: when, what, by whom, how it ended,
how it was proven, how long what was down; and the kept values that somebody
has taken away. No host is contacted. As JSON the oldest is first.

With --evidence, all that the ledger has of a compromised secret: what others
knew and why, who replaced it, the proof, the outage, each place that held the
old value and what became of it, and the hashes of the entries that say so.`,
		Example: `  meshrotate history
  meshrotate history --since 90d --secret ` + p.oneKind() + `
  meshrotate history --since 2026-01-01 -o markdown
  meshrotate history --evidence ` + p.oneKind() + ` -o json`,
		Args: noArgs,
	}
	s := p.documentFlags(cmd)
	cmd.Flags().StringVar(&since, "since", "", "only what began since then: 90d, 12h, or 2026-01-31")
	cmd.Flags().StringVar(&secret, "secret", "", "only this secret, as the ledger names it: "+p.oneKind())
	cmd.Flags().StringVar(&evidence, "evidence", "", "what is on record of a `SECRET` that was compromised")
	cmd.Flags().StringVar(&run, "run", "", "with --evidence: of the emergency that this `RUN` worked at (default: the last one)")
	cmd.MarkFlagsMutuallyExclusive("evidence", "since")
	cmd.MarkFlagsMutuallyExclusive("evidence", "secret")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if run != "" && evidence == "" {
			return reconciler.Hinted(errors.New("--run goes with --evidence SECRET"), "`meshrotate history --evidence "+p.oneKind()+" --run "+run+"`")
		}
		from, err := parseSince(since, p.app.Now())
		if err != nil {
			return err
		}
		d, err := p.load(cmd.Context(), s)
		if err != nil {
			return err
		}
		remembered, err := p.app.OpenState(cmd.Context(), d)
		if err != nil {
			return fmt.Errorf("open the state of %s: %w", d.Name, err)
		}
		entries, err := remembered.Ledger.Entries(cmd.Context())
		if err != nil {
			return fmt.Errorf("read the ledger of %s: %w", d.Name, err)
		}
		if evidence != "" {
			report, err := p.evidenceOf(cmd.Context(), d, entries, evidence, run)
			if err != nil {
				return err
			}
			return p.write(report)
		}
		history := state.NewHistory(entries)
		log := slices.DeleteFunc(history.Rotations(secret), func(r state.Rotation) bool { return r.Started.Before(from) && r.Ended.Before(from) })
		forgotten := slices.DeleteFunc(slices.Clone(history.Forgotten()), func(f state.Forgotten) bool {
			of, _, _ := strings.Cut(f.Value, " ")
			return f.At.Before(from) || secret != "" && of != secret
		})
		return p.write(render.HistoryOf(d.Name, log, forgotten...))
	}
	return cmd
}

// parseSince reads a span before now, or a day.
func parseSince(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if d, err := specs.ParseDuration(text); err == nil {
		return now.Add(-d.Of()), nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, reconciler.Hinted(fmt.Errorf("--since %s: neither a span nor a day", text), "write 90d, 12h, 2026-01-31 or 2026-01-31T22:00:00Z")
}
