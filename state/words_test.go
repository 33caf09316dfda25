package state_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"meshrotate/state"
)

// A name of a kept value means the same on every file system, and leads nowhere else.
func TestNamesOfKeptValues(t *testing.T) {
	for _, c := range []struct {
		reason, name string
		fine         bool
	}{
		{"the usual name", "7.age", true},
		{"inner dots are letters", "connector.ad.7", true},
		{"as long as any file system takes", strings.Repeat("a", 255), true},
		{"no file system takes it", strings.Repeat("a", 256), false},
		{"no name", "", false},
		{"it climbs", "..", false},
		{"a hidden file", ".age", false},
		{"Windows takes the dot off", "7.", false},
		{"another writer's temporary file", "7.tmp", false},
		{"a folder in it", "a/b", false},
		{"a folder on Windows", `a\b`, false},
		{"a stream on Windows", "7:x", false},
		{"a pattern", "*", false},
		{"a blank", "7 age", false},
		{"a line's end", "7\nage", false},
		{"the last that is printed", "7~", true},
		{"delete", "7\x7f", false},
		{"the same letter has two spellings", "é", false},
	} {
		if err := state.CheckFolder(c.name); (err == nil) != c.fine {
			t.Errorf("%s, as a folder: %v", c.reason, err)
		}
		for _, blob := range []string{"relaykey/" + c.name, c.name + "/7.age"} {
			if err := state.CheckBlob(blob); (err == nil) != (c.fine) {
				t.Errorf("%s, %q: %v", c.reason, blob, err)
			}
		}
	}
	if state.CheckBlob("relaykey") == nil {
		t.Error("a value in no folder")
	}
}

// A plan is used once, and what has no digest is no plan.
func TestAPlanIsUsedOnce(t *testing.T) {
	h := state.NewHistory([]state.Entry{
		{Time: t0, Secret: "k", Version: "7", Outcome: state.Started, Plan: "9c1f"}, {Secret: "k", Version: "7", Outcome: state.Proven},
	})
	for digest, want := range map[string]bool{"9c1f": true, "ab": false, "": false} {
		if h.Applied(digest, 0) != want {
			t.Errorf("%q: applied is %v", digest, !want)
		}
		if h.Applied(digest, h.Entries()) {
			t.Errorf("%q: what was made since was applied", digest)
		}
	}
}

// Every ledger returns the same of an entry, and what the caller does with its own afterwards is not in the ledger.
func TestRecorded(t *testing.T) {
	local := time.Date(2026, 1, 1, 1, 0, 0, 0, time.FixedZone("", 3600))
	e := state.Entry{Time: local, Secret: "k", Hosts: []string{"b", "a", "b"}, Facts: []state.Fact{}, Left: []string{"dmz"},
		Outages: []state.Outage{{What: "relays", Measured: 2, Members: []string{"a"}}}}
	got := e.Recorded()
	want := state.Entry{Time: t0, Secret: "k", Hosts: []string{"a", "b"}, Left: []string{"dmz"}, Outages: []state.Outage{{What: "relays", Measured: 2}}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v\nwant\n%+v", got, want)
	}
	e.Left[0] = "changed"
	if got.Left[0] != "dmz" || len(e.Outages[0].Members) != 1 || e.Hosts[0] != "b" {
		t.Error("the entry and what is recorded share something")
	}
	for _, c := range []struct {
		reason     string
		hosts, out []string
	}{
		{"in order", []string{"a", "b", "c"}, []string{"a", "b", "c"}},
		{"twice", []string{"a", "a"}, []string{"a"}},
		{"the last is out of order", []string{"a", "c", "b"}, []string{"a", "b", "c"}},
		{"the first is out of order", []string{"b", "a"}, []string{"a", "b"}},
		{"none is nil", []string{}, nil},
	} {
		got := state.Entry{Hosts: c.hosts}.Recorded().Hosts
		if !reflect.DeepEqual(got, c.out) {
			t.Errorf("%s: %q", c.reason, got)
		}
		if len(got) > 0 {
			if got[0] = "changed"; c.hosts[0] == "changed" {
				t.Errorf("%s: the hosts are shared", c.reason)
			}
		}
	}
}

// Who is locked out reads by whom, since when, and what to do.
func TestWhoHoldsTheLock(t *testing.T) {
	h := state.Holder{By: "mia", Host: "ops01", Run: "r1", Started: t0, Fence: 3}
	with := func(f func(*state.Holder)) error {
		c := h
		f(&c)
		return &state.HeldError{Holder: c}
	}
	cause := errors.New("disk full")
	for _, c := range []struct {
		reason string
		err    error
		has    []string
		not    string
	}{
		{"held", &state.HeldError{Holder: h}, []string{"mia@ops01", "run r1", t0.Format(time.RFC3339)}, "last at"},
		{"what it is at", with(func(h *state.Holder) { h.Doing = "switch" }), []string{"mia@ops01", "last at: switch"}, "switch;"},
		{"its heartbeat lies in the future: there is a holder to name", with(func(h *state.Holder) { h.Damaged = "a clock is wrong" }), []string{"mia@ops01", "a clock is wrong"}, "nobody"},
		{"it cannot be read: nothing else is known", with(func(h *state.Holder) { h.Damaged, h.Fence = "no JSON", 0 }), []string{"nobody", "no JSON", "that no meshrotate is at work"}, "wait for it"},
		{"no fence, and not damaged", with(func(h *state.Holder) { h.Fence = 0 }), []string{"mia@ops01"}, "nobody"},
		{"taken over", &state.LostError{Fence: 2, Holder: h, Err: cause}, []string{"fence 2", "mia@ops01", "run r1", "fence 3"}, "removed"},
		{"not renewed", &state.LostError{Fence: 2, Err: cause}, []string{"fence 2", "disk full"}, "removed"},
		{"removed", &state.LostError{Fence: 2}, []string{"fence 2", "removed"}, "held"},
	} {
		text := c.err.Error()
		hint, hinted := c.err.(interface{ Hint() string })
		if !hinted || !strings.Contains(hint.Hint(), "meshrotate ") {
			t.Errorf("%s: what to do about it is not said", c.reason)
			continue
		}
		text += "\n" + hint.Hint()
		for _, word := range c.has {
			if !strings.Contains(text, word) {
				t.Errorf("%s: no %q in %q", c.reason, word, text)
			}
		}
		if strings.Contains(text, c.not) {
			t.Errorf("%s: %q", c.reason, text)
		}
	}
	if !errors.Is(&state.LostError{Err: cause}, cause) {
		t.Error("why it was not renewed is lost")
	}
}
