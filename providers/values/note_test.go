package values_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"

	"filippo.io/age"

	"meshrotate/providers/values"
	"meshrotate/reconciler/secret"
	"meshrotate/specs"
)

// What lies in the place of a version is its value only if it was kept for it, by a holder of the identity.
func TestAKeptValueIsThatOfItsVersion(t *testing.T) {
	identity, public := newIdentity(t)
	older, olderPublic := newIdentity(t)
	hybrid, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	both := secret.New(append(bytes.Clone(identity.Expose()), older.Expose()...))
	turned := secret.New(append(bytes.Clone(older.Expose()), identity.Expose()...))
	quantum := secret.NewString(hybrid.String())
	ref6 := secret.Ref{Name: ref7.Name, Version: "6"}
	other := secret.Ref{Name: "bind", Version: "7"}
	place := func(dir string, r secret.Ref) string {
		return filepath.Join(dir, "values", r.Name, r.Version+".age")
	}
	copied := func(from secret.Ref) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			b, err := os.ReadFile(place(dir, from))
			if err == nil {
				err = os.WriteFile(place(dir, ref7), b, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	sealed := func(to string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			if err := os.WriteFile(place(dir, ref7), sealTo(t, canary, to), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	of := func(t *testing.T, identity secret.Value, deployment string, to ...string) *values.Seal {
		lookup := func(string) (string, bool) { return string(identity.Expose()), true }
		seal, err := values.SealFrom(&specs.Seal{Recipients: to}, values.Config{LookupEnv: lookup, Deployment: deployment})
		if err != nil {
			t.Fatal(err)
		}
		return seal
	}
	ofAnother := func(t *testing.T, dir string) {
		elsewhere := t.TempDir()
		if err := values.NewKeep(blobs(t, elsewhere), of(t, identity, "fabrikam")).Put(t.Context(), ref7, secret.NewString(canary)); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(place(elsewhere, ref7))
		if err == nil {
			err = os.WriteFile(place(dir, ref7), b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	asOnce := func(t *testing.T, dir string) { // as it was written before notes named a deployment
		r, err := age.ParseX25519Recipient(public)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(place(dir, ref7), encrypt(t, canary, unbound{r}), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		by, with secret.Value
		touch    func(t *testing.T, dir string)
		problem  string
	}{
		"as it was kept":                   {identity, identity, func(*testing.T, string) {}, ""},
		"another identity beside it":       {identity, both, func(*testing.T, string) {}, ""},
		"another identity before it":       {identity, turned, func(*testing.T, string) {}, ""},
		"an identity of the next kind":     {quantum, quantum, func(*testing.T, string) {}, ""},
		"the value of another version":     {identity, identity, copied(ref6), `kept for "relaykey 6"`},
		"the value of another secret":      {identity, identity, copied(other), `kept for "bind 7"`},
		"the value of another deployment":  {identity, identity, ofAnother, `a value of the deployment "fabrikam"`},
		"kept by an older meshrotate":      {identity, identity, asOnce, "did not say for which deployment"},
		"sealed to the public key":         {identity, identity, sealed(public), "not kept by meshrotate"},
		"sealed to an older public key":    {both, both, sealed(olderPublic), "not kept by meshrotate"},
		"kept by whom it was sealed for":   {older, both, func(*testing.T, string) {}, ""},
		"kept by somebody, for us to read": {older, identity, func(*testing.T, string) {}, "does not hold this identity"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			keep := values.NewKeep(blobs(t, dir), of(t, c.by, "contoso", recipientsOf(c.by, public)...))
			for _, r := range []secret.Ref{ref6, ref7, other} {
				if err := keep.Put(t.Context(), r, secret.NewString(canary+r.String())); err != nil {
					t.Fatal(err)
				}
			}
			c.touch(t, dir)
			v, err := values.NewKeep(blobs(t, dir), of(t, c.with, "contoso")).Get(t.Context(), ref7)
			if c.problem != "" {
				wantError(t, err, c.problem)
				wantError(t, err, place(dir, ref7))
				if name == "kept by an older meshrotate" {
					wantHint(t, err, "meshrotate adopt")
				} else {
					wantHint(t, err, "backup")
				}
				return
			}
			if err != nil || !v.Equal(secret.NewString(canary+ref7.String())) {
				t.Fatal(err)
			}
			data, err := os.ReadFile(place(dir, ref7))
			if err != nil {
				t.Fatal(err)
			}
			ids, err := age.ParseIdentities(bytes.NewReader(c.with.Expose()))
			if err != nil {
				t.Fatal(err)
			}
			r, err := age.Decrypt(bytes.NewReader(data), ids...)
			if err != nil {
				t.Fatal(err)
			}
			if plain, err := io.ReadAll(r); err != nil || string(plain) != canary+ref7.String() {
				t.Errorf("age alone reads something else: %v", err)
			}
		})
	}
}

// unbound is a recipient with a note that names no deployment.
type unbound struct{ *age.X25519Recipient }

func (u unbound) Wrap(fileKey []byte) ([]*age.Stanza, error) {
	all, err := u.X25519Recipient.Wrap(fileKey)
	return append(all, &age.Stanza{Type: "meshrotate-value", Args: []string{"relaykey", "7"}, Body: make([]byte, 32)}), err
}

// recipientsOf lets the usual identity read too, where that is possible beside the one that seals.
func recipientsOf(by secret.Value, public string) []string {
	if bytes.Contains(by.Expose(), []byte("AGE-SECRET-KEY-PQ-")) {
		return nil
	}
	return []string{public}
}
