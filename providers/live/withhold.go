package live

import (
	"context"

	"meshrotate/providers/values"
	"meshrotate/reconciler/secret"
)

// Withhold takes out of a text that people have typed what this run knows.
func (s *Site) Withhold(_ context.Context, text string) string {
	return s.config.Known.Withhold(text)
}

// KnowAll makes known what is kept, of every secret and version, and what is at hand on this machine: variables and files that the
// document names. No store elsewhere is asked for it, and what cannot be read stays unknown.
func (s *Site) KnowAll(ctx context.Context) {
	supply := s.values.supply
	names, _ := supply.Keep.Names(ctx)
	for _, name := range names {
		versions, _ := supply.Keep.Versions(ctx, name)
		for _, version := range versions {
			s.know(supply.Keep.Get(ctx, secret.Ref{Name: name, Version: version}))
		}
	}
	for name, from := range supply.Sources {
		switch from.(type) {
		case values.Env, values.File, values.AgeFile:
			s.know(from.Get(ctx, secret.Ref{Name: name, Version: supply.Declared[name]}))
		}
	}
	if s.config.AtHand != nil {
		s.config.AtHand(ctx)
	}
}

// PlanKey is the age identity's key for saved plans.
func (s *Site) PlanKey(ctx context.Context) secret.Value { return s.values.supply.Keep.PlanKey(ctx) }

func (s *Site) know(v secret.Value, err error) {
	if err == nil {
		s.config.Known.Add(v)
	}
}
