package reconciler_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"meshrotate/reconciler"
	"meshrotate/state"
)

// A lock that is taken away while services are down, and that nobody has had since, is taken anew for the way back: everything comes up,
// with what it had, and the run ends with an error that says so. Where somebody has it, nothing more is done.
func TestALockTakenAwayInTheSwitch(t *testing.T) {
	for _, key := range []string{"stop relay", "stop admin", "swap a"} {
		for _, again := range []string{"", "back restore a", "back start admin", "back start relay"} { // taken away once more
			for _, regains := range []int{0, 1, 9} {
				b := newBench(t, usual("a"))
				b.clock("relay", "admin")
				b.before[key], b.regains = b.lose, regains
				if again != "" {
					b.before[again] = b.lose
				}
				o := b.run(t.Context())
				name := fmt.Sprintf("lost during %s, then %q, taken anew %d times at most", key, again, regains)
				var lost *state.LostError
				switch up := b.has("back start admin") || !b.has("stop admin"); {
				case regains == 0 && (!errors.As(o.Err, &lost) || !o.Halted || b.has("back start relay") || len(o.Down) == 0 || o.ByRecord == ""):
					t.Errorf("%s: %+v; %q", name, o, b.did)
				case regains == 0 && !strings.Contains(fmt.Sprint(o.Down[0].Why), "it was stopped, and the lock was lost before it was started"):
					t.Errorf("%s: %v", name, o.Down[0].Why)
				case regains == 9 && (o.Err == nil || errors.As(o.Err, &lost) || o.Halted || !up || !b.has("back start relay") || len(o.Down) > 0 || o.ByRecord != ""):
					t.Errorf("%s: %+v; %q", name, o, b.did)
				case regains == 9 && (!slices.Equal(ended(o), []string{"a back"}) || !strings.Contains(o.Err.Error(), "took it anew, only to bring up what it had stopped") || reconciler.HintOf(o.Err) == ""):
					t.Errorf("%s: %+v", name, o)
				}
				if b.has("start relay") || b.has("prove a") && !b.has("back start relay") {
					t.Errorf("%s: it went on: %q", name, b.did)
				}
			}
		}
	}
}

// What is proven by other means stays with what the lock says: a lock lost while proofs are asked ends the run, for nothing is down.
func TestALockTakenAwayInVerify(t *testing.T) {
	b := newBench(t, usual("a"))
	b.clock("relay", "admin")
	b.before["prove a"], b.regains = b.lose, 9
	o := b.run(t.Context())
	if lost := new(state.LostError); !errors.As(o.Err, &lost) || !o.Halted || b.has("back start relay") || !slices.Equal(ended(o), []string{"a unknown"}) {
		t.Errorf("%+v; %q", o, b.did)
	}
}

// What has no way back is gone on with: the services come up with it. It may be proven then; the run ends with an error all the same.
func TestALockTakenAwayBehindWhatHasNoWayBack(t *testing.T) {
	r := usual("a")
	r.steps[3].Back = reconciler.Never("it is forgotten")
	b := newBench(t, r)
	b.clock("relay", "admin")
	b.before["swap a"], b.regains = b.lose, 9
	o := b.run(t.Context())
	if o.Err == nil || o.Halted || len(o.Down) > 0 || !b.has("start admin") || !b.has("start relay") || !strings.Contains(o.Err.Error(), "took it anew") {
		t.Errorf("%+v; %q", o, b.did)
	}
}

// A lock that is taken away on a way back that has another cause is told beside it.
func TestALockTakenAwayOnTheWayBack(t *testing.T) {
	b := newBench(t, usual("a"))
	b.clock("relay", "admin")
	b.answer["start admin"] = failure("it does not start")
	b.before["back restore a"], b.regains = b.lose, 1
	o := b.run(t.Context())
	if o.Err == nil || !strings.HasPrefix(o.Err.Error(), "it does not start; and on the way back the lock was lost: nobody else was at work") || len(o.Down) > 0 || !slices.Equal(ended(o), []string{"a back"}) {
		t.Errorf("%+v; %q", o, b.did)
	}
}

// A run that was suspended finds a dead connection first, and that its lock is lost: the lock is the cause, and its advice is given.
func TestALostLockIsTheFirstCause(t *testing.T) {
	for _, key := range []string{"stage a", "stop admin", "prove a"} {
		for _, outcome := range []state.Outcome{state.Unknown, state.Failed} {
			b := newBench(t, usual("a"))
			b.before[key] = b.lose
			b.answer[key] = reconciler.Report{Outcome: outcome, Err: reconciler.Hinted(errors.New("malformed HTTP response"), "look for a proxy")}
			o := b.run(t.Context())
			if o.Err == nil || !strings.Contains(o.Err.Error(), "the lock (fence 1) was lost") || strings.HasPrefix(o.Err.Error(), "malformed") || strings.Contains(reconciler.HintOf(o.Err), "proxy") {
				t.Errorf("%s %s: %v", key, outcome, o.Err)
			}
		}
	}
}

// A target that was asked for nothing, as the lock was gone by then, is known: it does not keep the run from its way back.
func TestALockTakenAwayBeforeAStepIsSent(t *testing.T) {
	b := newBench(t, usual("a"))
	b.clock("relay", "admin")
	b.before["swap a"], b.regains = b.lose, 9
	b.answer["swap a"] = reconciler.Report{Outcome: state.Failed, Refused: true, Err: &state.LostError{Fence: 1}}
	o := b.run(t.Context())
	if o.Err == nil || o.Halted || len(o.Down) > 0 || !b.has("back start admin") || !b.has("back start relay") || !slices.Equal(ended(o), []string{"a back"}) {
		t.Errorf("%+v; %q", o, b.did)
	}
}
