package reconciler_test

import (
	"slices"
	"strings"
	"testing"

	"meshrotate/reconciler"
	"meshrotate/state"
)

// turning is an op that stops its service, or starts it.
type turning struct{ op }

func (s turning) Serves() (what, service string)             { return s.Host, "service" }
func (s turning) Stops() bool                                { return strings.HasPrefix(s.What, "stop ") }
func (s turning) Merge(reconciler.Op) (reconciler.Op, error) { return s, nil }

// A run halts, as nobody knows what became of one target. The others come up: with the file that they have, with the new one where the
// old is dead, and not at all where nobody knows which of the two is.
func TestOthersComeUpWhenARunHalts(t *testing.T) {
	for _, c := range []struct {
		reason   string
		never    state.Outcome // of the step without a way back; "" is that there is none
		follows  string        // what the last target's file comes after
		lost     string        // the step whose answer is lost
		has, not []string
	}{
		{"each has its old file, or its new one", "", "b: swap b", "swap b", []string{"start a"}, []string{"swap c", "start b"}},
		{"what they have is dead", state.Done, "sql: alter", "swap b", []string{"swap c", "start a", "start c"}, []string{"start b"}},
		{"what they have is dead, and what is new works behind another alone", state.Done, "b: swap b", "swap b", []string{"start a"}, []string{"swap c", "start c"}},
		{"nobody knows what is dead", state.Unknown, "b: swap b", "alter", []string{"start a"}, []string{"swap c", "start c"}},
	} {
		r := rotation{name: "key"}
		turn := func(key, host string, after ...string) {
			s := step(reconciler.Switch, host, key, after...)
			s.Op = turning{s.Op.(op)}
			r.steps = append(r.steps, s)
		}
		for _, host := range []string{"a", "b", "c"} {
			turn("stop "+host, host)
		}
		r.steps = append(r.steps, step(reconciler.Switch, "a", "swap a", "a: stop a", "b: stop b", "c: stop c"))
		behind := "a: swap a"
		if c.never != "" {
			alter := step(reconciler.Switch, "sql", "alter", behind)
			alter.Back, alter.Once = reconciler.Never("it is gone"), true
			r.steps, behind = append(r.steps, alter), "sql: alter"
		}
		r.steps = append(r.steps, step(reconciler.Switch, "b", "swap b", "b: stop b", behind), step(reconciler.Switch, "c", "swap c", "c: stop c", c.follows))
		for _, host := range []string{"a", "b", "c"} {
			turn("start "+host, host, "c: swap c")
		}
		r.steps = append(r.steps, step(reconciler.Verify, "", "prove key"))
		b := newBench(t, r)
		b.clock("a", "b", "c")
		b.answer[c.lost] = unknown
		o := b.run(t.Context())
		if !o.Halted || !slices.Equal(ended(o), []string{"key unknown"}) {
			t.Errorf("%s: %v; %q", c.reason, o, b.did)
		}
		for _, key := range c.has {
			if !b.has(key) {
				t.Errorf("%s: %s was not done: %q", c.reason, key, b.did)
			}
		}
		for _, key := range c.not {
			if b.has(key) {
				t.Errorf("%s: %s was done: %q", c.reason, key, b.did)
			}
		}
	}
}
