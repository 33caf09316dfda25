package reconciler_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
	"meshrotate/state"
)

// elsewhere is an op on a target that is no host.
type elsewhere struct {
	op
	on reconciler.Target
}

func (e elsewhere) Target() reconciler.Target { return e.on }

// Targets read as people call them, and their steps' names are never those of another target.
func TestTargets(t *testing.T) {
	ids := map[string]bool{}
	for _, c := range []struct {
		target reconciler.Target
		text   string
	}{
		{onHost("relay-01"), "relay-01"},
		{onHost("values"), "values"}, // a host may be called like anything
		{onHost("admin-api"), "admin-api"},
		{reconciler.Target{Kind: reconciler.APITarget}, "Admin API"},
		{reconciler.Target{Kind: reconciler.ValuesTarget}, "values"},
		{reconciler.Target{Kind: reconciler.ValuesTarget, Name: "relay-01"}, "relay-01"},
	} {
		if c.target.String() != c.text {
			t.Errorf("%+v reads %q", c.target, c.target)
		}
		id := reconciler.StepID(reconciler.Switch, elsewhere{op{What: "x"}, c.target})
		if ids[id] || !strings.HasSuffix(id, "/x") {
			t.Errorf("%+v: %q is not unique", c.target, id)
		}
		ids[id] = true
	}
}

// What is written can be read back; what nobody wrote is refused.
func TestDataSurvivesJSON(t *testing.T) {
	for _, c := range []struct {
		reason string
		value  any
		want   string
	}{
		{"a span in seconds", reconciler.Span(90 * time.Minute), `5400`},
		{"half a second", reconciler.Span(time.Second / 2), `0.5`},
		{"a way back", reconciler.Way(op{Host: "r1", What: "start"}), `{"op":{"kind":"fake","target":{"kind":"host","name":"r1"},"args":{"what":"start"}}}`},
		{"none, and why", reconciler.Never("it is gone"), `{"never":"it is gone"}`},
		{"nothing to take back", reconciler.Nothing(), `{}`},
		{"a phase", reconciler.Verify, `"verify"`},
	} {
		if b, err := json.Marshal(c.value); err != nil || string(b) != c.want {
			t.Errorf("%s: %s, %v", c.reason, b, err)
		}
	}
	var span reconciler.Span
	if err := json.Unmarshal([]byte(`0.5`), &span); err != nil || span.Of() != time.Second/2 || span.String() != "500ms" {
		t.Errorf("a span: %v, %v", span, err)
	}
	if err := json.Unmarshal([]byte(`"soon"`), &span); err == nil || span.Of() != time.Second/2 {
		t.Errorf("a span of words: %v, %v", span, err)
	}
	phase := reconciler.Verify
	if err := json.Unmarshal([]byte(`"prepare"`), &phase); err != nil || phase != reconciler.Prepare {
		t.Errorf("the first phase: %v, %v", phase, err)
	}
	if err := json.Unmarshal([]byte(`"later"`), &phase); err == nil || !strings.Contains(err.Error(), "later") {
		t.Errorf("no phase: %v", err)
	}
	if d, err := reconciler.DataOf(nil); d != nil || err != nil {
		t.Errorf("no op: %v, %v", d, err)
	}
	if d, err := reconciler.DataOf(bare{}); err != nil || d.Args != nil {
		t.Errorf("an op without arguments: %s, %v", d.Args, err)
	}
}

// An op that foresees nothing and needs no words is done like any other.
func TestABareOp(t *testing.T) {
	b := newBench(t, rotation{name: "a", steps: []reconciler.Step{{Phase: reconciler.Accept, Op: bare{}, Back: reconciler.Nothing()}}})
	if o := b.run(t.Context()); o.String() != "a 2 proven" || len(b.plan.Changes[0].Lines) > 0 {
		t.Errorf("%v; %+v", o, b.plan.Changes[0].Lines)
	}
}

// bare is an op without arguments.
type bare struct{}

func (bare) Kind() string                               { return "bare" }
func (bare) Target() reconciler.Target                  { return onHost("r1") }
func (bare) Key() string                                { return "bare" }
func (bare) Says() reconciler.Phrase                    { return reconciler.Phrase{} }
func (bare) Merge(reconciler.Op) (reconciler.Op, error) { return bare{}, nil }

// Advice travels with an error and hides nothing of it.
func TestHints(t *testing.T) {
	cause := errors.New("refused")
	err := reconciler.Hinted(cause, "is it on?")
	if !errors.Is(err, cause) || err.Error() != "refused" || reconciler.HintOf(err) != "is it on?" {
		t.Errorf("%v, %q", err, reconciler.HintOf(err))
	}
	if reconciler.HintOf(cause) != "" || reconciler.HintOf(nil) != "" {
		t.Error("advice that nobody gave")
	}
}

// A log's line names everything that is not as it should be.
func TestOutcomeInALine(t *testing.T) {
	a := reconciler.Change{Secret: secret.Ref{Name: "key", Version: "7"}}
	o := reconciler.Outcome{Secrets: []reconciler.Ended{{Change: a, Ending: state.Ahead}}, Left: []reconciler.LeftBehind{{Target: onHost("r1"), Why: errors.New("away")}},
		Down: []reconciler.Down{{What: "Admin"}}, Halted: true, Err: errors.New("lost")}
	if want := "key 7 ahead; left r1: away; down Admin; halted; lost"; o.String() != want {
		t.Errorf("%s", o)
	}
	if s := (reconciler.Outcome{}).String(); s != "" {
		t.Errorf("nothing happened: %q", s)
	}
}
