package values

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"meshrotate/reconciler/secret"
	"meshrotate/state"
)

// ErrNotKept says that there is no kept value for a version. It is fs.ErrNotExist too; but so is an identity file that
// is missing, and then it is not known what is kept. So branch on ErrNotKept.
var ErrNotKept error = notKept{}

type notKept struct{}

func (notKept) Error() string        { return "no value is kept" }
func (notKept) Is(target error) bool { return target == fs.ErrNotExist }

// suffix of kept values: they are plain age files, so `age -d` opens them when meshrotate is not at hand.
const suffix = ".age"

// Keep is where values stay once they are known: the blob NAME/VERSION.age, sealed. A version has one value, for ever.
// It is safe for concurrent use, by many processes too.
type Keep struct {
	blobs state.Blobs
	seal  *Seal

	// turn is had by one at a time. It is a channel, as whoever has it may wait for a server.
	turn   chan struct{}
	opened map[secret.Ref]kept
}

// kept is a value that was read or written by this process.
type kept struct {
	value secret.Value
	// sealed is the blob, until it is known to be durable: a process that made it and was killed may not have come to
	// flush it.
	sealed []byte
}

// Check says whether values can be sealed and opened.
func (k *Keep) Check(ctx context.Context) error { return k.seal.Check(ctx) }

// Place is where values are kept, for people.
func (k *Keep) Place() string { return k.blobs.Place() }

// NewKeep returns the keep in the blobs of a state. It creates nothing, and needs no identity before something is kept
// or opened.
func NewKeep(blobs state.Blobs, seal *Seal) *Keep {
	return &Keep{blobs: blobs, seal: seal, turn: make(chan struct{}, 1), opened: map[secret.Ref]kept{}}
}

// Put makes a value durable before it returns. It never overwrites: putting the same value again is fine, another value
// for the same version is an error.
func (k *Keep) Put(ctx context.Context, ref secret.Ref, v secret.Value) error {
	first, err := k.settle(ctx, ref, v)
	if err != nil {
		return err
	}
	if !first.Equal(v) {
		return hint(fmt.Errorf("%s: another value is kept for this version already", ref),
			"a version names one value for ever: give the new value a version of its own")
	}
	return nil
}

// settle returns the value of a version, durable: the kept one, or else v, which it then keeps. Of several processes
// the first wins.
func (k *Keep) settle(ctx context.Context, ref secret.Ref, v secret.Value) (secret.Value, error) {
	k.turn <- struct{}{}
	defer func() { <-k.turn }()
	name, err := blobName(ref)
	if err != nil {
		return secret.Value{}, err
	}
	have, err := k.load(ctx, ref)
	switch {
	case errors.Is(err, ErrNotKept):
		if have.sealed, err = k.close(ctx, ref, v); err != nil {
			return secret.Value{}, err
		}
	case err != nil:
		return secret.Value{}, err
	case have.sealed == nil:
		return have.value, nil
	}
	// Also what is there already is created: fs.ErrExist promises that it is durable.
	if err := k.blobs.Create(ctx, name, have.sealed); err != nil && !errors.Is(err, fs.ErrExist) {
		return secret.Value{}, hint(fmt.Errorf("keep %s: %w", ref, err),
			"nothing may be changed before the new value is kept: see that "+k.blobs.Place()+" can be written and has room")
	}
	if have, err = k.load(ctx, ref); err != nil { // what is there, not what we think is there
		return secret.Value{}, err
	}
	k.opened[ref] = kept{value: have.value}
	return have.value, nil
}

// close seals a value that is worth keeping.
func (k *Keep) close(ctx context.Context, ref secret.Ref, v secret.Value) ([]byte, error) {
	if v.Len() == 0 {
		return nil, fmt.Errorf("%s: an empty value is never kept", ref)
	}
	sealed, err := k.seal.seal(ctx, ref, v)
	if err != nil {
		return nil, fmt.Errorf("keep %s: %w", ref, err)
	}
	return sealed, nil
}

// Get returns a kept value, or an error that is ErrNotKept when there is none. Each is decrypted once per process.
func (k *Keep) Get(ctx context.Context, ref secret.Ref) (secret.Value, error) {
	k.turn <- struct{}{}
	defer func() { <-k.turn }()
	have, err := k.load(ctx, ref)
	return have.value, err
}

func (k *Keep) load(ctx context.Context, ref secret.Ref) (kept, error) {
	if have, ok := k.opened[ref]; ok {
		return have, nil
	}
	if err := ctx.Err(); err != nil {
		return kept{}, err
	}
	name, err := blobName(ref)
	if err != nil {
		return kept{}, err
	}
	sealed, err := k.blobs.Read(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		return kept{}, fmt.Errorf("%s: %w", ref, ErrNotKept)
	}
	if err != nil {
		return kept{}, fmt.Errorf("kept value of %s: %w", ref, err)
	}
	data, err := k.seal.openKept(ctx, k.at(name), ref, sealed)
	if err != nil {
		return kept{}, fmt.Errorf("kept value of %s: %w", ref, err)
	}
	have := kept{secret.New(data), sealed}
	k.opened[ref] = have
	return have, nil
}

// Versions returns the versions of a secret that are kept, in order: 9 before 10.
func (k *Keep) Versions(ctx context.Context, name string) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	folder, err := escape(name)
	if err != nil {
		return nil, err
	}
	names, err := k.blobs.List(ctx, folder)
	if err != nil {
		return nil, fmt.Errorf("kept values of %s: %w", name, err)
	}
	var versions []string
	for _, n := range names {
		if base, ours := strings.CutSuffix(strings.TrimPrefix(n, folder+"/"), suffix); ours {
			if version, ok := unescape(base); ok {
				versions = append(versions, version)
			}
		}
	}
	slices.SortFunc(versions, func(a, b string) int { return cmp.Or(natural(a, b), cmp.Compare(a, b)) })
	return versions, nil
}

// Names are those of the secrets that have a value kept, whether the document declares them or not.
func (k *Keep) Names(ctx context.Context) ([]string, error) {
	folders, err := k.blobs.Folders(ctx)
	if err != nil {
		return nil, fmt.Errorf("kept values: %w", err)
	}
	var names []string
	for _, f := range folders {
		if name, ok := unescape(f); ok {
			names = append(names, name)
		}
	}
	return names, nil
}

// Match says which kept version of a secret equals a value that was found live. Where several do, that of ref wins,
// then the last. An error means that some version could not be compared and no other was equal: then it is not known
// what is live. It is state.ErrDamaged where damage is the only reason.
func (k *Keep) Match(ctx context.Context, ref secret.Ref, live secret.Value) (version string, ok bool, err error) {
	if have, err := k.Get(ctx, ref); err == nil && have.Equal(live) {
		return ref.Version, true, nil // as on nearly every host: no list is asked for
	}
	versions, err := k.Versions(ctx, ref.Name)
	if err != nil {
		return "", false, err
	}
	var failed, damaged []error
	for _, v := range versions {
		have, err := k.Get(ctx, secret.Ref{Name: ref.Name, Version: v})
		switch {
		case errors.Is(err, state.ErrDamaged):
			damaged = append(damaged, err)
		case err != nil:
			failed = append(failed, err)
		case have.Equal(live) && !(ok && version == ref.Version):
			version, ok = v, true
		}
	}
	if ok {
		return version, true, nil
	}
	if len(failed) == 0 {
		failed = damaged
	}
	return "", false, joined(failed)
}

// Forget removes the kept value of a version for good, whether it can be opened or not.
func (k *Keep) Forget(ctx context.Context, ref secret.Ref) error {
	k.turn <- struct{}{}
	defer func() { <-k.turn }()
	name, err := blobName(ref)
	if err != nil {
		return err
	}
	if err := k.blobs.Remove(ctx, name); err != nil {
		return fmt.Errorf("forget %s: %w", ref, err)
	}
	delete(k.opened, ref)
	return nil
}

// Damaged says which kept versions of a secret are there and cannot be believed. An error means that not all could be read.
func (k *Keep) Damaged(ctx context.Context, name string) (all []error, err error) {
	versions, err := k.Versions(ctx, name)
	if errors.Is(err, state.ErrDamaged) {
		return []error{err}, nil
	}
	for _, v := range versions {
		_, e := k.Get(ctx, secret.Ref{Name: name, Version: v})
		if errors.Is(e, state.ErrDamaged) {
			all = append(all, e)
		} else if err == nil {
			err = e
		}
	}
	return all, err
}

// blobName is the blob of a version: NAME/VERSION.age, each part escaped.
func blobName(ref secret.Ref) (string, error) {
	name, err := escape(ref.Name)
	if err != nil {
		return "", err
	}
	version, err := escape(ref.Version)
	if err != nil {
		return "", err
	}
	return name + "/" + version + suffix, nil
}

// natural orders versions as people do: digits by their number.
func natural(a, b string) int {
	for a != "" && b != "" {
		da, db := digits(a), digits(b)
		if da != "" && db != "" {
			na, nb := strings.TrimLeft(da, "0"), strings.TrimLeft(db, "0")
			if c := cmp.Or(cmp.Compare(len(na), len(nb)), cmp.Compare(na, nb)); c != 0 {
				return c
			}
			a, b = a[len(da):], b[len(db):]
			continue
		}
		if a[0] != b[0] {
			return cmp.Compare(a[0], b[0])
		}
		a, b = a[1:], b[1:]
	}
	return cmp.Compare(a, b)
}

func digits(s string) string { return s[:len(s)-len(strings.TrimLeft(s, "0123456789"))] }
