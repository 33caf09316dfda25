package providers_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"meshrotate/providers"
	"meshrotate/providers/connect"
	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/providers/values"
	"meshrotate/reconciler"
	"meshrotate/reconciler/render"
	"meshrotate/reconciler/secret"
	"meshrotate/reconciler/session"
	"meshrotate/state"
)

// records is a file of the state.
func (w *world) records(name string) string {
	return filepath.Join(w.dir, ".meshrotate", filepath.FromSlash(name))
}

func (w *world) lose(name string) {
	w.t.Helper()
	if _, err := os.Stat(w.records(name)); err != nil {
		w.t.Fatal(err)
	}
	if err := os.RemoveAll(w.records(name)); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) rewrite(name, text string) {
	w.t.Helper()
	if err := os.WriteFile(w.records(name), []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// doubted demands a finding about the state, with a hint, in the plan; and that drift calls it drift.
func (w *world) doubted(code string, words ...string) *reconciler.Plan {
	w.t.Helper()
	s := w.process()
	defer s.close()
	v := s.look()
	all := slices.Clone(v.Plan.Fleet)
	for _, c := range v.Plan.Changes {
		all = append(all, c.Findings...)
	}
	i := slices.IndexFunc(all, func(f reconciler.Finding) bool {
		return string(f.Code) == code && !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(f.Text, word) })
	})
	if i < 0 {
		w.t.Errorf("no %s that names %q: %+v", code, words, all)
		return v.Plan
	}
	if all[i].Hint == "" {
		w.t.Errorf("no hint: %+v", all[i])
	}
	if !render.StatusOf(v.Plan, v.History, 0, "").Drift().Drifted {
		w.t.Errorf("%s is no drift", code)
	}
	return v.Plan
}

func (w *world) undoubted() {
	w.t.Helper()
	s := w.process()
	defer s.close()
	if p := s.look().Plan; p.Doubted() {
		w.t.Errorf("still in doubt: %+v %+v", p.Fleet, p.Changes)
	}
}

// applyRefused demands that nothing is done.
func (w *world) applyRefused(words ...string) {
	w.t.Helper()
	done, err := w.as("ann@one", nil)
	says(w.t, err, words...)
	hinted(w.t, err)
	if done != nil && done.Run != "" {
		w.t.Errorf("refused, and yet: %v", done.Outcome)
	}
}

// A version whose kept value is gone gets no second one, of any kind: what hosts hold could not be told from it.
func TestKeptValueIsGone(t *testing.T) {
	vendor()
	for _, k := range providers.Kinds() {
		t.Run(k.Name, func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 2, k.Name)
				if len(k.Values(w.doc.Secrets[k.Section.Key])) == 0 {
					return // nothing is kept of it
				}
				w.run()
				ref := w.rotations()[0].Ref()
				name := "values/" + strings.NewReplacer(":", "%3a", "/", "%2f").Replace(ref.Name) + "/" + ref.Version + ".age"
				kept, err := os.ReadFile(w.records(name))
				if err != nil {
					t.Fatal(err)
				}
				w.lose(name)
				w.doubted("state-value-lost", ref.String(), "values")
				for _, h := range w.lab.Hosts() { // every host holds another value: all must be written
					_, _ = w.lab.Break(map[string]string{"relaykey": "key", "license": "license", "serviceaccount": "logon"}[k.Name], h.Name)
				}
				if k.Name == "connector" {
					w.statement("DELETE dbo.IM_Secrets")
				}
				w.applyRefused(ref.String(), "no second value is made")
				if _, err := os.Stat(w.records(name)); err == nil {
					t.Error("a second value was kept for one version")
				}
				if err := os.WriteFile(w.records(name), kept, 0o600); err != nil {
					t.Fatal(err)
				}
				w.run()
				w.undoubted()
				if err := proofs[k.Name].new(w); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestRecords(t *testing.T) {
	for _, c := range []struct {
		name, reason string
		run          func(t *testing.T, w *world)
	}{
		{"the value of a run that died is gone", "hosts may hold it: a second one is never made", func(t *testing.T, w *world) {
			when(w.relay(1), "file.stage", machine.After, w.kill)
			_, _ = w.as("ann@one", nil)
			w.lose("values/relaykey/" + lab.NewKey + ".age")
			w.doubted("state-value-lost", "relaykey 7")
			w.applyRefused("relaykey 7", "no second value is made")
		}},
		{"all values are gone", "so it is when the folder is", func(t *testing.T, w *world) {
			w.converged()
			w.lose("values")
			w.doubted("state-value-lost", "relaykey 7")
			w.applyRefused("no second value is made")
		}},
		{"a stranger keeps a value", "the ledger knows of no start: it is not rolled out", func(t *testing.T, w *world) {
			seal, err := values.SealFrom(nil, values.Config{LookupEnv: w.lab.Env, Deployment: w.doc.Name})
			if err != nil {
				t.Fatal(err)
			}
			ref := secret.Ref{Name: "relaykey", Version: lab.NewKey}
			if err := values.NewKeep(w.state.Values, seal).Put(t.Context(), ref, secret.NewString(strings.Repeat("k", 44))); err != nil {
				t.Fatal(err)
			}
			w.doubted("state-value-unknown", "relaykey 7", "values")
			w.applyRefused("has never heard of this version")
			w.lose("values/relaykey/" + lab.NewKey + ".age")
			w.forget()
			w.converged()
		}},
		{"the ledger is older than the values", "what is live is as declared, and somebody is told", func(t *testing.T, w *world) {
			old := map[string][]byte{}
			for _, name := range []string{"ledger.jsonl", "ledger.head"} {
				b, err := os.ReadFile(w.records(name))
				if err != nil {
					t.Fatal(err)
				}
				old[name] = b
			}
			w.converged()
			for name, b := range old {
				w.rewrite(name, string(b))
			}
			if p := w.doubted("state-value-unknown", "relaykey 7"); !p.Empty() || len(p.Blocked()) > 0 {
				t.Errorf("%+v", p.Changes)
			}
		}},
		{"the salt is lost", "the reason is told, and not that the hosts have changed", func(t *testing.T, w *world) {
			w.run()
			w.do("edit", "relay-01")
			s := w.process()
			b, err := json.Marshal(s.look().Plan)
			s.close()
			if err != nil {
				t.Fatal(err)
			}
			saved, err := reconciler.ReadSaved(b)
			if err != nil {
				t.Fatal(err)
			}
			w.lose("salt")
			now := w.doubted("state-salt-lost", ".meshrotate")
			err = saved.Check(now, state.History{})
			says(t, err, "another salt")
			hinted(t, err)
			if strings.Contains(err.Error(), "was ") && strings.Contains(err.Error(), "relay-01") {
				t.Errorf("a host is blamed: %v", err)
			}
			w.doubted("state-salt-replaced", ".meshrotate") // a look has made another one
			w.converged()
			w.undoubted()
		}},
		{"the salt is replaced", "another one of its size is no damage, and is not the one that the last run used", func(t *testing.T, w *world) {
			w.run()
			w.undoubted()
			for _, other := range []string{"a", "b"} {
				w.rewrite("salt", strings.Repeat(other, 32))
				if p := w.doubted("state-salt-replaced", ".meshrotate"); len(p.Blocked()) > 0 {
					t.Errorf("%+v", p.Changes)
				}
				w.doubted("state-salt-replaced") // looking takes nothing for granted
				if other == "b" {
					w.do("key", "relay-01")
				}
				w.run() // with nothing to do, and with something
				w.undoubted()
			}
			w.converged()
		}},
		{"the salt is cut", "nothing is planned with another one", func(t *testing.T, w *world) {
			w.run()
			w.rewrite("salt", "short")
			w.damaged("salt", "5 bytes")
			w.lose("salt")
			w.converged()
		}},
		{"the fence is older than the ledger", "the next one is higher than both", func(t *testing.T, w *world) {
			for range 3 {
				w.run()
				w.do("key", "relay-01")
			}
			before := w.highest(t)
			w.rewrite("fence", "1\n")
			w.doubted("state-fence", "fence", "is 1")
			w.run()
			w.undoubted()
			if now := w.highest(t); now != before+1 {
				t.Errorf("fence %d after %d", now, before)
			}
		}},
		{"the state is new, and the hosts hold keys", "a first use is possible, and said", func(t *testing.T, w *world) {
			w.converged()
			w.old = w.kept("relaykey", lab.NewKey)
			w.moved(t)
			w.doubted("state-new", "holds no record")
			w.applyRefused("not in this state's ledger")
			w.doubted("state-elsewhere", "not in this state's ledger") // who was refused has begun no record
			w.forgetRun()
			p, o := w.run()
			if o.Err != nil || len(o.With(state.Proven)) != 1 { // the license is as declared
				t.Errorf("%v", o)
			}
			if !slices.ContainsFunc(p.Fleet, func(f reconciler.Finding) bool { return f.Code == "state-new" }) {
				t.Errorf("the plan of the apply itself does not say so: %+v", p.Fleet)
			}
			w.undoubted()
			w.forget()
			if err := w.keyWorks(w.kept("relaykey", lab.NewKey), w.old); err != nil {
				t.Error(err)
			}
		}},
		{"the state is new, and everything is as declared", "a nightly job is not silently green, until an apply has begun the record", func(t *testing.T, w *world) {
			w.converged()
			w.moved(t)
			delete(w.doc.Secrets, "relayKey")
			w.forgetRun()
			if p := w.doubted("state-new"); !p.Empty() {
				t.Errorf("%+v", p.Changes)
			}
			w.run()
			w.undoubted()
		}},
		{"the ledger of another deployment", "nothing of it is true here", func(t *testing.T, w *world) {
			w.run()
			w.doc.Name = "fabrikam"
			w.lookFails("the ledger is that of lab", "fabrikam")
			w.doc.Name = "lab"
			w.converged()
		}},
		{"the values are a file", "nobody knows what is kept", func(t *testing.T, w *world) {
			w.lose("values")
			w.rewrite("values", "")
			w.damaged("values", "not a folder")
		}},
		{"the values are a link to itself, or to nowhere", "nobody knows what is kept, and no host is blamed", func(t *testing.T, w *world) {
			w.lose("values")
			for _, to := range []string{"values", "nowhere"} {
				if err := os.Symlink(to, w.records("values")); err != nil {
					t.Fatal(err)
				}
				w.damaged("values")
				if err := os.Remove(w.records("values")); err != nil {
					t.Fatal(err)
				}
			}
		}},
		{"a secret's values, or one, are a link to nowhere", "they may be on a volume that is not mounted, and no host is blamed", func(t *testing.T, w *world) {
			w.run()
			for _, name := range []string{"values/relaykey", "values/relaykey/" + lab.NewKey + ".age"} {
				at := w.records(name)
				if err := errors.Join(os.Rename(at, at+".away"), os.Symlink("nowhere", at)); err != nil {
					t.Fatal(err)
				}
				p := w.doubted("state-value-damaged", "leads nowhere")
				if len(p.Blocked()) == 0 || !p.Empty() {
					t.Errorf("%s: it is judged all the same: %+v", name, p.Changes)
				}
				i := slices.IndexFunc(p.Changes, func(c reconciler.Change) bool { return c.Secret.Name == "relaykey" })
				if r := p.Changes[i].Reason; strings.Contains(r, "does not know") || !strings.Contains(r, "may be a kept one which cannot be read") {
					t.Errorf("%s: the hosts are blamed: %s", name, r)
				}
				if err := errors.Join(os.Remove(at), os.Rename(at+".away", at)); err != nil {
					t.Fatal(err)
				}
			}
		}},
		{"what is locked with is no file", "nobody could apply", func(t *testing.T, w *world) {
			for _, name := range []string{"lease.lock", "ledger.lock"} {
				_ = os.Remove(w.records(name))
				if err := os.Mkdir(w.records(name), 0o700); err != nil {
					t.Fatal(err)
				}
				s := w.process()
				if p := s.look().Plan; len(p.Fleet) != 1 || p.Fleet[0].Code != "state-damaged" || !strings.Contains(p.Fleet[0].Text, name) {
					t.Errorf("%+v", p.Fleet)
				}
				s.close()
				if err := os.Remove(w.records(name)); err != nil {
					t.Fatal(err)
				}
			}
			w.converged()
		}},
		{"the values of one secret are a link to itself", "nobody knows what is kept of it", func(t *testing.T, w *world) {
			w.lose("values/relaykey")
			if err := os.Symlink("relaykey", w.records("values/relaykey")); err != nil {
				t.Fatal(err)
			}
			w.doubted("state-value-damaged", "not a folder")
			w.applyRefused("not a folder")
		}},
		{"the values of one secret are a file", "nobody knows what is kept of it", func(t *testing.T, w *world) {
			w.lose("values/relaykey")
			w.rewrite("values/relaykey", "")
			w.doubted("state-value-damaged", "not a folder")
			w.applyRefused("not a folder")
		}},
		{"a value cannot be read", "it is neither kept nor gone", func(t *testing.T, w *world) {
			w.run()
			name := "values/relaykey/" + lab.NewKey + ".age"
			w.lose(name)
			if err := os.Mkdir(w.records(name), 0o700); err != nil {
				t.Fatal(err)
			}
			w.doubted("state-value-damaged", "relaykey "+lab.NewKey)
			w.applyRefused("relaykey " + lab.NewKey)
		}},
		{"a value lies in another's place", "it is not rolled out as that one, and no host is blamed", func(t *testing.T, w *world) {
			w.converged()
			b, err := os.ReadFile(w.records("values/relaykey/" + lab.OldKey + ".age"))
			if err != nil {
				t.Fatal(err)
			}
			w.rewrite("values/relaykey/"+lab.NewKey+".age", string(b))
			p := w.doubted("state-value-damaged", `kept for "relaykey `+lab.OldKey+`"`)
			if f, blamed := finding(p, "target-failed"); blamed {
				t.Errorf("%+v", f)
			}
			w.applyRefused("somebody put it in this one's place")
		}},
		{"an older value is damaged", "what is live is as declared, and somebody is told", func(t *testing.T, w *world) {
			w.converged()
			w.rewrite("values/relaykey/"+lab.OldKey+".age", "no age file")
			if p := w.doubted("state-value-damaged", "relaykey "+lab.OldKey); !p.Empty() || len(p.Blocked()) > 0 {
				t.Errorf("%+v", p.Changes)
			}
		}},
		{"the ledger is damaged", "nothing is judged by it, in whatever way", func(t *testing.T, w *world) {
			w.converged()
			whole := map[string][]byte{}
			for _, name := range []string{"ledger.jsonl", "ledger.head", "fence"} {
				b, err := os.ReadFile(w.records(name))
				if err != nil {
					t.Fatal(err)
				}
				whole[name] = b
			}
			lines := strings.SplitAfter(string(whole["ledger.jsonl"]), "\n")
			for name, touch := range map[string]func(){
				"emptied":     func() { w.rewrite("ledger.jsonl", "") },
				"gone":        func() { w.lose("ledger.jsonl") },
				"without end": func() { w.rewrite("ledger.jsonl", strings.Join(lines[:3], "")) },
				"edited": func() {
					w.rewrite("ledger.jsonl", strings.Replace(string(whole["ledger.jsonl"]), "relaykey", "relaykez", 1))
				},
				"doubled":       func() { w.rewrite("ledger.jsonl", strings.Repeat(string(whole["ledger.jsonl"]), 2)) },
				"without head":  func() { w.lose("ledger.head") },
				"head is noise": func() { w.rewrite("ledger.head", "{") },
				"fence is none": func() { w.rewrite("fence", "many") },
				"fence is last": func() { w.rewrite("fence", "18446744073709551615") },
				"both are gone": func() { w.lose("ledger.jsonl"); w.lose("ledger.head") },
			} {
				touch()
				t.Log(name)
				w.damaged()
				for name, b := range whole {
					w.rewrite(name, string(b))
				}
			}
			w.undoubted()
		}},
		{"the lock cannot be read", "nobody is let in, and the nightly job says so", func(t *testing.T, w *world) {
			w.converged()
			for name, put := range map[string]func(path string) error{
				"noise":            func(path string) error { return os.WriteFile(path, []byte("{"), 0o600) },
				"a folder":         func(path string) error { return os.Mkdir(path, 0o700) },
				"a link to itself": func(path string) error { return os.Symlink("lease.json", path) },
			} {
				if err := put(w.records("lease.json")); err != nil {
					t.Fatal(err)
				}
				t.Log(name)
				w.doubted("state-lock-damaged", "nobody can say by whom")
				w.applyRefused("locked")
				if err := w.state.Lock.Break(t.Context(), 0); err != nil {
					t.Error(err)
				}
				w.undoubted()
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			t.Log(c.reason)
			virtual(t, func(t *testing.T) { c.run(t, newWorld(t, 2)) })
		})
	}
}

// highest is the highest fence of the ledger.
func (w *world) highest(t *testing.T) uint64 {
	t.Helper()
	entries, err := w.state.Ledger.Entries(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return state.NewHistory(entries).Fence()
}

// forget lets go of values that were kept: others are now.
func (w *world) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.opened)
}

// moved is the same deployment with an empty state folder.
func (w *world) moved(t *testing.T) {
	t.Helper()
	doc := *w.doc
	doc.State.Dir = filepath.Join(t.TempDir(), "new")
	w.doc = &doc
	var err error
	if w.state, err = connect.State(w.doc); err != nil {
		t.Fatal(err)
	}
}

// damaged demands that the record is not believed: a finding, drift, no secret judged, nothing applied.
func (w *world) damaged(words ...string) {
	w.t.Helper()
	p := w.doubted("state-damaged", words...)
	if len(p.Blocked()) != len(p.Changes) || !p.Empty() || len(p.Seen) > 0 {
		w.t.Errorf("it is judged all the same: %+v", p.Changes)
	}
	if session.Stuck(p) == nil {
		w.t.Error("nothing keeps it from being applied")
	}
	w.applyRefused(words...)
}

// lookFails demands an error instead of a plan.
func (w *world) lookFails(words ...string) {
	w.t.Helper()
	s := w.process()
	defer s.close()
	_, err := s.Look(w.t.Context())
	says(w.t, err, words...)
	hinted(w.t, err)
	if _, err := s.Apply(w.t.Context(), session.Unblocked); err == nil {
		w.t.Error("and it is applied")
	}
}
