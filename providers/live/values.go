package live

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"

	"meshrotate/providers/appsettings"
	"meshrotate/providers/licensefile"
	"meshrotate/providers/site"
	"meshrotate/providers/values"
	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
)

// kept is the store of values as a target.
type kept struct {
	supply   values.Supply
	readFile func(string) ([]byte, error)

	mu   sync.Mutex
	want map[secret.Ref]secret.Value // declared values that are not kept yet
}

// minKey is the least length of a key, in bytes; anything shorter is no key at all.
const minKey = 32

func (k *kept) look(ctx context.Context, reads []reconciler.Read) reconciler.Look {
	look := reconciler.Look{Reach: reconciler.Reached, Results: map[string]reconciler.Result{}}
	for _, r := range reads {
		v, ok := r.(site.Value)
		if !ok {
			return reconciler.Look{Reach: reconciler.Broken, Err: fmt.Errorf("the store of values cannot answer %T", r)}
		}
		look.Results[r.Key()] = k.see(ctx, v)
	}
	return look
}

// see looks at the declared version without keeping it.
func (k *kept) see(ctx context.Context, r site.Value) *site.ValueSeen {
	seen := &site.ValueSeen{Secret: r.Secret}
	_, err := k.supply.Keep.Get(ctx, r.Secret)
	switch {
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
	if !ok {
		return seen // it will be generated
	}
	k.mu.Lock()
	if k.want == nil {
		k.want = map[secret.Ref]secret.Value{}
	}
	k.want[r.Secret] = v
	k.mu.Unlock()
	seen.Available, seen.Bytes = true, keyBytes(v)
	seen.SourceChanged = seen.Kept && k.changed(ctx, r.Secret, v)
	if r.License {
		seen.License, err = k.license(v, r.PublicKey)
		if err != nil {
			seen.LicenseProblem = err.Error()
		}
		return seen
	}
	same, found, err := k.supply.Keep.Match(ctx, r.Secret, v)
	if err != nil {
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
	if _, mints := source.(values.Generated); mints || source == nil {
		return false
	}
	v, err := source.Get(ctx, ref)
	return err == nil && !v.Equal(kept)
}

func (k *kept) license(v secret.Value, publicKey string) (*licensefile.License, error) {
	l, err := licensefile.Parse(v.Expose())
	if err != nil || publicKey == "" {
		return l, err
	}
	read := k.readFile
	if read == nil {
		read = os.ReadFile
	}
	pem, err := read(publicKey)
	if err != nil {
		return nil, fmt.Errorf("the public key of licenses: %w", err)
	}
	key, err := licensefile.PublicKey(pem)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", publicKey, err)
	}
	if err := l.Verify(key); err != nil {
		return nil, err
	}
	return l, nil
}

// keyBytes is the length of what a key stands for: of the bytes behind base64, else of the text.
func keyBytes(v secret.Value) int {
	if raw, err := base64.StdEncoding.DecodeString(string(v.Expose())); err == nil {
		return len(raw)
	}
	return v.Len()
}

// match says which version a live value is: the declared one, a kept one, or site.Unknown.
func (k *kept) match(ctx context.Context, ref secret.Ref, live secret.Value) (string, error) {
	k.mu.Lock()
	want, ok := k.want[ref]
	k.mu.Unlock()
	if ok && want.Equal(live) {
		return ref.Version, nil
	}
	version, found, err := k.supply.Keep.Match(ctx, ref, live)
	switch {
	case err != nil:
		return "", fmt.Errorf("compare with the kept versions of %s: %w", ref.Name, err)
	case !found:
		return site.Unknown, nil
	case version == ref.Version && ok && !want.Equal(live):
		return site.Unknown, nil
	}
	return version, nil
}

// version is match for a setting, which may be missing, empty or too short to be a key.
func (k *kept) version(ctx context.Context, ref secret.Ref, s appsettings.Setting) (string, error) {
	switch {
	case !s.Found || s.Null:
		return site.Absent, nil
	case s.Value.Len() == 0:
		return site.Empty, nil
	}
	version, err := k.match(ctx, ref, s.Value)
	if version == site.Unknown && keyBytes(s.Value) < minKey {
		version = site.Short
	}
	return version, err
}

func (k *kept) do(ctx context.Context, steps []reconciler.Step) []reconciler.Report {
	var reports []reconciler.Report
	for _, s := range steps {
		op, ok := s.Op.(site.Keep)
		if !ok {
			return append(reports, failed(fmt.Errorf("the store of values cannot do %T", s.Op))...)
		}
		if _, err := k.supply.Fetch(ctx, op.Secret); err != nil {
			return append(reports, failed(fmt.Errorf("keep %s: %w", op.Secret, err))...)
		}
		reports = append(reports, done("kept, sealed"))
	}
	return reports
}

// value is a declared value, durable: an op may use it.
func (k *kept) value(ctx context.Context, ref secret.Ref) (secret.Value, error) {
	v, err := k.supply.Fetch(ctx, ref)
	if err != nil {
		return secret.Value{}, fmt.Errorf("value of %s: %w", ref, err)
	}
	return v, nil
}
