package providers_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"meshrotate/providers"
	"meshrotate/providers/connect"
	"meshrotate/providers/lab"
	"meshrotate/providers/rotations/relaykey"
	"meshrotate/providers/rotations/serviceaccount"
	"meshrotate/providers/rotations/sqllogin"
	"meshrotate/providers/site"
	"meshrotate/providers/values"
	"meshrotate/reconciler"
	"meshrotate/reconciler/rotationtest"
	"meshrotate/reconciler/secret"
	"meshrotate/specs"
)

// adopt keeps the live value of the world's only secret as that of its declared version.
func (w *world) adopt() (string, error) {
	w.t.Helper()
	s := w.process()
	defer s.close()
	ref := w.rotations()[0].Ref()
	evidence, err := s.Adopt(w.t.Context(), ref, reconciler.Step{Phase: reconciler.Prepare, Op: site.Adopt{Secret: ref}, Secrets: []secret.Ref{ref}})
	s.say(evidence, err, reconciler.HintOf(err))
	return evidence, err
}

// processes are those of all services.
func (w *world) processes() (all []string) {
	for _, h := range w.lab.Hosts() {
		for _, name := range []string{lab.AdminService, lab.EngineService, lab.RelayService} {
			s := h.Machine.Service(name)
			all = append(all, fmt.Sprint(h.Name, name, s.State, s.PID))
		}
	}
	return all
}

// A deployment that lost its record, or never had one, is taken over as it is: no service stops, and nothing is left to do. What
// cannot be read back is refused.
func TestAdopt(t *testing.T) {
	readable := []string{"license", "relaykey", "sqllogin"}
	for _, k := range providers.Kinds() {
		t.Run(k.Name, func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 2, k.Name)
				w.run()
				if err := os.RemoveAll(filepath.Join(w.dir, ".meshrotate")); err != nil {
					t.Fatal(err)
				}
				w.opened = map[keptValue]string{}
				var err error
				if w.state, err = connect.State(w.doc); err != nil { // as another process has it
					t.Fatal(err)
				}
				before := w.processes()
				evidence, err := w.adopt()
				if !slices.Contains(readable, k.Name) {
					says(t, err, "cannot be read back")
					hinted(t, err)
					return
				}
				if err != nil || evidence == "" {
					t.Fatal(err)
				}
				s := w.process()
				defer s.close()
				if p := s.look().Plan; !p.Empty() || len(p.Blocked()) > 0 {
					t.Errorf("there is something to do: %+v", p.Changes)
				}
				if after := w.processes(); !slices.Equal(before, after) {
					t.Errorf("a service was restarted: %v, %v", before, after)
				}
				if _, err := w.adopt(); err == nil || !strings.Contains(err.Error(), "already") {
					t.Errorf("again: %v", err)
				}
				rotationtest.Search(t, w.secrets(), w.said())
			})
		})
	}
}

// What cannot be read back is refused before anything is contacted, with the reason that this kind has, and another way.
func TestAdoptOfWhatCannotBeRead(t *testing.T) {
	for _, c := range []struct {
		kind, secret, because, instead string
	}{
		{"connector", "connector:secret://", "sealed on the Engine host", "`meshrotate apply` sets it once more"},
		{"serviceaccount", "serviceaccount-", "what a service manager keeps", "by a logon"},
		{"serviceaccount managed", "serviceaccount-", "Windows changes it by itself", "what services run as"},
		{"codesigning", "codesigning", "a thumbprint is no secret", "declare what the relays accept now"},
		{"codesigning/build", "codesigning:build", "the key of a certificate in a store", "leave out secrets.codeSigning.buildHost.pfx"},
		{"sqllogin integrated", "sqllogin", "Windows signs in", "mode: integrated"},
	} {
		t.Run(c.kind, func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				kind, how, _ := strings.Cut(c.kind, " ")
				w := newWorld(t, 1, kind)
				switch how {
				case "managed":
					one := &(*w.doc.Secrets["serviceAccounts"].(*serviceaccount.Spec))[0]
					one.Account, one.Version, one.From = `CONTOSO\gmsa$`, "", specs.Source{}
				case "integrated":
					spec := w.doc.Secrets["sqlLogin"].(*sqllogin.Spec)
					spec.Mode, spec.Login, spec.Logins = "integrated", "", nil
				}
				before, _ := w.state.Ledger.Entries(t.Context())
				s := w.process()
				defer s.close()
				i := slices.IndexFunc(s.Rotations, func(r reconciler.Rotation) bool { return strings.HasPrefix(r.Ref().Name, c.secret) })
				if i < 0 {
					t.Fatal("there is no such secret")
				}
				ref := s.Rotations[i].Ref()
				_, err := s.Adopt(t.Context(), ref, reconciler.Step{Phase: reconciler.Prepare, Op: site.Adopt{Secret: ref}, Secrets: []secret.Ref{ref}})
				says(t, err, ref.String()+" cannot be adopted", c.because, "nothing was contacted or changed")
				if hint := reconciler.HintOf(err); !strings.Contains(hint, c.instead) {
					t.Errorf("the hint: %s", hint)
				}
				if entries, _ := w.state.Ledger.Entries(t.Context()); len(entries) != len(before) {
					t.Errorf("the ledger has %d entries, and had %d", len(entries), len(before))
				}
			})
		})
	}
}

func TestAdoptRefuses(t *testing.T) {
	for _, c := range []struct {
		reason string
		spoil  func(w *world)
		words  []string
	}{
		{"two keys: nobody can say which one is meant", func(w *world) { w.do("key", w.relay(1).Name) }, []string{"not all hosts have the same value"}},
		{"a host that nobody looked at may have another", func(w *world) { w.do("unplug", w.relay(1).Name) }, []string{"relay-01", "not looked at"}},
		{"the live value has a version already", func(*world) {}, []string{"is that of version " + lab.OldKey}},
		{"its source says otherwise", func(w *world) {
			w.lose("values/relaykey/6.age")
			file := filepath.Join(w.dir, "keys", "next.key")
			if err := os.WriteFile(file, []byte(strings.Repeat("another", 8)), 0o600); err != nil {
				w.t.Fatal(err)
			}
			w.doc.Secrets["relayKey"].(*relaykey.Spec).From = specs.Source{File: file}
		}, []string{"its source gives another value"}},
		{"the version has another value", func(w *world) {
			w.lose("values/relaykey/6.age")
			seal, err := values.SealFrom(nil, values.Config{LookupEnv: w.lab.Env, Deployment: w.doc.Name})
			if err == nil {
				err = values.NewKeep(w.state.Values, seal).Put(w.t.Context(), w.rotations()[0].Ref(), secret.NewString(strings.Repeat("other", 9)))
			}
			if err != nil {
				w.t.Fatal(err)
			}
		}, []string{"another value is kept for this version"}},
	} {
		t.Run(c.reason, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 2, "relaykey")
				c.spoil(w)
				kept := w.kept("relaykey", lab.NewKey)
				_, err := w.adopt()
				says(t, err, c.words...)
				hinted(t, err)
				if now := w.unseal(secret.Ref{Name: "relaykey", Version: lab.NewKey}); now != kept {
					t.Error("something was kept all the same")
				}
			})
		})
	}
}
