package specs_test

import (
	"testing"

	"meshrotate/specs"
)

// Several secrets of one service may lie in several files. What the document says of a host goes before what it says of all.
func TestTheFileThatAKeyLiesIn(t *testing.T) {
	all := map[string]string{"Relay:ApiKey": "all-key", "A:B": "all-b"}
	for _, c := range []struct {
		reason string
		own    specs.HostComponent
		key    string
		want   string
	}{
		{"a key of its own", specs.HostComponent{}, "relay:apikey", "all-key"},
		{"any other key", specs.HostComponent{}, "C:D", "all"},
		{"the host has another file", specs.HostComponent{Settings: "own"}, "Relay:ApiKey", "own"},
		{"the host has another file, and one for the key", specs.HostComponent{Settings: "own", Keys: map[string]string{"RELAY:APIKEY": "own-key"}}, "Relay:ApiKey", "own-key"},
		{"the host has another file for the key", specs.HostComponent{Keys: map[string]string{"RELAY:APIKEY": "own-key"}}, "Relay:ApiKey", "own-key"},
		{"and not for the other", specs.HostComponent{Keys: map[string]string{"RELAY:APIKEY": "own-key"}}, "A:B", "all-b"},
	} {
		component := specs.Component{Settings: "all", Keys: all, Hosts: map[string]specs.HostComponent{"h": c.own}}
		if got := component.On("h").Holding(c.key); got.Settings != c.want || got.Keys != nil || got.Hosts != nil {
			t.Errorf("%s: %+v", c.reason, got)
		}
		if got := component.On("other").Holding("A:B").Settings; got != "all-b" || len(all) != 2 {
			t.Errorf("%s: another host has %s", c.reason, got)
		}
	}
}
