package state

import "testing"

// A rotation that was cut off before another version was proven says of what is live now nothing.
func TestUnfinished(t *testing.T) {
	of := func(version string, o Outcome, before string) Entry {
		return Entry{Secret: "s", Version: version, Outcome: o, Before: before}
	}
	cut := []Entry{of("12", Started, "11")}
	for _, c := range []struct {
		name   string
		more   []Entry
		before string
		ok     bool
	}{
		{"cut off", nil, "11", true},
		{"another was begun", []Entry{of("13", Started, "11")}, "11", true},
		{"another was proven", []Entry{of("13", Started, "11"), of("13", Proven, "11")}, "", false},
		{"and it was begun again", []Entry{of("13", Started, "11"), of("13", Proven, "11"), of("12", Started, "13")}, "13", true},
		{"it was proven", []Entry{of("12", Proven, "11")}, "", false},
	} {
		e, ok := NewHistory(append(cut[:1:1], c.more...)).Unfinished("s", "12")
		if ok != c.ok || ok && e.Before != c.before {
			t.Errorf("%s: %+v %v", c.name, e, ok)
		}
	}
}
