package state

import "testing"

// A run that was cut off, or went back, was not in vain as far as anybody knows; and what worked in between begins anew.
func TestInVain(t *testing.T) {
	const step, host = "switch/start x", "a"
	run := func(id, version string, ends Outcome, starts bool, left ...string) []Entry {
		all := []Entry{{Run: id, Secret: "s", Version: version, Outcome: Started}}
		if starts {
			all = append(all, Entry{Run: id, Secret: "s", Version: version, Step: step, Hosts: []string{"b", host}, Outcome: Started})
		}
		if ends != "" {
			all = append(all, Entry{Run: id, Secret: "s", Version: version, Outcome: ends, Left: left})
		}
		return all
	}
	for _, c := range []struct {
		name string
		runs [][]Entry
		want int
	}{
		{"none", nil, 0},
		{"two", [][]Entry{run("1", "7", Proven, true, host), run("2", "7", Unknown, true, host)}, 2},
		{"one was cut off", [][]Entry{run("1", "7", Proven, true, host), run("2", "7", "", true)}, 1},
		{"one went back", [][]Entry{run("1", "7", Proven, true, host), run("2", "7", Back, true)}, 1},
		{"one did not start it", [][]Entry{run("1", "7", Proven, true, host), run("2", "7", Proven, false, host)}, 1},
		{"one left another behind", [][]Entry{run("1", "7", Proven, true, host), run("2", "7", Proven, true, "b")}, 0},
		{"another version", [][]Entry{run("1", "6", Proven, true, host), run("2", "7", Proven, true, host)}, 1},
		{"an end told twice", [][]Entry{run("1", "7", Proven, true, host), {{Run: "1", Secret: "s", Version: "7", Outcome: Proven, Left: []string{host}}}}, 1},
	} {
		var all []Entry
		for _, entries := range c.runs {
			all = append(all, entries...)
		}
		if got := NewHistory(all).InVain("s", "7", step, host); got != c.want {
			t.Errorf("%s: %d, not %d", c.name, got, c.want)
		}
	}
}
