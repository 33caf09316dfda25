package live

import (
	"context"

	"meshrotate/reconciler/secret"
)

// Withhold takes out of a text that people have typed what this run knows, and the kept values of these secrets, whatever version.
func (s *Site) Withhold(ctx context.Context, text string, secrets ...string) string {
	for _, name := range secrets {
		versions, _ := s.values.supply.Keep.Versions(ctx, name) // what cannot be read is not known
		for _, v := range versions {
			if kept, err := s.values.supply.Keep.Get(ctx, secret.Ref{Name: name, Version: v}); err == nil {
				s.config.Known.Add(kept)
			}
		}
	}
	return s.config.Known.Withhold(text)
}
