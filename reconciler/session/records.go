package session

import (
	"context"
	"fmt"

	"meshrotate/reconciler"
	"meshrotate/state"
)

// present is what is there of the state, before a look may make a salt.
func (s *Session) present(ctx context.Context) (state.Present, error) {
	p, err := s.State.Records.Present(ctx)
	if err != nil {
		err = fmt.Errorf("look at the state of %s: %w", s.Document.Name, err)
	}
	return p, err
}

// ours makes sure that the ledger is that of this deployment.
func (s *Session) ours(h state.History) error {
	if name := h.Deployment(); name != "" && name != s.Document.Name {
		return reconciler.Hinted(fmt.Errorf("the ledger is that of %s, and the document is that of %s: nothing was looked at or changed", name, s.Document.Name),
			"name this deployment's own folder as state.dir; where it was renamed, give it its old name back")
	}
	return nil
}

// doubts are what does not fit together in what is remembered.
func doubts(p state.Present, h state.History) []reconciler.Finding {
	var all []reconciler.Finding
	doubt := func(code, hint, format string, args ...any) {
		all = append(all, reconciler.Finding{Severity: reconciler.Warning, Code: code, Text: fmt.Sprintf(format, args...), Hint: hint})
	}
	if !p.Begun {
		doubt("state-new", "is state.dir right, and was the folder restored here? For a first use: `meshrotate apply` begins the record, also where it has nothing to do",
			"%s holds no record: what was rotated before is not known, no live value is recognised but the declared one, and everything else is rotated to the declared version", p.Place)
	}
	if p.Salt == "" && h.Planned() {
		doubt("state-salt-lost", "restore the file salt from the backup; plans that were saved before must be made again",
			"the salt of %s is gone: fingerprints are not comparable with those of earlier plans", p.Place)
	}
	if p.Fence < h.Fence() {
		doubt("state-fence", "restore the whole folder from one backup; the next run goes on with a higher fence than both",
			"the fence of %s is %d, and its ledger knows %d: its files are not of one age", p.Place, p.Fence, h.Fence())
	}
	return all
}
