package state_test

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"meshrotate/state"
)

var t0 = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// ledger writes entries as "version outcome [step[@host,host]]", an hour apart, all about one secret.
func ledger(lines ...string) state.History {
	var all []state.Entry
	for i, line := range lines {
		f := append(strings.Fields(line), "")
		step, host, _ := strings.Cut(f[2], "@")
		var hosts []string
		if host != "" {
			hosts = strings.Split(host, ",")
		}
		all = append(all, state.Entry{Time: t0.Add(time.Duration(i) * time.Hour), Run: fmt.Sprint("r", i), Secret: "k",
			Version: f[0], Outcome: state.Outcome(f[1]), Step: step, Hosts: hosts})
	}
	return state.NewHistory(all)
}

func TestWholeRotations(t *testing.T) {
	for _, c := range []struct {
		reason  string
		lines   []string
		last    string // version of LastProven
		pending string // versions of which 6, 7, 8 are pending
		vouched string
	}{
		{"nothing is known of an empty ledger", nil, "", "", ""},
		{"a start proves nothing", []string{"7 started"}, "", "7", ""},
		{"proven", []string{"7 started", "7 proven"}, "7", "", "7"},
		{"a step is not the rotation", []string{"7 started", "7 done stop@a"}, "", "7", ""},
		{"failed is an outcome", []string{"7 started", "7 failed"}, "", "", ""},
		{"unknown is to be gone on from", []string{"7 started", "7 unknown"}, "", "7", ""},
		{"ahead is to be gone on from", []string{"7 started", "7 ahead"}, "", "7", ""},
		{"ahead, again and again", []string{"7 started", "7 ahead", "7 started", "7 ahead", "7 started"}, "", "7", ""},
		{"ahead, then proven", []string{"7 started", "7 ahead", "7 started", "7 proven"}, "7", "", "7"},
		{"ahead without a start", []string{"7 ahead"}, "", "7", ""},
		{"ahead of another version takes no proof back", []string{"7 started", "7 proven", "8 started", "8 ahead"}, "7", "8", ""},
		{"unknown of another version takes no proof back", []string{"7 started", "7 proven", "8 started", "8 unknown"}, "7", "8", ""},
		{"the last rotation stays the last one proven while the next is under way", []string{"7 started", "7 proven", "8 started"}, "7", "8", ""},
		{"a failure leaves the secret in doubt", []string{"7 started", "7 proven", "8 started", "8 failed"}, "7", "", ""},
		{"a resumed rotation", []string{"7 started", "7 started", "7 proven"}, "7", "", "7"},
		{"back without knowing what was before", []string{"7 started", "7 failed", "7 back"}, "", "", ""},
		{"back after all", []string{"6 started", "6 proven", "7 started", "7 proven", "7 back"}, "6", "", ""},
		{"back takes one rotation of a version, not an earlier one", []string{"7 started", "7 proven", "7 started", "7 failed", "7 back"}, "7", "", ""},
		{"back and forth", []string{"7 started", "7 proven", "6 started", "6 proven", "7 started"}, "6", "7", ""},
		{"two cut off", []string{"6 started", "7 started"}, "", "6 7", ""},
		{"a step's failure does not end the rotation", []string{"7 started", "7 failed stop@a"}, "", "7", ""},
		{"back to where an earlier run was cut off: that one is pending still", []string{"7 started", "7 started", "7 back"}, "", "7", ""},
		{"back to ahead", []string{"7 started", "7 ahead", "7 started", "7 back"}, "", "7", ""},
		{"back to back", []string{"7 started", "7 back", "7 started", "7 back"}, "", "", ""},
		{"back of another version ends nothing", []string{"7 started", "8 started", "8 back"}, "", "7", ""},
		{"back to where it was cut off, and then proven", []string{"7 started", "7 started", "7 back", "7 started", "7 proven"}, "7", "", "7"},
		{"two starts, both taken back", []string{"7 started", "7 started", "7 back", "7 back"}, "", "", ""},
		{"cut off, proven by the next run, and taken back by hand: no run goes on from there", []string{"7 started", "7 started", "7 proven", "7 back"}, "", "", ""},
		{"recorded without a start", []string{"7 proven"}, "7", "", "7"},
	} {
		h := ledger(c.lines...)
		last, ok := h.LastProven("k")
		if last.Version != c.last || ok != (c.last != "") {
			t.Errorf("%s: LastProven %q, %v; want %q", c.reason, last.Version, ok, c.last)
		}
		var pending []string
		for _, v := range []string{"6", "7", "8"} {
			if e, ok := h.Pending("k", v); ok && e.Version == v && (e.Outcome == state.Started || len(c.lines) == 1) {
				pending = append(pending, v)
			}
		}
		if got := strings.Join(pending, " "); got != c.pending {
			t.Errorf("%s: pending %q, want %q", c.reason, got, c.pending)
		}
		if v, ok := h.Vouched("k"); v != c.vouched || ok != (c.vouched != "") {
			t.Errorf("%s: Vouched %q, %v; want %q", c.reason, v, ok, c.vouched)
		}
	}
}

func TestVouchedWhenBack(t *testing.T) {
	entry := func(version string, o state.Outcome, before string) state.Entry {
		return state.Entry{Secret: "k", Version: version, Outcome: o, Before: before}
	}
	for _, c := range []struct {
		reason  string
		entries []state.Entry
		want    string
	}{
		{"the last word says it", []state.Entry{entry("7", state.Started, ""), entry("7", state.Back, "6")}, "6"},
		{"the start says it", []state.Entry{entry("7", state.Started, "6"), entry("7", state.Failed, ""), entry("7", state.Back, "")}, "6"},
		{"back to where an earlier run was cut off: nobody knows what is there", []state.Entry{entry("7", state.Started, "6"), entry("7", state.Started, ""), entry("7", state.Back, "")}, ""},
		{"of another version, too", []state.Entry{entry("7", state.Started, "6"), entry("8", state.Started, "6"), entry("8", state.Back, "6")}, ""},
		{"a start before another proof is too old", []state.Entry{entry("7", state.Started, "6"), entry("5", state.Proven, ""), entry("7", state.Started, ""), entry("7", state.Back, "")}, ""},
		{"an ALTER that was done has no way back: the next run's back is back to that", []state.Entry{entry("7", state.Started, "6"), entry("7", state.Ahead, ""), entry("7", state.Started, "6"), entry("7", state.Back, "6")}, ""},
		{"nor to what nobody knows", []state.Entry{entry("7", state.Started, "6"), entry("7", state.Unknown, ""), entry("8", state.Started, "6"), entry("8", state.Back, "6")}, ""},
		{"another version's start knows nothing of it", []state.Entry{entry("8", state.Started, "5"), entry("7", state.Started, ""), entry("7", state.Back, "")}, ""},
		{"the start knows, not a failure that came after it", []state.Entry{entry("7", state.Started, "6"), entry("7", state.Failed, "5"), entry("7", state.Back, "")}, "6"},
		{"nobody vouches for a version without a name", []state.Entry{entry("", state.Proven, "")}, ""},
		{"a proof ends the doubt", []state.Entry{entry("7", state.Started, "6"), entry("7", state.Ahead, ""), entry("7", state.Proven, ""), entry("8", state.Started, "7"), entry("8", state.Back, "")}, "7"},
	} {
		if v, ok := state.NewHistory(c.entries).Vouched("k"); v != c.want || ok != (c.want != "") {
			t.Errorf("%s: %q, %v; want %q", c.reason, v, ok, c.want)
		}
	}
}

func TestStepDone(t *testing.T) {
	for _, c := range []struct {
		reason string
		lines  []string
		want   bool
	}{
		{"nothing", nil, false},
		{"done", []string{"7 started", "7 done set@a"}, true},
		{"done before a crash still counts in the next run", []string{"7 started", "7 done set@a", "7 started"}, true},
		{"done before a failure elsewhere", []string{"7 started", "7 done set@a", "7 failed set@b", "7 failed"}, true},
		{"finished rotations keep their steps: a host that was left behind is told from the others", []string{"7 started", "7 done set@a", "7 proven"}, true},
		{"ahead keeps what was done: the next run goes on from there", []string{"7 started", "7 done set@a", "7 ahead"}, true},
		{"on many hosts", []string{"7 started", "7 done set@f,e,d,c,b,a"}, true},
		{"on many hosts, tried again on all", []string{"7 started", "7 done set@f,e,d,c,b,a", "7 started set@a,b,c,d,e,f"}, false},
		{"on many hosts, tried again on this one", []string{"7 started", "7 done set@f,e,d,c,b,a", "7 started set@a"}, false},
		{"on many hosts, tried again on another one", []string{"7 started", "7 done set@f,e,d,c,b,a", "7 started set@b"}, true},
		{"on this one, tried again on many", []string{"7 started", "7 done set@a", "7 started set@a,b,c,d,e,f"}, false},
		{"on this one after many failed", []string{"7 started", "7 failed set@a,b,c,d,e,f", "7 done set@a"}, true},
		{"other hosts", []string{"7 started", "7 done set@b,c,d,e,f"}, false},
		{"another host", []string{"7 started", "7 done set@b"}, false},
		{"another step", []string{"7 started", "7 done stop@a"}, false},
		{"another version", []string{"6 started", "6 done set@a"}, false},
		{"started is not done", []string{"7 started", "7 started set@a"}, false},
		{"tried again since", []string{"7 started", "7 done set@a", "7 started set@a"}, false},
		{"done, or not, since", []string{"7 started", "7 done set@a", "7 unknown set@a"}, false},
		{"taken back with the rotation", []string{"7 started", "7 done set@a", "7 back"}, false},
		{"overwritten by another version, maybe", []string{"7 started", "7 done set@a", "7 proven", "8 started", "8 failed"}, false},
		{"overwritten, and back again", []string{"7 started", "7 done set@a", "7 proven", "8 started", "8 proven", "7 started"}, false},
	} {
		e, ok := ledger(c.lines...).StepDone("k", "7", "set", "a")
		if ok != c.want || ok && (!slices.Contains(e.Hosts, "a") || e.Step != "set") {
			t.Errorf("%s: %+v, %v", c.reason, e, ok)
		}
	}
}

func TestStepWithoutAHost(t *testing.T) {
	for _, c := range []struct {
		reason string
		lines  []string
		want   bool
	}{
		{"done, at no host", []string{"7 started", "7 done set"}, true},
		{"done on a host only", []string{"7 started", "7 done set@a"}, false},
		{"another step", []string{"7 started", "7 done stop"}, false},
	} {
		if e, ok := ledger(c.lines...).StepDone("k", "7", "set", ""); ok != c.want || ok && e.Step != "set" {
			t.Errorf("%s: %+v, %v", c.reason, e, ok)
		}
	}
}

func TestOutages(t *testing.T) {
	h := state.NewHistory([]state.Entry{
		{Secret: "k", Version: "6", Outcome: state.Proven, Outages: []state.Outage{{What: "relays", Measured: 30}}},
		{Secret: "k", Version: "7", Outcome: state.Proven, Outages: []state.Outage{{What: "relays", Measured: 20}}},
		{Secret: "k", Version: "8", Outcome: state.Started},
		{Secret: "other", Version: "1", Outcome: state.Proven, Outages: []state.Outage{{What: "relays", Measured: 1}}},
	})
	want := []state.Outage{{What: "relays", Measured: 20}}
	got := h.Outages("k")
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%+v", got)
	}
	back := state.Entry{Secret: "k", Version: "7", Outcome: state.Proven, Outages: []state.Outage{{What: "r1", Measured: 900, UpBy: time.Unix(900, 0)}}}
	if got := state.NewHistory([]state.Entry{{Secret: "k", Version: "6", Outcome: state.Proven, Outages: want}, back}).Outages("k"); !reflect.DeepEqual(got, want) {
		t.Errorf("what nobody measured is none: %+v", got)
	}
	first := []state.Entry{{Secret: "k", Version: "6", Outcome: state.Proven, Outages: want}}
	if got := state.NewHistory(first).Outages("k"); !reflect.DeepEqual(got, want) {
		t.Errorf("measured in the only entry: %+v", got)
	}
	for _, c := range []struct {
		reason string
		later  state.Entry
	}{
		{"it is not seen up", state.Entry{Outcome: state.Proven, Outages: []state.Outage{{What: "relays", Measured: 3, Since: time.Unix(9, 0)}}}},
		{"it was not measured", state.Entry{Outcome: state.Proven, Outages: []state.Outage{{What: "relays"}}}},
		{"it began in an earlier run", state.Entry{Outcome: state.Proven, Outages: []state.Outage{{What: "relays", Measured: 252, Earlier: true}}}},
		{"that run was not proven: the way back counts too", state.Entry{Outcome: state.Back, Outages: []state.Outage{{What: "relays", Measured: 40}}}},
	} {
		c.later.Secret, c.later.Version = "k", "7"
		if got := state.NewHistory(append(slices.Clone(first), c.later)).Outages("k"); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v", c.reason, got)
		}
	}
	got[0].Measured = 99
	if !reflect.DeepEqual(h.Outages("k"), want) || h.Outages("nobody") != nil {
		t.Fatal("a caller changed the history, or there are outages of nobody")
	}
}

// A stop counts from the first run that was cut off after it, and not any more once a run has told what became of it.
func TestWhenAStopBegan(t *testing.T) {
	at := func(s int64) time.Time { return time.Unix(s, 0).UTC() }
	stop := func(s int64, hosts ...string) state.Entry {
		return state.Entry{Time: at(s), Secret: "k", Version: "7", Step: "stop", Outcome: state.Started, Hosts: hosts}
	}
	run := func(s int64, o state.Outcome, outages ...state.Outage) state.Entry {
		return state.Entry{Time: at(s), Secret: "k", Version: "7", Outcome: o, Outages: outages}
	}
	many := []string{"a", "b", "c", "d", "e", "f"}
	for _, c := range []struct {
		reason  string
		entries []state.Entry
		want    int64
		told    bool
	}{
		{"cut off", []state.Entry{run(1, state.Started), stop(2, "a")}, 2, false},
		{"cut off twice", []state.Entry{run(1, state.Started), stop(2, many...), run(3, state.Started), stop(4, "a"), run(5, state.Started), stop(6, many...)}, 2, false},
		{"the run told of another only", []state.Entry{run(1, state.Started), stop(2, "a"), run(3, state.Unknown, state.Outage{What: "B", Measured: 1})}, 2, false},
		{"told", []state.Entry{run(1, state.Started), stop(2, "a"), run(3, state.Unknown, state.Outage{What: "A", Measured: 1})}, 2, true},
		{"told by a clock that is behind", []state.Entry{run(1, state.Started), stop(2, "a"), run(1, state.Unknown, state.Outage{What: "A", Measured: 1})}, 2, true},
		{"told, and begun again", []state.Entry{run(1, state.Started), stop(2, "a"), run(3, state.Unknown, state.Outage{What: "A", Measured: 1}),
			run(4, state.Started), stop(5, many...)}, 5, false},
	} {
		h := state.NewHistory(c.entries)
		if got, ok := h.StepBegan("k", "7", "stop", "a"); !ok || !got.Equal(at(c.want)) {
			t.Errorf("%s: %v %v", c.reason, got, ok)
		}
		if got := h.ToldSince("k", "7", "stop", "a", "A"); got != c.told {
			t.Errorf("%s: told %v", c.reason, got)
		}
	}
}

// What is down is so until another word about it, or until everything was proven.
func TestLastWord(t *testing.T) {
	at := func(s int64) time.Time { return time.Unix(s, 0).UTC() }
	down := state.Entry{Time: at(20), Fence: 2, Secret: "k", Version: "7", Outcome: state.Proven, Left: []string{"r1"}, Outages: []state.Outage{{What: "r1", Since: at(10)}}}
	for _, c := range []struct {
		reason string
		next   state.Entry
		want   bool
	}{
		{"another is left behind", state.Entry{Outcome: state.Proven, Left: []string{"r2"}}, true},
		{"a run that failed says nothing of it", state.Entry{Outcome: state.Unknown}, true},
		{"it is up", state.Entry{Outcome: state.Proven, Left: []string{"r2"}, Outages: []state.Outage{{What: "r1", Measured: 3}}}, false},
		{"everything is proven", state.Entry{Outcome: state.Proven}, false},
		{"a run that has lost its lock says late that it is up", state.Entry{Fence: 1, Outcome: state.Unknown, Outages: []state.Outage{{What: "r1", Measured: 3}}}, true},
	} {
		c.next.Time, c.next.Fence, c.next.Secret, c.next.Version = at(30), cmp.Or(c.next.Fence, 2), "k", "7"
		w, ok := state.NewHistory([]state.Entry{down, c.next}).LastWord("k", "r1")
		if isDown := ok && !w.Since.IsZero(); isDown != c.want || isDown && (!w.Since.Equal(at(10)) || !w.Told.Equal(at(20))) {
			t.Errorf("%s: %+v %v", c.reason, w, ok)
		}
	}
}

func TestZeroHistoryKnowsNothing(t *testing.T) {
	var h state.History
	_, a := h.LastProven("k")
	_, b := h.Pending("k", "7")
	_, c := h.Vouched("k")
	_, d := h.StepDone("k", "7", "s", "h")
	_, e := h.Due("k", time.Hour)
	_, f := h.Fact("k", "h", "f")
	if slices.Contains([]bool{a, b, c, d, e, f}, true) {
		t.Fatal("the history of nothing knows something")
	}
}

// A run that was suspended, and lost its lock to another which proved the rotation, says late that it does not know what became of
// it: that is its own outcome, and nothing else.
func TestALateWordIsItsRunsOwn(t *testing.T) {
	at := func(s int64) time.Time { return time.Unix(s, 0).UTC() }
	entry := func(run string, fence uint64, s int64, o state.Outcome) state.Entry {
		return state.Entry{Run: run, Fence: fence, Time: at(s), Secret: "k", Version: "7", Outcome: o}
	}
	proven := entry("second", 2, 30, state.Proven)
	proven.Outages = []state.Outage{{What: "Admin", Measured: 37}}
	late := entry("first", 1, 40, state.Unknown)
	late.Outages = []state.Outage{{What: "Admin", Since: at(10)}}
	step := entry("first", 1, 41, state.Done)
	step.Step, step.Facts = "switch/a/stop admin", []state.Fact{{Field: "f", Value: "old"}}
	h := state.NewHistory([]state.Entry{entry("first", 1, 10, state.Started), entry("second", 2, 20, state.Started), proven, late, step})
	log := h.Rotations("k")
	if len(log) != 2 || log[0].Outcome != state.Unknown || len(log[0].Outages) != 1 || log[1].Outcome != state.Proven || log[1].Outages[0].Measured != 37 {
		t.Errorf("%+v", log)
	}
	if v, ok := h.Vouched("k"); !ok || v != "7" {
		t.Errorf("it vouches for %q %v", v, ok)
	}
	if _, open := h.Pending("k", "7"); open {
		t.Error("it is pending")
	}
	if w, ok := h.LastWord("k", "Admin"); ok && !w.Since.IsZero() {
		t.Errorf("Admin is down: %+v", w)
	}
	if _, known := h.Fact("k", "", "f"); known {
		t.Error("a late fact counts")
	}
}

// What a run left down on a host is known as long as nothing has proven that all works, whatever the document names now.
func TestDownElsewhere(t *testing.T) {
	at := time.Date(2026, 11, 26, 14, 15, 33, 0, time.UTC)
	entries := []state.Entry{
		{Secret: "k", Version: "7", Outcome: state.Started},
		{Secret: "k", Version: "7", Outcome: state.Proven, Left: []string{"relay-02"}, Outages: []state.Outage{{What: "relays", Since: at}, {What: "relay-02", Host: "relay-02", Service: "Agent", Since: at}}},
		{Secret: "j", Version: "1", Outcome: state.Unknown, Outages: []state.Outage{{What: "relay-02", Host: "relay-02", Service: "Agent", Since: at.Add(time.Minute)}}},
	}
	nobody := func(string, string) bool { return false }
	if all := state.NewHistory(entries).DownElsewhere(nobody); len(all) != 1 || all[0].Host != "relay-02" || all[0].Service != "Agent" || !all[0].Since.Equal(at) {
		t.Errorf("%+v", all)
	}
	if all := state.NewHistory(entries).DownElsewhere(func(_, host string) bool { return host == "relay-02" }); len(all) > 0 {
		t.Errorf("it is named: %+v", all)
	}
	for _, secret := range []string{"k", "j"} {
		entries = append(entries, state.Entry{Secret: secret, Version: "8", Outcome: state.Started}, state.Entry{Secret: secret, Version: "8", Outcome: state.Proven})
	}
	if all := state.NewHistory(entries).DownElsewhere(nobody); len(all) > 0 {
		t.Errorf("all was proven since: %+v", all)
	}
}

// When a stop had ended: as long after its beginning as it may take, or when a run had started the service again by its end.
func TestStoppedBy(t *testing.T) {
	at := time.Date(2026, 11, 26, 14, 15, 33, 0, time.UTC)
	for _, c := range []struct {
		w    state.Word
		want time.Duration
	}{
		{state.Word{Since: at, Told: at.Add(20 * time.Second)}, time.Minute},
		{state.Word{Since: at, Told: at.Add(20 * time.Second), Started: true}, 20 * time.Second},
		{state.Word{Since: at, Told: at.Add(2 * time.Hour), Started: true}, time.Minute},
		{state.Word{Since: at, Told: at, Unsure: true}, time.Minute},
	} {
		if got := c.w.StoppedBy(time.Minute); !got.Equal(at.Add(c.want)) {
			t.Errorf("%+v: %v, not %v", c.w, got.Sub(at), c.want)
		}
	}
}

// A run that was cut off has told no end: what it began to stop may be down, unless its stop failed or a later step started it, for
// whatever secret.
func TestDownElsewhereAfterAKill(t *testing.T) {
	at := time.Date(2026, 11, 26, 14, 15, 33, 0, time.UTC)
	step := func(secret, step string, o state.Outcome, after time.Duration, hosts ...string) state.Entry {
		e := state.Entry{Time: at.Add(after), Secret: secret, Version: "7", Step: step, Outcome: o, Hosts: hosts}
		if e.Stops = "Agent"; step == "switch/start" {
			e.Stops, e.Starts = "", "Agent"
		}
		return e
	}
	killed := []state.Entry{{Time: at, Secret: "k", Version: "7", Outcome: state.Started}, step("k", "switch/stop", state.Started, 1, "a", "b", "c", "d", "e", "f")}
	for _, c := range []struct {
		reason string
		more   []state.Entry
		hosts  string
	}{
		{"killed", nil, "abcdef"},
		{"one stop failed", []state.Entry{step("k", "switch/stop", state.Failed, 2, "b")}, "acdef"},
		{"some were started", []state.Entry{step("k", "switch/stop", state.Done, 2, "a", "b", "c", "d", "e"), step("k", "switch/start", state.Done, 3, "a", "b", "c", "d", "e")}, "f"},
		{"another secret's run started one", []state.Entry{step("j", "switch/start", state.Done, 3, "c")}, "abdef"},
		{"a run told its end", []state.Entry{{Time: at.Add(4), Secret: "k", Version: "7", Outcome: state.Unknown}}, ""},
	} {
		var got string
		for _, w := range state.NewHistory(append(slices.Clone(killed), c.more...)).DownElsewhere(func(string, string) bool { return false }) {
			if got += w.Host; !w.Unsure || w.Service != "Agent" || !w.Since.Equal(at.Add(1)) {
				t.Errorf("%s: %+v", c.reason, w)
			}
		}
		if got != c.hosts {
			t.Errorf("%s: %q, not %q", c.reason, got, c.hosts)
		}
	}
}

// What is tidied up after a rotation's end leaves what it stopped told: a later version that is begun does not make it untold again.
func TestToldThoughItWasTidiedAfterwards(t *testing.T) {
	at := time.Date(2026, 11, 1, 2, 0, 0, 0, time.UTC)
	stop := state.Entry{Time: at, Secret: "key", Version: "7", Step: "switch/stop", Hosts: []string{"admin"}, Outcome: state.Started}
	tidy := state.Entry{Time: at, Secret: "key", Version: "7", Step: "retire/tidy", Hosts: []string{"admin"}, Outcome: state.Done}
	whole := func(version string, o state.Outcome) state.Entry {
		return state.Entry{Time: at, Secret: "key", Version: version, Outcome: o}
	}
	h := state.NewHistory([]state.Entry{whole("7", state.Started), stop, whole("7", state.Proven), tidy, whole("8", state.Started)})
	if began, _, ok := h.Untold("key", "switch/stop", "admin"); ok {
		t.Errorf("untold since %v", began)
	}
	h = state.NewHistory([]state.Entry{whole("7", state.Started), stop, whole("8", state.Started)})
	if _, _, ok := h.Untold("key", "switch/stop", "admin"); !ok {
		t.Error("nobody has told what became of it")
	}
}
