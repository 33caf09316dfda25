package site

import (
	"slices"
	"testing"
	"time"
)

func TestDirectory(t *testing.T) {
	yes, no := true, false
	at := time.Date(2026, 11, 23, 2, 0, 0, 0, time.UTC)
	list := &RelaysSeen{}
	for _, name := range []string{"RELAY-01", "relay-02.hq.example", "relay-02.dmz.example", "10.0.0.4", "WIN-8QK2"} {
		list.Relays = append(list.Relays, RelaySeen{Name: name, Connected: &yes, Heartbeat: at})
	}
	list.Relays = append(list.Relays, RelaySeen{Name: "relay-03", Connected: &yes, Heartbeat: at},
		RelaySeen{Name: "RELAY-03", Connected: &no, Heartbeat: at.Add(-time.Hour)})
	list.Relays = append(list.Relays, RelaySeen{Name: "Berlin", Names: []string{"Berlin", "relay-05", "relay-05.hq.example"}, Connected: &yes, Heartbeat: at})
	for _, test := range []struct {
		reason    string
		hosts     []string
		found     string // the entry of the first host, "" for none
		ambiguous int
	}{
		{"a machine's name stands for a host of any domain", []string{"relay-01.hq.example"}, "RELAY-01", 0},
		{"whatever the case, with the dot of the root", []string{"Relay-02.HQ.example."}, "relay-02.hq.example", 0},
		{"another domain is another host", []string{"relay-02.lab.example"}, "", 0},
		{"an address", []string{"10.0.0.4"}, "10.0.0.4", 0},
		{"a bare name is no part of an address", []string{"10"}, "", 0},
		{"the computer's own name, where the host's is unknown to Admin", []string{"relay-09.hq.example"}, "WIN-8QK2", 0},
		{"one machine's name cannot prove two hosts", []string{"relay-01.hq.example", "relay-01.dmz.example"}, "", 2},
		{"another domain is another host, whatever it calls itself", []string{"relay-02.corp.example"}, "", 0},
		{"any of its names", []string{"relay-05.hq.example"}, "Berlin", 0},
		{"a bare name beside one with a domain is of that domain", []string{"relay-05.dmz.example"}, "", 0},
		{"nobody", []string{"relay-99"}, "", 0},
	} {
		d := list.Directory(test.hosts, map[string]string{"relay-09.hq.example": "WIN-8QK2", "relay-02.corp.example": "RELAY-02"})
		got := ""
		if r := d.Of[test.hosts[0]]; r != nil {
			got = r.Name
		}
		if got != test.found || len(d.Ambiguous) != test.ambiguous {
			t.Errorf("%s: %q, ambiguous %v", test.reason, got, d.Ambiguous)
		}
	}
	two := &RelaysSeen{Relays: []RelaySeen{{Name: "RELAY-01", Domain: "HQ", Connected: &yes, Heartbeat: at}, {Name: "RELAY-01", Domain: "DMZ", Connected: &no, Heartbeat: at}}}
	for _, hosts := range [][]string{{"relay-01.hq.example", "relay-01.dmz.example"}, {"relay-01.dmz.example", "relay-01.hq.example"}} {
		d := two.Directory(hosts, nil)
		if hq, dmz := d.Of["relay-01.hq.example"], d.Of["relay-01.dmz.example"]; hq == nil || dmz == nil || hq.Domain != "HQ" || dmz.Domain != "DMZ" || len(d.Ambiguous) > 0 {
			t.Errorf("two domains are two hosts: %+v %+v %v", hq, dmz, d.Ambiguous)
		}
	}
	// A NetBIOS name may be any, and is the same for all of a DNS domain: a stranger has another one.
	fleet := []string{"relay-01.lab.example", "relay-02.lab.example", "relay-03.lab.example"}
	for stranger, of := range map[string]string{"DMZ": "CORP", "dmz.example": "lab.example", "HQ": "LAB"} {
		for _, there := range []int{2, 3} { // the host itself is listed, too
			list := &RelaysSeen{Time: at, Relays: []RelaySeen{{Name: "RELAY-01", Domain: stranger, Connected: &yes, Heartbeat: at}, {Name: "RELAY-02", Domain: of, Connected: &yes, Heartbeat: at}, {Name: "RELAY-03", Domain: of, Connected: &yes, Heartbeat: at}}}
			if there == 3 {
				list.Relays = append(list.Relays, RelaySeen{Name: "RELAY-01", Domain: of, Connected: &no, Heartbeat: at.Add(-time.Minute)})
			}
			d := list.Directory(fleet, nil)
			if r := d.Of[fleet[0]]; there == 2 && r != nil || there == 3 && (r == nil || r.Domain != of) || d.Of[fleet[1]] == nil {
				t.Errorf("%s beside %s: %+v", stranger, of, d.Of)
			}
			if own := list.Directory(fleet[:2], nil); own.Of[fleet[1]] == nil { // nobody says which of two is the usual one
				t.Errorf("%s beside %s alone: %+v", stranger, of, own.Of)
			}
		}
	}
	// Whoever is listed in the usual domain of all is that one, though strangers with its name are connected.
	for _, c := range []struct {
		reason           string
		usual, strangers string
		listed           bool
	}{{"the domain's first label", "LAB", "DMZ", true}, {"any name", "CORP", "DMZ", true}, {"no domain", "", "DMZ", true}} {
		list := &RelaysSeen{Time: at}
		for i, name := range []string{"RELAY-01", "RELAY-02", "RELAY-03"} {
			list.Relays = append(list.Relays, RelaySeen{Name: name, Domain: c.usual, Connected: map[bool]*bool{true: &no, false: &yes}[i == 0], Heartbeat: at.Add(-time.Minute)})
		}
		for _, name := range []string{"RELAY-01", "RELAY-02"} {
			list.Relays = append(list.Relays, RelaySeen{Name: name, Domain: c.strangers, Connected: &yes, Heartbeat: at})
		}
		d := list.Directory(fleet, nil)
		if r := d.Of[fleet[0]]; r == nil || r.IsConnected() || d.Of[fleet[2]] == nil || len(d.Others) != 2 {
			t.Errorf("%s: %+v, others %+v", c.reason, d.Of, d.Others)
		}
	}
	// A computer of a workgroup has its own name as its domain.
	group := &RelaysSeen{Relays: []RelaySeen{{Name: "RELAY-01", Domain: "LAB", Connected: &yes, Heartbeat: at}, {Name: "RELAY-02", Domain: "LAB", Connected: &yes, Heartbeat: at}, {Name: "RELAY-03", Domain: "RELAY-03", Connected: &yes, Heartbeat: at}}}
	if d := group.Directory(fleet, nil); len(d.Of) != 3 {
		t.Errorf("a workgroup's: %+v", d.Of)
	}
	// The machine's own name says whose an entry is, where the host has told its own.
	own := map[string]string{"relay-01.lab.example": "RELAY-01", "relay-02.lab.example": "SRV0815"}
	for machine, is := range map[string]bool{"RELAY-01": true, "BERLIN-7": false, "": true, "relay-01.lab.example": true, "10.0.0.1": true, "fe80::1": true} {
		list := &RelaysSeen{Relays: []RelaySeen{{Name: "RELAY-01", Names: []string{"RELAY-01", machine}, Machine: machine, Connected: &yes, Heartbeat: at},
			{Name: "relay-02", Names: []string{"relay-02", "SRV0815"}, Machine: "SRV0815", Connected: &yes, Heartbeat: at}}}
		if d := list.Directory(fleet[:2], own); (d.Of[fleet[0]] != nil) != is || d.Of[fleet[1]] == nil {
			t.Errorf("machine %q: %+v", machine, d.Of)
		}
		if d := list.Directory(fleet[:2], nil); d.Of[fleet[0]] == nil {
			t.Errorf("a host that has not told its name: %+v", d.Of)
		}
	}
	d := list.Directory([]string{"relay-03.hq.example"}, nil)
	if r := d.Of["relay-03.hq.example"]; r == nil || !*r.Connected || !r.Heartbeat.Equal(at) {
		t.Errorf("a host that connected anew is its living entry: %+v", r)
	}
	for _, beat := range []time.Time{{}, at} {
		for i := range list.Relays {
			list.Relays[i].Heartbeat = beat
		}
		if r := list.Directory([]string{"relay-03.hq.example"}, nil).Of["relay-03.hq.example"]; r == nil || *r.Connected != !beat.IsZero() {
			t.Errorf("of two that say as much it is the one that is connected, and the worse where neither was heard of: %+v", r)
		}
	}
	for i, r := range list.Relays { // one that is not connected has a heartbeat that has not come yet
		if !r.IsConnected() {
			list.Relays[i].Heartbeat = at.Add(time.Hour)
		}
	}
	list.Time = at
	if r := list.Directory([]string{"relay-03.hq.example"}, nil).Of["relay-03.hq.example"]; !r.IsConnected() {
		t.Errorf("a heartbeat from the future makes an entry the living one: %+v", r)
	}
	if !slices.ContainsFunc(d.Others, func(r RelaySeen) bool { return r.Name == "WIN-8QK2" }) {
		t.Errorf("an entry that is nobody's is among the others: %v", d.Others)
	}
	ghosts := &RelaysSeen{}
	for name, connected := range map[string]*bool{"relay-11.hq.example": &no, "RELAY-11": &yes, "relay-12": &no, "relay-12.hq.example": &yes, "relay-13": &no,
		"relay-13.hq.example": &yes, "relay-13.dmz.example": &yes, "relay-14": &yes, "relay-14.hq.example": &no, "relay-14.dmz.example": &yes, "WIN-7": &yes, "relay-15.hq.example": &no} {
		r := RelaySeen{Name: name, Connected: connected, Heartbeat: at}
		if !*connected {
			r.Heartbeat = at.Add(-time.Hour)
		}
		ghosts.Relays = append(ghosts.Relays, r)
	}
	for _, c := range []struct {
		reason    string
		hosts     []string
		found     string
		ambiguous []string
	}{
		{"a ghost by the full name, and the living one by the bare name", []string{"relay-11.hq.example"}, "RELAY-11", nil},
		{"the other way round", []string{"relay-12.hq.example"}, "relay-12.hq.example", nil},
		{"and of a host that is declared by its bare name", []string{"relay-12"}, "relay-12.hq.example", nil},
		{"whose ghost it is does not matter where both live", []string{"relay-13.hq.example", "relay-13.dmz.example"}, "relay-13.hq.example", nil},
		{"nobody knows which of the two lives by the bare name", []string{"relay-14.dmz.example", "relay-14.hq.example"}, "relay-14.dmz.example", []string{"relay-14.hq.example"}},
		{"a bare name of two domains", []string{"relay-13"}, "", []string{"relay-13"}},
		{"a ghost by the name in the document, and the living one by the computer's own", []string{"relay-15.hq.example"}, "WIN-7", nil},
	} {
		d := ghosts.Directory(c.hosts, map[string]string{"relay-15.hq.example": "WIN-7"})
		got := ""
		if r := d.Of[c.hosts[0]]; r != nil {
			got = r.Name
		}
		if got != c.found || !slices.Equal(d.Ambiguous, c.ambiguous) {
			t.Errorf("%s: %q, ambiguous %q", c.reason, got, d.Ambiguous)
		}
	}
	var none *RelaysSeen
	if d := none.Directory([]string{"a"}, nil); len(d.Of) != 0 {
		t.Error("a list that was not seen has an entry")
	}
}

// An old connection is all that is listed of a relay, while others are listed with an old one and a new one: whether there is a new one of
// it as well is not known.
func TestOldConnections(t *testing.T) {
	yes, no := true, false
	at := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	entry := func(name string, connected *bool, beat time.Duration) RelaySeen {
		return RelaySeen{Name: name, Connected: connected, Heartbeat: at.Add(beat)}
	}
	for _, c := range []struct {
		reason string
		of     RelaySeen
		beside []RelaySeen
		want   bool
	}{
		{"others have one of each", entry("b", &no, -time.Minute), []RelaySeen{entry("A", &no, -time.Minute), entry("a", &yes, time.Minute)}, true},
		{"nobody has", entry("b", &no, -time.Minute), []RelaySeen{entry("a", &yes, time.Minute)}, false},
		{"it was heard of since", entry("b", &no, time.Second), []RelaySeen{entry("a", &no, -time.Minute), entry("a", &yes, time.Minute)}, false},
		{"it is connected", entry("b", &yes, -time.Minute), []RelaySeen{entry("a", &no, -time.Minute), entry("a", &yes, time.Minute)}, false},
	} {
		s := &RelaysSeen{Relays: append(c.beside, c.of)}
		if got := s.Old(&c.of, at); got != c.want {
			t.Errorf("%s: %v", c.reason, got)
		}
	}
	if new(RelaysSeen).Old(nil, at) {
		t.Error("who is not listed has no entry")
	}
}

// TestDomainsOfADirectory: of two domains in which a machine of a name is listed, the others of the fleet tell which is meant; where they do
// not, nobody knows.
func TestDomainsOfADirectory(t *testing.T) {
	at := time.Date(2026, 11, 23, 2, 0, 0, 0, time.UTC)
	fleet := []string{"relay-01.lab.example", "relay-02.lab.example", "relay-03.lab.example"}
	const on, off, ghost, doubt, none = "on", "off", "ghost", "doubt", "none"
	type entry struct{ domain, name, is string }
	all := func(domain, is string) (all []entry) {
		for _, name := range []string{"RELAY-01", "RELAY-02", "RELAY-03"} {
			all = append(all, entry{domain, name, is})
		}
		return all
	}
	but := func(entries []entry, is string) []entry {
		entries[0].is = is
		return entries
	}
	for _, c := range []struct {
		reason  string
		list    []entry
		domains []string
		hosts   int
		want    []string // of the hosts, in order
	}{
		{"as many strangers", append(but(all("CORP", on), off), all("DMZ", on)...), nil, 3, []string{doubt, on, on}},
		{"as many strangers of bare ones", append(but(all("", on), off), all("DMZ", on)...), nil, 3, []string{doubt, on, on}},
		{"two of each", append(but(all("CORP", on), off)[:2], all("DMZ", on)[:2]...), nil, 2, []string{doubt, on}},
		{"one of each", []entry{{"CORP", "RELAY-01", off}, {"DMZ", "RELAY-01", on}}, nil, 1, []string{doubt}},
		{"one of each, one of its own domain", []entry{{"LAB", "RELAY-01", off}, {"DMZ", "RELAY-01", on}}, nil, 1, []string{doubt}},
		{"one of each, and its own is there", []entry{{"LAB", "RELAY-01", on}, {"DMZ", "RELAY-01", off}}, nil, 1, []string{on}},
		{"one of each, bare", []entry{{"", "RELAY-01", off}, {"DMZ", "RELAY-01", on}}, nil, 1, []string{doubt}},
		{"a stranger's beside a cut off one", append(but(all("LAB", on), off), entry{"DMZ", "RELAY-01", on}), nil, 3, []string{off, on, on}},
		{"a workgroup's beside a cut off one", append(but(all("LAB", on), off), entry{"RELAY-01", "RELAY-01", on}), nil, 3, []string{off, on, on}},
		{"a bare one's beside a cut off one", append(but(all("LAB", on), off), entry{"", "RELAY-01", on}), nil, 3, []string{off, on, on}},
		{"one that has joined another domain", append(but(all("CORP", on), ghost), entry{"PERI", "RELAY-01", on}), nil, 3, []string{doubt, on, on}},
		{"the same, declared", append(but(all("CORP", on), ghost), entry{"PERI", "RELAY-01", on}), []string{"CORP", "PERI"}, 3, []string{on, on, on}},
		{"not listed, and strangers are", append(all("LAB", on)[1:], all("DMZ", on)[:2]...), nil, 3, []string{doubt, on, on}},
		{"members of a workgroup", append(all("LAB", on)[:2], entry{"WORKGROUP", "RELAY-03", on}), nil, 3, []string{on, on, on}},
		{"a second domain", append(all("CORP", on)[:2], entry{"PERI", "RELAY-03", on}), nil, 3, []string{on, on, doubt}},
		{"a second domain that is declared", append(all("CORP", on)[:2], entry{"PERI", "RELAY-03", on}), []string{"corp", "peri"}, 3, []string{on, on, on}},
		{"strangers of domains that are not declared", append(but(all("CORP", on), off), all("DMZ", on)...), []string{"CORP"}, 3, []string{off, on, on}},
		{"nobody of those that are declared", all("DMZ", on), []string{"CORP"}, 3, []string{none, none, none}},
		{"old ones by the DNS domain", append(all("lab.example", ghost), all("CORP", on)...), nil, 3, []string{on, on, on}},
		{"old ones by its first label", append(all("LAB", ghost), all("CORP", on)...), nil, 3, []string{on, on, on}},
		{"old bare ones, while they connect", append(all("", ghost), all("CORP", on)[:2]...), nil, 3, []string{on, on, off}},
		{"all cut off just now, and strangers are not", append(all("LAB", off), all("DMZ", on)...), nil, 3, []string{doubt, doubt, doubt}},
		{"two domains of two hosts", []entry{{"CORP", "RELAY-01", on}, {"PERI", "RELAY-02", on}}, nil, 2, []string{on, on}},
	} {
		list := &RelaysSeen{Time: at, Domains: c.domains}
		for _, e := range c.list {
			connected, beat := e.is == on, at
			if e.is == ghost {
				beat = at.Add(-24 * time.Hour)
			}
			list.Relays = append(list.Relays, RelaySeen{Name: e.name, Domain: e.domain, Connected: &connected, Heartbeat: beat})
		}
		d := list.Directory(fleet[:c.hosts], nil)
		for i, host := range fleet[:c.hosts] {
			got := none
			switch r := d.Of[host]; {
			case d.Doubts[host] != "":
				if got = doubt; r != nil || !slices.Contains(d.Ambiguous, host) {
					t.Errorf("%s: %s is in doubt, and %+v", c.reason, host, r)
				}
			case r != nil && r.IsConnected():
				got = on
			case r != nil:
				got = off
			}
			if got != c.want[i] {
				t.Errorf("%s: %s is %s, want %s; %v", c.reason, host, got, c.want[i], d.Doubts)
			}
		}
	}
}
