package reconciler_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
)

// both is the one step that two rotations' wishes become.
func both(t *testing.T, a, b func(*reconciler.Step)) reconciler.Step {
	t.Helper()
	wishes := func(name string, f func(*reconciler.Step)) rotation {
		s := reconciler.Step{Phase: reconciler.Switch, Op: op{Host: "r1", What: "stop relay"}, Back: reconciler.Nothing()}
		f(&s)
		return rotation{name: name, steps: []reconciler.Step{s, step(reconciler.Verify, "", "prove "+name)}}
	}
	p, err := plan(t, wishes("a", a), wishes("b", b))
	if err != nil {
		t.Fatal(err)
	}
	return p.Steps()[0]
}

// Where two want the same, the stricter wish holds for both, whoever has it.
func TestTheStricterWishHolds(t *testing.T) {
	none := func(*reconciler.Step) {}
	alone := func(s *reconciler.Step) { s.Alone = true }
	once := func(s *reconciler.Step) { s.Once = true }
	proof := func(s *reconciler.Step) { s.Proof = true }
	limit := func(d time.Duration) func(*reconciler.Step) {
		return func(s *reconciler.Step) { s.Limit = reconciler.Span(d) }
	}
	for _, c := range []struct {
		reason string
		a, b   func(*reconciler.Step)
		holds  func(reconciler.Step) bool
	}{
		{"whoever cannot spare the host decides", alone, none, func(s reconciler.Step) bool { return !s.Alone }},
		{"both can spare it", alone, alone, func(s reconciler.Step) bool { return s.Alone }},
		{"never repeated blindly", once, none, func(s reconciler.Step) bool { return s.Once }},
		{"nobody asks for once", none, none, func(s reconciler.Step) bool { return !s.Once && !s.Proof && !s.Alone && s.Limit == 0 }},
		{"it is somebody's proof", proof, none, func(s reconciler.Step) bool { return s.Proof }},
		{"the longer limit: a build takes what it takes", limit(time.Hour), limit(time.Minute), func(s reconciler.Step) bool { return s.Limit.Of() == time.Hour }},
	} {
		if s := both(t, c.a, c.b); !c.holds(s) {
			t.Errorf("%s: %+v", c.reason, s)
		}
		if s := both(t, c.b, c.a); !c.holds(s) {
			t.Errorf("%s, the other way round: %+v", c.reason, s)
		}
	}
}

// What one of two says of the way back holds for both: the step is one.
func TestTheWayBackForBoth(t *testing.T) {
	way := func(edit string) reconciler.Back {
		return reconciler.Way(op{Host: "r1", What: "start relay", Edit: edit})
	}
	never, nothing := reconciler.Never("it is gone"), reconciler.Nothing()
	for _, c := range []struct {
		reason string
		a, b   reconciler.Back
		want   string
	}{
		{"what one cannot take back nobody can", never, way("x"), `{"never":"it is gone"}`},
		{"nor can who had nothing to take back", never, nothing, `{"never":"it is gone"}`},
		{"one has nothing, the other's way is gone", nothing, way("x"), `"edit":"x"`},
		{"neither has anything", nothing, nothing, `{}`},
		{"both ways are one", way("x"), way("x"), `"edit":"x+x"`},
	} {
		for _, order := range [][2]reconciler.Back{{c.a, c.b}, {c.b, c.a}} {
			s := both(t, func(s *reconciler.Step) { s.Back = order[0] }, func(s *reconciler.Step) { s.Back = order[1] })
			if b, err := json.Marshal(s.Back); err != nil || !strings.Contains(string(b), c.want) {
				t.Errorf("%s: %s, %v", c.reason, b, err)
			}
		}
	}
	a, b := step(reconciler.Switch, "r1", "stop relay"), step(reconciler.Switch, "r1", "stop relay")
	a.Back = way("!")
	if _, err := plan(t, rotation{name: "a", steps: []reconciler.Step{a}}, rotation{name: "b", steps: []reconciler.Step{b}}); err == nil || !strings.Contains(err.Error(), "a 2 and b 2: stop relay on r1") {
		t.Errorf("ways back that cannot be joined: %v", err)
	}
}

// Two that wait for the same wait for it once: a plan's bytes do not depend on how many asked.
func TestASharedWishIsToldOnce(t *testing.T) {
	r := func(name string) rotation {
		return rotation{name: name, steps: []reconciler.Step{step(reconciler.Switch, "r1", "stop relay"), step(reconciler.Switch, "r1", "start relay", "stop relay", "no such step")}}
	}
	p, err := plan(t, r("a"), r("b"))
	if err != nil {
		t.Fatal(err)
	}
	s := p.Steps()[1]
	if len(s.After) != 2 || len(s.Secrets) != 2 || s.Secrets[1] != (secret.Ref{Name: "b", Version: "2"}) {
		t.Errorf("%+v", s)
	}
}

// Evidence counts where it is given: a change that has a proof somewhere is not proven by its other steps.
func TestWhatIsAProof(t *testing.T) {
	proof := step(reconciler.Switch, "r1", "ask relay")
	proof.Proof = true
	for _, c := range []struct {
		reason string
		steps  []reconciler.Step
		proofs []string
	}{
		{"a step of verify is one", []reconciler.Step{step(reconciler.Switch, "r1", "stop relay"), step(reconciler.Verify, "", "prove a")}, []string{"prove a"}},
		{"one that says so is one", []reconciler.Step{step(reconciler.Prepare, "r1", "stage relay"), proof}, []string{"ask relay"}},
		{"both", []reconciler.Step{proof, step(reconciler.Verify, "", "prove a")}, []string{"ask relay", "prove a"}},
		{"without any, that it was done is all there is", []reconciler.Step{step(reconciler.Accept, "r1", "widen list"), step(reconciler.Switch, "r1", "stop relay")}, []string{"widen list", "stop relay"}},
	} {
		p, err := plan(t, rotation{name: "a", steps: c.steps})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, s := range p.Steps() {
			if s.Proof {
				got = append(got, s.Op.Key())
			}
		}
		if !slices.Equal(got, c.proofs) {
			t.Errorf("%s: %q", c.reason, got)
		}
	}
}

// The same op in two rounds is two steps, each with its own order; planning leaves the rotation as it was.
func TestRoundsAreApart(t *testing.T) {
	round := func() reconciler.Round {
		return reconciler.Round{Steps: []reconciler.Step{step(reconciler.Switch, "z", "stop z"), step(reconciler.Switch, "a", "start a", "z: stop z")}}
	}
	r := rotation{name: "sign", rounds: []reconciler.Round{round(), round()}}
	var first string
	for range 2 {
		p, err := plan(t, r)
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, s := range p.Steps() {
			ids = append(ids, s.ID)
		}
		if want := []string{"switch/z/stop z", "switch/a/start a", "round 2/switch/z/stop z", "round 2/switch/a/start a"}; !slices.Equal(ids, want) {
			t.Errorf("%q", ids)
		}
		if after := p.Steps()[3].After; !slices.Equal(after, []string{"round 2/switch/z/stop z"}) {
			t.Errorf("in the second round it comes after %q", after)
		}
		if first != "" && p.Digest != first {
			t.Error("planned again, and it is another plan")
		}
		first = p.Digest
	}
}

// A way back that has no order is refused before anything is begun, not found out when it is needed.
func TestTheWayBackHasNoOrder(t *testing.T) {
	for _, phase := range []reconciler.Phase{reconciler.Prepare, reconciler.Switch, reconciler.Verify} {
		back := func(s reconciler.Step, host, key string) reconciler.Step {
			s.Back = reconciler.Way(op{Host: host, What: key})
			return s
		}
		plain := func(host, key string, after ...string) reconciler.Step {
			s := step(phase, host, key, after...)
			s.Back = reconciler.Nothing()
			return s
		}
		// On r1 what was done later, y, is taken back first, by j. But j waits for k, and k for i, which takes back x.
		r := rotation{name: "a", steps: []reconciler.Step{
			back(plain("r1", "x"), "r1", "i"), back(plain("r1", "y", "x"), "r1", "j"), back(plain("r2", "z"), "r2", "k"),
			plain("r1", "i"), plain("r2", "k", "r1: i"), plain("r1", "j", "r2: k"),
		}}
		_, err := plan(t, r)
		if err == nil || !strings.Contains(err.Error(), "the way back") || !strings.Contains(err.Error(), "a wants `j` on r1 before `i` on r1") || !strings.Contains(err.Error(), "a wants `k` on r2 before `j` on r1") {
			t.Errorf("%s: %v", phase, err)
		}
	}
}
