package relaykey_test

import (
	"fmt"
	"strings"
	"testing"

	"meshrotate/reconciler"
)

// Hosts that cannot be told apart are one machine under several names, or machines with one name. What is to be done differs.
func TestOneMachineUnderTwoNames(t *testing.T) {
	const one = "[relay-01.hq.example relay-01.dmz.example] declare each machine once"
	for name, c := range map[string]struct {
		guids []string
		want  []string
	}{
		"one machine":                 {[]string{"a", "a"}, []string{one}},
		"two":                         {[]string{"a", "b"}, []string{"[relay-01.hq.example relay-01.dmz.example] give the machines names"}},
		"they do not say":             {[]string{"", ""}, []string{"[relay-01.hq.example relay-01.dmz.example] give the machines names"}},
		"one machine, and a third":    {[]string{"a", "a", "b"}, []string{one, "[relay-01.lan.example] give the machines names"}},
		"one machine, and another so": {[]string{"a", "a", "b", "b"}, []string{"[relay-01.hq.example relay-01.dmz.example relay-01.lan.example relay-01.far.example] declare each machine once"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene()
			s.doc.Hosts.Relays = []string{"relay-01.hq.example", "relay-01.dmz.example", "relay-01.lan.example", "relay-01.far.example"}[:len(c.guids)]
			for i, host := range s.doc.Hosts.Relays {
				seen := *s.hosts[r1]
				seen.guid = c.guids[i]
				s.hosts[host] = &seen
			}
			for i := range s.relays {
				s.relays[i].Name = "RELAY-01"
			}
			var got []string
			for _, f := range s.plan(t).Findings {
				if f.Code == "relay-ambiguous" {
					hint, _, _ := strings.Cut(f.Hint, " under")
					hint, _, _ = strings.Cut(hint, " of their own")
					got = append(got, fmt.Sprint(f.Hosts, " ", hint))
					if f.Severity != reconciler.Error {
						t.Errorf("%+v", f)
					}
				}
			}
			if strings.Join(got, "; ") != strings.Join(c.want, "; ") {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}
