package providers_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"meshrotate/providers/connect"
	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/reconciler"
	"meshrotate/reconciler/rotationtest"
	"meshrotate/reconciler/session"
	"meshrotate/state"
)

// markerFile is where the marker is on the lab's Admin host.
const markerFile = `C:\ProgramData\IdentityMesh\` + markerName

const markerName = "meshrotate.run.json"

// lastRunFile is where the name of the run is that changed the deployment last.
const lastRunFile = markerFile + ".last"

// markerBeat is how often a run renews it.
const markerBeat = 20 * time.Second

// another is an operator with a state folder of its own: a copy of this world's.
func (w *world) another() *world {
	w.t.Helper()
	dir := w.t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(w.dir, ".meshrotate"))); err != nil {
		w.t.Fatal(err)
	}
	doc := *w.doc
	doc.State.Dir = dir
	other := &world{t: w.t, lab: w.lab, dir: w.dir, doc: &doc, old: w.old, seal: w.seal, memory: w.memory, logged: map[string]string{}, opened: map[keptValue]string{}}
	var err error
	if other.state, err = connect.State(&doc); err != nil {
		w.t.Fatal(err)
	}
	return other
}

// as is a run of somebody.
func (w *world) as(by string, between func()) (*session.Applied, error) {
	s := w.process()
	defer s.close()
	s.By = by
	return s.Apply(w.t.Context(), func(ctx context.Context, v *session.View, doing func(string)) error {
		if between != nil {
			between()
		}
		return session.Unblocked(ctx, v, doing)
	})
}

// marks says that an op is about the marker.
func (w *world) marks(p machine.Point) bool { return strings.HasPrefix(p.Object, w.doc.State.Marker) }

func (w *world) marker() *machine.Memory { return w.lab.Admin.Machine.FS.(*machine.Memory) }

// unmarked demands that nothing of a marker is left.
func (w *world) unmarked() {
	w.t.Helper()
	for _, p := range w.marker().Paths() {
		if strings.HasPrefix(p, strings.ToLower(markerFile)) && p != strings.ToLower(lastRunFile) {
			w.t.Errorf("%s is left on the host", p)
		}
	}
}

// Two operators with a state folder each begin at the same time. One works and proves; the other refuses, and says who is at
// work. Nothing stays down.
func TestTwoOperators(t *testing.T) {
	vendor()
	for round := range 15 {
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 3)
				twoOperators(t, []*world{w, w.another()}, time.Duration(round/2)*700*time.Millisecond)
			})
		})
	}
}

func twoOperators(t *testing.T, each []*world, apart time.Duration) {
	t.Helper()
	by := []string{"ann@one", "bob@two"}
	done, errs := make([]*session.Applied, 2), make([]error, 2)
	var wg sync.WaitGroup
	for i, w := range each {
		wg.Go(func() {
			time.Sleep(time.Duration(i) * apart)
			done[i], errs[i] = w.as(by[i], nil)
		})
	}
	wg.Wait()
	winner := slices.IndexFunc(done, func(d *session.Applied) bool { return d != nil && d.Run != "" })
	if winner < 0 {
		t.Fatalf("nobody worked: %v", errs)
	}
	if o := done[winner].Outcome; o.Err != nil || errs[winner] != nil || len(o.With(state.Proven)) != 2 || len(o.Down) > 0 {
		t.Errorf("%s: %v, %v", by[winner], o, errs[winner])
	}
	var held *state.HeldError
	if err := errs[1-winner]; !errors.As(err, &held) || held.Holder.Run != done[winner].Run {
		t.Errorf("%s was not refused for the other's marker: %v", by[1-winner], err)
	} else {
		says(t, err, by[winner], done[winner].Run, "im-admin", "nothing was changed")
		hinted(t, err)
	}
	w := each[winner]
	w.await("every service runs", func() bool { return w.up() == nil })
	if err := w.keyWorks(w.kept("relaykey", lab.NewKey), w.old); err != nil {
		t.Error(err)
	}
	w.unmarked()
	w.converged()
}

func TestMarker(t *testing.T) {
	for _, c := range []struct {
		name, reason string
		run          func(t *testing.T, w *world)
	}{
		{"another run came and went after the look", "the plan is no longer true, and nothing is changed", func(t *testing.T, w *world) {
			other := w.another()
			done, err := w.as("ann@one", func() {
				if _, err := other.as("bob@two", nil); err != nil {
					t.Error(err)
				}
			})
			says(t, err, "nothing was changed", "changed since the look")
			hinted(t, err)
			if done.Run != "" {
				t.Errorf("%v", done.Outcome)
			}
			w.unmarked()
			other.converged()
		}},
		{"a plan sees it, and changes nothing", "who plans while another works is told so, and by whom", func(t *testing.T, w *world) {
			cost := func() (int64, *reconciler.Plan) {
				s := w.process()
				defer s.close()
				before := w.lab.Stats()
				p := s.look().Plan
				return w.lab.Stats().Requests - before.Requests, p
			}
			none, before := cost()
			w.marker().Write(markerFile, []byte(`{"run":"r9","by":"eve","host":"x","fence":9,"doing":"switch, 7 to do"}`))
			some, p := cost()
			i := slices.IndexFunc(p.Fleet, func(f reconciler.Finding) bool { return f.Code == "run-at-work" })
			if i < 0 || p.Fleet[i].Hint == "" {
				t.Fatalf("not seen: %+v", p.Fleet)
			}
			says(t, errors.New(p.Fleet[i].Text), "eve@x", "r9", "switch, 7 to do", "im-admin")
			if none != some || p.Digest != before.Digest {
				t.Errorf("a plan is %d requests, and %d while another works; digests %.8s %.8s", none, some, before.Digest, p.Digest)
			}
			w.removeMarker(t, 9)
			w.converged()
		}},
		{"a killed run", "its own state goes on at once; another's when the marker is stale, and never before", func(t *testing.T, w *world) {
			other := w.another()
			var died time.Time
			when(w.relay(1), "service.stop", machine.After, func() {
				died = time.Now()
				w.kill()
			})
			if done, _ := w.as("ann@one", nil); done == nil || done.Outcome.Err == nil {
				t.Fatal("it was not killed")
			}
			time.Sleep(time.Second) // its script goes on
			w.relay(1).Machine.Kill(lab.RelayService)
			tries := 0
			for ; time.Since(died) < state.MarkerTTL-markerBeat; time.Sleep(10 * time.Second) {
				done, err := other.as("bob@two", nil)
				says(t, err, "ann@one", "nothing was changed")
				if done == nil || done.Run != "" || !slices.ContainsFunc(done.Plan.AllDown(), func(d reconciler.Down) bool { return d.Target.Name == w.relay(1).Name }) {
					t.Errorf("who is refused does not hear what stands still: %+v", done)
				}
				tries++
			}
			if tries == 0 {
				t.Error("it was not tried in time")
			}
			time.Sleep(2 * markerBeat)
			if died.IsZero() {
				t.Error("it did not die")
			}
			other.applyRefused("not in this state's ledger", "ann@one") // what it left half done is not known there
			other.forgetRun()
			done, err := other.as("bob@two", nil)
			if err != nil || done.Outcome.Err != nil {
				t.Errorf("a stale marker was not taken over: %v %v", err, done)
			}
			other.unmarked()
			other.converged()
		}},
		{"a killed run, again", "the same state takes over its own marker", func(t *testing.T, w *world) {
			when(w.relay(1), "service.stop", machine.After, w.kill)
			_, _ = w.as("ann@one", nil)
			w.converged()
			w.unmarked()
		}},
		{"removed by hand", "the run stops before the switch, in which something would go down", func(t *testing.T, w *world) {
			w.lostBefore(t, func() { _ = w.marker().Remove(markerFile) }, "it was removed")
			w.converged()
		}},
		{"overwritten by another run", "so it does, and says by whom", func(t *testing.T, w *world) {
			w.lostBefore(t, func() { w.marker().Write(markerFile, []byte(`{"run":"r9","by":"eve","host":"x","fence":9}`)) }, "eve@x")
			time.Sleep(6 * time.Minute)
			w.converged()
		}},
		{"overwritten in the switch", "who is not stopped yet is not stopped any more", func(t *testing.T, w *world) {
			pid := w.relay(1).Machine.Service(lab.RelayService).PID
			var once sync.Once
			w.lab.Admin.Points(func(p machine.Point) (a machine.Action) {
				if p.Op == "service.stop" && p.When == machine.Before {
					once.Do(func() {
						w.marker().Write(markerFile, []byte(`{"run":"r9","by":"eve","host":"x","fence":9}`))
						a.Delay = 2 * markerBeat
					})
				}
				return a
			})
			done, err := w.as("ann@one", nil)
			if done == nil {
				t.Fatal(err)
			}
			says(t, done.Outcome.Err, "eve@x", "was lost")
			if w.relay(1).Machine.Service(lab.RelayService).PID != pid {
				t.Error("a relay was restarted")
			}
			time.Sleep(state.MarkerTTL)
			w.converged()
		}},
		{"what is no marker", "it blocks while it is young, says what it is, and can be removed", func(t *testing.T, w *world) {
			for _, text := range []string{"", "{", "{}", `{"run":7}`, strings.Repeat("x", 1<<20), `{"run":""}` + strings.Repeat(" ", 1<<17)} {
				w.marker().Write(markerFile, []byte(text))
				_, err := w.as("ann@one", nil)
				says(t, err, "nobody can say by whom", w.doc.State.Marker, fmt.Sprint(len(text)), "nothing was changed")
				hinted(t, err)
				w.removeMarker(t, 0)
			}
			w.marker().Write(markerFile, []byte("{"))
			time.Sleep(state.MarkerTTL + time.Second)
			w.converged()
		}},
		{"one that cannot be looked at", "a folder or a file of somebody else: the look goes on, the apply does not", func(t *testing.T, w *world) {
			w.marker().Write(markerFile, []byte(`{"run":"r9","by":"eve","host":"x","fence":9}`))
			release, err := w.marker().Hold(markerFile, machine.ShareNone)
			if err != nil {
				t.Fatal(err)
			}
			_, err = w.as("ann@one", nil)
			says(t, err, "cannot be looked at", "sharing", "nothing was changed")
			release()
			w.removeMarker(t, 9)
			w.converged()
		}},
		{"a heartbeat in the future", "nobody can say whether it is alive: it is said, and can be removed", func(t *testing.T, w *world) {
			w.marker().Write(markerFile, []byte(`{"run":"r9","by":"eve","host":"x","fence":9}`))
			if err := w.marker().Touch(markerFile, time.Now().Add(240*time.Hour)); err != nil {
				t.Fatal(err)
			}
			_, err := w.as("ann@one", nil)
			says(t, err, "eve@x", "in the future", "nothing was changed")
			hinted(t, err)
			w.removeMarker(t, 9)
			w.converged()
		}},
		{"an interrupt", "it is removed all the same", func(t *testing.T, w *world) {
			for _, at := range []struct {
				host   *lab.Host
				op     string
				moment machine.When
			}{{w.relay(1), "file.stage", machine.After}, {w.lab.Admin, "file.stage", machine.Before}, {w.lab.Admin, "file.swap", machine.Before}, {w.lab.Admin, "file.swap", machine.After}} {
				ctx, cancel := context.WithCancel(t.Context())
				when(at.host, at.op, at.moment, cancel)
				s := w.process()
				_, _ = s.Apply(ctx, session.Unblocked)
				if ctx.Err() == nil {
					t.Error("it was not interrupted")
				}
				s.close()
				cancel()
				at.host.Points(nil)
				w.unmarked()
			}
			w.converged()
		}},
		{"nothing to do", "no marker is made", func(t *testing.T, w *world) {
			w.converged()
			w.lab.Admin.Points(func(p machine.Point) machine.Action {
				if strings.HasPrefix(p.Op, "file.") && p.Op != "file.read" {
					t.Errorf("%s %s", p.Op, p.Object)
				}
				return machine.Action{}
			})
			w.run()
		}},
		{"where it is", "on Admin's host alone", func(t *testing.T, w *world) {
			w.lab.EngineHost.Points(func(p machine.Point) machine.Action {
				if w.marks(p) {
					t.Errorf("on the Engine host: %s", p.Op)
				}
				return machine.Action{}
			})
			w.converged()
		}},
		{"its folder is not there", "refused, with what to do", func(t *testing.T, w *world) {
			w.lab.Admin.Points(machine.Faults(machine.Fault{Op: "file.stage", When: machine.Before, Times: 1, Action: machine.Action{Fail: machine.ErrPathNotFound}}))
			_, err := w.as("ann@one", nil)
			says(t, err, "cannot be made", "im-admin", "nothing was changed")
			hinted(t, err)
			w.converged()
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			t.Log(c.reason)
			virtual(t, func(t *testing.T) { c.run(t, newWorld(t, 2)) })
		})
	}
}

// lostBefore does something to the marker while files are staged, and demands that nothing is stopped.
func (w *world) lostBefore(t *testing.T, act func(), words ...string) {
	t.Helper()
	var once sync.Once
	for _, h := range w.lab.Hosts() {
		h.Points(func(p machine.Point) machine.Action {
			if h == w.relay(1) && p.Op == "file.stage" && p.When == machine.After {
				once.Do(act)
			}
			if p.Op == "service.stop" {
				t.Errorf("%s: %s was stopped", h.Name, p.Object)
			}
			return machine.Action{}
		})
	}
	done, err := w.as("ann@one", nil)
	if done == nil {
		t.Fatal(err)
	}
	says(t, done.Outcome.Err, append(words, "the marker on im-admin", "was lost")...)
	hinted(t, done.Outcome.Err)
	for _, h := range w.lab.Hosts() {
		h.Points(nil)
	}
	if err := w.keyWorks(w.old, ""); err != nil {
		t.Error(err)
	}
}

// removeMarker is what `unlock --marker` does.
func (w *world) removeMarker(t *testing.T, fence uint64) {
	t.Helper()
	s := w.process()
	defer s.close()
	m := s.Site.Marker()
	h, held, err := m.Current(t.Context())
	if err != nil || !held || h.Fence != fence {
		t.Errorf("%+v %v %v", h, held, err)
	}
	if err := m.Break(t.Context(), fence+1); err == nil {
		t.Error("another's marker was removed")
	}
	if err := m.Break(t.Context(), fence); err != nil {
		t.Error(err)
	}
	w.unmarked()
}

// Admin is away for minutes while a marker is held: it is held on, until another could take it over.
func TestMarkerInBadWeather(t *testing.T) {
	vendor()
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 0)
		acquire := func(run string) (state.Lease, func(), error) {
			site, end, err := w.open(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			l, err := site.Marker().Acquire(t.Context(), state.Holder{Run: run, By: "ann", Host: "one", Fence: 1}, func(string) bool { return false })
			return l, end, err
		}
		l, end, err := acquire("r1")
		if err != nil {
			t.Fatal(err)
		}
		away := func(d time.Duration, want bool) {
			t.Helper()
			w.lab.Admin.Unplug(true)
			time.Sleep(d)
			if err := l.Check(t.Context()); (err == nil) != want {
				t.Errorf("after %v: %v", d, err)
			}
			w.lab.Admin.Unplug(false)
			time.Sleep(time.Minute)
		}
		away(2*time.Minute, true)
		if _, end2, err := acquire("r2"); err == nil {
			t.Error("it was taken over from a living run")
		} else {
			end2()
		}
		away(270*time.Second, false)
		if err := l.Check(t.Context()); err != nil {
			t.Errorf("it is ours still, and: %v", err)
		}
		w.lab.Admin.Skew(-time.Hour) // the host's clock is set back: the next heartbeat is written by it
		time.Sleep(time.Minute)
		if err := l.Check(t.Context()); err != nil {
			t.Error(err)
		}
		w.lab.Admin.Skew(0)
		time.Sleep(time.Minute)
		w.lab.Admin.Unplug(true)
		err = l.Release(t.Context())
		says(t, err, "was not removed", "im-admin")
		hinted(t, err)
		end()
		w.lab.Admin.Unplug(false)
		time.Sleep(state.MarkerTTL)
		l, end, err = acquire("r3")
		if err != nil {
			t.Fatal(err)
		}
		text, _, err := w.marker().Read(markerFile)
		if err != nil || !strings.Contains(string(text), "r3") {
			t.Errorf("%s %v", text, err)
		}
		rotationtest.Search(t, w.secrets(), map[string][]byte{"the marker": text})
		if err := l.Release(t.Context()); err != nil {
			t.Error(err)
		}
		end()
		w.unmarked()
	})
}
