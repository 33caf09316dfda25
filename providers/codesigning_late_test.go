package providers_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/providers/winhost"
	"meshrotate/reconciler"
	"meshrotate/state"
)

// lateWorld is a world in which the old certificate is to be retired, nothing is signed with it, and connectors may be built.
func lateWorld(t *testing.T, kind string) (w *world, old, next winhost.Signer) {
	w = newWorld(t, 2, kind)
	old, next = lab.Certificates()
	w.settlesOn(old, next)
	w.redeploys(next, w.lab.Relays...)
	w.declares(next)
	if building([]string{kind}) {
		w.signsWith(next)
	}
	return w, old, next
}

// arrives puts a connector that is signed with the certificate on a relay's disk, and starts nothing.
func arrives(h *lab.Host, signer winhost.Signer) {
	h.Machine.FS.(*machine.Memory).Write(lab.ConnectorFolder+`\late.dll`, lab.Connector("1", signer))
}

func takesAway(h *lab.Host) { h.Machine.FS.(*machine.Memory).Remove(lab.ConnectorFolder + `\late.dll`) }

// A connector that is signed with the old certificate comes between the last look and the relay's stop: retiring is not proven, and the
// old certificate is accepted again.
func TestConnectorDeployedAfterTheLook(t *testing.T) {
	t.Parallel()
	virtual(t, func(t *testing.T) {
		w, old, next := lateWorld(t, "codesigning")
		h := w.lab.Relays[1]
		when(h, "service.stop", machine.Before, func() { arrives(h, old) })
		_, o := w.run()
		if o.Err == nil || !strings.Contains(o.Err.Error(), "late.dll") || !strings.Contains(o.Err.Error(), h.Name) || len(o.With(state.Back)) != 1 {
			t.Errorf("%v", o)
		}
		if err := w.acceptsOnly(old, next); err != nil {
			t.Error(err)
		}
		h.Points(nil)
		takesAway(h)
		time.Sleep(time.Minute)
		w.settlesOn(next)
	})
}

// The same, where the run is killed once the list is another one: no later run proves it while the connector is there, and each says
// which one that is.
func TestConnectorDeployedAfterAKill(t *testing.T) {
	t.Parallel()
	virtual(t, func(t *testing.T) {
		w, old, next := lateWorld(t, "codesigning")
		h := w.lab.Relays[1]
		w.killed(h, "file.swap", machine.After)
		h.Points(nil)
		arrives(h, old)
		time.Sleep(10 * time.Minute)
		for range 2 {
			_, o := w.run()
			if o.Err == nil || !strings.Contains(o.Err.Error(), "late.dll") || !strings.Contains(o.Err.Error(), h.Name) || len(o.With(state.Proven)) > 0 {
				t.Errorf("%v", o)
			}
			if err := w.up(); err != nil {
				t.Error(err)
			}
			time.Sleep(10 * time.Minute)
		}
		takesAway(h)
		w.redeploys(next, h)
		w.settlesOn(next)
	})
}

// The build host is told to sign with a certificate while that one is retired.
func TestPinSetBackMeanwhile(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"file.stage", "service.stop"} {
		t.Run(at, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				w, old, next := lateWorld(t, "codesigning/build")
				stops := before(w.lab.Relays[1], at, func() {
					if err := w.lab.Pin(old.SHA1); err != nil {
						t.Error(err)
					}
				})
				_, o := w.run()
				e := ending(o, "codesigning")
				if e.Ending != state.Back || o.Err == nil || !strings.Contains(o.Err.Error(), "CODESIGN_THUMBPRINT") {
					t.Errorf("%s: %v", e.Ending, o)
				}
				if at == "file.stage" && stops.stops.Load() > 0 {
					t.Error("a relay was stopped")
				}
				if err := w.acceptsOnly(old, next); err != nil {
					t.Error(err)
				}
				w.lab.Relays[1].Points(nil)
				if p := w.planned(); !slices.ContainsFunc(p.Changes, func(c reconciler.Change) bool { return findingOf(c, "thumbprint-pinned") != nil }) {
					t.Errorf("%+v", p.Changes)
				}
			})
		})
	}
}
