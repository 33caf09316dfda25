package providers_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/providers/rotations/codesigning"
	"meshrotate/providers/winhost"
	"meshrotate/reconciler"
	"meshrotate/reconciler/render"
	"meshrotate/reconciler/rotationtest"
	"meshrotate/specs"
	"meshrotate/state"
)

// declares lets the document ask for these certificates.
func (w *world) declares(certificates ...winhost.Signer) {
	spec := *w.doc.Secrets["codeSigning"].(*codesigning.Spec)
	spec.Thumbprints = nil
	for _, c := range certificates {
		spec.Thumbprints = append(spec.Thumbprints, codesigning.Certificate{SHA1: specs.Thumbprint(c.SHA1)})
	}
	w.doc.Secrets["codeSigning"] = &spec
}

// redeploys gives relays connectors that are signed with a certificate.
func (w *world) redeploys(signer winhost.Signer, relays ...*lab.Host) {
	w.t.Helper()
	for _, h := range relays {
		if err := w.lab.Redeploy(h, "signed with "+signer.SHA1, signer); err != nil {
			w.t.Fatal(err)
		}
	}
	w.await("the relays connect", func() bool { return w.lab.Connected() == len(w.lab.Relays) })
	time.Sleep(time.Minute)
}

// settlesOn demands that a run ends well, that the next has nothing to do, and that these certificates are accepted, and loaded.
func (w *world) settlesOn(certificates ...winhost.Signer) {
	w.t.Helper()
	if p, o := w.run(); o.Err != nil || len(o.Left) > 0 || len(p.Blocked()) > 0 {
		w.t.Fatalf("%v, left %v, blocked %+v", o, o.Left, p.Blocked())
	}
	if p := w.planned(); !p.Empty() || len(p.Blocked()) > 0 {
		w.t.Errorf("a further run plans %d steps: %+v", len(p.Steps()), p.Changes)
	}
	if err := w.acceptsOnly(certificates...); err != nil {
		w.t.Error(err)
	}
	if err := w.up(); err != nil {
		w.t.Error(err)
	}
}

func (w *world) acceptsOnly(certificates ...winhost.Signer) error {
	var want []string
	for _, c := range certificates {
		want = append(want, c.SHA1)
	}
	slices.Sort(want)
	for _, h := range w.lab.Relays {
		if got := slices.Sorted(slices.Values(w.lab.Accepting(h))); !slices.Equal(got, want) {
			return fmt.Errorf("%s accepts %v, and not %v", h.Name, got, want)
		}
	}
	return w.loaded()
}

// findingOf is the first finding with a code, nil when there is none.
func findingOf(c reconciler.Change, code string) *reconciler.Finding {
	if i := slices.IndexFunc(c.Findings, func(f reconciler.Finding) bool { return string(f.Code) == code }); i >= 0 {
		return &c.Findings[i]
	}
	return nil
}

// The overlap, commit by commit: widened, deployed by and by, refused while one connector needs the old certificate, retired.
func TestCertificatesOverlap(t *testing.T) {
	t.Parallel()
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 3, "codesigning")
		old, next := lab.Certificates()
		one, two, three := w.lab.Relays[0], w.lab.Relays[1], w.lab.Relays[2]

		w.declares(old)
		if p := w.planned(); !p.Empty() || p.Changes[0].Status != reconciler.AsDeclared {
			t.Fatalf("as it was delivered: %+v", p.Changes[0])
		}
		w.declares(old, next)
		if c := w.planned().Changes[0]; c.Before != old.SHA1[:4] || c.Secret.Version != strings.Join(slices.Sorted(slices.Values([]string{old.SHA1[:4], next.SHA1[:4]})), "+") {
			t.Errorf("from %s to %s", c.Before, c.Secret.Version)
		}
		w.settlesOn(old, next)

		w.redeploys(next, one, two)
		last := lab.RelayConnectors()[1]
		if err := w.lab.Deploy(two, map[string][]byte{last: lab.Connector("1", old)}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		w.declares(next)
		stops := counting(two)
		p, o := w.run()
		c := p.Changes[0]
		if c.Status != reconciler.Refused || len(o.Secrets) > 0 || stops.stops.Load() != 0 {
			t.Errorf("retired while it is used: %s, %v", c.Status, o)
		}
		for host, file := range map[string]string{two.Name: last, three.Name: lab.RelayConnectors()[0]} {
			if !slices.ContainsFunc(c.Findings, func(f reconciler.Finding) bool {
				return f.Code == "thumbprint-in-use" && strings.HasPrefix(f.Text, host) && strings.Contains(f.Text, file) && strings.Contains(f.Text, old.SHA1)
			}) {
				t.Errorf("%s on %s is not named: %+v", file, host, c.Findings)
			}
		}
		if err := w.acceptsOnly(old, next); err != nil {
			t.Error(err)
		}

		w.redeploys(next, two, three)
		w.settlesOn(next)
		w.declares(next, old)
		w.settlesOn(next, old) // a version that was there before
		rotationtest.Search(t, w.secrets(), w.said())
	})
}

// narrowing is a world in which the old certificate is to be retired, and nothing is signed with it.
func narrowing(t *testing.T) *rotationtest.World {
	w := newWorld(t, 2, "codesigning")
	old, next := lab.Certificates()
	w.declares(old, next)
	w.settlesOn(old, next)
	w.redeploys(next, w.lab.Relays...)
	w.declares(next)
	r := &rotationtest.World{
		Deployment: w.doc, Rotations: w.rotations(), Open: w.open, State: w.state,
		Old: func() error { return w.acceptsOnly(old, next) }, New: func() error { return w.acceptsOnly(next) },
		Up: w.up, Sound: w.sound, Together: w.together, Secrets: w.secrets, Said: w.said, Points: w.points, Arm: w.arm,
	}
	w.watch()
	return r
}

// A certificate is retired whatever dies when, and no relay refuses a connector meanwhile.
func TestCertificatesRetire(t *testing.T) {
	t.Parallel()
	rotationtest.Run(t, rotationtest.Fixture{New: narrowing, Virtual: true, Sample: sample})
}

// A relay whose key is due as well stops once for both.
func TestOneStopForKeyAndCertificate(t *testing.T) {
	t.Parallel()
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 2, "relaykey", "codesigning")
		var relays []*counts
		for _, h := range w.lab.Relays {
			relays = append(relays, counting(h))
		}
		old, next := lab.Certificates()
		w.settlesOn(old, next)
		for i, c := range relays {
			if n := c.stops.Load(); n != 1 {
				t.Errorf("%s stopped %d times", w.lab.Relays[i].Name, n)
			}
		}
		if err := w.keyWorks(w.kept("relaykey", lab.NewKey), w.old); err != nil {
			t.Error(err)
		}
	})
}

// Certificates and a license share the switch with what else is due: whoever stops does so once, no proof of one is made false by
// the restart of another, and nothing is left for a second run.
func TestOneStopForLicenseAndCertificate(t *testing.T) {
	t.Parallel()
	vendor()
	for _, c := range []struct {
		kinds         []string
		admin, engine int32
		down          bool // Admin, before the run
	}{
		{[]string{"license", "codesigning"}, 0, 1, false},
		{[]string{"license", "codesigning"}, 0, 1, true},
		{[]string{"license", "relaykey", "codesigning"}, 1, 1, false},
		{[]string{"license", "relaykey", "sqllogin/single", "codesigning"}, 1, 1, false},
		{[]string{"license", "relaykey", "sqllogin/alternating", "codesigning", "serviceaccount", "connector"}, 1, 1, false},
	} {
		t.Run(fmt.Sprint(c.kinds, c.down), func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 3, c.kinds...)
				if c.down {
					w.do("stop", "im-admin")
					w.await("it is down", func() bool { return w.lab.Admin.Machine.Service(lab.AdminService).State == "stopped" })
				}
				want := map[*lab.Host]int32{w.lab.Admin: c.admin, w.lab.EngineHost: c.engine}
				got := map[*lab.Host]*counts{}
				for _, h := range w.lab.Relays {
					want[h] = 1
				}
				for h := range want {
					got[h] = counting(h)
				}
				p, o := w.run()
				if o.Err != nil || len(p.Blocked()) > 0 || len(o.With(state.Proven)) != len(p.Changes) || len(o.Left)+len(o.Down) > 0 {
					t.Errorf("%v; %+v", o, p.Blocked())
				}
				for h, n := range want {
					if s := got[h].stops.Load(); s != n && !(c.down && h == w.lab.Admin) {
						t.Errorf("%s stopped %d times, not %d", h.Name, s, n)
					}
				}
				w.settled()
			})
		})
	}
}

// What stands in a file is not accepted before the process has read it.
func TestAcceptedMeansLoaded(t *testing.T) {
	t.Parallel()
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 2, "codesigning")
		old, next := lab.Certificates()
		time.Sleep(time.Minute)
		if err := w.lab.SetThumbprints(w.lab.Relays[1], old.SHA1, next.SHA1); err != nil {
			t.Fatal(err)
		}
		w.declares(old, next)
		first, second := counting(w.lab.Relays[0]), counting(w.lab.Relays[1])
		p := w.planned()
		staged := 0
		for _, s := range p.Steps() {
			if s.Op.Kind() == "stage-settings" {
				staged++
			}
		}
		if c := p.Changes[0]; c.Status != reconciler.Rotate || staged != 1 {
			t.Errorf("%d files are edited: %s", staged, c.Reason)
		}
		w.settlesOn(old, next)
		if first.stops.Load() != 1 || second.stops.Load() != 1 {
			t.Errorf("%d and %d stops", first.stops.Load(), second.stops.Load())
		}
	})
}

// Somebody takes a certificate off the lists and starts no relay again. A restart of ours would make the relays refuse what they have;
// and once somebody else has started them, that is drift.
func TestTrustThatOnlyTheProcessHas(t *testing.T) {
	t.Parallel()
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 2, "codesigning")
		old, next := lab.Certificates()
		w.settlesOn(old, next)
		time.Sleep(time.Minute)
		for _, h := range w.lab.Relays {
			if err := w.lab.SetThumbprints(h, next.SHA1); err != nil {
				t.Fatal(err)
			}
		}
		w.declares(next)
		stops := counting(w.lab.Relays[0])
		p, o := w.run()
		f := findingOf(p.Changes[0], "thumbprint-in-use")
		if p.Changes[0].Status != reconciler.Refused || f == nil || !slices.Equal(f.Hosts, []string{w.lab.Relays[0].Name, w.lab.Relays[1].Name}) ||
			!strings.Contains(f.Text, lab.RelayConnectors()[0]) || len(o.Secrets) > 0 || stops.stops.Load() > 0 {
			t.Errorf("%s, %+v; %v", p.Changes[0].Status, p.Changes[0].Findings, o)
		}
		for _, h := range w.lab.Relays {
			h.Machine.Reboot()
		}
		w.await("the relays are back", func() bool { return w.lab.Connected() == len(w.lab.Relays) })
		time.Sleep(time.Minute)
		p = w.planned()
		if !p.Empty() || len(p.Blocked()) > 0 || !render.StatusOf(p, state.NewHistory(nil), 0, "").Drifted {
			t.Errorf("%+v", p.Changes)
		}
		w.declares(next, old)
		w.settlesOn(next, old)
	})
}

// Whether a process has read its file is the same for every secret in it: what one rotation has written and proven, another one knows,
// though something about the file was changed since, by a backup.
func TestBackupAfterAnotherRotation(t *testing.T) {
	t.Parallel()
	old, next := lab.Certificates()
	for name, declared := range map[string][]winhost.Signer{"the key was rotated": {old}, "the certificates were": {old, next}} {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 2, "relaykey", "codesigning")
				w.declares(old)
				w.settlesOn(old)
				time.Sleep(time.Hour)
				if len(declared) > 1 {
					w.declares(declared...)
					w.settlesOn(declared...)
				}
				time.Sleep(time.Hour)
				backup := func() {
					for _, h := range w.lab.Relays {
						if err := h.Machine.FS.(*machine.Memory).Set(lab.RelaySettings, func(*machine.Info) {}); err != nil {
							t.Fatal(err)
						}
					}
				}
				backup()
				if p := w.planned(); !p.Empty() {
					t.Errorf("after a backup: %+v", p.Changes)
				}
				for _, h := range w.lab.Relays { // and another process since, of the same content
					restarted(w, h, lab.RelayService)
				}
				time.Sleep(time.Hour)
				backup()
				if p := w.planned(); !p.Empty() {
					t.Errorf("after a restart and a backup: %+v", p.Changes)
				}
			})
		})
	}
}
