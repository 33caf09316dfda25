package reconciler_test

import (
	"strings"
	"testing"
	"time"

	"meshrotate/reconciler"
	"meshrotate/specs"
	"meshrotate/state"
)

// about is a proof about several hosts.
type about struct {
	op
	Of []string `json:"of"`
}

func (a about) Without(func(string) bool) (reconciler.Op, bool) { return a, true }

// glance is an op that only looks.
type glance struct{ op }

func (glance) LooksOnly() {}

// A saved plan binds what is done, and what it was seen on. Whom a proof is about, who is proven on the way back, and a look more do not.
func TestWhatASavedPlanBinds(t *testing.T) {
	plan := func(facts looked, more ...reconciler.Step) *reconciler.Plan {
		d := &specs.Deployment{Name: "lab", Policy: specs.Policy{PlanTTL: specs.Duration{Text: "1d", Seconds: 86400}}}
		r := rotation{name: "a", steps: append([]reconciler.Step{step(reconciler.Switch, "r1", "restart relay"), step(reconciler.Verify, "r1", "check it")}, more...)}
		p, err := reconciler.MakePlan(d, []reconciler.Rotation{r}, reconciler.Input{Now: time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC),
			Seen: seen(map[string]looked{"r1": facts, "r2": {"key=old"}})})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	proof := func(back reconciler.Back, of ...string) reconciler.Step {
		return reconciler.Step{Phase: reconciler.Verify, Op: about{op{What: "prove relays"}, of}, Back: back}
	}
	wayOf := func(who string) reconciler.Back {
		return reconciler.Way(about{op{What: "prove relays"}, []string{who}})
	}
	look := reconciler.Step{Phase: reconciler.Prepare, Op: glance{op{What: "look at the list"}}, Back: reconciler.Nothing()}
	never := step(reconciler.Switch, "r1", "widen r1")
	never.Back = reconciler.Never("it is gone")
	old := looked{"key=old"}
	for _, c := range []struct {
		reason    string
		then, now *reconciler.Plan
		says      []string // none: it is applied
	}{
		{"the way back proves one more", plan(old, proof(wayOf("r1"), "r1", "r2")), plan(old, proof(wayOf("r2"), "r1", "r2")), nil},
		{"it proves nobody", plan(old, proof(wayOf("r1"), "r1")), plan(old, proof(reconciler.Nothing(), "r1")), nil},
		{"a proof about others", plan(old, proof(wayOf("r1"), "r1")), plan(old, proof(wayOf("r1"), "r1", "r2")), nil},
		{"one more of these", plan(old), plan(old, proof(wayOf("r1"), "r1")), nil},
		{"a look more", plan(old), plan(old, look), nil},
		{"a look less", plan(old, look), plan(old), []string{"Admin API", `"look at the list" was to be done, and is not any more`}},
		{"one more to restart", plan(old), plan(old, step(reconciler.Switch, "r2", "restart relay")), []string{`r2: "restart relay" is to be done now (switch)`}},
		{"the same in another phase", plan(old, step(reconciler.Prepare, "r2", "check it")), plan(old, step(reconciler.Retire, "r2", "check it")),
			[]string{`r2: "check it" is to be done now (retire)`, `r2: "check it" was to be done`}},
		{"no way back any more", plan(old, step(reconciler.Switch, "r1", "widen r1")), plan(old, never), []string{`r1: "widen r1" is to be done in another way`}},
		{"another fact, where a step acts", plan(old, proof(wayOf("r1"), "r1")), plan(looked{"key=new"}, proof(wayOf("r2"), "r1")), []string{"r1: key was old, now new"}},
	} {
		err := save(t, c.then).Check(c.now, state.History{})
		if (err != nil) != (c.says != nil) {
			t.Errorf("%s: %v", c.reason, err)
		}
		for _, word := range c.says {
			if err != nil && (!strings.Contains(err.Error(), word) || reconciler.HintOf(err) == "") {
				t.Errorf("%s: no %q in %v", c.reason, word, err)
			}
		}
		if err == nil && c.now.Digest != c.then.Digest {
			t.Errorf("%s: the ledger is to have the plan that was agreed to", c.reason)
		}
		if used := state.NewHistory([]state.Entry{{Secret: "a", Outcome: state.Started, Plan: c.then.Digest}}); err == nil && save(t, c.then).Check(c.now, used) == nil {
			t.Errorf("%s: it is used once", c.reason)
		}
	}
}
