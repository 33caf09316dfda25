package relaykey_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/rotations/relaykey"
	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/state"
)

// That the key is not the reason is said only of a relay that is proven to have read it.
func TestDisconnectedRelays(t *testing.T) {
	for _, c := range []struct {
		reason  string
		changed time.Time
		status  reconciler.Status
		hint    string
	}{
		{"its process is younger than every change of its file", written, reconciler.AsDeclared, "the key is not the reason"},
		{"somebody has changed the file since", started.Add(time.Hour), reconciler.Rotate, ""},
		{"and the content is ours: a backup did, as a rule", started.Add(2 * time.Hour), reconciler.AsDeclared, "not proven"},
	} {
		s := done()
		s.relays = s.relays[:1]
		s.hosts[r2].setting.Changed, s.hosts[r2].setting.Path = c.changed, `C:\relay.json`
		s.hosts[r2].service.Name = "IdentityMeshRelayAgent"
		if c.hint == "not proven" {
			for step, o := range map[string]time.Time{`switch/swap C:\relay.json`: written, `verify/prove process IdentityMeshRelayAgent C:\relay.json`: started.Add(-time.Minute)} {
				s.history = append(s.history, state.Entry{Secret: "relaykey", Version: "7", Step: step, Hosts: []string{r2}, Outcome: state.Started, Time: o},
					state.Entry{Secret: "relaykey", Version: "7", Step: step, Hosts: []string{r2}, Outcome: state.Done, Time: o})
			}
		}
		got := s.plan(t)
		if got.Status != c.status {
			t.Errorf("%s: it is %s: %s %+v", c.reason, got.Status, got.Reason, got.Findings)
		}
		for _, f := range got.Findings {
			if f.Code == "relay-disconnected" && !strings.Contains(f.Hint, c.hint) {
				t.Errorf("%s: %+v", c.reason, f)
			}
		}
	}
}

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
		{"relay-unreachable", "nothing is taken from it, and another one is down", func(s *scene) {
			*s = *done()
			s.hosts[r1].reach, s.hosts[r2].service.State = reconciler.Unreachable, "stopped"
		}, reconciler.Rotate, "left alone"},
		{"relay-unreachable", "Admin's process may have the old key still", func(s *scene) {
			*s = *done()
			s.hosts[r1].reach, s.hosts[r2].service.State = reconciler.Unreachable, "stopped"
			s.hosts[admin].setting.Changed = now
		}, reconciler.Refused, "is cut off"},
		{"relay-unreachable", "nothing is to be done", func(s *scene) {
			*s = *done()
			s.hosts[r1].reach = reconciler.Unreachable
		}, reconciler.Unknown, "1 relay"},
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
		{"file-read-only", "the swap would fail with the relay down", func(s *scene) { s.hosts[r1].trials.ReadOnly = true }, reconciler.Refused, "read-only"},
		{"file-read-only", "nothing is to be replaced now", func(s *scene) { *s = *done(); s.hosts[r1].trials.ReadOnly = true }, reconciler.AsDeclared, "read-only"},
		{"file-held", "so it would when somebody holds the file", func(s *scene) { s.hosts[admin].trials.File = 32 }, reconciler.Refused, "another process holds the file open"},
		{"file-held", "one that nobody can read has no version", func(s *scene) {
			*s = *done()
			s.hosts[r1].setting.Version, s.hosts[r1].setting.Error = site.Withheld, 32
		}, reconciler.Refused, "read it"},
		{"file-denied", "or when the account may not", func(s *scene) { s.hosts[r1].trials.File = 5 }, reconciler.Refused, "may not replace"},
		{"folder-denied", "nothing can be staged", func(s *scene) { s.hosts[r1].trials.Folder = 5 }, reconciler.Refused, "may not make files"},
		{"folder-missing", "nothing can be staged there either", func(s *scene) { s.hosts[r1].trials.Folder = 3 }, reconciler.Refused, "no folder"},
		{"disk-full", "nor on a full disk", func(s *scene) { s.hosts[r1].trials.Free = 1000 }, reconciler.Refused, "no room"},
		{"service-denied", "the stop would be refused", func(s *scene) { s.hosts[r1].trials.Service = 5 }, reconciler.Refused, "may not stop and start"},
		{"service-denied", "nothing is to be stopped now", func(s *scene) { *s = *done(); s.hosts[r1].trials.Service = 5 }, reconciler.AsDeclared, "may not stop and start"},
		{"relay-disconnected", "it does not work already", func(s *scene) { s.relays[1].Connected = new(bool) }, reconciler.Rotate, "before the rotation"},
		{"relay-unlisted", "a relay that Admin never lists could not be proven", func(s *scene) { s.relays = s.relays[:1] }, reconciler.Refused, r2},
		{"relay-disconnected", "the policy names it", func(s *scene) {
			s.relays = s.relays[:1]
			s.doc.Policy.Unreachable.Tolerate = []string{r2}
		}, reconciler.Rotate, "not in Admin's list"},
		{"relay-list-early", "one that has only just started may come yet, or never", func(s *scene) {
			s.relays = s.relays[:1]
			s.hosts[r2].service.StartedAt = now.Add(-time.Minute)
		}, reconciler.Refused, "nobody can know yet"},
		{"relay-list-early", "so it is of all but one, where the list is one page that does not say so", func(s *scene) {
			s.relays = s.relays[:1]
			s.hosts[admin].service.StartedAt = now.Add(-time.Minute)
		}, reconciler.Refused, "nobody can know yet"},
		{"relay-disconnected", "what an earlier run began is finished all the same", func(s *scene) {
			s.relays = s.relays[:1]
			s.hosts[r2].service.StartedAt = now.Add(-time.Minute)
			s.history = append(s.history, state.Entry{Secret: "relaykey", Version: "7", Outcome: state.Started})
		}, reconciler.Rotate, "not in Admin's list"},
		{"relay-disconnected", "nor is it waited for, while other things are done", func(s *scene) {
			*s = *done()
			s.relays = s.relays[:1]
			s.hosts[r1].setting.Backup = true
		}, reconciler.Rotate, "with the right key, running, and not connected"},
		{"key-elsewhere", "a relay with another key than Admin's is connected", func(s *scene) { s.hosts[r1].setting.Version = site.Unknown }, reconciler.Refused, "does not take its key from its file"},
		{"relay-list-cut", "there are more, and no way to them", func(s *scene) { s.more = true }, reconciler.Refused, "there are more"},
		{"relay-list-names", "entries without a name are not strangers that will come yet", func(s *scene) {
			s.relays, s.unnamed = nil, 2
			s.hosts[admin].service.StartedAt = now.Add(-time.Second)
		}, reconciler.Refused, "no entry with a name"},
		{"relay-list-coarse", "a heartbeat after the change shows only at the next five minutes", func(s *scene) { s.relays[0].Heartbeat, s.relays[1].Heartbeat = now, now }, reconciler.Rotate, "6m0s, not 3m0s"},
		{"no-relay-connected", "nobody would prove it", func(s *scene) {
			for i := range s.relays {
				s.relays[i].Connected = new(bool)
			}
		}, reconciler.Refused, "the key is not the reason"},
		{"clock-skew", "times on that host prove nothing", func(s *scene) { s.hosts[r1].skew = 6 * time.Minute }, reconciler.Refused, "ahead"},
		{"clock-skew", "on Admin neither", func(s *scene) { s.hosts[admin].skew = -6 * time.Minute }, reconciler.Refused, "behind"},
		{"relay-undeclared", "a connected relay that is not declared is cut off", func(s *scene) {
			s.relays = append(s.relays, site.RelaySeen{Name: "RELAY-99", Connected: &yes})
		}, reconciler.Rotate, "not in the document"},
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
			i := slices.IndexFunc(got.Findings, func(f reconciler.Finding) bool { return string(f.Code) == c.code })
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

// Relays that do not work are named also while nobody can do anything about it.
func TestRelaysOffWhileAGuardObjects(t *testing.T) {
	for _, s := range []*scene{newScene(), done()} {
		s.hosts[admin].reach, s.relays = reconciler.Unreachable, s.relays[:1]
		got := s.plan(t)
		i := slices.IndexFunc(got.Findings, func(f reconciler.Finding) bool { return f.Code == "relay-disconnected" })
		if i < 0 || !slices.Equal(got.Findings[i].Hosts, []string{r2}) || !strings.Contains(got.Findings[i].Text, "1 relay is not connected to Admin now") {
			t.Errorf("%s: %+v", got.Status, got.Findings)
		}
		s.api = reconciler.Look{Reach: reconciler.Unreachable}
		if got := s.plan(t); slices.ContainsFunc(got.Findings, func(f reconciler.Finding) bool { return f.Code == "relay-disconnected" }) {
			t.Errorf("nobody has asked Admin: %+v", got.Findings)
		}
	}
}

// What Admin's list does not say is found out also where Admin, or every relay, is to restart anyway: its process is older than its
// file.
func TestAListThatCannotBeReadWhileAdminIsStale(t *testing.T) {
	for code, spoil := range map[reconciler.FindingID]func(*site.RelaySeen){
		"relay-list-connected": func(r *site.RelaySeen) { r.Connected = nil },
		"relay-list-heartbeat": func(r *site.RelaySeen) { r.Heartbeat = time.Time{} },
		"relay-list-names":     func(r *site.RelaySeen) { r.Name = "A" + r.Name },
	} {
		for _, stale := range [][]string{{admin}, {r1, r2}} {
			s := done()
			for _, h := range stale {
				s.hosts[h].service.StartedAt = s.hosts[h].setting.Modified.Add(-time.Hour)
			}
			for i := range s.relays {
				spoil(&s.relays[i])
			}
			got := s.plan(t)
			if got.Status != reconciler.Refused || !slices.ContainsFunc(got.Findings, func(f reconciler.Finding) bool { return f.Code == code && f.Severity == reconciler.Error }) {
				t.Errorf("%s, %v stale: %s %s %+v", code, stale, got.Status, got.Reason, got.Findings)
			}
		}
	}
}

// A list that has no word on who is connected, or has others of which nobody knows whose they are, says of no relay that it is not.
func TestAListThatDoesNotSayWhoIsConnected(t *testing.T) {
	for name, change := range map[string]func(s *scene){
		"no word of any": func(s *scene) {
			for i := range s.relays {
				s.relays[i].Connected, s.relays[i].Odd = nil, []string{`status = "Healthy"`}
			}
		},
		"no word of one":     func(s *scene) { s.relays[1].Connected = nil },
		"one of two pages":   func(s *scene) { s.relays, s.more = s.relays[:1], true },
		"one without a name": func(s *scene) { s.relays, s.unnamed = s.relays[:1], 1 },
		"two alike":          func(s *scene) { s.doc.Hosts.Relays = []string{"relay-01.hq.example", "relay-01.dmz.example"} },
	} {
		for _, live := range []bool{false, true} {
			for _, ago := range []time.Duration{time.Hour, time.Minute} {
				s := newScene()
				if live {
					s = done()
				}
				for _, h := range s.hosts {
					h.service.StartedAt = now.Add(-ago)
				}
				change(s)
				if name == "two alike" {
					for i, host := range s.doc.Hosts.Relays {
						s.hosts[host] = s.hosts[[]string{r1, r2}[i]]
					}
				}
				for _, f := range s.plan(t).Findings {
					if text := f.Text + f.Hint; strings.Contains(text, "not connected") || strings.Contains(text, "no relay is connected") || strings.Contains(text, "the key is not the reason") {
						t.Errorf("%s, live %v, up for %s: nobody knows that: %+v", name, live, ago, f)
					}
				}
			}
		}
	}
}

// Admin lists as many as there are, connected, under names that nobody here knows. Of no relay is it said that it is not connected, nor
// that a new key cuts somebody off: both may be false.
func TestRelaysUnderNamesOfTheirOwn(t *testing.T) {
	for name, change := range map[string]func(s *scene){
		"settled":      func(*scene) {},
		"clones":       func(s *scene) { s.hosts[r1].guid, s.hosts[r2].guid = "1", "2" },
		"one machine":  func(s *scene) { s.hosts[r1].guid, s.hosts[r2].guid = "1", "1" },
		"just started": func(s *scene) { s.hosts[admin].service.StartedAt = now.Add(-time.Minute) },
		"as declared":  func(s *scene) { *s = *done() },
		"one of them":  func(s *scene) { s.relays = append(s.relays, s.relays[0]); s.relays[0].Connected = new(bool) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene()
			change(s)
			for i := range s.relays {
				s.relays[i].Name = "branch-" + string(rune('1'+i))
			}
			got := s.plan(t)
			for _, f := range got.Findings {
				if text := f.Text + f.Hint; strings.Contains(text, "not connected") || strings.Contains(text, "no relay is connected") || strings.Contains(text, "the key is not the reason") || strings.Contains(text, ": a new key cuts them off") {
					t.Errorf("nobody knows that: %+v", f)
				}
			}
			if !slices.ContainsFunc(got.Findings, func(f reconciler.Finding) bool {
				return f.Code == "relay-undeclared" && f.Hint != "" && strings.Contains(f.Text, "connected entr")
			}) {
				t.Errorf("%+v", got.Findings)
			}
			if name != "as declared" && got.Status != reconciler.Refused {
				t.Errorf("it is %s: %+v", got.Status, got.Findings)
			}
		})
	}
}

// Where something may win over a file, that the key is not the reason is said of nobody.
func TestTheKeyMayBeTheReasonWhereSomethingWinsOverTheFile(t *testing.T) {
	for name, doubt := range map[string]func(*site.SettingSeen){
		"it wins":  func(s *site.SettingSeen) { s.Overrides = []string{"appsettings.Local.json"} },
		"it might": func(s *site.SettingSeen) { s.Doubts = []string{"service X is started through cmd"} },
	} {
		s := newScene()
		for i := range s.relays {
			s.relays[i].Connected = new(bool)
		}
		for _, h := range []string{r1, r2} {
			doubt(&s.hosts[h].setting)
		}
		for _, f := range s.plan(t).Findings {
			if strings.Contains(f.Text+f.Hint, "the key is not the reason") {
				t.Errorf("%s: %+v", name, f)
			}
		}
	}
}

// Two hosts have one first label, and Admin lists both by it alone. They are refused for that, and for nothing else: whether they are
// in the list is not known.
func TestRelaysThatCannotBeToldApart(t *testing.T) {
	for name, change := range map[string]func(s *scene){
		"settled":      func(*scene) {},
		"just started": func(s *scene) { s.hosts[admin].service.StartedAt = now.Add(-time.Minute) },
		"to start again, as Admin has": func(s *scene) {
			for _, h := range s.hosts {
				h.service.StartedAt = written.Add(-time.Hour)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene()
			change(s)
			s.doc.Hosts.Relays = []string{"relay-01.hq.example", "relay-01.dmz.example"}
			for i, host := range s.doc.Hosts.Relays {
				s.hosts[host] = s.hosts[[]string{r1, r2}[i]]
				s.relays[i].Name = "RELAY-01"
			}
			got := s.plan(t)
			if got.Status != reconciler.Refused || len(got.Rounds) > 0 {
				t.Errorf("it is %s: %s, %d rounds", got.Status, got.Reason, len(got.Rounds))
			}
			var codes []reconciler.FindingID
			for _, f := range got.Findings {
				codes = append(codes, f.Code)
				if f.Code == "relay-ambiguous" && (f.Severity != reconciler.Error || f.Hint == "" || !slices.Equal(f.Hosts, s.doc.Hosts.Relays)) {
					t.Errorf("%+v", f)
				}
			}
			if !slices.Equal(codes, []reconciler.FindingID{"relay-ambiguous"}) {
				t.Errorf("%+v", got.Findings)
			}
		})
	}
}
