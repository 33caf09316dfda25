package providers_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/providers/rotations/codesigning"
	"meshrotate/providers/winhost"
	"meshrotate/reconciler"
	"meshrotate/state"
)

// A connector that is signed with the old certificate is deployed when the run has begun: nobody was stopped, everything is as before.
func TestConnectorDeployedMeanwhile(t *testing.T) {
	t.Parallel()
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 2, "codesigning")
		old, next := lab.Certificates()
		w.settlesOn(old, next)
		w.redeploys(next, w.lab.Relays...)
		w.declares(next)
		disk := w.lab.Relays[1].Machine.FS.(*machine.Memory)
		stops := before(w.lab.Relays[1], "file.stage", func() { disk.Write(lab.ConnectorFolder+`\late.dll`, lab.Connector("1", old)) })
		_, o := w.run()
		if o.Err == nil || !strings.Contains(o.Err.Error(), "late.dll") || stops.stops.Load() != 0 || len(o.With(state.Back)) != 1 {
			t.Errorf("%v; %d stops", o, stops.stops.Load())
		}
		if err := w.acceptsOnly(old, next); err != nil {
			t.Error(err)
		}
	})
}

// What is wrong with a connector, or with a list, is said of it.
func TestConnectorFindings(t *testing.T) {
	t.Parallel()
	old, next := lab.Certificates()
	gone := lab.Certificate("Expired", time.Date(1999, 6, 1, 0, 0, 0, 0, time.UTC))
	gone.Stamped = false
	stamped := gone
	stamped.Stamped = true
	file := lab.RelayConnectors()[0]
	for _, c := range []struct {
		name, code, text string
		do               func(w *world, h *lab.Host) error
	}{
		{"unsigned", "connector-unsigned", file, func(w *world, h *lab.Host) error { return w.lab.Deploy(h, map[string][]byte{file: lab.Connector("2")}) }},
		{"tampered", "connector-tampered", file, func(w *world, h *lab.Host) error {
			return w.lab.Deploy(h, map[string][]byte{file: machine.Signed(winhost.TrustTampered, "2", old)})
		}},
		{"of an authority that the host does not trust", "connector-untrusted", file, func(w *world, h *lab.Host) error {
			return w.lab.Deploy(h, map[string][]byte{file: machine.Signed(winhost.TrustRoot, "2", old)})
		}},
		{"of one whose chain ends nowhere", "connector-untrusted", file, func(w *world, h *lab.Host) error {
			return w.lab.Deploy(h, map[string][]byte{file: machine.Signed(winhost.TrustChain, "2", old)})
		}},
		{"revoked", "connector-unjudged", file, func(w *world, h *lab.Host) error {
			return w.lab.Deploy(h, map[string][]byte{file: machine.Signed(0x800b010c, "2", old)})
		}},
		{"revoked, while its list loses another certificate", "connector-unjudged", file, func(w *world, h *lab.Host) error {
			if err := w.lab.SetThumbprints(h, old.SHA1, gone.SHA1); err != nil {
				return err
			}
			return w.lab.Deploy(h, map[string][]byte{file: machine.Signed(0x800b010c, "2", old)})
		}},
		{"expired without a timestamp", "connector-expired", file, func(w *world, h *lab.Host) error {
			return w.lab.Deploy(h, map[string][]byte{file: lab.Connector("2", gone)})
		}},
		{"expired with a timestamp", "", "", func(w *world, h *lab.Host) error {
			w.declares(old, next, stamped)
			return w.lab.Deploy(h, map[string][]byte{file: lab.Connector("2", stamped)})
		}},
		{"two signatures", "connector-signed-twice", file, func(w *world, h *lab.Host) error {
			return w.lab.Deploy(h, map[string][]byte{file: lab.Connector("2", old, next)})
		}},
		{"of nobody", "connector-not-accepted", file, func(w *world, h *lab.Host) error { _, err := w.lab.Break("signer", h.Name); return err }},
		{"no folder", "connectors-unseen", "there is no folder", func(w *world, h *lab.Host) error {
			return w.lab.Deploy(h, map[string][]byte{file: nil, lab.RelayConnectors()[1]: nil})
		}},
		{"spelled with colons", "thumbprint-not-found", "spells " + old.SHA1[:4], func(w *world, h *lab.Host) error {
			colons := strings.TrimSuffix(strings.Join(strings.SplitAfter(old.SHA1, ""), ":"), ":")
			return w.lab.SetThumbprints(h, old.SHA1, colons)
		}},
		{"a SHA-256", "thumbprint-not-found", "SHA-256", func(w *world, h *lab.Host) error { return w.lab.SetThumbprints(h, old.SHA1, old.SHA256) }},
		{"no thumbprint", "thumbprint-not-found", "no thumbprint", func(w *world, h *lab.Host) error { return w.lab.SetThumbprints(h, old.SHA1, "TODO") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 2, "codesigning")
				h := w.lab.Relays[1]
				if err := c.do(w, h); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Minute)
				change := w.planned().Changes[0]
				if c.code == "" {
					for _, f := range change.Findings {
						if strings.HasPrefix(string(f.Code), "connector-") {
							t.Errorf("%+v", f)
						}
					}
				} else if f := findingOf(change, c.code); f == nil || f.Severity != reconciler.Warning || !strings.Contains(f.Text, c.text) || !slices.Equal(f.Hosts, []string{h.Name}) {
					t.Errorf("%+v", change.Findings)
				}
				if change.Status != reconciler.Rotate {
					t.Errorf("it is %s: %+v", change.Status, change.Findings)
				}
				if c.code != "thumbprint-not-found" {
					return
				}
				if _, o := w.run(); o.Err != nil {
					t.Fatal(o)
				}
				if err := w.acceptsOnly(old, next); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// Nothing is retired while it is not known what the connectors are signed with.
func TestRetireNeedsToSee(t *testing.T) {
	t.Parallel()
	old, next := lab.Certificates()
	for name, do := range map[string]func(w *world, h *lab.Host) error{
		"no folder": func(w *world, h *lab.Host) error {
			return w.lab.Deploy(h, map[string][]byte{lab.RelayConnectors()[0]: nil, lab.RelayConnectors()[1]: nil})
		},
		"a connector that is held": func(w *world, h *lab.Host) error {
			_, err := h.Machine.FS.(*machine.Memory).Hold(lab.ConnectorFolder+`\`+lab.RelayConnectors()[0], machine.ShareNone)
			return err
		},
		"a connector that lies deeper": func(w *world, h *lab.Host) error {
			h.Machine.FS.(*machine.Memory).Write(lab.ConnectorFolder+`\hr\hr.dll`, lab.Connector("1", old))
			return nil
		},
		"a relay that is away": func(w *world, h *lab.Host) error { h.Unplug(true); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 2, "codesigning")
				w.settlesOn(old, next)
				w.redeploys(next, w.lab.Relays...)
				w.declares(next)
				if err := do(w, w.lab.Relays[1]); err != nil {
					t.Fatal(err)
				}
				stops := counting(w.lab.Relays[0])
				p, o := w.run()
				if len(o.Secrets) > 0 || len(p.Blocked()) != 1 || stops.stops.Load() != 0 {
					t.Errorf("%v, %+v", o, p.Changes[0].Findings)
				}
			})
		})
	}
}

// A relay that is declared to have no connectors loses a certificate all the same.
func TestRetireWhereThereAreNoConnectors(t *testing.T) {
	t.Parallel()
	virtual(t, func(t *testing.T) {
		old, next := lab.Certificates()
		w := newWorld(t, 2, "codesigning")
		w.settlesOn(old, next)
		w.redeploys(next, w.lab.Relays[0])
		bare := w.lab.Relays[1]
		if err := w.lab.Deploy(bare, map[string][]byte{lab.RelayConnectors()[0]: nil, lab.RelayConnectors()[1]: nil}); err != nil {
			t.Fatal(err)
		}
		w.declares(next)
		w.doc.Secrets["codeSigning"].(*codesigning.Spec).Connectors.None = []string{bare.Name}
		if _, o := w.run(); len(o.With(state.Proven)) != 1 || slices.Contains(w.lab.Accepting(bare), old.SHA1) {
			t.Errorf("%+v", o)
		}
	})
}

// Three hundred relays with fifty connectors each, commit by commit: every run takes one process per relay, for the look, the work and
// the proof. Retiring too early is refused with the one relay and the one file that need the old certificate.
func TestThreeHundredRelaysOfConnectors(t *testing.T) {
	t.Parallel()
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 300, "codesigning")
		old, next := lab.Certificates()
		files := map[string][]byte{}
		for i := range 48 {
			files[fmt.Sprintf("more-%02d.dll", i)] = lab.Connector(fmt.Sprint(i), old)
		}
		for _, h := range w.lab.Relays {
			if err := w.lab.Deploy(h, files); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Minute)
		run := func() (*reconciler.Plan, reconciler.Outcome) {
			t.Helper()
			before := w.lab.Stats()
			p, o := w.run()
			after := w.lab.Stats()
			if n := after.MostProcesses - before.MostProcesses; o.Err != nil || n != 1 {
				t.Errorf("%d processes on a relay: %v", n, o)
			}
			return p, o
		}
		p, _ := run()
		use := findingOf(p.Changes[0], "thumbprint-use")
		if use == nil || !slices.ContainsFunc(p.Changes[0].Findings, func(f reconciler.Finding) bool {
			return f.Text == old.SHA1+": 15000 connectors signed with it, on 300 relays"
		}) {
			t.Errorf("%+v", p.Changes[0].Findings)
		}
		if err := w.acceptsOnly(old, next); err != nil {
			t.Error(err)
		}
		w.redeploys(next, w.lab.Relays...)
		last := w.lab.Relays[170]
		for i := range 48 {
			files[fmt.Sprintf("more-%02d.dll", i)] = lab.Connector(fmt.Sprint(i), next)
		}
		for _, h := range w.lab.Relays {
			mine := maps.Clone(files)
			if h == last {
				mine["more-31.dll"] = lab.Connector("31", old)
			}
			if err := w.lab.Deploy(h, mine); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Minute)
		w.declares(next)
		p, _ = run()
		f := findingOf(p.Changes[0], "thumbprint-in-use")
		if p.Changes[0].Status != reconciler.Refused || f == nil || !slices.Equal(f.Hosts, []string{last.Name}) || !strings.Contains(f.Text, "more-31.dll") {
			t.Errorf("%s: %+v", p.Changes[0].Status, f)
		}
		if err := w.lab.Deploy(last, files); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if _, o := run(); len(o.With(state.Proven)) != 1 {
			t.Errorf("%+v", o)
		}
		if err := w.acceptsOnly(next); err != nil {
			t.Error(err)
		}
		if p := w.planned(); !p.Empty() {
			t.Errorf("%+v", p.Changes)
		}
	})
}
