package session

import (
	"context"
	"fmt"
	"slices"

	"meshrotate/reconciler"
	"meshrotate/state"
)

// leaked says of what others know where the document does not come to it any more: of a secret that it does not declare, and of a host that
// it does not name. Nobody who plans sees either.
func (s *Session) leaked(ctx context.Context, h state.History) (findings []reconciler.Finding, err error) {
	declared := reconciler.Names(slices.Concat(s.Rotations, s.Others))
	named := slices.Concat(s.Document.AllHosts(), s.Document.SQLServers())
	var entries []state.Entry
	for _, l := range h.Leaks() {
		here := l.Host == "" || slices.Contains(named, l.Host)
		if here && declared[l.Secret] {
			continue // its own change says so
		}
		if l.Host != "" && entries == nil {
			if entries, err = s.State.Ledger.Entries(ctx); err != nil {
				return nil, fmt.Errorf("read the ledger of %s: %w", s.Document.Name, err)
			}
		}
		open := func(e state.Evidence) bool { return slices.Contains(e.Open(), l.Host) }
		if l.Host == "" || slices.ContainsFunc(state.EvidencesOf(entries, l.Secret), open) { // else a later run has taken it out there
			findings = append(findings, reconciler.LeakDropped(l, here))
		}
	}
	return findings, nil
}
