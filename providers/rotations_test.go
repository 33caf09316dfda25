package providers_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"meshrotate/providers"
	"meshrotate/providers/lab"
	"meshrotate/providers/licensefile"
	"meshrotate/reconciler/rotationtest"
)

// keyWorks: exactly this key works, on all relays.
func (w *world) keyWorks(key, dead string) error {
	switch {
	case key == "":
		return fmt.Errorf("there is no key")
	case !w.lab.Accepts(key):
		return fmt.Errorf("the key is not accepted")
	case dead != "" && w.lab.Accepts(dead):
		return fmt.Errorf("the other key is accepted")
	case w.lab.Connected() != len(w.lab.Relays):
		return fmt.Errorf("%d of %d relays are connected", w.lab.Connected(), len(w.lab.Relays))
	}
	for host, k := range w.lab.Keys() {
		if k != key {
			return fmt.Errorf("%s runs with another key", host)
		}
	}
	return nil
}

// licensed: this file is on both hosts, both run with it, and no other file is beside it.
func (w *world) licensed(version string) error {
	want, err := os.ReadFile(filepath.Join(w.dir, "licenses", version+".key"))
	if err != nil {
		return err
	}
	for _, h := range []*lab.Host{w.lab.Admin, w.lab.EngineHost} {
		b, info, err := h.Machine.FS.Read(lab.LicenseFile)
		if err != nil || !bytes.Equal(b, want) {
			return fmt.Errorf("%s has another license (%v)", h.Name, err)
		}
		if s := h.Machine.Service(lab.EngineService); s.Installed && s.StartedAt.Before(info.Modified) && version == lab.NewLicense {
			return fmt.Errorf("%s runs since before its license", h.Name)
		}
	}
	parsed, err := licensefile.Parse(want)
	if err != nil {
		return err
	}
	if served := w.lab.Served(); served == nil || !served.Expires.Equal(parsed.Expires) {
		return fmt.Errorf("Admin serves another license")
	}
	return nil
}

// proofs say what works, by kind: before and after its rotation. A kind without one is not tested, which is an error.
var proofs = map[string]struct{ old, new func(*world) error }{
	"relaykey": {
		func(w *world) error { return w.keyWorks(w.old, "") },
		func(w *world) error { return w.keyWorks(w.kept("relaykey", lab.NewKey), w.old) },
	},
	"sqllogin": {
		func(w *world) error { return w.signsIn(lab.OldLogin) },
		func(w *world) error { return w.signsIn(lab.NewLogin) },
	},
	"serviceaccount": {
		func(w *world) error { return w.logsOn(false) },
		func(w *world) error { return w.logsOn(true) },
	},
	"connector": {
		func(w *world) error { return w.connects(lab.OldConnector) },
		func(w *world) error { return w.connects(lab.NewConnector) },
	},
	"codesigning": {
		func(w *world) error { return w.accepts(false) },
		func(w *world) error { return w.accepts(true) },
	},
	"license": {
		func(w *world) error { return w.licensed(lab.OldLicense) },
		func(w *world) error { return w.licensed(lab.NewLicense) },
	},
}

// fixture makes worlds of these kinds, in memory or on a wire.
func fixture(make func(*testing.T, int, ...string) *world, kinds ...string) func(t *testing.T) *rotationtest.World {
	return func(t *testing.T) *rotationtest.World {
		w := make(t, 2, kinds...)
		all := func(of func(string) func(*world) error) func() error {
			return func() error {
				for _, k := range kinds {
					if err := of(kindOf(k))(w); err != nil {
						return fmt.Errorf("%s: %w", k, err)
					}
				}
				return nil
			}
		}
		r := &rotationtest.World{
			Deployment: w.doc, Rotations: w.rotations(), Open: w.open, State: w.state,
			Old: all(func(k string) func(*world) error { return proofs[k].old }),
			New: all(func(k string) func(*world) error { return proofs[k].new }),
			Up:  w.up, Sound: w.sound, Together: w.together, Secrets: w.secrets, Said: w.said,
		}
		if w.memory {
			r.Points, r.Arm = w.points, w.arm
			w.watch()
		}
		return r
	}
}

// TestRotations runs the conformance suite in full on every kind alone, and on all together, in memory.
func TestRotations(t *testing.T) {
	t.Parallel()
	vendor()
	var every []string
	for _, k := range providers.Kinds() {
		every = append(every, k.Name)
		if _, known := proofs[k.Name]; !known {
			t.Errorf("%s: no proof says when it works: it would not be tested", k.Name)
			continue
		}
		t.Run(k.Name, func(t *testing.T) {
			t.Parallel()
			rotationtest.Run(t, rotationtest.Fixture{New: fixture(newWorld, k.Name), Virtual: true, Sample: sample})
		})
	}
	for _, mode := range []string{"single", "external"} {
		t.Run("sqllogin-"+mode, func(t *testing.T) {
			t.Parallel()
			rotationtest.Run(t, rotationtest.Fixture{New: fixture(newWorld, "sqllogin/"+mode), Virtual: true, Sample: sample})
		})
	}
	for _, mode := range []string{"alternating", "single"} { // users of a database that two replicas share, tried from the hosts too
		contained := func(t *testing.T, relays int, kinds ...string) *world {
			w := newWorldAt(t, lab.Config{Relays: relays, Memory: true, Login: mode, Replicas: 2, Contained: true}, kinds...)
			w.loginSpec().ProveFrom = "hosts"
			return w
		}
		t.Run("sqllogin-contained-"+mode, func(t *testing.T) {
			t.Parallel()
			rotationtest.Run(t, rotationtest.Fixture{New: fixture(contained, "sqllogin/"+mode), Virtual: true, Sample: max(sample, 10)})
		})
	}
	for _, mode := range []string{"before", "after"} {
		t.Run("connector-hook-"+mode, func(t *testing.T) {
			t.Parallel()
			rotationtest.Run(t, rotationtest.Fixture{New: fixture(newWorld, "connector/"+mode), Virtual: true, Sample: sample, Brief: mode == "after"})
		})
	}
	t.Run("codesigning-build", func(t *testing.T) {
		t.Parallel()
		rotationtest.Run(t, rotationtest.Fixture{New: fixture(newWorld, "codesigning/build"), Virtual: true, Sample: sample})
	})
	t.Run("serviceaccount-kpasswd", func(t *testing.T) {
		t.Parallel()
		rotationtest.Run(t, rotationtest.Fixture{New: fixture(newWorld, "serviceaccount/kpasswd"), Virtual: true, Sample: sample})
	})
	t.Run("serviceaccount-managed", func(t *testing.T) {
		t.Parallel()
		rotationtest.Run(t, rotationtest.Fixture{New: managed, Virtual: true, Sample: sample})
	})
	t.Run("serviceaccount-later", func(t *testing.T) {
		t.Parallel()
		rotationtest.Run(t, rotationtest.Fixture{New: fixture(newWorld, "serviceaccount/later"), Virtual: true})
	})
	t.Run("together", func(t *testing.T) {
		t.Parallel()
		rotationtest.Run(t, rotationtest.Fixture{New: fixture(newWorld, every...), Virtual: true, Sample: sample})
	})
}

// TestRotationsOnAWire runs the small suite over TCP, with the real clients: what only a wire shows.
func TestRotationsOnAWire(t *testing.T) {
	t.Parallel()
	var every []string
	for _, k := range providers.Kinds() {
		every = append(every, k.Name)
	}
	rotationtest.Run(t, rotationtest.Fixture{New: fixture(newWire, every...), Brief: true})
}
