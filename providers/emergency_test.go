package providers_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/providers/values"
	"meshrotate/reconciler"
	"meshrotate/reconciler/render"
	"meshrotate/reconciler/rotationtest"
	"meshrotate/reconciler/secret"
	"meshrotate/specs"
	"meshrotate/state"
)

// replace is what `rotate --compromised` does once the document has another version.
func (w *world) replace(secret, why string) (*reconciler.Plan, reconciler.Outcome) {
	w.t.Helper()
	s := w.process()
	defer s.close()
	s.Replace(reconciler.Emergency{Secret: secret, Why: why})
	return s.apply(nil)
}

// An emergency touches the secret that others know. What else is due stays as it is, also where a guard would refuse it, and is named.
func TestEmergencyOfOneOfMany(t *testing.T) {
	t.Parallel()
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 1, "connector", "license")
		refs := w.lab.Refs()
		spec := w.connectorSpec()
		spec.Secrets[1].From.File = "nobody-has-it" // nothing refuses for what is not compromised
		p, o := w.replace("connector:"+refs[0], "posted in a ticket")
		if o.Err != nil || len(p.Changes) != 1 {
			t.Fatalf("%v, %+v", o.Err, p.Changes)
		}
		_, next := w.lab.ConnectorSecrets(refs[0])
		if got, _, _ := w.lab.Stored(refs[0]); got != next {
			t.Error("what others know is stored still")
		}
		if got, _, _ := w.lab.Stored(refs[1]); got == w.connectorNext(refs[1]) {
			t.Error("another secret that is due was set as well")
		}
		if err := w.licensed(lab.OldLicense); err != nil {
			t.Error(err)
		}
		i := slices.IndexFunc(p.Fleet, func(f reconciler.Finding) bool { return f.Code == "due-and-left" })
		if i < 0 {
			t.Fatalf("what else is due is not named: %+v", p.Fleet)
		}
		for _, name := range []string{"connector:" + refs[1] + " " + lab.NewConnector, "license " + lab.NewLicense} {
			if f := p.Fleet[i]; !strings.Contains(f.Text, name) || f.Hint == "" || f.Severity != reconciler.Note {
				t.Errorf("%s is not named: %+v", name, f)
			}
		}
	})
}

// connectorNext is the value of a connector's secret that is declared.
func (w *world) connectorNext(ref string) string {
	_, next := w.lab.ConnectorSecrets(ref)
	return next
}

// keepOf keeps a value that no secret of the document has.
func (w *world) keepOf(name, version, value string) string {
	w.t.Helper()
	if err := values.NewKeep(w.state.Values, w.seal).Put(w.t.Context(), secret.Ref{Name: name, Version: version}, secret.NewString(value)); err != nil {
		w.t.Fatal(err)
	}
	return value
}

// evidence is what the ledger tells of an emergency.
func (w *world) evidence(secret string) state.Evidence {
	w.t.Helper()
	entries, err := w.state.Ledger.Entries(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	v, ok := state.EvidenceOf(entries, secret)
	if !ok {
		w.t.Fatalf("no emergency of %s is on record", secret)
	}
	return v
}

// A backup that an earlier run made, which was killed, and on a host that nobody has come to since, is named in the evidence: it holds
// what others know.
func TestEvidenceOfABackupOfAnEarlierRun(t *testing.T) {
	t.Parallel()
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 2, "relaykey")
		away := w.relay(2)
		w.killed(away, "file.swap", machine.After)
		away.Points(nil)
		time.Sleep(10 * time.Minute)
		away.Unplug(true)
		w.doc.Policy.Unreachable.Tolerate = []string{away.Name}
		if _, o := w.replace("relaykey", "posted"); o.Err != nil {
			t.Fatal(o.Err)
		}
		v := w.evidence("relaykey")
		i := slices.IndexFunc(v.Places, func(p state.Place) bool {
			return strings.HasPrefix(p.Place, "the backup of IdentityMeshRelayAgent") && slices.Contains(p.Hosts, away.Name)
		})
		if i < 0 || v.Places[i].Became != state.Started {
			t.Errorf("the backup on %s is not named: %+v", away.Name, v.Places)
		}
		if first := v.Entries[0]; !strings.Contains(first.Step, "swap") || !slices.Contains(first.Hosts, away.Name) || first.Hash == "" {
			t.Errorf("the entry that says so is not among them: %+v", first)
		}
		away.Unplug(false)
		if _, o := w.run(); o.Err != nil {
			t.Fatal(o.Err)
		}
		for _, p := range w.evidence("relaykey").Places {
			if p.Became != state.Done && p.Became != state.Gone {
				t.Errorf("it came back: %+v", p)
			}
		}
	})
}

// Copies of a settings file that somebody made have the key, too. No rotation takes it out of them: the evidence names them.
func TestEvidenceOfCopies(t *testing.T) {
	t.Parallel()
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 2, "relaykey")
		h := w.relay(1)
		b, _, err := h.Machine.FS.Read(h.Settings())
		if err == nil {
			err = h.Write(h.Settings()+".bak", b)
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, o := w.replace("relaykey", "posted"); o.Err != nil {
			t.Fatal(o.Err)
		}
		v := w.evidence("relaykey")
		i := slices.IndexFunc(v.Places, func(p state.Place) bool { return strings.HasPrefix(p.Place, "appsettings.json.bak beside ") })
		if i < 0 || v.Places[i].Became != state.Untouched || !slices.Equal(v.Places[i].Hosts, []string{h.Name}) {
			t.Errorf("the copy is not named: %+v", v.Places)
		}
	})
}

// Whoever writes why may write the value beside it. It is in no plan, outcome, ledger or evidence, in whatever format: process.close looks
// for it there.
func TestWhyHoldsNoValue(t *testing.T) {
	for _, c := range []struct {
		secret string
		value  func(w *world) string
	}{
		{"relaykey", func(w *world) string { return w.old }},
		{"sqllogin", func(w *world) string { return w.lab.SQLPasswords()[lab.SQLLogin] }},
		{"connector", func(w *world) string { return w.connectorNext(w.lab.Refs()[0]) }},
		{"the account of meshrotate", func(w *world) string { return w.lab.Password }},
		{"a kept value of another secret", func(w *world) string { return w.kept("sqllogin", lab.OldLogin) }},
		{"a kept value of no declared secret", func(w *world) string { return w.keepOf("codesigning:password", "E4384D27", "a password of no PFX") }},
		{"a declared value of another", func(w *world) string { return w.connectorNext(w.lab.Refs()[0]) }},
	} {
		t.Run(c.secret, func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 1, "relaykey", "sqllogin", "connector")
				why := "posted as " + c.value(w) + " in ticket 4711"
				name := c.secret
				if name == "connector" {
					name += ":" + w.lab.Refs()[0]
				} else if !slices.Contains([]string{"relaykey", "sqllogin"}, name) {
					name = "relaykey"
				}
				w.doc.Policy.Silence = []specs.Silence{{Finding: "host-records", Host: w.relay(1).Name, Why: why, Until: "2099-12-31"}}
				w.do("record", w.relay(1).Name)
				w.doc.Policy.Suspend = &specs.Suspension{Until: "2099-12-31", Why: why}
				w.planned()
				p, o := w.replace(name, why)
				if o.Err != nil {
					t.Fatal(o.Err)
				}
				if got := p.Changes[0].Compromised; got != "posted as [secret] in ticket 4711" {
					t.Errorf("why is as it was typed, or lost: %q", got)
				}
				if len(o.With(state.Proven)) == 0 {
					t.Fatalf("%+v", p.Changes)
				}
				v := w.evidence(name)
				var said bytes.Buffer
				for _, f := range render.Formats() {
					if err := render.Write(&said, render.Style{Format: f, Width: 300}, render.EvidenceOf("lab", v, nil)); err != nil {
						t.Fatal(err)
					}
				}
				all := w.said()
				all["the evidence"] = said.Bytes()
				rotationtest.Search(t, w.secrets(), all)
			})
		})
	}
}
