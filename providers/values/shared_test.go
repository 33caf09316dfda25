package values_test

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"

	"meshrotate/providers/values"
	"meshrotate/providers/vault"
	"meshrotate/providers/vault/vaulttest"
	"meshrotate/reconciler/secret"
	"meshrotate/specs"
	"meshrotate/state"
)

// shared is a source of a deployment, on a machine of its own, that keeps its values in a Vault.
func shared(t *testing.T, s *vaulttest.Server, identity secret.Value, deployment string, place specs.Place) values.Shared {
	t.Helper()
	client, err := vault.New(vault.Config{Name: place.Store, URL: s.URL, Mount: "secret", KV: 2, Token: secret.NewString(s.Root)})
	if err != nil {
		t.Fatal(err)
	}
	seal, err := values.SealFrom(nil, values.Config{LookupEnv: func(string) (string, bool) { return string(identity.Expose()), true }, Deployment: deployment})
	if err != nil {
		t.Fatal(err)
	}
	return values.Shared{Place: place, Seal: seal, Vault: func(context.Context) (*vault.Client, error) { return client, nil }}
}

func version(n int) secret.Ref { return secret.Ref{Name: "relaykey", Version: strconv.Itoa(n)} }

// TestShared: against a real Vault. However many ask at once, and in whatever order, a version has one value, which others read.
func TestShared(t *testing.T) {
	s := vaulttest.Start(t)
	identity, _ := newIdentity(t)
	place := specs.Place{Store: "corp", Path: "im/relay"}
	one := shared(t, s, identity, "contoso", place)
	if _, made, err := values.Present(t.Context(), one, version(7)); made || err != nil {
		t.Fatalf("before it is made: %v, %v", made, err)
	}
	got := map[int]secret.Value{}
	for _, n := range []int{7, 8, 7, 9} { // also an older one, which another machine still wants
		all := make([]secret.Value, 8)
		var ask sync.WaitGroup
		for i := range all {
			machine := shared(t, s, identity, "contoso", place)
			ask.Go(func() {
				var err error
				if all[i], err = machine.Get(t.Context(), version(n)); err != nil {
					t.Error(err)
				}
			})
		}
		ask.Wait()
		for _, v := range all {
			if !v.Equal(all[0]) {
				t.Fatalf("version %d has two values", n)
			}
		}
		if before, again := got[n]; again && !before.Equal(all[0]) {
			t.Errorf("version %d had another value before", n)
		}
		for other, v := range got {
			if other != n && v.Equal(all[0]) {
				t.Errorf("versions %d and %d have the same value", n, other)
			}
		}
		got[n] = all[0]
	}
	there := s.Do(t, "GET", "secret/data/im/relay", nil)["data"].(map[string]any)
	if there["value"] != string(got[9].Expose()) || s.Do(t, "GET", "secret/metadata/im/relay", nil)["current_version"].(float64) != 3 {
		t.Errorf("others read something else, or not every value was written once: %v", s.Do(t, "GET", "secret/metadata/im/relay", nil))
	}
	if v, made, err := values.Present(t.Context(), one, version(8)); !made || err != nil || !v.Equal(got[8]) {
		t.Errorf("an older one: %v, %v", made, err)
	}
	// Others' fields at the path stay, and several of ours may share one.
	two := place
	two.Key = "second"
	if _, err := shared(t, s, identity, "contoso", two).Get(t.Context(), secret.Ref{Name: "sqllogin", Version: "1"}); err != nil {
		t.Fatal(err)
	}
	if again, err := one.Get(t.Context(), version(9)); err != nil || !again.Equal(got[9]) {
		t.Errorf("%v", err)
	}
	// What is live already is put there as it is, once.
	live := secret.NewString(canary)
	if err := one.Share(t.Context(), version(11), live); err != nil {
		t.Fatal(err)
	}
	if v, err := one.Get(t.Context(), version(11)); err != nil || !v.Equal(live) {
		t.Errorf("%v", err)
	}
	wantError(t, one.Share(t.Context(), version(11), secret.NewString("another")), "relaykey 11: store corp/im/relay: this version has another value there")
	// What was deleted is made anew, on top.
	s.Do(t, "DELETE", "secret/data/im/relay", nil)
	if v, err := one.Get(t.Context(), version(10)); err != nil || v.Equal(got[9]) {
		t.Errorf("%v", err)
	}
}

// TestSharedIsNotAnybodys: what somebody else put there is neither a version's value, nor overwritten.
func TestSharedIsNotAnybodys(t *testing.T) {
	s := vaulttest.Start(t)
	identity, _ := newIdentity(t)
	other, _ := newIdentity(t)
	place := func(path string) specs.Place { return specs.Place{Store: "corp", Path: path} }
	make := func(identity secret.Value, deployment, path string, ref secret.Ref) error {
		_, err := shared(t, s, identity, deployment, place(path)).Get(t.Context(), ref)
		return err
	}
	s.Put(t, "im/theirs", map[string]string{"value": canary})
	wantError(t, make(identity, "contoso", "im/theirs", version(7)), "store corp/im/theirs: there is a value that meshrotate did not put there, and it is not overwritten")

	s.Put(t, "im/beside", map[string]string{"password": canary})
	if err := make(identity, "contoso", "im/beside", version(7)); err != nil {
		t.Fatal(err)
	}
	if there := s.Do(t, "GET", "secret/data/im/beside", nil)["data"].(map[string]any); there["password"] != canary || there["value"] == nil {
		t.Error("what was beside it is gone")
	}

	if err := make(identity, "contoso", "im/relay", version(7)); err != nil {
		t.Fatal(err)
	}
	wantError(t, make(identity, "fabrikam", "im/relay", version(7)), "store corp/im/relay: there is a value of another secret or deployment")
	wantError(t, make(identity, "contoso", "im/relay", secret.Ref{Name: "sqllogin", Version: "7"}), "there is a value of another secret or deployment")
	wantError(t, make(other, "contoso", "im/relay", version(7)), "was not put there with this identity, though it says so")
	there := s.Do(t, "GET", "secret/data/im/relay", nil)["data"].(map[string]any)
	s.Put(t, "im/relay", map[string]string{"value": canary, "value.meshrotate": there["value.meshrotate"].(string)})
	wantError(t, make(identity, "contoso", "im/relay", version(7)), "was not put there with this identity, though it says so")

	reader := shared(t, s, identity, "contoso", place("im/new"))
	client, err := vault.New(vault.Config{Name: "corp", URL: s.URL, Mount: "secret", KV: 2, Token: secret.NewString(s.Token(t, map[string]string{"secret/data/im/new": "read"}))})
	if err != nil {
		t.Fatal(err)
	}
	reader.Vault = func(context.Context) (*vault.Client, error) { return client, nil }
	_, err = reader.Get(t.Context(), version(7))
	wantError(t, err, "write secret/im/new: it is not allowed (403)")
}

// unwritten are blobs of a disk that is full.
type unwritten struct{ state.Blobs }

func (unwritten) Create(context.Context, string, []byte) error { return errors.New("no space left") }

// TestSharedWhenCutOff: a run that ended between the store and the state used no value, and the next run, with whatever state, goes on with
// the same one.
func TestSharedWhenCutOff(t *testing.T) {
	s := vaulttest.Start(t)
	identity, _ := newIdentity(t)
	place := specs.Place{Store: "corp", Path: "im/relay"}
	supply := func(b state.Blobs) values.Supply {
		from := shared(t, s, identity, "contoso", place)
		return values.Supply{Keep: values.NewKeep(b, from.Seal), Sources: map[string]values.Source{"relaykey": from}, Declared: map[string]string{"relaykey": "7"}}
	}
	_, err := supply(unwritten{blobs(t, t.TempDir())}).Fetch(t.Context(), ref7)
	wantError(t, err, "keep relaykey 7: no space left")
	there := s.Do(t, "GET", "secret/data/im/relay", nil)["data"].(map[string]any)["value"]
	for range 2 {
		one := supply(blobs(t, t.TempDir()))
		if v, known, err := one.Peek(t.Context(), ref7); err != nil || !known || string(v.Expose()) != there {
			t.Errorf("%v, %v", known, err)
		}
		v, err := one.Fetch(t.Context(), ref7)
		if err != nil || string(v.Expose()) != there {
			t.Fatalf("%v", err)
		}
		if kept, err := one.Keep.Get(t.Context(), ref7); err != nil || !kept.Equal(v) {
			t.Errorf("%v", err)
		}
	}
	if n := s.Do(t, "GET", "secret/metadata/im/relay", nil)["current_version"].(float64); n != 1 {
		t.Errorf("it was written %v times", n)
	}
}
