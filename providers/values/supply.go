package values

import (
	"context"
	"errors"
	"fmt"

	"meshrotate/reconciler/secret"
)

// Supply gives a deployment's values by their references: what is kept, or what the sources say.
//
// A source holds one value, the present one. So it is asked for the declared version only: asked for an older one it
// would answer with the new value, which would then be kept under the old name for ever.
type Supply struct {
	Keep *Keep
	// Sources by the secret's name.
	Sources map[string]Source
	// Declared are the versions that the sources hold the values of, by the secret's name. Without one, or for any other
	// version, the source is not asked.
	Declared map[string]string
}

// Fetch returns the value of a version, durable before it returns. It asks the source once, for the declared version:
// from then on the kept value counts, whatever the source says later. Another version that was never kept is an error
// that is ErrNotKept.
func (s Supply) Fetch(ctx context.Context, ref secret.Ref) (secret.Value, error) {
	_, err := s.Keep.Get(ctx, ref)
	var fresh secret.Value
	switch {
	case errors.Is(err, ErrNotKept):
		if fresh, err = s.ask(ctx, ref); err != nil {
			return secret.Value{}, err
		}
	case err != nil:
		return secret.Value{}, err
	}
	return s.Keep.settle(ctx, ref, fresh)
}

// Peek returns the kept value, or what the source says at present about the declared version, and keeps nothing. ok is
// false when there is no value yet, because it will be generated.
func (s Supply) Peek(ctx context.Context, ref secret.Ref) (v secret.Value, ok bool, err error) {
	v, err = s.Keep.Get(ctx, ref)
	if err == nil || !errors.Is(err, ErrNotKept) {
		return v, err == nil, err
	}
	from, err := s.source(ref)
	if err != nil {
		return secret.Value{}, false, err
	}
	return Present(ctx, from, ref)
}

func (s Supply) ask(ctx context.Context, ref secret.Ref) (secret.Value, error) {
	from, err := s.source(ref)
	if err != nil {
		return secret.Value{}, err
	}
	return from.Get(ctx, ref)
}

// source is the one that holds the value of this very version.
func (s Supply) source(ref secret.Ref) (Source, error) {
	from := s.Sources[ref.Name]
	if from == nil {
		return nil, fmt.Errorf("%s: there is no source for its value", label(ref))
	}
	switch declared := s.Declared[ref.Name]; {
	case declared == "":
		return nil, hint(fmt.Errorf("%s: %w, and no version is declared", label(ref), ErrNotKept),
			"a source is asked for the declared version only")
	case declared != ref.Version:
		return nil, hint(fmt.Errorf("%s: %w, and its source holds version %s", label(ref), ErrNotKept, declared),
			"the value of another version is never taken from the source: restore "+s.Keep.blobs.Place()+
				" from a backup if it was kept there, or declare a new version")
	}
	return from, nil
}

// About is what its store has said of the declared value, for people: ", version 4 of 2026-11-20 13:02 UTC"; "" for nothing.
func (s Supply) About(name string) string {
	if from, stored := s.Sources[name].(FromStore); stored {
		return from.About()
	}
	return ""
}
