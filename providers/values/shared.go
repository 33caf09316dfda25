package values

import (
	"cmp"
	"context"
	"crypto/hmac"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"meshrotate/providers/vault"
	"meshrotate/reconciler/secret"
	"meshrotate/specs"
)

// Shared makes a value as Generated does, and keeps it in Vault as well, where others read it. Of several that ask for the same version
// at once, from however many machines, one makes it, and the others take that: it is written only if nobody was faster (check-and-set).
//
// Beside the value, KEY.meshrotate says whose it is, with the code that kept values have: so a value that somebody else put there is
// neither taken for a version's, nor overwritten.
type Shared struct {
	Generated
	Place specs.Place
	// Vault opens the store.
	Vault func(context.Context) (*vault.Client, error)
	Seal  *Seal
}

// ErrForeign says that a store has another value than meshrotate put there.
var ErrForeign = errors.New("it is not meshrotate's")

// foreign is an ErrForeign.
type foreign struct{ error }

func (foreign) Is(target error) bool { return target == ErrForeign }

// mint is a source that makes a value which was nowhere before.
type mint interface {
	// present is the value where it has been made; ok is false where it has not.
	present(ctx context.Context, ref secret.Ref) (v secret.Value, ok bool, err error)
}

func (Generated) present(context.Context, secret.Ref) (v secret.Value, ok bool, err error) {
	return v, false, nil
}

// Present is what a source says now, and makes nothing; ok is false where there is no value yet, because it will be made.
func Present(ctx context.Context, from Source, ref secret.Ref) (v secret.Value, ok bool, err error) {
	if m, mints := from.(mint); mints {
		return m.present(ctx, ref)
	}
	v, err = from.Get(ctx, ref)
	return v, err == nil, err
}

// mostTries is how often somebody else may be faster; mostBack how many older versions of the store are looked through for one of ours.
const mostTries, mostBack = 20, 20

// KeyOf is the key of a place in Vault, also of one that names none.
func KeyOf(at specs.Place) string { return cmp.Or(at.Key, "value") }

func (s Shared) mark() string { return KeyOf(s.Place) + ".meshrotate" }

func (s Shared) present(ctx context.Context, ref secret.Ref) (secret.Value, bool, error) {
	found, err := s.find(ctx, ref)
	return found.value, !found.value.IsZero(), s.of(ref, err)
}

// Get returns the value of the version, which is in the store then: it was read there.
func (s Shared) Get(ctx context.Context, ref secret.Ref) (secret.Value, error) {
	v, err := s.settle(ctx, ref, secret.Value{})
	return v, s.of(ref, err)
}

func (s Shared) of(ref secret.Ref, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", label(ref), err)
}

// Share puts a value there that was known before, as that of a version.
func (s Shared) Share(ctx context.Context, ref secret.Ref, v secret.Value) error {
	there, err := s.settle(ctx, ref, v)
	if err == nil && !there.Equal(v) {
		err = hint(fmt.Errorf("store %s: this version has another value there", s.Place), "a version names one value for ever: declare a new one")
	}
	return s.of(ref, err)
}

// settle returns the value of a version as the store has it: what it has already, or else fresh, or, where that is zero, a new one.
func (s Shared) settle(ctx context.Context, ref secret.Ref, fresh secret.Value) (secret.Value, error) {
	for range mostTries {
		found, err := s.find(ctx, ref)
		if err != nil || !found.value.IsZero() {
			return found.value, err
		}
		if fresh.IsZero() {
			if fresh, err = s.Generated.Get(ctx, ref); err != nil {
				return secret.Value{}, err
			}
		}
		err = s.put(ctx, ref, fresh, found)
		if err == nil {
			continue // what is there, not what we think is there
		}
		if !errors.Is(err, vault.ErrFaster) {
			return secret.Value{}, err
		}
	}
	return secret.Value{}, hint(fmt.Errorf("store %s: others write there all the time", s.Place), "give this value a path of its own")
}

// shelf is a place as it was seen.
type shelf struct {
	value  secret.Value // of the version that is looked for; zero: it is not there
	on     *vault.Entry // the latest; nil where nothing is, or it was deleted
	latest int          // its number in the store
}

// find looks for the value of a version: in the latest one of the store, and in those before it.
func (s Shared) find(ctx context.Context, ref secret.Ref) (found shelf, err error) {
	store, err := s.Vault(ctx)
	if err != nil {
		return found, err
	}
	found.on, err = store.Get(ctx, s.Place.Path, 0)
	var missing *vault.Missing
	switch {
	case errors.As(err, &missing):
		found.on, found.latest = nil, missing.Latest
	case err != nil:
		return found, err
	default:
		found.latest = found.on.Version
		if found.value, err = s.ours(ctx, ref, found.on, true); err != nil || !found.value.IsZero() {
			return found, err
		}
	}
	for n := found.latest - 1; n > 0 && n > found.latest-mostBack; n-- {
		e, err := store.Get(ctx, s.Place.Path, n)
		if errors.Is(err, vault.ErrMissing) {
			continue // deleted, or older than the store keeps
		} else if err != nil {
			return found, err
		}
		if found.value, err = s.ours(ctx, ref, e, false); err != nil || !found.value.IsZero() {
			return found, err
		}
	}
	return found, nil
}

// ours is the value in an entry if it is that of the version. Of the latest it is an error if there is anything else but a value of ours.
func (s Shared) ours(ctx context.Context, ref secret.Ref, e *vault.Entry, latest bool) (v secret.Value, err error) {
	v, there, err := e.Field(KeyOf(s.Place))
	if err != nil || !there {
		return secret.Value{}, err
	}
	mark, marked, err := e.Field(s.mark())
	if err != nil {
		return secret.Value{}, err
	}
	n, read := readNote(string(mark.Expose()))
	if !marked || !read {
		if !latest {
			return secret.Value{}, nil
		}
		return secret.Value{}, hint(foreign{fmt.Errorf("store %s: there is a value that meshrotate did not put there, and it is not overwritten", s.Place)},
			"name another path or key; or take that one away, if nobody needs it")
	}
	which, err := s.Seal.whose(ctx, n, ref, v)
	switch {
	case errors.Is(err, ErrForeign) && !latest:
		return secret.Value{}, nil
	case err != nil:
		return secret.Value{}, hint(fmt.Errorf("store %s: %w", s.Place, err),
			"see who may write there, and give each deployment a path of its own; where the identity was lost, take that value away")
	case !which:
		return secret.Value{}, nil
	}
	return v, nil
}

func (s Shared) put(ctx context.Context, ref secret.Ref, v secret.Value, on shelf) error {
	store, err := s.Vault(ctx)
	if err != nil {
		return err
	}
	note, err := s.Seal.noteOf(ctx, ref, v)
	if err != nil {
		return err
	}
	_, err = store.Put(ctx, s.Place.Path, on.on, on.latest, map[string]secret.Value{KeyOf(s.Place): v, s.mark(): secret.NewString(note.text())})
	return err
}

// text is a note as it stands beside a value.
func (n note) text() string {
	return strings.Join([]string{n.name, n.version, n.deployment, base64.RawStdEncoding.EncodeToString(n.code)}, " ")
}

func readNote(text string) (n note, ok bool) {
	parts := strings.Split(text, " ")
	if len(parts) != 4 {
		return n, false
	}
	code, err := base64.RawStdEncoding.DecodeString(parts[3])
	return note{parts[0], parts[1], parts[2], code}, err == nil
}

// noteOf makes the note of a value of this deployment.
func (s *Seal) noteOf(ctx context.Context, ref secret.Ref, v secret.Value) (note, error) {
	ids, err := s.unlock(ctx)
	if err != nil {
		return note{}, err
	}
	return noteOf(s.deployment, ref, v, ids[0])
}

// whose says that a note is about the value of a version of this deployment. One of another secret or deployment, or that was not made
// with this identity, is an error.
func (s *Seal) whose(ctx context.Context, n note, ref secret.Ref, v secret.Value) (this bool, err error) {
	want, err := s.noteOf(ctx, ref, v)
	if err != nil {
		return false, err
	}
	if n.deployment != want.deployment || n.name != want.name {
		return false, foreign{errors.New("there is a value of another secret or deployment")}
	}
	ids, err := s.unlock(ctx)
	if err != nil {
		return false, err
	}
	for _, id := range ids {
		if code, err := n.codeOf(v.Expose(), id); err == nil && hmac.Equal(code, n.code) {
			return n.version == want.version, nil
		}
	}
	return false, foreign{errors.New("there is a value that was not put there with this identity, though it says so")}
}
