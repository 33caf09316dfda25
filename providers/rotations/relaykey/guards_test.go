package relaykey_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/rotations/relaykey"
	"meshrotate/providers/site"
	"meshrotate/reconciler"
)

func TestGuards(t *testing.T) {
	for _, c := range []struct {
		code, reason string
		change       func(s *scene)
		status       reconciler.Status
		text         string // part of the finding
	}{
		{"key-too-short", "a key of 3 bytes can be guessed", func(s *scene) { s.value = &site.ValueSeen{Available: true, Content: relaykey.Key{Bytes: 3}} }, reconciler.Refused, "3 bytes"},
		{"key-too-short", "an empty key stops every relay", func(s *scene) { s.value = &site.ValueSeen{Available: true, Content: relaykey.Key{}} }, reconciler.Refused, "0 bytes"},
		{"key-too-short", "31 bytes are one too few", func(s *scene) { s.value = &site.ValueSeen{Available: true, Content: relaykey.Key{Bytes: 31}} }, reconciler.Refused, "31 bytes"},
		{"value-unfit", "a placeholder is no key", func(s *scene) {
			s.value = &site.ValueSeen{Available: true, Unfit: "it is a placeholder", Content: relaykey.Key{Bytes: 40}}
		}, reconciler.Refused, "placeholder"},
		{"value-unavailable", "a value that nobody has cannot be rolled out", func(s *scene) { s.value = &site.ValueSeen{Problem: "no such file"} }, reconciler.Refused, "no such file"},
		{"value-unavailable", "no answer about the value is no value", func(s *scene) { s.value = nil }, reconciler.Refused, "not to be had"},
		{"value-unchanged", "version 7 with the value of version 5 rotates nothing", func(s *scene) {
			s.value = &site.ValueSeen{Available: true, Content: relaykey.Key{Bytes: 32}, SameAs: "5"}
		}, reconciler.Refused, "version 5"},
		{"setting-overridden", "a machine variable wins over the file", func(s *scene) {
			s.hosts[r1].setting.Overrides = []string{"the machine's environment variable Relay__ApiKey"}
		}, reconciler.Refused, "Relay__ApiKey"},
		{"setting-overridden", "so does the file of the environment", func(s *scene) { s.hosts[admin].setting.Overrides = []string{"appsettings.Production.json"} }, reconciler.Refused, "Production"},
		{"setting-overridden", "and the command line", func(s *scene) { s.hosts[r2].setting.Overrides = []string{"the command line of service X"} }, reconciler.Refused, "command line"},
		{"setting-overridden", "also when everything is as declared: it breaks at the next reboot", func(s *scene) {
			*s = *done()
			s.hosts[r1].setting.Overrides = []string{"the machine's environment variable Relay__ApiKey"}
		}, reconciler.Refused, "Relay__ApiKey"},
		{"settings-refused", "a file that .NET refuses stops the service at its next start", func(s *scene) { s.hosts[r1].setting.Refused = "a key is given twice" }, reconciler.Refused, "given twice"},
		{"relay-unreachable", "a relay that keeps the old key is cut off", func(s *scene) { s.hosts[r1].reach = reconciler.Unreachable }, reconciler.Refused, "1 relay"},
		{"relay-left-behind", "the policy names it", func(s *scene) {
			s.hosts[r1].reach = reconciler.Unreachable
			s.doc.Policy.Unreachable.Tolerate = []string{r1}
		}, reconciler.Rotate, "1 relay"},
		{"relay-left-behind", "the policy allows one", func(s *scene) {
			s.hosts[r2].reach = reconciler.Unreachable
			s.doc.Policy.Unreachable.Count = 1
		}, reconciler.Rotate, "1 relay"},
		{"relay-unreachable", "the policy allows one, and two are away", func(s *scene) {
			s.hosts[r1].reach, s.hosts[r2].reach = reconciler.Unreachable, reconciler.Unreachable
			s.doc.Policy.Unreachable.Count = 1
		}, reconciler.Refused, "1 relay"},
		{"host-failed", "a relay that answers and cannot be looked at is not tolerated", func(s *scene) {
			s.hosts[r1].reach = reconciler.Broken
			s.doc.Policy.Unreachable.Tolerate = []string{r1}
		}, reconciler.Refused, "no route"},
		{"host-failed", "nobody looked: unknown is not fine", func(s *scene) { delete(s.hosts, r1) }, reconciler.Refused, r1},
		{"admin-unreachable", "without Admin every relay would be cut off", func(s *scene) {
			s.hosts[admin].reach = reconciler.Unreachable
			s.doc.Policy.Unreachable.Count = 9
		}, reconciler.Refused, "Admin"},
		{"admin-api", "nothing else proves that relays are connected", func(s *scene) { s.api = reconciler.Look{Reach: reconciler.Unreachable} }, reconciler.Refused, "Admin API"},
		{"admin-stopped", "a run that died in the switch leaves Admin stopped: the next must go on", func(s *scene) {
			s.api, s.hosts[admin].service.State = reconciler.Look{Reach: reconciler.Unreachable}, "stopped"
		}, reconciler.Rotate, "stopped"},
		{"service-missing", "there is nothing to start", func(s *scene) { s.hosts[r1].service = site.ServiceSeen{} }, reconciler.Refused, r1},
		{"service-disabled", "it would stay down after the switch", func(s *scene) { s.hosts[r1].service.StartMode = "disabled" }, reconciler.Refused, "disabled"},
		{"clock-skew", "times on that host prove nothing", func(s *scene) { s.hosts[r1].skew = 6 * time.Minute }, reconciler.Refused, "ahead"},
		{"clock-skew", "on Admin neither", func(s *scene) { s.hosts[admin].skew = -6 * time.Minute }, reconciler.Refused, "behind"},
		{"relay-undeclared", "a connected relay that is not declared is cut off", func(s *scene) {
			s.relays = append(s.relays, site.RelaySeen{Name: "RELAY-99", Connected: &yes})
		}, reconciler.Rotate, "not in the document"},
		{"file-readable", "everybody on the host can read the key", func(s *scene) { s.hosts[r1].setting.UsersCanRead = true }, reconciler.Rotate, r1},
		{"relay-disconnected", "the key is right, the relay is not there", func(s *scene) {
			*s = *done()
			s.relays = s.relays[:1]
		}, reconciler.AsDeclared, "not connected"},
	} {
		t.Run(c.code+" "+c.reason, func(t *testing.T) {
			s := newScene()
			c.change(s)
			got := s.plan(t)
			if got.Status != c.status {
				t.Errorf("it is %s: %+v", got.Status, got.Findings)
			}
			i := slices.IndexFunc(got.Findings, func(f reconciler.Finding) bool { return f.Code == c.code })
			if i < 0 {
				t.Fatalf("no finding %s: %+v", c.code, got.Findings)
			}
			f := got.Findings[i]
			if !strings.Contains(f.Text+strings.Join(f.Hosts, " "), c.text) {
				t.Errorf("the finding does not name %q: %+v", c.text, f)
			}
			if f.Severity == reconciler.Error && f.Hint == "" {
				t.Errorf("no hint: %+v", f)
			}
			if (f.Severity == reconciler.Error) != (c.status == reconciler.Refused || c.status == reconciler.Unknown) {
				t.Errorf("severity %s at status %s", f.Severity, c.status)
			}
			if c.status != reconciler.Rotate && len(got.Rounds) > 0 {
				t.Errorf("%d rounds, and it is %s", len(got.Rounds), got.Status)
			}
		})
	}
}
