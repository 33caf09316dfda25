package sqllogin_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/reconciler/rotationtest"
	"meshrotate/state"
)

// The idle login of the pair gets the password and is proven before anything stops; both files are swapped while both services
// are stopped; nothing that is live has no way back.
func TestAlternating(t *testing.T) {
	c := newScene("alternating").plan(t)
	if c.Status != reconciler.Rotate || c.Before != "11" || !strings.Contains(c.Reason, "Admin and Engine have im_app_a with 11") {
		t.Fatalf("%s: %s, before %q; %+v", c.Status, c.Reason, c.Before, c.Findings)
	}
	alter := find(c, reconciler.Accept, "alter login im_app_b", sql1)
	if alter == nil || !alter.Once || alter.Back.Why != "" {
		t.Fatalf("no ALTER of the idle login: %+v", rotationtest.Steps(c))
	}
	for _, host := range []string{admin, engine} {
		proof := find(c, reconciler.Accept, "prove login of "+host, sql1)
		if !follows(proof, alter.Op) || !proof.Proof {
			t.Errorf("%s: the string is not proven after the ALTER: %+v", host, proof)
		}
		swap := find(c, reconciler.Switch, "swap", host)
		if swap == nil || swap.Back.Op == nil {
			t.Fatalf("%s: no way back from the swap: %+v", host, swap)
		}
		for _, other := range []struct{ host, service, path string }{{admin, "IdentityMeshAdmin", `C:\admin.json`}, {engine, "IdentityMeshEngine", `C:\engine.json`}} {
			if !follows(swap, site.StopService{Host: other.host, Service: other.service}) {
				t.Errorf("%s: swapped before %s has stopped", host, other.host)
			}
			start := find(c, reconciler.Switch, "start", host)
			if !follows(start, site.Swap{Host: other.host, Path: other.path}) || !follows(start, site.Restore{Host: other.host, Path: other.path}) {
				t.Errorf("%s: started before the file of %s is what it is to be", host, other.host)
			}
		}
	}
	if !follows(find(c, reconciler.Switch, "stop", admin), site.StopService{Host: engine, Service: "IdentityMeshEngine"}) {
		t.Error("Admin stops before Engine")
	}
	if e := find(c, reconciler.Switch, "start", engine); !follows(e, site.AwaitReady{}) || !follows(e, site.StartService{Host: admin, Service: "IdentityMeshAdmin"}) {
		t.Error("Engine starts before Admin is ready")
	}
	for _, key := range []string{"prove login of " + admin, "prove sessions of " + engine, "await ready", "prove ", "prove process IdentityMeshEngine"} {
		if find(c, reconciler.Verify, key, "") == nil {
			t.Errorf("no proof %q", key)
		}
	}
}

// With one login the password changes while both services are stopped, and there is no way back from it.
func TestSingle(t *testing.T) {
	c := newScene("single").plan(t)
	alter := find(c, reconciler.Switch, "alter login im_app_a", sql1)
	if alter == nil || !alter.Once || alter.Back.Why == "" || !follows(alter, site.StopService{Host: admin, Service: "IdentityMeshAdmin"}) || !follows(alter, site.StopService{Host: engine, Service: "IdentityMeshEngine"}) {
		t.Fatalf("%s: %+v", c.Reason, alter)
	}
	for _, host := range []string{admin, engine} {
		if swap := find(c, reconciler.Switch, "swap", host); !follows(swap, alter.Op) {
			t.Errorf("%s: swapped before the ALTER", host)
		}
		if !follows(find(c, reconciler.Switch, "prove login of "+host, sql1), alter.Op) {
			t.Errorf("%s: not proven after the ALTER", host)
		}
	}
}

// What a run that died has left of a single login is learnt by a sign-in: the password was changed already.
func TestSingleAfterTheAlter(t *testing.T) {
	s := newScene("single")
	s.pending(a)
	s.both(func(h *hostSeen) {
		h.signIn = &site.SignInSeen{Verdict: site.Rejected, Why: "login failed", Declared: site.Accepted}
		h.service.State = "stopped"
	})
	c := s.plan(t)
	if c.Status != reconciler.Rotate || find(c, reconciler.Switch, "alter", "") != nil {
		t.Fatalf("%s: %s; %+v", c.Status, c.Reason, c.Findings)
	}
	if swap := find(c, reconciler.Switch, "swap", admin); swap == nil || swap.Back.Why == "" {
		t.Errorf("a dead password may come back: %+v", swap)
	}
}

// Nobody stages what the server does not take.
func TestExternal(t *testing.T) {
	s := newScene("external")
	s.value = &site.ValueSeen{Available: true}
	s.both(func(h *hostSeen) { h.signIn = &site.SignInSeen{Verdict: site.Rejected, Declared: site.Accepted} })
	c := s.plan(t)
	proof := find(c, reconciler.Prepare, "prove login of "+engine, sql1)
	if c.Status != reconciler.Rotate || !follows(proof, site.Keep{Secret: ref}) || !follows(find(c, reconciler.Prepare, "stage", admin), proof.Op) {
		t.Fatalf("%s: %s; %+v", c.Status, c.Reason, c.Findings)
	}
	if find(c, reconciler.Accept, "alter", "") != nil || find(c, reconciler.Switch, "alter", "") != nil {
		t.Error("it is altered here, too")
	}
	if swap := find(c, reconciler.Switch, "swap", admin); swap.Back.Why == "" {
		t.Error("a password that is refused may come back")
	}
}

func TestIntegrated(t *testing.T) {
	s := newScene("integrated")
	s.both(func(h *hostSeen) { h.says.Integrated, h.says.User = true, "" })
	if c := s.plan(t); c.Status != reconciler.AsDeclared || len(c.Findings) > 0 {
		t.Errorf("%s: %+v", c.Status, c.Findings)
	}
	if c := newScene("integrated").plan(t); c.Status != reconciler.Refused || c.Findings[0].Code != "sql-login-found" {
		t.Errorf("%s: %+v", c.Status, c.Findings)
	}
}

// The replaced login is disabled once its soak is over and nobody is signed in with it, in a plan of its own.
func TestRetire(t *testing.T) {
	over := written.Add(8 * 24 * time.Hour)
	s := live("alternating", b)
	if c := s.plan(t); c.Status != reconciler.AsDeclared || !strings.Contains(c.Reason, "im_app_a is to be disabled from 2026-11-08 on") {
		t.Errorf("%s: %s", c.Status, c.Reason)
	}
	if c := s.plan(t); len(c.Overlaps) != 1 || c.Overlaps[0].Old != a || c.Overlaps[0].Held != "" || c.Overlaps[0].Ends.Sub(c.Overlaps[0].Began) != 7*24*time.Hour {
		t.Errorf("the overlap is %+v", c.Overlaps)
	}
	s.now = over
	c := s.plan(t)
	if retire := find(c, reconciler.Retire, "retire login im_app_a", sql1); c.Status != reconciler.Rotate || retire == nil || !retire.Proof || len(rotationtest.Steps(c)) != 1 {
		t.Errorf("%s: %s; %+v", c.Status, c.Reason, rotationtest.Steps(c))
	}
	s.servers[sql1].seen.Sessions = append(s.servers[sql1].seen.Sessions, site.SessionSeen{Login: a, Host: "REPORTS", Program: "Excel", Count: 1})
	if c := s.plan(t); c.Status != reconciler.AsDeclared || c.Findings[0].Code != "old-login-in-use" || c.Overlaps[0].Held != "Excel on REPORTS is signed in with it" {
		t.Errorf("%s: %+v", c.Status, c.Findings)
	}
	s = live("alternating", b)
	s.now, s.servers[sql1].logins[a].Disabled = over, true
	if c := s.plan(t); c.Status != reconciler.AsDeclared || len(c.Overlaps) > 0 {
		t.Errorf("retired already: %s, %s", c.Status, c.Reason)
	}
	s.spec.Version = "13" // back to the one that was retired
	s.value = &site.ValueSeen{}
	s.history = append(s.history, state.Entry{Secret: "sqllogin", Version: "12", Outcome: state.Done, Step: "retire", Facts: []state.Fact{site.RetiredFact(a, true)}})
	c = s.plan(t)
	if alter := find(c, reconciler.Accept, "alter login im_app_a", sql1); alter == nil || !alter.Op.(site.AlterLogin).Enable {
		t.Errorf("%s: %s; %+v", c.Status, c.Reason, c.Findings)
	}
}

// Every replica is changed and proven.
func TestReplicas(t *testing.T) {
	c := newScene("alternating").replicas().plan(t)
	for _, server := range []string{sql1, sql2} {
		if find(c, reconciler.Accept, "alter login im_app_b", server) == nil || find(c, reconciler.Verify, "prove account im_app_b", server) == nil {
			t.Errorf("%s is left out: %s, %+v", server, c.Reason, c.Findings)
		}
	}
	s := newScene("alternating").replicas()
	s.spec.Tolerate = []string{sql2}
	s.servers[sql2].err = errNoRoute
	c = s.plan(t)
	if c.Status != reconciler.Rotate || find(c, reconciler.Accept, "alter", sql2) != nil || c.Findings[0].Code != "replica-left-behind" {
		t.Errorf("tolerated by name: %s, %+v", c.Status, c.Findings)
	}
	// The listener leads to one of the replicas: that one is changed once.
	s = newScene("alternating").replicas()
	s.doc.Connect.SQL.Server = "listener.example"
	s.doc.Connect.SQL.Replicas = []string{sql1, sql2}
	s.servers["listener.example"] = s.servers[sql1]
	c = s.plan(t)
	n := 0
	for _, step := range rotationtest.Steps(c) {
		if strings.HasPrefix(step.Op.Key(), "alter") {
			n++
		}
	}
	if n != 2 {
		t.Errorf("altered %d times: %+v", n, c.Findings)
	}
}

// A replica that a run did not come to is finished by the next one, also where the server of the strings has the password already
// and where both files are swapped.
func TestAReplicaThatWasLeft(t *testing.T) {
	for _, mode := range []string{"single", "alternating"} {
		phase := map[string]reconciler.Phase{"single": reconciler.Switch, "alternating": reconciler.Accept}[mode]
		s := newScene(mode).replicas()
		login := map[string]string{"single": a, "alternating": b}[mode]
		s.pending(login)
		s.both(func(h *hostSeen) { h.signIn.Declared = site.Accepted })
		c := s.plan(t)
		// Of a pair it was the login in force that has taken it, which says nothing of the other.
		if (find(c, phase, "alter login "+login, sql1) != nil) != (mode == "alternating") || find(c, phase, "alter login "+login, sql2) == nil || find(c, reconciler.Switch, "swap", admin) == nil {
			t.Errorf("%s, before the swaps: %s, %+v", mode, c.Reason, c.Findings)
		}
		s.both(func(h *hostSeen) { h.setting.Version, h.says.User = "12", login })
		c = s.plan(t)
		if find(c, phase, "alter login "+login, sql1) != nil || find(c, phase, "alter login "+login, sql2) == nil || find(c, reconciler.Switch, "swap", "") != nil {
			t.Errorf("%s, after the swaps: %s, %+v", mode, c.Reason, c.Findings)
		}
	}
}

// A service that is stopped, on a string that is dead or is not the other's, does not start without the swaps.
func TestWhatIsNeeded(t *testing.T) {
	stopped := func(h *hostSeen) { h.service.State = "stopped" }
	for _, c := range []struct {
		reason string
		seen   func(*scene)
		needed bool
	}{
		{"both run", func(*scene) {}, false},
		{"both have the string that works", func(s *scene) { stopped(s.hosts[admin]) }, false},
		{"the server refuses it", func(s *scene) {
			s.pending(b)
			s.both(func(h *hostSeen) { h.signIn = &site.SignInSeen{Verdict: site.Rejected} })
			stopped(s.hosts[engine])
		}, true},
		{"Admin has the other's", func(s *scene) {
			s.pending(b)
			s.hosts[admin].says.User, s.hosts[admin].setting.Version = b, "12"
			stopped(s.hosts[admin])
		}, true},
	} {
		s := newScene("alternating")
		c.seen(s)
		got := s.plan(t)
		swap := find(got, reconciler.Switch, "swap", engine)
		if swap == nil || swap.Needed != c.needed {
			t.Errorf("%s: %+v; %s %+v", c.reason, swap, got.Status, got.Findings)
		}
	}
}

// Runs that died: the login of a pending version is the ledger's, a half-swapped pair goes on, a bare restart is no edit.
func TestGoingOn(t *testing.T) {
	s := newScene("alternating")
	s.pending(b)
	s.servers[sql1].seen.Sessions = append(s.servers[sql1].seen.Sessions, site.SessionSeen{Login: b, Host: "IM-ENGINE", Count: 1})
	if c := s.plan(t); c.Status != reconciler.Rotate || find(c, reconciler.Accept, "alter login im_app_b", sql1) == nil {
		t.Errorf("before the swaps: %s, %+v", c.Status, c.Findings)
	}
	s.hosts[admin].setting.Version, s.hosts[admin].says.User = "12", b
	c := s.plan(t)
	if c.Status != reconciler.Rotate || find(c, reconciler.Switch, "swap", admin) != nil || find(c, reconciler.Switch, "swap", engine) == nil || find(c, reconciler.Accept, "alter", "") != nil {
		t.Errorf("between the swaps: %s, %s, %+v", c.Status, c.Reason, c.Findings)
	}
	if find(c, reconciler.Switch, "stop", admin) == nil {
		t.Error("between the swaps Admin runs on")
	}
	s = live("alternating", b)
	s.hosts[engine].service.StartedAt = written.Add(-time.Hour)
	c = s.plan(t)
	if c.Status != reconciler.Rotate || find(c, reconciler.Switch, "stop", admin) != nil || find(c, reconciler.Switch, "start", engine) == nil || !strings.Contains(c.Reason, "Engine started before it was last changed") {
		t.Errorf("a stale process: %s, %s", c.Status, c.Reason)
	}
	if c := live("single", a).plan(t); c.Status != reconciler.AsDeclared || c.Before != "12" {
		t.Errorf("nothing to do: %s, %s, %+v", c.Status, c.Reason, c.Findings)
	}
}

// Where the one login has the declared password already there is no way back: nothing that SQL Server could keep from coming to an
// end stands before the swaps, and nobody starts without them.
func TestTaken(t *testing.T) {
	s := newScene("single")
	s.pending(a)
	s.both(func(h *hostSeen) {
		h.signIn = &site.SignInSeen{Verdict: site.Rejected, Why: "login failed", Declared: site.Accepted}
	})
	c := s.plan(t)
	for _, step := range rotationtest.Steps(c) {
		if step.Phase < reconciler.Verify && step.Op.Target().Kind == reconciler.SQLTarget {
			t.Errorf("before the proofs: %s", step.Op.Key())
		}
	}
	for _, host := range []string{admin, engine} {
		if swap := find(c, reconciler.Switch, "swap", host); swap == nil || !swap.Vital || swap.Back != reconciler.Never("im_app_a has version 12 already: the old password is gone") {
			t.Errorf("%s: %+v", host, swap)
		}
	}
}

// The ledger knows when the password that was proven on a replica had been set there.
func TestSetAnewOnAReplica(t *testing.T) {
	const proven = "2026-11-01T03:00:00.123"
	for _, c := range []struct {
		mode, set string
		status    reconciler.Status
		warned    bool
	}{
		{"single", proven, reconciler.AsDeclared, false},
		{"single", "2026-11-01T04:00:00.123", reconciler.AsDeclared, false}, // the zone's clock went forward
		{"single", "", reconciler.AsDeclared, false},
		{"single", "2026-11-01T04:00:00.126", reconciler.Rotate, false},
		{"alternating", "2026-10-31T04:00:00.777", reconciler.Rotate, false}, // an old backup of master
		{"external", "2026-11-02T04:00:00.777", reconciler.AsDeclared, true},
	} {
		s := live(c.mode, a).replicas()
		s.history[1].Facts = []state.Fact{site.PasswordSet("SQL02", a, proven), site.VersionOn(sql2, a, "12")}
		s.servers[sql2].logins[a].PasswordSet = c.set
		s.servers[sql1].logins[a].PasswordSet = "2026-11-02T00:00:00.000" // a sign-in tells more than a time
		got := s.plan(t)
		if got.Status != c.status || c.warned != slices.ContainsFunc(got.Findings, func(f reconciler.Finding) bool { return f.Code == "password-set-anew" }) {
			t.Errorf("%+v: %s (%s), %+v", c, got.Status, got.Reason, got.Findings)
		}
		if c.status == reconciler.Rotate && (find(got, reconciler.Switch, "alter login "+a, sql2) == nil && find(got, reconciler.Accept, "alter login "+a, sql2) == nil || len(got.Outages) > 0) {
			t.Errorf("%+v: %+v", c, got.Rounds)
		}
	}
}

// The login whose password others know is disabled in the same plan, once the other one is proven, and whoever is signed in with it.
func TestCompromised(t *testing.T) {
	s := newScene("alternating")
	s.history = append(s.history, state.Entry{Secret: "sqllogin", Version: "11", Outcome: state.Started, Facts: []state.Fact{{Field: state.Compromised, Value: "posted"}}})
	c := s.plan(t)
	if c.Status != reconciler.Rotate || len(c.Rounds) != 2 || len(c.Rounds[1].Steps) != 1 {
		t.Fatalf("it is %s (%s), in %d rounds: %+v", c.Status, c.Reason, len(c.Rounds), c.Findings)
	}
	last := c.Rounds[1].Steps[0]
	if op, ok := last.Op.(site.RetireLogin); !ok || op.Login != a || !op.InUse || !last.Proof {
		t.Errorf("the last round is %+v", last)
	}
}
