package statetest

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"testing"

	"meshrotate/state"
)

// hostSets: whatever the form in which a backend keeps them, hosts come back sorted, each once, and none of them turned
// into others.
func hostSets(t *testing.T, open func() state.Ledger) {
	var fleet, random []string
	for i := range 300 {
		fleet = append(fleet, fmt.Sprintf("relay-%04d.hq.example", i))
		random = append(random, fmt.Sprintf("%x.hq.example", sha256.Sum256([]byte{byte(i), byte(i >> 8)}))[:24])
	}
	var want []state.Entry
	for _, hosts := range [][]string{
		nil, {"a"}, {"b", "a", "b"}, {"relay-2", "relay-10", "relay-1"}, {"relay-01", "relay-1", "relay-001"}, {"10.0.0.1", "10.0.0.2"},
		{"relay-[01..12]", "relay-[1..3].hq", "[", "..]", ""}, {"99999999999999999998", "99999999999999999999"}, {"r9", "r10", "R9", "r٣"},
		{",", "a,b", "@a", "sha256:00", "\\", "\"", "a b"}, fleet, fleet[:299], append(slices.Clone(fleet[100:]), "admin01"), random, random, random[1:], fleet,
	} {
		e := entry(len(want))
		e.Step, e.Hosts = "switch/stop", hosts
		mustAppend(t, open(), e)
		e.Hosts = slices.Compact(slices.Sorted(slices.Values(hosts)))
		want = append(want, e)
	}
	wantEntries(t, open(), want)
	batch := entry(0)
	batch.Hosts = random
	mustAppend(t, open(), batch, batch, batch)
	slices.Sort(batch.Hosts)
	wantEntries(t, open(), append(want, batch, batch, batch))
}

func manyFacts(t *testing.T, open func() state.Ledger) {
	var alike, each, mixed []state.Fact
	for i := range 200 {
		host := fmt.Sprintf("relay-%03d.hq.example", i)
		alike = append(alike, state.Fact{Host: host, Field: "dependents", Value: "Spooler W32Time"})
		each = append(each, state.Fact{Host: host, Field: "heartbeat", Value: fmt.Sprint("2026-11-23T02:10:", i)})
		mixed = append(mixed, state.Fact{Host: host, Field: "a", Value: "1"}, state.Fact{Host: host, Field: "b", Value: "1"})
	}
	fact := func(host, value string) state.Fact { return state.Fact{Host: host, Field: "f", Value: value} }
	var want []state.Entry
	for _, facts := range [][]state.Fact{
		alike, each, mixed, append(slices.Clone(alike), each...), {fact("", "x"), fact("a", "x"), fact("b", "x")},
		{fact("b", "x"), fact("a", "x")}, {fact("a", "x"), fact("a", "y"), fact("a", "x")}, {fact("a", "x"), fact("a", "x")}, {fact("a b,c[1..3]", "<\n>")},
	} {
		e := entry(len(want))
		e.Facts = facts
		want = append(want, e)
	}
	mustAppend(t, open(), want...)
	wantEntries(t, open(), want)
}
