package values

import (
	"context"
	"errors"
	"fmt"

	"meshrotate/reconciler/secret"
)

// Supply gives a deployment's values by their references: what is kept, or what the sources say.
type Supply struct {
	Keep *Keep
	// Sources by the secret's name.
	Sources map[string]Source
}

// Fetch returns the value of a version, durable before it returns. It asks the source once per version: from then on
// the kept value counts, whatever the source says later.
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

// Peek returns the kept value, or what the source says at present, and keeps nothing. ok is false when there is no
// value yet, because it will be generated.
func (s Supply) Peek(ctx context.Context, ref secret.Ref) (v secret.Value, ok bool, err error) {
	v, err = s.Keep.Get(ctx, ref)
	if err == nil || !errors.Is(err, ErrNotKept) {
		return v, err == nil, err
	}
	if _, generated := s.Sources[ref.Name].(Generated); generated {
		return secret.Value{}, false, nil
	}
	v, err = s.ask(ctx, ref)
	return v, err == nil, err
}

func (s Supply) ask(ctx context.Context, ref secret.Ref) (secret.Value, error) {
	from := s.Sources[ref.Name]
	if from == nil {
		return secret.Value{}, fmt.Errorf("%s: there is no source for its value", label(ref))
	}
	return from.Get(ctx, ref)
}
