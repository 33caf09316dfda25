package sqllogin_test

import (
	"slices"
	"testing"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/reconciler/rotationtest"
	"meshrotate/state"
)

// A run that set one version was cut off, and another version is declared by then.
func TestAfterARunOfAnotherVersion(t *testing.T) {
	begun := func(s *scene) {
		s.history = append(s.history, state.Entry{Secret: "sqllogin", Version: "12", Run: "r", Outcome: state.Started})
	}
	dead := func(s *scene) {
		s.both(func(h *hostSeen) {
			h.service.State = "stopped"
			h.signIn = &site.SignInSeen{Verdict: site.Rejected, Why: "login failed"}
		})
	}
	spared := func(s *scene) {
		s.both(func(h *hostSeen) { h.signIn = &site.SignInSeen{Spared: true, Why: "it is not tried"} })
	}
	split := func(s *scene) { // Admin's file was swapped, Engine's not; both are stopped
		s.both(func(h *hostSeen) { h.service.State = "stopped" })
		s.hosts[admin].says.User, s.hosts[admin].setting.Version = b, "12"
	}
	for _, c := range []struct {
		reason, mode string
		seen         []func(*scene)
		code         string // "" is none
		status       reconciler.Status
		unlock       bool
		login        string // that is changed
	}{
		{"the string is dead, and nobody began anything", "single", []func(*scene){dead}, "neither-accepted", reconciler.Refused, false, ""},
		{"the string is dead, and a run was to change it", "single", []func(*scene){begun, dead}, "login-half-changed", reconciler.Rotate, false, a},
		{"and the document went back to what the files have", "single", []func(*scene){begun, dead, func(s *scene) {
			s.spec.Version = "11"
			s.both(func(h *hostSeen) { h.setting.Version = "11" })
		}}, "login-half-changed", reconciler.Rotate, false, a},
		{"it is not tried again", "single", []func(*scene){begun, spared}, "login-half-changed", reconciler.Rotate, false, a},
		{"the services locked it out", "single", []func(*scene){begun, spared, func(s *scene) { s.servers[sql1].logins[a].Locked = true }}, "", reconciler.Rotate, true, a},
		{"somebody else locked it out", "single", []func(*scene){func(s *scene) { s.servers[sql1].logins[a].Locked = true }}, "login-locked", reconciler.Refused, false, ""},
		{"the files are half swapped, and nobody began anything", "alternating", []func(*scene){split}, "half-rotated", reconciler.Refused, false, ""},
		{"a run left them so: the login that no running service has is next", "alternating", []func(*scene){begun, split}, "", reconciler.Rotate, false, b},
	} {
		s := newScene(c.mode)
		s.spec.Version = "13"
		for _, see := range c.seen {
			see(s)
		}
		if c.login == b && c.mode == "alternating" { // Engine runs on with the other one
			s.hosts[engine].service.State = "running"
		}
		got := s.plan(t)
		if got.Status != c.status || c.code != "" && !slices.ContainsFunc(got.Findings, func(f reconciler.Finding) bool { return string(f.Code) == c.code }) {
			t.Errorf("%s: %s (%s), %+v", c.reason, got.Status, got.Reason, got.Findings)
			continue
		}
		var changed []site.AlterLogin
		for _, step := range rotationtest.Steps(got) {
			if op, ok := step.Op.(site.AlterLogin); ok {
				changed = append(changed, op)
			}
		}
		switch {
		case c.login == "" && len(changed) > 0, c.login != "" && (len(changed) != 1 || changed[0].Login != c.login || changed[0].Unlock != c.unlock):
			t.Errorf("%s: %+v", c.reason, changed)
		}
	}
}
