package session

import (
	"context"

	"meshrotate/reconciler"
)

// withhold takes values out of what people have typed, once a look has made them known: an emergency's reason, which may name what was
// posted, that of a glass that is broken, and the document's own. What it returns does so with any text.
func (s *Session) withhold(ctx context.Context) func(string) string {
	clean := func(text string, _ ...string) string { return text }
	if site, can := s.Site.(reconciler.Withholder); can {
		clean = func(text string, secrets ...string) string {
			if text == "" {
				return ""
			}
			return site.Withhold(ctx, text, secrets...)
		}
	}
	if e := s.Emergency; e != nil {
		e.Why = clean(e.Why, e.Secret)
	}
	s.BreakGlass = clean(s.BreakGlass)
	if off := s.Document.Policy.Suspend; off != nil {
		s.suspended = clean(off.Why)
	}
	return func(text string) string { return clean(text) }
}
