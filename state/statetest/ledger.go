// Package statetest is the conformance suite of a state: what every backend promises of its ledger, its lock and its
// kept values, as tests.
package statetest

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"meshrotate/state"
)

// Ledger tests a backend. fresh is called once per case and prepares empty storage; open then gives handles on it, each
// as if from a process of its own.
func Ledger(t *testing.T, fresh func(t *testing.T) (open func() state.Ledger)) {
	t.Helper()
	for _, c := range []struct {
		name, reason string
		run          func(t *testing.T, open func() state.Ledger)
	}{
		{"empty", "a deployment that was never rotated has a history: an empty one", emptyLedger},
		{"round trip", "every field counts: it is the change-log", roundTrip},
		{"order", "history is decided by order, not by clocks", ledgerOrder},
		{"many at once", "a rotation of ten thousand hosts announces all of them before it touches one", manyAtOnce},
		{"concurrent", "a nightly job and a merge may write at the same time", concurrentAppends},
		{"room", "what a run has kept room for is written; keeping it writes no entry", reserved},
		{"cancelled", "an interrupted run must not believe that its announcement is there", cancelledAppend},
		{"hostile text", "details hold whatever a host answered", hostileText},
		{"hosts", "an entry names a fleet, and is asked about one host of it", hostSets},
		{"facts", "what was learnt of each host is told again, in order: the last word counts", manyFacts},
		{"copies", "a caller may go on using what it gave", ledgerCopies},
	} {
		t.Run(c.name, func(t *testing.T) { t.Log(c.reason); c.run(t, fresh(t)) })
	}
}

func emptyLedger(t *testing.T, open func() state.Ledger) {
	wantEntries(t, open(), nil)
	if err := open().Append(t.Context()); err != nil {
		t.Fatalf("appending nothing: %v", err)
	}
	wantEntries(t, open(), nil)
}

func full() state.Entry {
	return state.Entry{
		Time: time.Date(2026, 11, 23, 2, 11, 7, 123456789, time.UTC), Run: "r1", Commit: "4f2a91c", By: "ops@build",
		Fence: 1<<53 + 1, Secret: "connector:ad:hq:bind", Version: "2026-11", Before: "2025-11", Deployment: "contoso", Step: "stop relay-07", Plan: "9c1f04d2", Salt: "5c0ffee0a1b2",
		Hosts: []string{"relay-07.hq.example", "relay-08.hq.example"}, Outcome: state.Failed, Detail: "it did not stop", Unproven: "that it works", Stops: "Agent", Starts: "Agent", Left: []string{"relay-dmz"},
		Facts:   []state.Fact{{Host: "relay-07.hq.example", Field: "heartbeat", Value: "2026-11-23T02:10:59Z"}, {Field: "machine", Value: "8c1e"}},
		Outages: []state.Outage{{What: "relays", Predicted: 21, Measured: 20.25}},
	}
}

func roundTrip(t *testing.T, open func() state.Ledger) {
	want := full()
	rv := reflect.ValueOf(want)
	for i := range rv.NumField() {
		if name := rv.Type().Field(i).Name; name != "Link" && rv.Field(i).IsZero() {
			t.Fatalf("this case must set every field; %s is zero", name)
		}
	}
	sparse := state.Entry{Time: want.Time, Outcome: state.Started}
	mustAppend(t, open(), want, sparse)
	wantEntries(t, open(), []state.Entry{want, sparse})

	elsewhere := want
	elsewhere.Time = want.Time.In(time.FixedZone("", 3600))
	mustAppend(t, open(), elsewhere)
	predicted := want
	predicted.Time = time.Now() // with the monotonic clock of this process
	predicted.Outages = []state.Outage{{What: "relays", Measured: 1, Members: []string{"not", "recorded"}}}
	mustAppend(t, open(), predicted)
	predicted.Time, predicted.Outages = predicted.Time.UTC().Round(0), []state.Outage{{What: "relays", Measured: 1}}
	wantEntries(t, open(), []state.Entry{want, sparse, want, predicted})
}

func ledgerOrder(t *testing.T, open func() state.Ledger) {
	var want []state.Entry
	l := open()
	for i := range 20 {
		e := entry(i)
		e.Time = e.Time.Add(-time.Duration(i) * time.Hour) // a clock that runs backwards
		want = append(want, e)
		mustAppend(t, l, e)
		l = open()
	}
	wantEntries(t, l, want)
}

func manyAtOnce(t *testing.T, open func() state.Ledger) {
	var want []state.Entry
	for i := range 5000 {
		want = append(want, entry(i))
	}
	mustAppend(t, open(), want...)
	wantEntries(t, open(), want)
}

func concurrentAppends(t *testing.T, open func() state.Ledger) {
	const writers, batches = 4, 10
	var all sync.WaitGroup
	for w := range writers {
		l := open()
		all.Go(func() {
			for b := range batches {
				pair := []state.Entry{entry(b), entry(b)}
				for i := range pair {
					pair[i].Run, pair[i].Step = fmt.Sprint("writer-", w), fmt.Sprint("half-", i)
				}
				if err := l.Append(context.Background(), pair...); err != nil {
					t.Errorf("append: %v", err)
				}
			}
		})
	}
	all.Wait()
	got := entries(t, open())
	if len(got) != writers*batches*2 {
		t.Fatalf("%d entries, want %d", len(got), writers*batches*2)
	}
	next := map[string]int{}
	for i := 0; i < len(got); i += 2 {
		a, b := got[i], got[i+1]
		if a.Run != b.Run || a.Step != "half-0" || b.Step != "half-1" || a.Version != b.Version {
			t.Fatalf("entries %d and %d are not of one Append: %+v, %+v", i, i+1, a, b)
		}
		if want := fmt.Sprint(next[a.Run]); a.Version != want {
			t.Fatalf("%s: version %s, want %s: its own order is lost", a.Run, a.Version, want)
		}
		next[a.Run]++
	}
}

func cancelledAppend(t *testing.T, open func() state.Ledger) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := open().Append(ctx, entry(1)); err == nil {
		t.Fatal("a cancelled Append reported success")
	}
	mustAppend(t, open(), entry(2))
	got := entries(t, open())
	if last := got[len(got)-1]; last.Version != "2" {
		t.Fatalf("the next entry is not there: %+v", last)
	}
}

func reserved(t *testing.T, open func() state.Ledger) {
	l := open()
	for _, size := range []int{1 << 16, 1, 1 << 10} {
		if err := l.Reserve(t.Context(), size); err != nil {
			t.Fatal(err)
		}
	}
	wantEntries(t, open(), nil)
	mustAppend(t, l, full())
	wantEntries(t, open(), []state.Entry{full()})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Reserve(ctx, 1); err == nil {
		t.Error("an interrupted run believes that its room is there")
	}
}

func hostileText(t *testing.T, open func() state.Ledger) {
	var want []state.Entry
	for _, text := range []string{
		"two\nlines", "tab\tand\rreturn", "#torn", "\u2028\u2029", "<b>&amp;", `"quoted" \n`, "\x00\x01\x1b[31m", "relé 🔑",
		strings.Repeat("long ", 50000), "{\"outcome\":\"done\"}\n{\"outcome\":\"done\"}",
	} {
		e := entry(0)
		e.Detail, e.Hosts = text, []string{text}
		want = append(want, e)
	}
	for _, e := range want {
		mustAppend(t, open(), e)
	}
	wantEntries(t, open(), want)
}

func ledgerCopies(t *testing.T, open func() state.Ledger) {
	l, given := open(), []state.Entry{full()}
	given[0].Hosts = []string{"z", "a"}
	mustAppend(t, l, given...)
	if given[0].Hosts[0] != "z" {
		t.Fatal("what the caller gave was changed")
	}
	given[0].Outages[0].What, given[0].Hosts[0], given[0].Facts[0].Value, given[0].Left[0] = "changed", "changed", "changed", "changed"
	want := full()
	want.Hosts = []string{"a", "z"}
	wantEntries(t, l, []state.Entry{want})
}

// entry is one of many: i is its version.
func entry(i int) state.Entry {
	return state.Entry{Time: time.Date(2026, 11, 23, 0, 0, i, 0, time.UTC), Run: "r", Secret: "relaykey",
		Version: fmt.Sprint(i), Outcome: state.Started}
}

func mustAppend(t *testing.T, l state.Ledger, e ...state.Entry) {
	t.Helper()
	if err := l.Append(t.Context(), e...); err != nil {
		t.Fatalf("append: %v", err)
	}
}

func entries(t *testing.T, l state.Ledger) []state.Entry {
	t.Helper()
	got, err := l.Entries(t.Context())
	if err != nil {
		t.Fatalf("entries: %v", err)
	}
	return got
}

func wantEntries(t *testing.T, l state.Ledger, want []state.Entry) {
	t.Helper()
	got := entries(t, l)
	if len(got) != len(want) {
		t.Fatalf("%d entries, want %d", len(got), len(want))
	}
	for i := range want {
		got[i].Link = "" // of the ledger, not of the entry
		if !reflect.DeepEqual(got[i], want[i]) {
			t.Fatalf("entry %d:\n got %+v\nwant %+v", i, got[i], want[i])
		}
	}
}
