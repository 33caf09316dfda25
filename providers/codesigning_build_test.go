package providers_test

import (
	"errors"
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
	"meshrotate/reconciler/rotationtest"
	"meshrotate/specs"
	"meshrotate/state"
)

// ending is how the run ended for a secret.
func ending(o reconciler.Outcome, name string) (e reconciler.Ended) {
	if i := slices.IndexFunc(o.Secrets, func(e reconciler.Ended) bool { return e.Change.Secret.Name == name }); i >= 0 {
		return o.Secrets[i]
	}
	return e
}

// A build that does not do what it should takes nothing down, and the next run builds anew.
func TestBuildsThatFail(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		reason, says string
		builds       lab.Builds
	}{
		{"it ends with an error", "exit code 1", lab.Builds{Fails: true}},
		{"it forgets the timestamp", "has no timestamp", lab.Builds{Unstamped: true}},
		{"it signs with another certificate", "is not signed with", lab.Builds{Otherwise: true}},
		{"it hangs", "did not end in time", lab.Builds{Takes: time.Hour}},
	} {
		t.Run(c.reason, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 2, "codesigning/build")
				w.lab.SetBuilds(c.builds)
				_, o := w.run()
				e := ending(o, "codesigning:build")
				if o.Err == nil || e.Ending != state.Ahead || !strings.Contains(o.Err.Error(), c.says) || len(o.Down) > 0 {
					t.Errorf("%s: %v", e.Ending, o)
				}
				if relays := ending(o, "codesigning"); relays.Ending != state.Proven {
					t.Errorf("the relays' round: %s", relays.Ending)
				}
				if c.builds.Takes > 0 {
					if pinned, by := w.lab.Pinned(); pinned == "" || w.lab.Built() != 0 || by[lab.RelayConnectors()[1]] == pinned {
						t.Errorf("the build went on: %v", by)
					}
				}
				w.lab.SetBuilds(lab.Builds{})
				_, next := lab.Certificates()
				old, _ := lab.Certificates()
				w.settlesOn(old, next)
				if err := w.builds(true); err != nil {
					t.Error(err)
				}
				rotationtest.Search(t, w.secrets(), w.said())
			})
		})
	}
}

// A certificate that is pinned in the machine's environment is pinned there, and the script stays as it is.
func TestPinInTheEnvironment(t *testing.T) {
	t.Parallel()
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 1, "codesigning/build")
		old, next := lab.Certificates()
		spec := *w.doc.Secrets["codeSigning"].(*codesigning.Spec)
		build := *spec.BuildHost
		build.Pin, build.Timeout = "environment", specs.MustDuration("5m")
		spec.BuildHost, w.doc.Secrets["codeSigning"] = &build, &spec
		script := []byte("@echo off\r\nsigntool sign /sha1 %CODESIGN_THUMBPRINT% connectors\\*.dll\r\n")
		if err := w.lab.BuildHost.Write(lab.BuildScript, script); err != nil {
			t.Fatal(err)
		}
		w.lab.BuildHost.Machine.SetEnvironment("CODESIGN_THUMBPRINT", old.SHA1)
		w.settlesOn(old, next)
		if got := w.lab.BuildHost.Machine.MachineVariable("CODESIGN_THUMBPRINT"); got != next.SHA1 {
			t.Errorf("the variable is %s", got)
		}
		if after, _, _ := w.lab.BuildHost.Machine.FS.Read(lab.BuildScript); string(after) != string(script) {
			t.Errorf("the script is %q", after)
		}
		for name, by := range func() map[string]string { _, all := w.lab.Pinned(); return all }() {
			if by != next.SHA1 {
				t.Errorf("%s is signed with %s", name, by)
			}
		}
	})
}

// What a build writes is told while it runs, and comes into no book.
func TestBuildIsHeard(t *testing.T) {
	t.Parallel()
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 1, "codesigning/build")
		w.lab.SetBuilds(lab.Builds{Takes: time.Minute})
		s := w.process()
		defer s.close()
		var heard []reconciler.Event
		tell := s.Tell
		s.Tell = func(e reconciler.Event) {
			if tell(e); e.Kind == reconciler.Said {
				heard = append(heard, e)
			}
		}
		s.apply(nil)
		if len(heard) != 2*len(lab.RelayConnectors())+2 || !strings.HasPrefix(heard[0].Text, "building ") || heard[0].Target != w.lab.BuildHost.Name || heard[2].Time.Sub(heard[0].Time) < time.Minute {
			t.Errorf("%+v", heard)
		}
		for where, text := range w.said() {
			if strings.Contains(string(text), "Successfully signed") && where != "the hosts' logs" {
				t.Errorf("%s has the build's output", where)
			}
		}
	})
}

// A script that writes the password of its PFX, or whatever else this run knows, shows it to nobody.
func TestBuildSaysNoValue(t *testing.T) {
	t.Parallel()
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 1, "codesigning/build", "relaykey")
		password, _ := w.lab.Env("IM_LAB_PFX_PASSWORD")
		w.lab.SetBuilds(lab.Builds{Says: "signtool sign /p " + password + " /key " + w.old})
		s := w.process()
		defer s.close()
		var heard []string
		tell := s.Tell
		s.Tell = func(e reconciler.Event) {
			if tell(e); e.Kind == reconciler.Said {
				heard = append(heard, e.Text)
			}
		}
		if _, o := s.apply(nil); o.Err != nil {
			t.Error(o.Err)
		}
		if len(heard) == 0 || heard[0] != "signtool sign /p [secret] /key [secret]" {
			t.Error("the line is not there, or as it was written")
		}
	})
}

// Nothing is built that a relay would refuse: one that was left behind is waited for, unless the policy does without it.
func TestBuildWaitsForTheRelays(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		reason    string
		tolerated bool
		at        string
		fault     machine.Action
	}{
		{"its file is not swapped", false, "file.swap", machine.Action{Fail: machine.ErrAccessDenied}},
		{"it is not stopped", false, "service.stop", machine.Action{Fail: machine.ErrAccessDenied}},
		{"it does not start", false, "service.start", machine.Action{Fail: machine.ErrAccessDenied}},
		{"it may fall behind", true, "file.swap", machine.Action{Fail: machine.ErrAccessDenied}},
	} {
		t.Run(c.reason, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 3, "codesigning/build")
				old, next := lab.Certificates()
				if c.tolerated {
					w.doc.Policy.Unreachable.Tolerate = []string{w.relay(1).Name}
				}
				w.relay(1).Points(machine.Faults(machine.Fault{Op: c.at, When: machine.Before, Times: 99, Action: c.fault}))
				_, o := w.run()
				e := ending(o, "codesigning:build")
				if len(o.Left) != 1 || o.Left[0].Target.Name != w.relay(1).Name || ending(o, "codesigning").Ending != state.Proven {
					t.Fatalf("%v", o)
				}
				if c.tolerated {
					if e.Ending != state.Proven || o.Err != nil {
						t.Errorf("tolerated, and waited for: %v", o)
					}
				} else if e.Ending != state.Back || e.Why == nil || !strings.Contains(e.Why.Error(), w.relay(1).Name) || o.Err == nil {
					t.Errorf("%s: %v", e.Ending, o)
				} else if err := w.builds(false); err != nil {
					t.Error(err)
				}
				w.relay(1).Points(machine.Faults())
				w.settlesOn(old, next)
				if err := w.builds(true); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// signsWith lets the document mark the certificate that connectors are signed with.
func (w *world) signsWith(c winhost.Signer) {
	spec := *w.doc.Secrets["codeSigning"].(*codesigning.Spec)
	spec.Thumbprints = slices.Clone(spec.Thumbprints)
	for i := range spec.Thumbprints {
		if spec.Thumbprints[i].Use = ""; string(spec.Thumbprints[i].SHA1) == c.SHA1 {
			spec.Thumbprints[i].Use = "signing"
		}
	}
	w.doc.Secrets["codeSigning"] = &spec
}

// Others have the key of a certificate, and the build host is off the network, as one is that was broken into. The relays are rid of it all
// the same; the build host is named as what is left, in the plan, in the outcome and in the evidence; and once it is back, the next run
// tells it to sign with another one, also where the emergency was killed, and an ordinary run ends it.
func TestEmergencyWhileTheBuildHostIsAway(t *testing.T) {
	for _, killed := range []bool{false, true} {
		t.Run(fmt.Sprint("killed: ", killed), func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 2, "codesigning/build")
				_, next := lab.Certificates()
				build := w.lab.BuildHost
				w.redeploys(next, w.lab.Relays...)
				w.declares(next)
				w.signsWith(next)
				build.Unplug(true)
				var o reconciler.Outcome
				if killed {
					s := w.process()
					s.Replace(reconciler.Emergency{Secret: "codesigning", Why: "stolen"})
					w.killedIn(s, w.relay(1), "file.swap", machine.After)
					w.relay(1).Points(nil)
					time.Sleep(10 * time.Minute)
					_, o = w.run()
				} else {
					_, o = w.replace("codesigning", "stolen")
				}
				if o.Err != nil || len(o.With(state.Proven)) != 1 || len(o.Left) != 1 || o.Left[0].Target.Name != build.Name {
					t.Fatalf("%v, left %v", o, o.Left)
				}
				if err := w.acceptsOnly(next); err != nil {
					t.Error(err)
				}
				pin := func() (became state.Outcome) {
					for _, p := range w.evidence("codesigning").Places {
						if slices.Contains(p.Hosts, build.Name) && strings.Contains(p.Place, "CODESIGN_THUMBPRINT") {
							became = p.Became
						}
					}
					return became
				}
				if pin() != state.Started {
					t.Errorf("the build host's pin: %q in %+v", pin(), w.evidence("codesigning").Places)
				}
				build.Unplug(false)
				time.Sleep(time.Hour)
				if _, o := w.run(); o.Err != nil || len(o.Left) > 0 {
					t.Fatalf("it is back: %v", o)
				}
				if err := errors.Join(w.acceptsOnly(next), w.builds(true)); err != nil {
					t.Error(err)
				}
				if pin() != state.Done {
					t.Errorf("the build host's pin, once it is back: %q", pin())
				}
			})
		})
	}
}

// Others have the key that the build host signs with. To sign with another one takes nothing from them while relays accept it: that is
// refused, and where it was done all the same it is drift, until it is taken off the relays.
func TestAStolenSignerIsTakenOffTheRelays(t *testing.T) {
	t.Parallel()
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 2, "codesigning/build")
		old, next := lab.Certificates()
		p, o := w.replace("codesigning:build", "the laptop with the PFX was stolen")
		if f, ok := finding(p, "signer-still-accepted"); !ok || f.Severity != reconciler.Error || !strings.Contains(f.Text, old.SHA1) || len(o.Secrets) > 0 {
			t.Errorf("%v, %v", f, o)
		}
		if err := w.builds(false); err != nil {
			t.Error(err)
		}
		if _, o := w.run(); o.Err != nil { // an ordinary one
			t.Fatal(o.Err)
		}
		if _, ok := finding(w.planned(), "signer-still-accepted"); ok {
			t.Error("nobody has said that others have a key")
		}
		version := func(s winhost.Signer) string { return s.SHA1[:8] }
		told := state.Entry{Time: time.Now(), Run: "r0", Secret: "codesigning:build", Version: version(next), Before: version(old), Outcome: state.Started,
			Facts: []state.Fact{{Field: state.Compromised, Value: "the laptop with the PFX was stolen"}}}
		proven := told
		proven.Outcome, proven.Facts = state.Proven, nil
		if err := w.state.Ledger.Append(t.Context(), told, proven); err != nil {
			t.Fatal(err)
		}
		if f, ok := finding(w.planned(), "signer-still-accepted"); !ok || f.Severity != reconciler.Warning || !f.Drift || !strings.Contains(f.Text, old.SHA1) || strings.Contains(f.Text, next.SHA1) {
			t.Errorf("relays accept what others have the key of: %v", f)
		}
		w.redeploys(next, w.lab.Relays...)
		w.declares(next)
		w.signsWith(next)
		if _, o := w.replace("codesigning", "the laptop with the PFX was stolen"); o.Err != nil {
			t.Fatal(o.Err)
		}
		if err := errors.Join(w.acceptsOnly(next), w.builds(true)); err != nil {
			t.Error(err)
		}
		if f, ok := finding(w.planned(), "signer-still-accepted"); ok {
			t.Error(f)
		}
	})
}

// A certificate that has expired signs nothing, also where connectors on relays are signed with it: a build is refused, and drift says so.
func TestExpiredSignerBuildsNothing(t *testing.T) {
	t.Parallel()
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 2, "codesigning/build")
		old, next := lab.Certificates()
		w.declares(old, next)
		w.signsWith(old)
		if _, o := w.run(); o.Err != nil {
			t.Fatal(o.Err)
		}
		built := w.lab.Built()
		time.Sleep(205 * 24 * time.Hour)
		w.lab.BuildHost.Write(lab.BuildFolder+`\`+lab.RelayConnectors()[0], lab.Connector("by hand"))
		p, _ := w.run()
		refused := slices.ContainsFunc(p.Changes, func(c reconciler.Change) bool {
			return c.Status == reconciler.Refused && findingOf(c, "certificate-expired") != nil
		})
		if !refused || w.lab.Built() != built {
			t.Errorf("%d builds, %d before: %+v", w.lab.Built(), built, p.Changes)
		}
	})
}
