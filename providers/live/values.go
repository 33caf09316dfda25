package live

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"meshrotate/providers/limits"
	"meshrotate/providers/program"
	"meshrotate/providers/site"
	"meshrotate/providers/values"
	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
	"meshrotate/state"
)

// kept is the store of values as a target.
type kept struct {
	supply   values.Supply
	needed   map[string]reconciler.Needed
	readFile func(string) ([]byte, error)
	known    *program.Known

	mu   sync.Mutex
	want map[secret.Ref]secret.Value // declared values that are not kept yet
	// matched is the live value that was found among the kept ones last, by what it was compared with.
	matched map[secret.Ref]matched
	live    map[string][]secret.Value      // by the secret's name: the different ones that the latest look found, two at most
	seen    map[secret.Ref]*site.ValueSeen // in the look that goes on
}

func (k *kept) look(ctx context.Context, _ reconciler.Target, reads []reconciler.Read, salt secret.Value) reconciler.Look {
	look := reconciler.Look{Reach: reconciler.Reached, Results: map[string]reconciler.Result{}}
	var values []site.Value
	var packages []site.Package // of values that have been looked at
	for _, r := range reads {
		switch r := r.(type) {
		case site.Value:
			values = append(values, r)
		case site.Package:
			packages = append(packages, r)
		default:
			return reconciler.Look{Reach: reconciler.Broken, Err: fmt.Errorf("the store of values cannot answer %T", r)}
		}
	}
	seen := make([]*site.ValueSeen, len(values))
	atOnce(len(values), func(i int) { seen[i] = k.see(ctx, values[i], salt) })
	for i, r := range values {
		look.Results[r.Key()] = seen[i]
	}
	k.asked(seen)
	for _, r := range packages {
		look.Results[r.Key()] = k.opened(ctx, r)
	}
	return look
}

// mostAtOnce is how many values are asked for at a time: their sources may be far away.
const mostAtOnce = 16

// atOnce does n things, some at a time.
func atOnce(n int, do func(i int)) {
	var wg sync.WaitGroup
	places := make(chan struct{}, mostAtOnce)
	for i := range n {
		places <- struct{}{}
		wg.Go(func() {
			defer func() { <-places }()
			do(i)
		})
	}
	wg.Wait()
}

// see looks at the declared version without keeping it.
func (k *kept) see(ctx context.Context, r site.Value, salt secret.Value) *site.ValueSeen {
	seen := &site.ValueSeen{Secret: r.Secret, Place: k.supply.Keep.Place()}
	damaged, _ := k.supply.Keep.Damaged(ctx, r.Secret.Name) // what could not be read is asked for again where it is needed
	for _, err := range damaged {
		seen.Damaged, seen.Hint = append(seen.Damaged, err.Error()), reconciler.HintOf(err)
	}
	_, err := k.supply.Keep.Get(ctx, r.Secret)
	switch {
	case errors.Is(err, state.ErrDamaged):
		seen.Kept = true
		return seen
	case err == nil:
		seen.Kept = true
	case !errors.Is(err, values.ErrNotKept):
		return trouble(seen, err)
	default:
		if err := k.supply.Keep.Check(ctx); err != nil {
			return trouble(seen, err)
		}
	}
	v, ok, err := k.supply.Peek(ctx, r.Secret)
	if err != nil {
		return trouble(seen, err)
	}
	if seen.Others, err = k.supply.Keep.Versions(ctx, r.Secret.Name); err != nil {
		return trouble(seen, err)
	}
	seen.Others = slices.DeleteFunc(seen.Others, func(v string) bool { return v == r.Secret.Version })
	if !ok {
		return seen // it will be generated
	}
	k.known.Add(v)
	k.mu.Lock()
	if k.want == nil {
		k.want = map[secret.Ref]secret.Value{}
	}
	k.want[r.Secret] = v
	k.mu.Unlock()
	seen.Available = true
	if !seen.Kept {
		seen.About, seen.Print = k.supply.About(r.Secret.Name), fingerprint(salt, v.Expose())
	}
	seen.SourceChanged = seen.Kept && k.changed(ctx, r.Secret, v)
	k.read(seen, v)
	if n := k.needed[r.Secret.Name]; !seen.Kept && !n.Exact && seen.Unfit == "" { // what is kept was accepted once
		err := values.Odd(v.Expose())
		if !n.Document {
			err = cmp.Or(values.Whole(v.Expose()), err)
		}
		if n.Odd != nil {
			err = cmp.Or(err, n.Odd(v.Expose()))
		}
		if err != nil {
			seen.Unfit = err.Error()
		}
	}
	same, found, err := k.supply.Keep.Match(ctx, r.Secret, v)
	if err != nil && !errors.Is(err, state.ErrDamaged) {
		return trouble(seen, err)
	}
	if found && same != r.Secret.Version {
		seen.SameAs = same
	}
	return seen
}

// trouble records why a value is not to be had.
func trouble(seen *site.ValueSeen, err error) *site.ValueSeen {
	seen.Problem, seen.Hint = strings.ReplaceAll(err.Error(), "\n", "; "), reconciler.HintOf(err)
	return seen
}

// changed says that the source now gives another value for a version that is kept. A source that is gone, or that mints,
// has not changed: it is not asked again.
func (k *kept) changed(ctx context.Context, ref secret.Ref, kept secret.Value) bool {
	source := k.supply.Sources[ref.Name]
	if source == nil {
		return false
	}
	v, made, err := values.Present(ctx, source, ref)
	return errors.Is(err, values.ErrForeign) || err == nil && made && !v.Equal(kept)
}

// read asks the kind what the value says, and whether it is fit to be rolled out.
func (k *kept) read(seen *site.ValueSeen, v secret.Value) {
	n := k.needed[seen.Secret.Name]
	var err error
	if n.Read != nil {
		if seen.Content, err = n.Read(v.Expose()); err != nil {
			seen.Content, seen.Unfit = nil, err.Error()
			return
		}
	}
	if n.Check == nil {
		return
	}
	open := k.readFile
	if open == nil {
		open = values.ReadFile
	}
	if err := n.Check(v.Expose(), open); err != nil {
		seen.Unfit = err.Error()
	}
}

// content is what the kind reads in a live value, nil when it cannot.
func (k *kept) content(ref secret.Ref, live secret.Value) any {
	n := k.needed[ref.Name]
	if n.Read == nil {
		return nil
	}
	c, err := n.Read(live.Expose())
	if err != nil {
		return nil
	}
	return c
}

// match says which version a live value is: the declared one, a kept one, or site.Unknown.
func (k *kept) match(ctx context.Context, ref secret.Ref, live secret.Value) (string, error) {
	k.found(ref, live)
	k.mu.Lock()
	want, ok := k.want[ref]
	k.mu.Unlock()
	if ok && want.Equal(live) {
		return ref.Version, nil
	}
	if version, is := k.matchedBefore(ref, live); is {
		return version, nil
	}
	version, found, err := k.supply.Keep.Match(ctx, ref, live)
	switch {
	case errors.Is(err, state.ErrDamaged):
		return site.Unknown, nil // and what is damaged is a finding
	case err != nil && limits.Met(err) == nil && k.untold(ref, err): // where this machine has no room just now, it is asked again
		return site.Unknown, nil
	case err != nil:
		return "", fmt.Errorf("compare with the kept versions of %s: %w", ref.Name, err)
	case !found:
		return site.Unknown, nil
	case version == ref.Version && ok && !want.Equal(live):
		return site.Unknown, nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.matched == nil {
		k.matched = map[secret.Ref]matched{}
	}
	k.matched[ref] = matched{live, version}
	return version, nil
}

// matched is a live value, and the kept version that it is: that stays so. Nearly all hosts of a fleet hold the same.
type matched struct {
	secret.Value
	version string
}

func (k *kept) matchedBefore(ref secret.Ref, live secret.Value) (version string, is bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	m, known := k.matched[ref]
	return m.version, known && m.version != ref.Version && m.Equal(live)
}

// wanted is the declared value if it is known already, kept or not: nothing is minted or fetched for it.
func (k *kept) wanted(ctx context.Context, ref secret.Ref) (secret.Value, bool) {
	k.mu.Lock()
	v, ok := k.want[ref]
	k.mu.Unlock()
	if ok {
		return v, true
	}
	v, err := k.supply.Keep.Get(ctx, ref)
	return v, err == nil
}

func (k *kept) do(ctx context.Context, _ reconciler.Target, steps []reconciler.Step, _ func(reconciler.Event)) []reconciler.Report {
	reports := make([]reconciler.Report, len(steps))
	atOnce(len(steps), func(i int) { reports[i] = k.doOne(ctx, steps[i].Op) })
	// What was kept after the first failure stays kept, and the next run finds it.
	if i := slices.IndexFunc(reports, func(r reconciler.Report) bool { return r.Outcome != state.Done }); i >= 0 {
		return reports[:i+1]
	}
	return reports
}

func (k *kept) doOne(ctx context.Context, op reconciler.Op) reconciler.Report {
	switch op := op.(type) {
	case site.Keep:
		if _, err := k.supply.Fetch(ctx, op.Secret); err != nil {
			return failed(fmt.Errorf("keep %s: %w", op.Secret, err))[0]
		}
		return done("kept, sealed")
	case site.Adopt:
		if err := k.adopt(ctx, op.Secret); err != nil {
			return failed(fmt.Errorf("adopt %s: %w", op.Secret, err))[0]
		}
		return done("the live value, kept sealed")
	}
	return failed(fmt.Errorf("the store of values cannot do %T", op))[0]
}

// value is a declared value, durable: an op may use it.
func (k *kept) value(ctx context.Context, ref secret.Ref) (secret.Value, error) {
	v, err := k.supply.Fetch(ctx, ref)
	if err != nil {
		return secret.Value{}, &valueError{ref, err}
	}
	k.known.Add(v)
	return v, nil
}

// valueError is a value that could not be had: that is trouble of our own, and says nothing of what is live.
type valueError struct {
	ref secret.Ref
	err error
}

func (e *valueError) Error() string { return fmt.Sprintf("value of %s: %v", e.ref, e.err) }
func (e *valueError) Unwrap() error { return e.err }
