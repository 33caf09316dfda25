package live

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"meshrotate/providers/values"
	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
)

// found notes a live value: whether all hosts have the same one is all that is asked later.
func (k *kept) found(ref secret.Ref, live secret.Value) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.live == nil {
		k.live = map[string][]secret.Value{}
	}
	known := k.live[ref.Name]
	if len(known) < 2 && !slices.ContainsFunc(known, live.Equal) {
		k.live[ref.Name] = append(known, live)
		k.known.Add(live)
	}
}

// forgetLive begins a new look.
func (k *kept) forgetLive() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.live = nil
}

// adopt keeps the one live value as that of a version. A version that has a value already, and a value that has a version,
// keep them.
func (k *kept) adopt(ctx context.Context, ref secret.Ref) error {
	k.mu.Lock()
	live := k.live[ref.Name]
	k.mu.Unlock()
	switch len(live) {
	case 0:
		return reconciler.Hinted(errors.New("no live value was found: there is none, or it cannot be read back"),
			"what cannot be read back is set again by a rotation: declare a version, with its value `from` where you have it")
	case 2:
		return reconciler.Hinted(errors.New("not all hosts have the same value"), "`meshrotate plan` shows which host has another one: make them alike first, or rotate")
	}
	version, kept, err := k.supply.Keep.Match(ctx, ref, live[0])
	switch {
	case err != nil:
		return fmt.Errorf("compare with the kept versions: %w", err)
	case kept && version != ref.Version:
		return reconciler.Hinted(fmt.Errorf("the live value is that of version %s, which is kept", version), "declare that version, or rotate to the declared one")
	}
	source := k.supply.Sources[ref.Name]
	if source != nil {
		if v, known, err := values.Present(ctx, source, ref); err == nil && known && !v.Equal(live[0]) {
			return reconciler.Hinted(errors.New("its source gives another value than the live one"), "take the declared version back, or rotate to what the source gives")
		}
	}
	if s, shared := source.(values.Shared); shared {
		if err := s.Share(ctx, ref, live[0]); err != nil {
			return err
		}
	}
	return k.supply.Keep.Put(ctx, ref, live[0])
}
