package reconciler_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"meshrotate/reconciler"
	"meshrotate/specs"
	"meshrotate/state"
)

func TestMerging(t *testing.T) {
	edit := func(name, edits string) rotation {
		s := step(reconciler.Prepare, "admin", "stage settings")
		s.Op = staged{op{Host: "admin", What: "stage settings", Edit: edits}}
		return rotation{name: name, steps: []reconciler.Step{s,
			step(reconciler.Switch, "admin", "stop admin"), step(reconciler.Switch, "admin", "swap settings", "stop admin"),
			step(reconciler.Switch, "admin", "start admin", "swap settings"), step(reconciler.Verify, "", "prove "+name)}}
	}
	b := newBench(t, edit("key", "ApiKey"), edit("sql", "SqlString"))
	if got := b.plan.Steps()[0].Op.(staged).Edit; got != "ApiKey+SqlString" {
		t.Errorf("the edits are %q", got)
	}
	if n := len(b.plan.Steps()); n != 6 {
		t.Errorf("%d steps, not 4 shared ones and 2 proofs", n)
	}
	o := b.run(t.Context())
	for _, once := range []string{"stage settings", "stop admin", "swap settings", "start admin"} {
		if n := len(slices.DeleteFunc(slices.Clone(b.did), func(k string) bool { return k != once })); n != 1 {
			t.Errorf("%s was done %d times", once, n)
		}
	}
	if !slices.Equal(in(o, state.Proven), []string{"key", "sql"}) || o.Err != nil {
		t.Errorf("%+v", o)
	}

	_, err := reconciler.MakePlan(&specs.Deployment{Name: "test"}, []reconciler.Rotation{edit("key", "!"), edit("sql", "x")}, reconciler.Input{})
	if err == nil || !strings.Contains(err.Error(), "key 2") || !strings.Contains(err.Error(), "sql 2") || !strings.Contains(err.Error(), "admin") {
		t.Errorf("ops that cannot be joined: %v", err)
	}
}

// Two consumers of one secret on one host ask for the same step: it is done, recorded and told once.
func TestOneSecretAsksTwice(t *testing.T) {
	r := usual("a")
	r.steps = append(r.steps, step(reconciler.Verify, "", "prove a"))
	b := newBench(t, r)
	o := b.run(t.Context())
	if len(o.With(state.Proven)) != 1 || len(o.Secrets[0].Evidence) != 2 {
		t.Errorf("%+v", o)
	}
	n := 0
	for _, e := range b.entries {
		if e.Step == "verify/prove a" && e.Outcome == state.Done {
			n++
		}
	}
	if n != 1 {
		t.Errorf("recorded %d times", n)
	}
}

func TestOrder(t *testing.T) {
	b := newBench(t, usual("a"), usual("c"))
	if o := b.run(t.Context()); o.Err != nil {
		t.Fatal(o.Err)
	}
	b.order("stage a", "stop relay", "stop admin", "swap a", "start admin", "start relay", "prove a", "check a", "tidy a")
	b.order("swap c", "start admin")
	if want := []string{"started a", "started c", "proven a", "proven c"}; !slices.Equal(b.words(), want) {
		t.Errorf("the ledger says %q", b.words())
	}
}

func TestFailures(t *testing.T) {
	shared := func(name string) rotation {
		r := usual(name)
		for i := range r.steps {
			if r.steps[i].Op.Key() == "swap "+name {
				r.steps[i] = step(reconciler.Switch, "admin", "swap settings", "stop admin")
			}
			if r.steps[i].Op.Key() == "start admin" {
				r.steps[i] = step(reconciler.Switch, "admin", "start admin", "swap settings", "restore settings")
			}
		}
		return r
	}
	unknown := reconciler.Report{Outcome: state.Unknown, Err: errors.New("reset")}
	up := []string{"back restore a", "back start admin", "back start relay"}
	for _, c := range []struct {
		name, reason string
		rotations    []reconciler.Rotation
		key          string
		answer       reconciler.Report
		did          []string // in this order
		not          []string
		ended        []string
		halted       bool
	}{
		{"prepare", "nothing live was touched: only what was staged is removed",
			[]reconciler.Rotation{usual("a")}, "stage a", failure("no room"),
			[]string{"stage a", "back discard a"}, []string{"stop relay", "back restore a"}, []string{"a back"}, false},
		{"swap", "the services come up again, and what was never begun is not taken back",
			[]reconciler.Rotation{usual("a")}, "swap a", failure("conflict"),
			append([]string{"swap a"}, append(up, "back discard a")...), []string{"start admin", "back stop admin", "back stop relay", "tidy a"}, []string{"a back"}, false},
		{"before verify", "nothing is proven yet, so everything goes back",
			[]reconciler.Rotation{usual("a"), usual("c")}, "swap c", failure("conflict"),
			append(up, "back discard a"), nil, []string{"a back", "c back"}, false},
		{"one proof fails", "the other secret is proven, so it stays",
			[]reconciler.Rotation{usual("a"), usual("c")}, "prove c", failure("refused"),
			[]string{"prove a", "check a", "back restore c"}, []string{"back restore a", "check c"}, []string{"a proven", "c back"}, false},
		{"one proof fails, first in its batch", "the other's proof was not tried with it, and must be tried",
			[]reconciler.Rotation{usual("a"), usual("c")}, "prove a", failure("refused"),
			[]string{"prove a", "prove c", "check c", "back restore a"}, []string{"back restore c", "check a"}, []string{"a back", "c proven"}, false},
		{"a shared file", "both values are in one file: they go back together",
			[]reconciler.Rotation{shared("a"), shared("c")}, "prove c", failure("refused"),
			[]string{"prove a", "back restore settings"}, nil, []string{"a back", "c back"}, false},
		{"unknown in the switch", "what may have happened must be looked at before anything else is done",
			[]reconciler.Rotation{usual("a")}, "swap a", unknown,
			[]string{"swap a"}, []string{"back restore a", "start admin", "back start admin"}, []string{"a unknown"}, true},
		{"unknown while nothing was changed yet", "a stop can be taken back, whatever came of it",
			[]reconciler.Rotation{usual("a")}, "stop relay", unknown,
			[]string{"stop relay", "back start relay"}, []string{"stop admin"}, []string{"a back"}, false},
		{"unknown while preparing", "nothing live is touched by a stage, so it can be removed",
			[]reconciler.Rotation{usual("a")}, "stage a", unknown,
			[]string{"back discard a"}, []string{"stop relay"}, []string{"a back"}, false},
		{"no answer in the switch", "half an answer is no answer",
			[]reconciler.Rotation{usual("a")}, "swap a", reconciler.Report{Outcome: "none"},
			[]string{"swap a"}, []string{"back restore a", "start admin"}, []string{"a unknown"}, true},
		{"unknown in verify", "a proof without an answer proves nothing, and refutes nothing",
			[]reconciler.Rotation{usual("a")}, "prove a", unknown,
			[]string{"prove a"}, []string{"back restore a"}, []string{"a unknown"}, true},
		{"the undo fails", "the others come up all the same, and the run says that it is not as before",
			[]reconciler.Rotation{usual("a")}, "prove a", failure("refused"),
			[]string{"back stop relay", "back stop admin", "back start relay"}, []string{"back restore a"}, []string{"a unknown"}, true},
		{"a file cannot be put back", "its service stays down; the others come up",
			[]reconciler.Rotation{usual("a")}, "prove a", failure("refused"),
			[]string{"back stop relay", "back stop admin", "back start relay"}, []string{"back start admin"}, []string{"a unknown"}, true},
		{"what was staged cannot be removed", "nothing live was touched: the next plan finds it",
			[]reconciler.Rotation{usual("a")}, "stage a", failure("no room"),
			[]string{"stage a", "back discard a"}, []string{"stop relay"}, []string{"a back"}, false},
		{"retire", "it is proven: what is left is tidying up",
			[]reconciler.Rotation{usual("a")}, "tidy a", failure("held open"),
			[]string{"tidy a"}, []string{"back restore a"}, []string{"a proven"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Log(c.reason)
			b := newBench(t, c.rotations...)
			b.clock("relay", "admin")
			b.answer[c.key] = c.answer
			if c.name == "what was staged cannot be removed" {
				b.answer["back discard a"] = failure("held open")
			}
			if c.name == "the undo fails" {
				b.answer["back stop admin"] = failure("hangs")
			}
			if c.name == "a file cannot be put back" {
				b.answer["back restore a"] = failure("held open")
			}
			o := b.run(t.Context())
			b.order(c.did...)
			for _, k := range c.not {
				if b.has(k) {
					t.Errorf("%s was done: %q", k, b.did)
				}
			}
			if !slices.Equal(ended(o), c.ended) || o.Halted != c.halted {
				t.Errorf("%q, halted %v, %v", ended(o), o.Halted, o.Err)
			}
			if (o.Err == nil) != (c.name == "retire") {
				t.Errorf("error: %v", o.Err)
			}
			for _, e := range o.Secrets { // what is said is what is written
				if w := string(e.Ending) + " " + e.Change.Secret.Name; !slices.Contains(b.words(), w) {
					t.Errorf("%s, the ledger says %q", w, b.words())
				}
				if (e.Why == nil) != (e.Ending == state.Proven) {
					t.Errorf("%s: why: %v", e.Change.Secret, e.Why)
				}
			}
		})
	}
}

func TestALostLeaseStopsBeforeTheNextEffect(t *testing.T) {
	for _, key := range []string{"stage a", "stop relay", "swap a", "prove a"} {
		b := newBench(t, usual("a"))
		b.before[key] = b.lose
		o := b.run(t.Context())
		var lost *state.LostError
		if !errors.As(o.Err, &lost) || !o.Halted || len(o.With(state.Proven)) > 0 {
			t.Errorf("lost during %s: %+v; %q", key, o, b.did)
		}
		if b.has(map[string]string{"stage a": "stop relay", "stop relay": "stop admin", "swap a": "start relay", "prove a": "check a"}[key]) {
			t.Errorf("lost during %s, and went on to another target: %q", key, b.did)
		}
	}
	b := newBench(t, usual("a"))
	b.before["check a"] = b.lose // the last proof: what it saw, another run may have done
	if o := b.run(t.Context()); !o.Halted || !slices.Equal(ended(o), []string{"a unknown"}) || slices.Contains(b.words(), "proven a") {
		t.Errorf("lost during the last proof: %+v; %q", o, b.words())
	}
	b = newBench(t, usual("a"))
	b.answer["prove a"] = failure("refused")
	b.before["back stop relay"] = b.lose
	if o := b.run(t.Context()); !o.Halted || b.has("back restore a") || !slices.Equal(ended(o), []string{"a unknown"}) {
		t.Errorf("lost during undo: %+v; %q", o, b.did)
	}
}

// Each append is refused in turn. Before anything live is changed it ends the run, which takes back what it began; later
// it keeps no service down. Nothing is called a success that the ledger does not know.
func TestALedgerThatRefuses(t *testing.T) {
	whole := newBench(t, usual("a"))
	whole.run(t.Context())
	for n := 1; n <= whole.appends; n++ {
		b := newBench(t, usual("a"))
		b.refuse = n
		o := b.run(t.Context())
		if o.Err == nil {
			t.Errorf("append %d refused: %+v", n, o)
		}
		if n == 1 && len(b.did) > 0 {
			t.Errorf("the start is not durable, and %q was done", b.did)
		}
		if b.has("stop admin") && !b.has("start admin") && !b.has("back start admin") {
			t.Errorf("append %d refused: Admin stays down: %q", n, b.did)
		}
		if slices.Contains(ended(o), "a proven") != slices.Contains(b.words(), "proven a") {
			t.Errorf("append %d refused: %q, the ledger says %q", n, ended(o), b.words())
		}
	}
}

// What is to be done before the first step, and not before the run is on record: killed there, it is begun; refused there, nothing is.
func TestBegun(t *testing.T) {
	for _, err := range []error{nil, errors.New("no")} {
		b := newBench(t, usual("a"))
		var words []string
		var did int
		o := reconciler.Run{ID: "r", By: "t", Site: b, Ledger: b, Lease: b, Plan: b.plan, Parallel: 1, Now: time.Now, Begun: func() error {
			words, did = b.words(), len(b.did)
			return err
		}}.Apply(t.Context())
		if !slices.Equal(words, []string{"started a"}) || did > 0 {
			t.Errorf("%v: on record %q, and %d steps were done", err, words, did)
		}
		if want := len(b.did) == 0 && errors.Is(o.Err, err) && slices.Equal(b.words(), []string{"started a", "back a"}); err != nil && !want || err == nil && o.Err != nil {
			t.Errorf("%v: %q was done, on record %q, %+v", err, b.did, b.words(), o)
		}
	}
}

// Somebody else's work is told with the outcome and kept in the ledger, hosts with the same news in one line.
func TestRemarks(t *testing.T) {
	b := newBench(t, rotation{name: "a", steps: []reconciler.Step{step(reconciler.Switch, "r1", "start r"), step(reconciler.Switch, "r2", "start r"),
		step(reconciler.Switch, "r3", "start r"), step(reconciler.Verify, "", "prove a")}})
	for _, host := range []string{"r1", "r2"} {
		b.answer[host+": start r"] = reconciler.Report{Outcome: state.Done, Evidence: "process " + host, Note: "somebody started it on " + host}
	}
	o := b.run(t.Context())
	slices.SortFunc(o.Remarks, func(a, b reconciler.Remark) int { return strings.Compare(a.Text, b.Text) }) // hosts work at once
	if o.Err != nil || len(o.Remarks) != 2 || o.Remarks[0].Target != onHost("r1") || o.Remarks[0].Text != "somebody started it on r1" {
		t.Errorf("%v: %v", o, o.Remarks)
	}
	var told []string
	for _, e := range b.entries {
		if e.Step == "switch/start r" && e.Outcome == state.Done {
			slices.Sort(e.Hosts)
			told = append(told, fmt.Sprint(e.Hosts, " ", e.Detail))
		}
	}
	slices.Sort(told)
	if !slices.Equal(told, []string{"[r1 r2] somebody started it on the host", "[r3] seen: start r"}) {
		t.Errorf("%q", told)
	}
}

// What the switch has to write must have its room before the first stop.
func TestALedgerWithoutRoom(t *testing.T) {
	b := newBench(t, usual("a"))
	b.cramped = true
	o := b.run(t.Context())
	if b.has("stop relay") || !b.has("back discard a") || !slices.Equal(ended(o), []string{"a back"}) || o.Err == nil {
		t.Errorf("%+v; %q", o, b.did)
	}
}

func TestOutagesAreMeasured(t *testing.T) {
	r := usual("a")
	r.with = func(c *reconciler.Change) {
		c.Outages = []state.Outage{{What: "relays", Predicted: 9, Members: []string{"r1", "r2"}}, {What: "Admin", Members: []string{"Admin"}}}
	}
	b := newBench(t, r)
	at := func(s int) time.Time { return time.Unix(int64(1000+s), 0) }
	b.answer["stop relay"] = reconciler.Report{Outcome: state.Done, Down: map[string]time.Time{"r1": at(2), "r2": at(1)}}
	b.answer["prove a"] = reconciler.Report{Outcome: state.Done, Evidence: "x", Up: map[string]time.Time{"r1": at(9), "r2": at(7)}}
	o := b.run(t.Context())
	got := map[string]float64{}
	for _, x := range o.Secrets[0].Outages {
		got[x.What] = x.Measured
	}
	if got["relays"] != 8 || got["r1"] != 7 || got["r2"] != 6 || len(got) != 3 {
		t.Errorf("measured %v: the fleet is down from the first stop to the last return; what was not seen is not measured", got)
	}
	if len(o.Down) > 0 {
		t.Errorf("down: %v", o.Down)
	}
}
