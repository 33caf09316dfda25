package values

import (
	"bytes"
	"context"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"filippo.io/age"

	"meshrotate/reconciler/secret"
	"meshrotate/state"
)

// noteType is the type of the stanza that says what a kept value is the value of. An age file's header may hold stanzas that a
// reader does not know, so `age -d` still opens the file, and still gives the value alone.
const noteType = "meshrotate-value"

// note is what a sealed value says of itself: NAME and VERSION, as in its file's name, the deployment, and a code over all three
// and the value under a key that follows from the identity. So neither a copy under another name, nor one of another deployment
// with the same identity, nor a value that somebody sealed to the public key is taken for the value of a version.
type note struct {
	name, version, deployment string
	code                      []byte
}

// noDeployment is how a note names none.
const noDeployment = "%"

// noted is a recipient with a note beside it.
type noted struct {
	age.Recipient
	note note
}

func (n noted) Wrap(fileKey []byte) ([]*age.Stanza, error) {
	all, _, err := n.WrapWithLabels(fileKey)
	return all, err
}

// WrapWithLabels passes on what the recipient demands of its neighbours.
func (n noted) WrapWithLabels(fileKey []byte) (all []*age.Stanza, labels []string, err error) {
	if r, ok := n.Recipient.(age.RecipientWithLabels); ok {
		all, labels, err = r.WrapWithLabels(fileKey)
	} else {
		all, err = n.Recipient.Wrap(fileKey)
	}
	return append(all, &age.Stanza{Type: noteType, Args: []string{n.note.name, n.note.version, n.note.deployment}, Body: n.note.code}), labels, err
}

// reader opens with the identities, and keeps the note. The header is authentic once the file key is found.
type reader struct {
	ids  []age.Identity
	note *note
}

func (r *reader) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	for _, s := range stanzas {
		if s.Type == noteType && len(s.Args) >= 2 {
			r.note = &note{name: s.Args[0], version: s.Args[1], code: s.Body}
			if len(s.Args) == 3 {
				r.note.deployment = s.Args[2]
			}
		}
	}
	for _, id := range r.ids {
		if key, err := id.Unwrap(stanzas); !errors.Is(err, age.ErrIncorrectIdentity) {
			return key, err
		}
	}
	return nil, age.ErrIncorrectIdentity
}

// noteOf makes the note of a value of a deployment.
func noteOf(deployment string, ref secret.Ref, v secret.Value, id age.Identity) (n note, err error) {
	if n.name, err = escape(ref.Name); err != nil {
		return n, err
	}
	if n.version, err = escape(ref.Version); err != nil {
		return n, err
	}
	n.deployment = noDeployment
	if deployment != "" {
		if n.deployment, err = escape(deployment); err != nil {
			return n, err
		}
	}
	n.code, err = n.codeOf(v.Expose(), id)
	return n, err
}

// codeOf is the code that a value would have under an identity.
func (n note) codeOf(value []byte, id age.Identity) ([]byte, error) {
	key, err := keyOf(id, "meshrotate kept value")
	if err != nil {
		return nil, err
	}
	mac := hmac.New(sha256.New, key)
	for _, part := range [][]byte{[]byte(n.name), []byte(n.version), []byte(n.deployment), value} {
		mac.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		mac.Write(part)
	}
	return mac.Sum(nil), nil
}

// keyOf is a key that only who has the identity can make, for one purpose.
func keyOf(id age.Identity, purpose string) ([]byte, error) {
	text, ok := id.(fmt.Stringer)
	if !ok {
		return nil, fmt.Errorf("an identity of type %T has no text", id)
	}
	return hkdf.Key(sha256.New, []byte(text.String()), nil, purpose, sha256.Size)
}

// PlanKey is the key under which saved plans are sealed: the first identity's, as kept values are. It is the zero Value where there is none.
func (k *Keep) PlanKey(ctx context.Context) secret.Value {
	ids, err := k.seal.unlock(ctx)
	if err != nil {
		return secret.Value{}
	}
	key, err := keyOf(ids[0], "meshrotate saved plan")
	if err != nil {
		return secret.Value{}
	}
	return secret.New(key)
}

// check says why a value that was opened is not that of ref in this deployment, nil when it is.
func (n *note) check(deployment string, ref secret.Ref, value []byte, ids []age.Identity) error {
	if n == nil {
		return state.Damaged(errors.New("it was not kept by meshrotate: nothing in the file says which version it is the value of"), wayOn)
	}
	want, err := noteOf(deployment, ref, secret.New(bytes.Clone(value)), ids[0])
	if err != nil {
		return err
	}
	if n.name != want.name || n.version != want.version {
		name, _ := unescape(n.name)
		version, _ := unescape(n.version)
		return state.Damaged(fmt.Errorf("the file holds the value that was kept for %q: somebody put it in this one's place", secret.Ref{Name: name, Version: version}), wayOn)
	}
	switch n.deployment {
	case want.deployment:
	case "":
		return state.Damaged(errors.New("an older meshrotate kept it, which did not say for which deployment"),
			fmt.Sprintf("`meshrotate values forget %s %s`, and then `meshrotate adopt` keeps the live value again, without a restart", ref.Name, ref.Version))
	default:
		other, _ := unescape(n.deployment)
		return state.Damaged(fmt.Errorf("the file holds a value of the deployment %q: somebody put it in this one's place", other), wayOn)
	}
	for _, id := range ids {
		if code, err := n.codeOf(value, id); err == nil && hmac.Equal(code, n.code) {
			return nil
		}
	}
	return state.Damaged(errors.New("it was sealed by somebody who does not hold this identity: only its public key is needed for that"), wayOn)
}

const wayOn = "restore the state folder from the backup; to use what the file holds all the same, declare a new version `from` it, copied out of the state folder"
