package reconciler_test

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"meshrotate/reconciler"
	"meshrotate/state"
)

// of are the entries about a step with this outcome.
func (b *bench) of(step string, o state.Outcome) []state.Entry {
	return slices.DeleteFunc(slices.Clone(b.entries), func(e state.Entry) bool { return e.Step != step || e.Outcome != o })
}

// What is written of a rotation says who ran what, on which plan, and what came of it: it is the change-log.
func TestTheChangeLogOfARun(t *testing.T) {
	r := usual("a")
	r.with = func(c *reconciler.Change) {
		c.Reason, c.Left = "it is due", []reconciler.Target{onHost("z"), onHost("away"), onHost("z")}
		c.Outages = []state.Outage{{What: "Admin", Predicted: 2, Members: []string{"admin"}}}
	}
	for _, c := range []struct {
		fails  string
		ending state.Outcome
		detail string
	}{
		{"", state.Proven, "seen: prove a; seen: check a"},
		{"prove a", state.Back, "refused"},
	} {
		b := newBench(t, r)
		b.plan.Commit = "c1"
		b.clock("admin")
		if c.fails != "" {
			b.answer[c.fails] = failure("refused")
		}
		b.run(t.Context())
		for _, want := range []state.Entry{{Outcome: state.Started, Detail: "it is due"}, {Outcome: c.ending, Detail: c.detail, Left: []string{"away", "z"}, Outages: []state.Outage{{What: "Admin", Predicted: 2, Measured: 1}, {What: "admin", Measured: 1}}}} {
			got := b.of("", want.Outcome)
			if len(got) != 1 {
				t.Fatalf("%s: %+v", want.Outcome, got)
			}
			want.Run, want.By, want.Commit, want.Plan, want.Fence, want.Secret, want.Version, want.Before = "r", "t", "c1", b.plan.Digest, 1, "a", "2", "1"
			if want.Time = got[0].Time; !reflect.DeepEqual(got[0], want) || want.Time.IsZero() {
				t.Errorf("got\n%+v\nwant\n%+v", got[0], want)
			}
		}
	}
}

// fleet is a rotation of hosts to which the same is done, each for itself.
func fleet(hosts ...string) rotation {
	r := rotation{name: "a"}
	for _, h := range hosts {
		s := step(reconciler.Switch, h, "push file")
		s.Alone = true
		r.steps = append(r.steps, s)
	}
	r.steps = append(r.steps, step(reconciler.Verify, "", "prove a"))
	return r
}

// What hosts have in common is one line, whatever their names; what one of them has of its own is not lost.
func TestWhatManyDidAlikeIsOneLine(t *testing.T) {
	b := newBench(t, fleet("r1", "r2", "r3", "r4"))
	for _, h := range []string{"r1", "r2"} {
		b.answer[h+": push file"] = failure("dial " + h + ": refused")
	}
	b.answer["r3: push file"] = reconciler.Report{Outcome: state.Done, Evidence: "process 1", Facts: []state.Fact{{Host: "r3", Field: "f", Value: "x"}}}
	b.answer["r4: push file"] = reconciler.Report{Outcome: state.Done, Evidence: "process 2", Facts: []state.Fact{{Host: "r4", Field: "f", Value: "y"}}}
	b.run(t.Context())
	for _, want := range []state.Entry{
		{Outcome: state.Started, Hosts: []string{"r1", "r2", "r3", "r4"}},
		{Outcome: state.Failed, Hosts: []string{"r1", "r2"}, Detail: "dial the host: refused"},
		{Outcome: state.Done, Hosts: []string{"r3", "r4"}, Facts: []state.Fact{{Host: "r3", Field: "f", Value: "x"}, {Host: "r4", Field: "f", Value: "y"}}},
	} {
		want.Run, want.Secret, want.Version, want.Fence, want.Step = "r", "a", "2", 1, "switch/push file"
		got := b.of(want.Step, want.Outcome)
		if len(got) != 1 {
			t.Fatalf("%s is %d lines: %+v", want.Outcome, len(got), got)
		}
		slices.Sort(got[0].Hosts)
		slices.SortFunc(got[0].Facts, func(a, b state.Fact) int { return strings.Compare(a.Host, b.Host) })
		if want.Time = got[0].Time; !reflect.DeepEqual(got[0], want) {
			t.Errorf("got\n%+v\nwant\n%+v", got[0], want)
		}
	}
	if e := b.of("verify/prove a", state.Done); len(e) != 1 || e[0].Hosts != nil || e[0].Detail != "seen: prove a" {
		t.Errorf("of no host: %+v", e)
	}
	b = newBench(t, fleet("r1", "r2"))
	b.answer["r1: push file"] = failure("dial r1: refused")
	b.run(t.Context())
	for o, detail := range map[state.Outcome]string{state.Failed: "dial r1: refused", state.Done: "seen: push file"} {
		if e := b.of("switch/push file", o); len(e) != 1 || e[0].Detail != detail {
			t.Errorf("of one host, with its name: %+v", e)
		}
	}
}

// The ledger is told at as few moments for a thousand hosts as for one: its disk is not what services wait for.
func TestAppendsDoNotGrowWithTheFleet(t *testing.T) {
	var hosts []string
	for i := range 50 {
		hosts = append(hosts, fmt.Sprint("r", i))
	}
	few, many := newBench(t, fleet("r1")), newBench(t, fleet(hosts...))
	few.run(t.Context())
	many.run(t.Context())
	// The start, the switch's start, with its end the proof's start, the ending. What came after it has nothing to tell.
	if few.appends != 4 || many.appends != 4 {
		t.Errorf("%d appends for one host, %d for fifty", few.appends, many.appends)
	}
}

// One append is refused, and later ones are not: what was to be told then is told, in order, before what came after.
func TestTheLedgerTakesItLater(t *testing.T) {
	b := newBench(t, usual("a"))
	b.refuse, b.recovers = 4, true // the start of Verify: services run, and a proof changes nothing
	o := b.run(t.Context())
	if !slices.Equal(ended(o), []string{"a proven"}) || o.Err != nil || !b.has("prove a") {
		t.Errorf("%v; %q", o, b.did)
	}
	for _, step := range []string{"switch/swap a", "verify/prove a"} {
		if s, d := b.of(step, state.Started), b.of(step, state.Done); len(s) != 1 || len(d) != 1 {
			t.Errorf("%s: started %v, done %v", step, s, d)
		}
	}
	if _, ok := state.NewHistory(b.entries).StepDone("a", "2", "switch/swap a", "admin"); !ok {
		t.Error("what was done before was told too late to count")
	}
}

// A ledger that refuses says so with the words that tell an operator what is live.
func TestWhatARefusalMeans(t *testing.T) {
	for _, c := range []struct {
		reason    string
		refuse    int
		fails     string
		says      []string
		ended     []string
		evidence  string
		did, dont string
	}{
		{"nothing is begun that is not announced", 1, "", []string{"nothing was changed"}, nil, "", "", "stage a"},
		{"nothing is stopped that is not announced", 3, "", []string{"before switch", "does not take the start"}, []string{"a back"}, "nothing live was changed", "back discard a", "stop relay"},
		{"it works, and the old stays: nobody would know why it is gone", 5, "", []string{"is proven, but the ledger does not take it"}, []string{"a unknown"}, "seen: prove a", "check a", "tidy a"},
		{"all is proven and tidied up, and the ledger does not know the latter", 7, "", []string{"the ledger does not take how it ended: the disk is full"}, []string{"a proven"}, "", "tidy a", "-"},
		{"the failure and the ledger are both told", 5, "prove a", []string{"refused; and the ledger does not take how it ended"}, []string{"a back"}, "", "back start relay", "tidy a"},
	} {
		b := newBench(t, usual("a"))
		b.refuse = c.refuse
		if c.fails != "" {
			b.answer[c.fails] = failure("refused")
		}
		o := b.run(t.Context())
		for _, word := range c.says {
			if o.Err == nil || !strings.Contains(o.Err.Error(), word) || strings.Contains(o.Err.Error(), "nil") {
				t.Errorf("%s: no %q in %v", c.reason, word, o.Err)
			}
		}
		if !slices.Equal(ended(o), c.ended) || c.did != "" && !b.has(c.did) || b.has(c.dont) {
			t.Errorf("%s: %v; %q", c.reason, o, b.did)
		}
		if c.evidence != "" && !slices.Contains(o.Secrets[0].Evidence, c.evidence) {
			t.Errorf("%s: evidence %q", c.reason, o.Secrets[0].Evidence)
		}
	}
}

// The lease is lost: nothing is announced that is not begun.
func TestALostLeaseInTheLedger(t *testing.T) {
	b := newBench(t, usual("a"))
	b.lost = true
	if o := b.run(t.Context()); o.Err == nil || !strings.Contains(o.Err.Error(), "before the first step") || len(b.entries) > 0 {
		t.Errorf("%v; %+v", o, b.entries)
	}
	b = newBench(t, usual("a"))
	b.before["stage a"] = b.lose
	if o := b.run(t.Context()); !strings.Contains(o.Err.Error(), "before switch") || len(b.of("switch/stop relay", state.Started)) > 0 ||
		!slices.Equal(ended(o), []string{"a back"}) || !slices.Equal(o.Secrets[0].Evidence, []string{"nothing live was changed"}) {
		t.Errorf("%v; %+v", o, b.entries)
	}
	b = newBench(t, usual("a"))
	b.answer["prove a"], b.before["back stop relay"] = failure("refused"), b.lose
	if o := b.run(t.Context()); !slices.Equal(ended(o), []string{"a unknown"}) || o.Secrets[0].Why.Error() != "refused" {
		t.Errorf("on the way back: %v; %v", o, o.Secrets[0].Why)
	}
	b = newBench(t, rotation{name: "a", steps: []reconciler.Step{step(reconciler.Verify, "", "prove a")}}, rotation{name: "c", steps: []reconciler.Step{step(reconciler.Verify, "relay", "prove c", ": prove a")}})
	b.before["prove a"] = b.lose
	if o := b.run(t.Context()); slices.Contains(b.words(), "proven a") || !o.Halted {
		t.Errorf("without a lease nothing is called proven: %v", b.words())
	}
	b = newBench(t, usual("a"))
	b.onAppend = func() { b.lost = len(b.entries) > 1 } // between the start of a phase and its first step
	o := b.run(t.Context())
	var lost *state.LostError
	if !slices.Equal(ended(o), []string{"a back"}) || len(b.did) > 0 || !errors.As(o.Err, &lost) || !slices.Equal(o.Secrets[0].Evidence, []string{"nothing was begun"}) {
		t.Errorf("%v; %q", o, b.did)
	}
	if e := b.of("", state.Back); len(e) != 1 || !strings.Contains(e[0].Detail, "lost") {
		t.Errorf("why is not in the ledger: %+v", e)
	}
}

// What nothing showed to work is not proven, and says so.
func TestAProofWithoutEvidence(t *testing.T) {
	b := newBench(t, rotation{name: "a", steps: []reconciler.Step{step(reconciler.Verify, "", "prove a")}})
	b.answer["prove a"] = reconciler.Report{Outcome: state.Done}
	o := b.run(t.Context())
	if e := b.of("", state.Unknown); !slices.Equal(ended(o), []string{"a unknown"}) || len(e) != 1 || e[0].Detail != "nothing showed that it works" {
		t.Errorf("%v; %+v", o, e)
	}
	b = newBench(t, rotation{name: "a", steps: []reconciler.Step{step(reconciler.Accept, "relay", "widen list")}})
	if o := b.run(t.Context()); !slices.Equal(o.Secrets[0].Evidence, []string{"seen: widen list"}) {
		t.Errorf("what was seen is the evidence: %+v", o)
	}
	b = newBench(t, rotation{name: "a", steps: []reconciler.Step{step(reconciler.Accept, "relay", "widen list")}})
	b.answer["widen list"] = reconciler.Report{Outcome: state.Done}
	if o := b.run(t.Context()); len(o.Secrets) != 1 || !slices.Equal(o.Secrets[0].Evidence, []string{"widen list on relay"}) {
		t.Errorf("without a proof, that it was done is the evidence: %+v", o)
	}
}

// A ledger that is away is waited for when it is to take how a secret ended, and not for ever.
func TestAnEndingWaitsForALedgerThatIsAway(t *testing.T) {
	for _, answer := range []map[string]reconciler.Report{nil, {"prove a": failure("refused")}} {
		whole := newBench(t, usual("a"))
		maps.Copy(whole.answer, answer)
		want := ended(whole.run(t.Context()))
		last := 0
		count := newBench(t, usual("a"))
		maps.Copy(count.answer, answer)
		count.onAppend = func() {
			if n := len(count.words()); n > 1 && last == 0 {
				last = count.appends
			}
		}
		count.run(t.Context())
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, usual("a"))
			maps.Copy(b.answer, answer)
			b.refuse, b.awayFor = last, 20
			if o := b.run(t.Context()); !slices.Equal(ended(o), want) || o.Halted || !slices.Equal(b.words(), whole.words()) {
				t.Errorf("away for a while: %v; %q, not %q", o, b.words(), whole.words())
			}
		})
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, usual("a"))
			maps.Copy(b.answer, answer)
			b.refuse, b.awayFor = last, 1e6
			began := time.Now()
			if o := b.run(t.Context()); o.Err == nil || !o.Halted || time.Since(began) > 3*time.Minute+10*time.Second {
				t.Errorf("away for ever: %v after %v", o, time.Since(began))
			}
		})
	}
}

// A secret of a round that the run never comes to is not begun: the ledger does not say so, and the next run does not go on with it.
func TestWhatNoRoundCameToWasNotBegun(t *testing.T) {
	late := rotation{name: "late", rounds: []reconciler.Round{{}, {Steps: []reconciler.Step{step(reconciler.Prepare, "engine", "stage late"), step(reconciler.Verify, "engine", "prove late")}}}}
	for _, fails := range []bool{true, false} {
		b := newBench(t, usual("key"), late)
		b.before["stop admin"] = func() {
			if _, begun := state.NewHistory(b.entries).Pending("late", "2"); begun {
				t.Error("it is said to be begun in the round before its own")
			}
		}
		if fails {
			b.answer["prove key"] = failure("refused")
		}
		o := b.run(t.Context())
		known := slices.ContainsFunc(b.entries, func(e state.Entry) bool { return e.Secret == "late" })
		if want := []string{"key proven", "late proven"}; !fails && !slices.Equal(ended(o), want) || known == fails {
			t.Errorf("%v; the ledger knows of it: %v", o, known)
		}
		if fails && !slices.Equal(ended(o), []string{"key back", "late back"}) {
			t.Errorf("%v", o)
		}
	}

	b := newBench(t, usual("key"), late)
	b.onAppend = func() {
		if len(b.entries) > 0 && b.entries[len(b.entries)-1].Outcome == state.Proven {
			b.refuse = b.appends + 1
		}
	}
	if o := b.run(t.Context()); b.has("stage late") || o.Err == nil || !slices.Equal(ended(o), []string{"key proven", "late back"}) {
		t.Errorf("what the ledger does not take is not begun: %v %q", o, b.did)
	}
}
