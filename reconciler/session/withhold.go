package session

import (
	"context"

	"meshrotate/reconciler"
)

// withhold takes values out of what people have typed, once a look has made them known: an emergency's reason, which may name what was
// posted, that of a glass that is broken, and the document's own. What it returns does so with any text. The reasons go into the ledger,
// which forgets nothing: a value of any secret may be in them, of which the look has asked for some.
func (s *Session) withhold(ctx context.Context) func(string) string {
	clean := func(text string) string { return text }
	if site, can := s.Site.(reconciler.Withholder); can {
		if s.Emergency != nil || s.BreakGlass != "" {
			site.KnowAll(ctx)
		}
		clean = func(text string) string {
			if text == "" {
				return ""
			}
			return site.Withhold(ctx, text)
		}
	}
	if e := s.Emergency; e != nil {
		e.Why = clean(e.Why)
	}
	s.BreakGlass = clean(s.BreakGlass)
	if off := s.Document.Policy.Suspend; off != nil {
		s.suspended = clean(off.Why)
	}
	return clean
}
