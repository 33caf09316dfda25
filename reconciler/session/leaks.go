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
		f := reconciler.Finding{Severity: reconciler.Warning, Code: "secret-compromised", Drift: true}
		known := declared[l.Secret]
		switch {
		case known && (l.Host == "" || slices.Contains(named, l.Host)):
			continue // its own change says so
		case l.Host == "":
			f.Text = fmt.Sprintf("others know what is live of %s (%s), and the document does not declare it any more", l.Secret, l.Why)
			f.Hint = "declare it again, and replace it: `meshrotate rotate --compromised " + l.Secret + " WHY`"
		default:
			if entries == nil {
				if entries, err = s.State.Ledger.Entries(ctx); err != nil {
					return nil, fmt.Errorf("read the ledger of %s: %w", s.Document.Name, err)
				}
			}
			if !slices.ContainsFunc(state.EvidencesOf(entries, l.Secret), func(e state.Evidence) bool { return slices.Contains(e.Open(), l.Host) }) {
				continue // a later run has taken it out there
			}
			f.Hosts = []string{l.Host}
			gone, again := "does not name this host any more", "name the host again and apply, which takes it out there"
			if slices.Contains(named, l.Host) {
				gone, again = "does not declare "+l.Secret+" any more", "declare it again and apply, which takes it out there"
			}
			f.Text = fmt.Sprintf("%s: left behind when what others know of %s was taken out (%s), and the document %s. As far as is known it is accepted there still", l.Host, l.Secret, l.Why, gone)
			f.Hint = again + "; or take it out by hand, and silence this for the host, with the reason (policy.silence)"
		}
		findings = append(findings, f)
	}
	return findings, nil
}
