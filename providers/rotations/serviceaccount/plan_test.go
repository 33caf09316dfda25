package serviceaccount_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/rotations/serviceaccount"
	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/reconciler/rotationtest"
	"meshrotate/state"
)

const (
	adminHost = "im-admin.contoso.example"
	account   = `CONTOSO\svc-im`
	secretOf  = "serviceaccount-contoso-svc-im"
	both      = "services: [IdentityMeshAdmin, IdentityMeshRelayAgent], account: 'CONTOSO\\svc-im', version: 3, from: {env: SVC}"
)

var (
	stored = time.Date(2026, 11, 1, 2, 0, 0, 0, time.UTC)
	today  = stored.Add(24 * time.Hour)
)

// scene is everything that a plan may know: Admin and three relays run as the account, with version 2 of its password.
type scene struct {
	section string
	value   site.ValueSeen
	hosts   map[string]*seen
	history []state.Entry
}

type seen struct {
	reach   reconciler.Reach
	service site.ServiceSeen
	logon   site.LogonSeen
	skew    time.Duration
}

func newScene(section string) *scene {
	s := &scene{section: section, value: site.ValueSeen{Available: true}, hosts: map[string]*seen{}}
	for host, service := range services() {
		s.hosts[host] = &seen{reach: reconciler.Reached,
			service: site.ServiceSeen{Name: service, Installed: true, State: "running", StartedAt: stored.Add(time.Hour), StartMode: "auto", Account: account},
			logon:   site.LogonSeen{Service: service, Account: account, Exists: site.Yes, Right: site.Yes, Configured: site.Yes, Running: site.Yes}}
	}
	return s.proven("2", time.Time{})
}

func services() map[string]string {
	all := map[string]string{adminHost: "IdentityMeshAdmin"}
	for i := range 3 {
		all[relay(i+1)] = "IdentityMeshRelayAgent"
	}
	return all
}

func relay(n int) string { return fmt.Sprintf("relay-%d.contoso.example", n) }

// proven adds to the ledger that a version was, on every host; at is when it was stored, zero when it is in force.
func (s *scene) proven(version string, at time.Time) *scene {
	e := state.Entry{Time: stored, Secret: secretOf, Version: version, Outcome: state.Started}
	keep, end := e, e
	keep.Step, keep.Outcome = "prepare/keep "+secretOf+" "+version, state.Done
	end.Outcome = state.Proven
	for host, service := range services() {
		end.Facts = append(end.Facts, site.StoredLogon{Version: version, At: at}.Fact(host, service))
	}
	s.history = append(s.history, e, keep, end)
	return s
}

func (s *scene) plan(t *testing.T, now time.Time) reconciler.Change {
	t.Helper()
	d, err := document("- {" + s.section + "}")
	if err != nil {
		t.Fatal(err)
	}
	rotations, err := serviceaccount.Kind().New(d, d.Secrets["serviceAccounts"])
	if err != nil || len(rotations) != 1 {
		t.Fatal(err, rotations)
	}
	look := reconciler.Seen{}
	for _, r := range rotations[0].Reads() {
		l, known := look[r.Target()]
		if !known {
			l = reconciler.Look{Reach: reconciler.Reached, Results: map[string]reconciler.Result{}}
			if h := s.hosts[r.Target().Name]; h != nil && h.reach != reconciler.Reached {
				l = reconciler.Look{Reach: h.reach, Err: errors.New("no route")}
			}
		}
		if l.Reach == reconciler.Reached {
			switch r := r.(type) {
			case site.Value:
				l.Results[r.Key()] = &s.value
			case site.Service:
				l.Results[r.Key()] = &s.hosts[r.Host].service
			case site.Logon:
				l.Results[r.Key()] = &s.hosts[r.Host].logon
			case site.Machine:
				l.Results[r.Key()] = &site.MachineSeen{Skew: s.hosts[r.Host].skew}
			}
		}
		look[r.Target()] = l
	}
	return rotations[0].Plan(reconciler.Input{Seen: look, History: state.NewHistory(s.history), Now: now})
}

// minds is what it says to a run for another secret, which would stop its services.
func (s *scene) minds(t *testing.T) []reconciler.Minded {
	t.Helper()
	d, err := document("- {" + s.section + "}")
	if err != nil {
		t.Fatal(err)
	}
	rotations, err := serviceaccount.Kind().New(d, d.Secrets["serviceAccounts"])
	if err != nil {
		t.Fatal(err)
	}
	minder := rotations[0].(reconciler.Minder)
	look := reconciler.Seen{}
	for _, r := range minder.MindReads() {
		look[r.Target()] = reconciler.Look{Reach: reconciler.Reached, Results: map[string]reconciler.Result{r.Key(): &s.hosts[r.Target().Name].service}}
	}
	return minder.Minds(reconciler.Input{Seen: look, History: state.NewHistory(s.history), Now: today})
}

func codes(c reconciler.Change) string {
	var all []string
	for _, f := range c.Findings {
		code := string(f.Code)
		if f.Severity == reconciler.Error {
			code += "!"
			if f.Hint == "" {
				code += " without a hint"
			}
		}
		all = append(all, code)
	}
	slices.Sort(all)
	return strings.Join(slices.Compact(all), " ")
}

func TestGuards(t *testing.T) {
	for _, c := range []struct {
		reason string
		change func(s *scene)
		codes  string
		status reconciler.Status
	}{
		{"a new version", func(*scene) {}, "", reconciler.Rotate},
		{"no such account", func(s *scene) { s.hosts[adminHost].logon.Exists = site.No }, "account-unknown!", reconciler.Refused},
		{"locked", func(s *scene) { s.hosts[relay(1)].logon.Locked = site.Yes }, "account-locked!", reconciler.Refused},
		{"not allowed", func(s *scene) { s.hosts[relay(1)].logon.Right = site.No }, "logon-right-missing!", reconciler.Refused},
		{"whoever runs as it was allowed", func(s *scene) { s.hosts[adminHost].logon.Right = "" }, "", reconciler.Rotate},
		{"a group decides, and nobody has seen it work", func(s *scene) {
			s.hosts[adminHost].logon.Right, s.hosts[adminHost].logon.Configured, s.hosts[adminHost].service.Account = "", site.No, `CONTOSO\old`
		}, "account-changes logon-right-unknown", reconciler.Rotate},
		{"no service", func(s *scene) { s.hosts[adminHost].service = site.ServiceSeen{} }, "service-missing!", reconciler.Refused},
		{"disabled", func(s *scene) { s.hosts[relay(2)].service.StartMode = "disabled" }, "service-disabled!", reconciler.Refused},
		{"a wrong clock", func(s *scene) { s.hosts[relay(2)].skew = time.Hour }, "clock-skew!", reconciler.Refused},
		{"a host that does not answer", func(s *scene) { s.hosts[relay(1)].reach = reconciler.Unreachable }, "host-failed!", reconciler.Refused},
		{"one that is tolerated", func(s *scene) { s.hosts[relay(3)].reach = reconciler.Unreachable }, "relay-left-behind", reconciler.Rotate},
		{"Admin never is", func(s *scene) { s.hosts[adminHost].reach = reconciler.Unreachable }, "host-failed!", reconciler.Refused},
		{"no value", func(s *scene) { s.value = site.ValueSeen{Problem: "SVC is not set"} }, "value-unavailable!", reconciler.Refused},
		{"an unfit value", func(s *scene) { s.value.Unfit = "it is empty" }, "value-unfit!", reconciler.Refused},
		{"the old value", func(s *scene) { s.value.SameAs = "2" }, "value-unchanged!", reconciler.Refused},
		{"a value that the ledger does not know", func(s *scene) { s.value.Kept = true }, "state-value-unknown!", reconciler.Refused},
		{"refused a while ago", func(s *scene) {
			s.history = append(s.history, state.Entry{Secret: secretOf, Version: "3", Outcome: state.Started},
				state.Entry{Secret: secretOf, Version: "3", Step: "accept/try", Outcome: state.Failed, Facts: []state.Fact{site.LogonRefused("3", today.Add(-29*time.Minute))}},
				state.Entry{Secret: secretOf, Version: "3", Outcome: state.Back})
		}, "logon-refused!", reconciler.Refused},
		{"refused before the account has changed it", func(s *scene) {
			s.section, s.value.Others = both+", changedBy: kpasswd", []string{"2"}
			s.value.Kept = true
			s.history = append(s.history, state.Entry{Secret: secretOf, Version: "3", Outcome: state.Started},
				state.Entry{Secret: secretOf, Version: "3", Step: "prepare/keep " + secretOf + " 3", Outcome: state.Done},
				state.Entry{Secret: secretOf, Version: "3", Step: "switch/try", Outcome: state.Failed, Facts: []state.Fact{site.LogonRefused("3", today.Add(-29*time.Minute))}},
				state.Entry{Secret: secretOf, Version: "3", Outcome: state.Ahead})
		}, "", reconciler.Rotate},
		{"refused long ago", func(s *scene) {
			s.history = append(s.history, state.Entry{Secret: secretOf, Version: "3", Step: "accept/try", Outcome: state.Failed, Facts: []state.Fact{site.LogonRefused("3", today.Add(-31*time.Minute))}})
		}, "", reconciler.Rotate},
		{"another version was", func(s *scene) {
			s.history = append(s.history, state.Entry{Secret: secretOf, Version: "2", Step: "accept/try", Outcome: state.Failed, Facts: []state.Fact{site.LogonRefused("2", today)}})
		}, "", reconciler.Rotate},
	} {
		s := newScene(both)
		c.change(s)
		got := s.plan(t, today)
		if codes(got) != c.codes || got.Status != c.status || (got.Status == reconciler.Rotate) != (len(got.Rounds) > 0) {
			t.Errorf("%s: %s, %q: %s", c.reason, got.Status, codes(got), got.Reason)
		}
	}
}

func TestReasons(t *testing.T) {
	const closed, open = ", restart: window, restartIn: [Sat 02:00-05:00 UTC]", ", restart: window, restartIn: [Sat 02:00-05:00 UTC, Mon 01:00-05:00 UTC]"
	const opens = ", in the window that opens on Sat 2026-11-07 02:00 UTC"
	everywhere := func(do func(*seen)) func(*scene) {
		return func(s *scene) {
			for _, h := range s.hosts {
				do(h)
			}
		}
	}
	for _, c := range []struct {
		section string
		change  func(s *scene)
		reason  string
		steps   int
	}{
		{both, func(*scene) {}, "the spec asks for 3; the service manager of Admin and 3 relays has 2", 1 + 4 + 4*4 + 1 + 1},
		{both, func(s *scene) { s.history = nil }, "the spec asks for 3; the service manager of Admin and 3 relays has a password that meshrotate has not set", 23},
		{both, func(s *scene) { s.proven("3", time.Time{}) }, "Admin and 3 relays run as " + account, 0},
		{both, func(s *scene) { s.proven("3", stored.Add(2*time.Hour)) }, "3 is stored; Admin and 3 relays started before that", 14},
		{both, func(s *scene) { s.proven("3", time.Time{}); s.hosts[relay(1)].service.State = "stopped" }, "relay-1.contoso.example is not running", 3},
		{both, func(s *scene) {
			s.proven("3", time.Time{})
			s.history = append(s.history, state.Entry{Secret: secretOf, Version: "3", Outcome: state.Started})
		}, "an earlier run began with 3 and did not finish: what a service manager has cannot be read back", 22},
		{both, func(s *scene) {
			s.proven("3", time.Time{})
			s.hosts[relay(2)].logon.Configured, s.hosts[relay(2)].service.Account = site.No, "LocalSystem"
		}, "the spec asks for " + account + "; relay-2.contoso.example is set to run as LocalSystem", 5},
		{both + ", restart: later", func(*scene) {}, "the spec asks for 3; the service manager of Admin and 3 relays has 2; it is stored now, and takes effect at the next start", 1 + 4 + 4 + 4},
		{both + ", restart: later", func(s *scene) { s.proven("3", stored.Add(2*time.Hour)) }, "stored; takes effect at the next start of Admin and 3 relays", 0},
		{both + ", restart: later", func(s *scene) { s.proven("3", stored) }, "Admin and 3 relays run as " + account, 0},
		{both + ", restart: later", func(s *scene) { s.proven("3", stored); s.hosts[adminHost].service.State = "stopped" }, "stored; takes effect at the next start of Admin; Admin is not running, and restart: later leaves the start to others", 0},
		{both + closed, func(*scene) {}, "the spec asks for 3; the service manager of Admin and 3 relays has 2; it is stored now, and takes effect at the next start" + opens, 1 + 4 + 4 + 4},
		{both + closed, func(s *scene) { s.proven("3", stored.Add(2*time.Hour)) }, "stored; takes effect at the next start of Admin and 3 relays" + opens, 0},
		{both + closed, func(s *scene) { s.proven("3", stored.Add(2*time.Hour)); s.hosts[relay(1)].service.State = "stopped" }, "relay-1.contoso.example is not running", 3},
		{both + open, func(*scene) {}, "the spec asks for 3; the service manager of Admin and 3 relays has 2", 23},
		{both + open, func(s *scene) { s.proven("3", stored.Add(2*time.Hour)) }, "3 is stored; Admin and 3 relays started before that", 14},
		{`services: [IdentityMeshAdmin], account: 'NT SERVICE\IdentityMeshAdmin'`, everywhere(func(h *seen) { h.logon.Account = `NT SERVICE\IdentityMeshAdmin` }), `Admin runs as NT SERVICE\IdentityMeshAdmin`, 0},
	} {
		s := newScene(c.section)
		s.value.Kept = strings.Contains(c.reason, "3 is") || strings.Contains(c.reason, "did not finish") || strings.HasPrefix(c.reason, "relay") || strings.Contains(c.reason, "set to run")
		c.change(s)
		got := s.plan(t, today)
		n := 0
		for _, r := range got.Rounds {
			n += len(r.Steps)
		}
		if got.Reason != c.reason || n != c.steps {
			t.Errorf("%s\nnot %s\n%d steps, not %d; %s", got.Reason, c.reason, n, c.steps, codes(got))
		}
	}
}

// What the order must hold, whatever else is in the plan.
func TestSteps(t *testing.T) {
	c := newScene(both).plan(t, today)
	first := reconciler.StepID(reconciler.Accept, site.TryLogon{Host: adminHost, Account: account})
	for _, s := range c.Rounds[0].Steps {
		host := s.Op.Target().Name
		after := func(id string) bool { return slices.Contains(s.After, id) }
		switch op := s.Op.(type) {
		case site.TryLogon:
			if !s.Once || after(first) != (host != adminHost) || s.Alone != (host != adminHost) {
				t.Errorf("try on %s: %+v", host, s)
			}
		case site.SetLogon:
			before := []string{site.StepOf(site.StopService{Host: host, Service: op.Service}), site.StepOf(site.StartService{Host: host, Service: op.Service})}
			if s.Back.Why == "" || op.Secret.Version != "3" || len(s.After) > 0 || !slices.Equal(s.Before, before) {
				t.Errorf("set on %s: %+v", host, s)
			}
		case site.StartService:
			if !after(site.StepOf(site.StopService{Host: host, Service: op.Service})) || after(site.StepOf(site.AwaitReady{})) != (host != adminHost) {
				t.Errorf("start on %s: %v", host, s.After)
			}
		}
	}
	if len(c.Outages) != 2 || c.Outages[1].What != "relays" || len(c.Outages[1].Members) != 3 {
		t.Errorf("%+v", c.Outages)
	}
}

// Where others know the old password, nothing waits for the next start.
func TestCompromised(t *testing.T) {
	s := newScene(strings.Replace(both, "restart: now", "restart: later", 1))
	if !strings.Contains(s.section, "restart: later") {
		s.section += ", restart: later"
	}
	stops := func() (n int) {
		for _, step := range rotationtest.Steps(s.plan(t, today)) {
			if step.Op.Kind() == "stop" {
				n++
			}
		}
		return n
	}
	if n := stops(); n != 0 {
		t.Errorf("%d services stop, though they were to restart later", n)
	}
	s.history = append(s.history, state.Entry{Secret: secretOf, Version: "2", Outcome: state.Started, Facts: []state.Fact{{Field: state.Compromised, Value: "posted"}}})
	if n := stops(); n != 4 {
		t.Errorf("%d services stop, want 4", n)
	}
}

// Who runs with a password that another service was refused with would not start again, nor does that one; nor who has not got the one
// that an earlier run began to give out.
func TestWhoWouldNotStartAgain(t *testing.T) {
	for _, c := range []struct {
		name  string
		exit  uint32
		other string // the account of who was refused
		begun bool
		tried string // the version with which the account has logged on since
		due   bool   // no run has proven the declared version
		minds int
	}{
		{"refused", 1069, account, false, "", false, 4}, {"ended otherwise", 1067, account, false, "", false, 0}, {"of another account", 1069, `CONTOSO\other`, false, "", false, 0},
		{"half given out", 0, account, true, "", false, 3},
		{"tried, and taken back", 0, `CONTOSO\other`, false, "3", false, 3}, {"the one before was tried", 0, `CONTOSO\other`, false, "2", false, 0},
		{"due", 0, `CONTOSO\other`, false, "", true, 3}, {"due, and half given out", 0, account, true, "", true, 3},
	} {
		s := newScene(both)
		if !c.due {
			s.history = append(s.history, state.Entry{Time: today, Secret: secretOf, Version: "3", Outcome: state.Started}, state.Entry{Time: today, Secret: secretOf, Version: "3", Outcome: state.Proven})
		}
		if c.begun {
			set := state.Entry{Time: today, Secret: secretOf, Version: "3", Step: "switch/set logon of IdentityMeshAdmin", Hosts: []string{adminHost}, Outcome: state.Done,
				Facts: []state.Fact{site.StoredLogon{Version: "3", At: today}.Fact(adminHost, "IdentityMeshAdmin")}}
			s.history = append(s.history, state.Entry{Time: today, Secret: secretOf, Version: "3", Outcome: state.Started}, set)
		}
		if c.tried != "" {
			s.history = append(s.history, state.Entry{Time: today, Secret: secretOf, Version: c.tried, Outcome: state.Started},
				state.Entry{Time: today, Secret: secretOf, Version: c.tried, Step: "accept/try logon of " + account, Hosts: []string{adminHost}, Outcome: state.Done, Facts: []state.Fact{site.LogonAccepted(c.tried)}},
				state.Entry{Time: today, Secret: secretOf, Version: c.tried, Outcome: state.Back})
		}
		h := s.hosts[relay(1)]
		h.service.State, h.service.ExitCode, h.service.Account = "stopped", c.exit, c.other
		if all := s.minds(t); len(all) != c.minds {
			t.Errorf("%s: %+v", c.name, all)
		}
	}
}

// What a service is set to run as, and what its process runs as, are told apart.
func TestOtherAccountFromTheNextStartOn(t *testing.T) {
	for running, says := range map[string]string{
		site.Yes: `it runs as CONTOSO\svc-im, and is set to run as LocalSystem from its next start on`,
		site.No:  "it is set to run as LocalSystem, and an account is more than a name",
		"":       "it is set to run as LocalSystem, and an account is more than a name",
	} {
		s := newScene(both)
		h := s.hosts[adminHost]
		h.logon.Configured, h.logon.Running, h.service.Account = site.No, running, "LocalSystem"
		found := s.plan(t, today).Findings
		if i := slices.IndexFunc(found, func(f reconciler.Finding) bool { return f.Code == "account-changes" }); i < 0 || !strings.Contains(found[i].Text, says) {
			t.Errorf("%q: %+v", running, found)
		}
	}
}

// What goes with an account is said word for word: files, what DPAPI sealed, and of who signs in to SQL Server a login there.
func TestWhatGoesWithAnAccount(t *testing.T) {
	for host, login := range map[string]string{adminHost: ", give it a login and the same roles where Windows signs in to SQL Server", relay(1): ""} {
		s := newScene(both)
		s.hosts[host].logon.Configured, s.hosts[host].logon.Running, s.hosts[host].service.Account = site.No, site.No, `CONTOSO\old`
		found := s.plan(t, today).Findings
		i := slices.IndexFunc(found, func(f reconciler.Finding) bool { return f.Code == "account-changes" })
		want := `before you apply: let CONTOSO\svc-im read and write the product's files` + login + `; and know that what was sealed for CONTOSO\old alone (DPAPI, CurrentUser) becomes unreadable`
		if i < 0 || found[i].Severity != reconciler.Warning || found[i].Hint != want || !strings.HasSuffix(found[i].Text, `: it is set to run as CONTOSO\old, and an account is more than a name`) {
			t.Errorf("%s: not %q: %+v", host, want, found)
		}
	}
}
