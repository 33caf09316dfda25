package state

import (
	"slices"
	"testing"
)

// What a step has left on a host is of whom it was begun for last there, whatever was begun for that secret since.
func TestLastToBegin(t *testing.T) {
	began := func(run, secret string, hosts ...string) Entry {
		return Entry{Run: run, Secret: secret, Version: "1", Step: "prepare/stage", Hosts: hosts, Outcome: Started}
	}
	h := NewHistory([]Entry{
		began("1", "alpha", "c", "a"),
		began("2", "beta", "b"),
		began("3", "alpha", "b"), began("3", "beta", "b"),
		{Run: "4", Secret: "alpha", Version: "2", Outcome: Started},
		{Run: "4", Secret: "gamma", Version: "2", Step: "prepare/stage", Hosts: []string{"a"}, Outcome: Done},
	})
	for host, want := range map[string][]string{"a": {"alpha"}, "b": {"beta", "alpha"}, "c": {"alpha"}, "d": nil} {
		if got := h.LastToBegin("prepare/stage", host); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", host, got, want)
		}
	}
}
