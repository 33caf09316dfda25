package reconciler_test

import (
	"slices"
	"testing"

	"meshrotate/reconciler"
)

// says is a step that is told so, "relay" being what "relay-01" is one of.
func says(p reconciler.Phase, host, key, do, who, noun string, after ...string) reconciler.Step {
	s := step(p, host, key, after...)
	o := op{Host: host, What: key, Say: reconciler.Phrase{Do: do, Who: who, Noun: noun}}
	if s.Op = o; len(key) > 5 && key[:5] == "swap " {
		s.Op = swapped{o}
	}
	return s
}

// A plan's sentences say what is done to whom, once, in the order in which it is done.
func TestSentences(t *testing.T) {
	const sw, pr = reconciler.Switch, reconciler.Prepare
	for _, c := range []struct {
		reason string
		steps  []reconciler.Step
		want   string
	}{
		{"outside the switch: what, then to whom", []reconciler.Step{says(pr, "r1", "stage a", "stage", "relay-01", "relay")}, "stage relay-01"},
		{"those of a kind are counted", []reconciler.Step{says(pr, "r1", "stage a", "stage", "relay-01", "relay"), says(pr, "r2", "stage a", "stage", "relay-02", "relay")}, "stage 2 relays"},
		{"each once, whatever is done to it", []reconciler.Step{says(pr, "r1", "stage a", "stage", "relay-01", "relay"), says(pr, "r1", "stage b", "stage", "relay-01", "relay")}, "stage relay-01"},
		{"those with a name of their own are named", []reconciler.Step{says(pr, "a", "stage a", "stage", "Admin", ""), says(pr, "b", "stage b", "stage", "Engine", ""), says(pr, "c", "stage c", "stage", "relay-01", "relay")}, "stage Admin, Engine and relay-01"},
		{"two", []reconciler.Step{says(pr, "a", "stage a", "stage", "Admin", ""), says(pr, "b", "stage b", "stage", "Engine", "")}, "stage Admin and Engine"},
		{"the same again is not told again", []reconciler.Step{says(pr, "a", "stage a", "stage", "Admin", ""), says(pr, "a", "stage b", "stage", "Admin", "")}, "stage Admin"},
		{"nobody in particular", []reconciler.Step{says(pr, "", "keep", "keep the value", "", "")}, "keep the value"},
		{"two deeds", []reconciler.Step{says(pr, "", "keep", "keep the value", "", ""), says(pr, "a", "stage a", "stage", "Admin", "")}, "keep the value; stage Admin"},
		{"some deeds are not worth a word", []reconciler.Step{says(pr, "a", "look", "", "Admin", ""), says(pr, "a", "stage a", "stage", "Admin", "")}, "stage Admin"},
		{"in the switch: who, then what", []reconciler.Step{says(sw, "a", "stop", "stop", "Admin", ""), says(sw, "a", "start", "start", "Admin", "", "stop")}, "Admin: stop, start"},
		{"at the same time", []reconciler.Step{says(sw, "a", "stop", "stop", "Admin", ""), says(sw, "b", "start", "start", "Engine", "")}, "Admin: stop; Engine: start"},
		{"the same, at the same time", []reconciler.Step{says(sw, "a", "stop", "stop", "Admin", ""), says(sw, "b", "stop", "stop", "Engine", "")}, "Admin and Engine: stop"},
		{"one after the other", []reconciler.Step{says(sw, "a", "stop", "stop", "Admin", ""), says(sw, "b", "stop", "stop", "Engine", "", "a: stop")}, "Admin: stop; then Engine: stop"},
		{"one goes on while nothing that is told happens to others", []reconciler.Step{says(sw, "a", "stop", "stop", "Admin", ""), says(sw, "b", "wait", "", "Engine", "", "a: stop"), says(sw, "a", "start", "start", "Admin", "", "b: wait")}, "Admin: stop, start"},
		{"the way is told as it is gone", []reconciler.Step{says(sw, "a", "stop", "stop", "Admin", ""), says(sw, "b", "stop", "stop", "Engine", "", "a: stop"), says(sw, "a", "start", "start", "Admin", "", "b: stop")}, "Admin: stop; then Engine: stop; then Admin: start"},
		{"a wave", []reconciler.Step{says(sw, "r1", "stop", "stop", "relay-01", "relay"), says(sw, "r2", "stop", "stop", "relay-02", "relay", "r1: stop"), says(sw, "r3", "stop", "stop", "relay-03", "relay", "r1: stop")}, "relay-01: stop; then 2 relays, each: stop"},
		{"like deeds of unlike people", []reconciler.Step{says(sw, "a", "stop", "stop", "Admin", ""), says(sw, "r1", "stop", "stop", "relay-01", "relay"), says(sw, "r2", "stop", "start", "relay-02", "relay")}, "Admin: stop; relay-01: stop; relay-02: start"},
	} {
		p, err := plan(t, rotation{name: "k", steps: c.steps})
		if err != nil {
			t.Fatal(err)
		}
		if l := p.Changes[0].Lines; len(l) != 1 || l[0].Text != c.want {
			t.Errorf("%s: %q", c.reason, l)
		}
	}
}

// Each secret reads of its own steps alone, though they share a plan.
func TestEachSecretReadsOfItsOwn(t *testing.T) {
	undo := func(s reconciler.Step, b reconciler.Back) reconciler.Step { s.Back = b; return s }
	const sw = reconciler.Switch
	a := rotation{name: "a", steps: []reconciler.Step{says(reconciler.Prepare, "x", "stage a", "stage", "Admin", ""), says(sw, "x", "swap a", "swap", "Admin", ""), says(reconciler.Verify, "", "prove a", "all relays connected", "", "")}}
	b := rotation{name: "b", steps: []reconciler.Step{
		undo(says(sw, "y", "swap b", "swap", "Engine", ""), reconciler.Nothing()),
		undo(says(sw, "y", "alter", "alter", "SQL", "", "swap b"), reconciler.Never("it is gone")),
		undo(says(sw, "z", "alter", "alter", "its copy", ""), reconciler.Never("it is gone")),
	}, with: func(c *reconciler.Change) { c.Undo, c.Proof = "ask the vendor", "the vendor says so" }}
	p, err := plan(t, a, b)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []reconciler.Change{
		{Lines: []reconciler.Line{{Phase: "prepare", Text: "stage Admin"}, {Phase: "switch", Text: "Admin: swap"}, {Phase: "verify", Text: "all relays connected"}}, Undo: "the file as it was, until it is proven", Proof: "all relays connected"},
		{Lines: []reconciler.Line{{Phase: "switch", Text: "Engine: swap; SQL and its copy: alter"}}, Undo: "no way back: it is gone; ask the vendor", Proof: "the vendor says so"},
	} {
		c := p.Changes[i]
		if !slices.Equal(c.Lines, want.Lines) || c.Undo != want.Undo || c.Proof != want.Proof {
			t.Errorf("%s: %+v", c.Secret, c)
		}
	}
}

// A later round is told as one.
func TestRoundsAreNumbered(t *testing.T) {
	r := rotation{name: "sign", rounds: []reconciler.Round{
		{Steps: []reconciler.Step{says(reconciler.Prepare, "x", "stage a", "stage", "Admin", "")}},
		{Steps: []reconciler.Step{says(reconciler.Prepare, "x", "import", "import", "the build", ""), says(reconciler.Retire, "x", "tidy", "tidy", "the build", "")}},
	}}
	p, err := plan(t, r)
	if err != nil {
		t.Fatal(err)
	}
	want := []reconciler.Line{{Phase: "prepare", Text: "stage Admin"}, {Phase: "prepare 2", Text: "import the build"}, {Phase: "retire 2", Text: "tidy the build"}}
	if got := p.Changes[0].Lines; !slices.Equal(got, want) {
		t.Errorf("%+v", got)
	}
}
