package reconciler

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
)

// spot is an op that is nothing but its place.
type spot struct {
	target Target
	key    string
}

func (s spot) Kind() string         { return "spot" }
func (s spot) Target() Target       { return s.target }
func (s spot) Key() string          { return s.key }
func (s spot) Says() Phrase         { return Phrase{} }
func (s spot) Merge(Op) (Op, error) { return s, nil }

// some are steps on a few targets, and links among them, most of them one way.
func some(r *rand.Rand, contrary bool) ([]Step, []link) {
	targets := []Target{{HostTarget, "a"}, {HostTarget, "b"}, {APITarget, ""}, {ValuesTarget, "a"}}
	steps := make([]Step, 2+r.IntN(9))
	for i := range steps {
		steps[i].Op = spot{targets[r.IntN(len(targets))], fmt.Sprint(i)}
	}
	var all []link
	for range r.IntN(2 * len(steps)) {
		i, j := r.IntN(len(steps)), r.IntN(len(steps))
		if i != j && (contrary || i < j) {
			all = append(all, link{i, j})
		}
	}
	return steps, all
}

// worlds calls f with many orders, the same ones each time.
func worlds(contrary bool, f func(steps []Step, links []link)) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		f(some(r, contrary))
	}
}

// where is the block of each step, and its place there.
func where(blocks []block) (in, at map[string]int) {
	in, at = map[string]int{}, map[string]int{}
	for i, b := range blocks {
		for j, s := range b.steps {
			in[s.Op.Key()], at[s.Op.Key()] = i, j
		}
	}
	return in, at
}

// Whoever runs the blocks, each when those it waits for have ended, breaks no link and gives no target two batches at once.
func TestEveryLinkHolds(t *testing.T) {
	worlds(false, func(steps []Step, links []link) {
		blocks, circle := arrange(steps, links)
		if circle != nil {
			t.Fatalf("%v: a circle: %v", links, circle)
		}
		in, at := where(blocks)
		if len(in) != len(steps) {
			t.Fatalf("%d of %d steps", len(in), len(steps))
		}
		for _, l := range links {
			a, b := steps[l.before].Op.Key(), steps[l.after].Op.Key()
			if in[a] == in[b] && at[a] >= at[b] || in[a] != in[b] && !slices.Contains(blocks[in[b]].deps, in[a]) {
				t.Fatalf("%s is not before %s: %+v", a, b, blocks)
			}
		}
		last := map[Target]int{}
		for i, b := range blocks {
			for k, d := range b.deps {
				if d >= i || k > 0 && d <= b.deps[k-1] {
					t.Fatalf("block %d waits for %v", i, b.deps)
				}
			}
			if prev, ok := last[b.target]; ok && !slices.Contains(b.deps, prev) {
				t.Fatalf("blocks %d and %d of %s at once: %+v", prev, i, b.target, blocks)
			}
			last[b.target] = i
			for _, s := range b.steps {
				if s.Op.Target() != b.target {
					t.Fatalf("%s is not on %s", s.Op.Key(), b.target)
				}
			}
		}
	})
}

// Work waits for another target as seldom as it can, and begins as late as it can without delaying anybody: nothing is
// stopped long before it must be.
func TestNothingIsStoppedEarly(t *testing.T) {
	worlds(false, func(steps []Step, links []link) {
		blocks, _ := arrange(steps, links)
		in, _ := where(blocks)
		level := func(i int) int { return blocks[in[steps[i].Op.Key()]].level }
		earliest, last := make([]int, len(steps)), 0
		for i := range steps { // links go forward
			for _, l := range links {
				if l.after == i {
					earliest[i] = max(earliest[i], earliest[l.before]+apart(steps, l))
				}
			}
			last = max(last, earliest[i])
		}
		for i := range steps {
			latest, waited := last, false
			for _, l := range links {
				if l.before == i {
					latest, waited = min(latest, level(l.after)-apart(steps, l)), true
				}
			}
			if got := level(i); got < earliest[i] || got > last || waited && got != latest || !waited && got != earliest[i] {
				t.Fatalf("step %d at level %d, may begin at %d, must at %d: %v", i, got, earliest[i], latest, links)
			}
		}
	})
}

func apart(steps []Step, l link) int {
	if steps[l.before].Op.Target() == steps[l.after].Op.Target() {
		return 0
	}
	return 1
}

// Where nothing else is wanted, a target's steps keep the order in which they were given, and the plan has the same bytes
// whichever target was named first.
func TestTheSameOrderEachTime(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	worlds(false, func(steps []Step, links []link) {
		blocks, _ := arrange(steps, nil)
		_, at := where(blocks)
		for i := range steps {
			for j := range i {
				if steps[i].Op.Target() == steps[j].Op.Target() && at[steps[j].Op.Key()] > at[steps[i].Op.Key()] {
					t.Fatalf("%d was given before %d", j, i)
				}
			}
		}
		target := r.Perm(4) // another order of the targets, the same one within each
		again := slices.Clone(steps)
		rank := map[Target]int{}
		for _, s := range steps {
			if _, ok := rank[s.Op.Target()]; !ok {
				rank[s.Op.Target()] = target[len(rank)]
			}
		}
		slices.SortStableFunc(again, func(a, b Step) int { return rank[a.Op.Target()] - rank[b.Op.Target()] })
		if other, _ := arrange(again, nil); !reflect.DeepEqual(blocks, other) {
			t.Fatalf("%+v\nand then\n%+v", blocks, other)
		}
	})
}

// What contradicts itself is told as a circle that really is there, all of it and nothing else.
func TestACircleIsOne(t *testing.T) {
	circles := 0
	worlds(true, func(steps []Step, links []link) {
		blocks, circle := arrange(steps, links)
		if (blocks == nil) != (circle != nil) {
			t.Fatalf("%+v and %v", blocks, circle)
		}
		if circle == nil {
			return
		}
		circles++
		seen := map[int]bool{}
		for k, l := range circle {
			if seen[l.before] || !slices.Contains(links, l) || l.after != circle[(k+1)%len(circle)].before {
				t.Fatalf("%v is no circle of %v", circle, links)
			}
			seen[l.before] = true
		}
	})
	if circles == 0 {
		t.Error("no order contradicted itself")
	}
}

// A step that names itself waits for nobody.
func TestAStepNamesItself(t *testing.T) {
	s := Step{ID: "x", After: []string{"x", "y", "not there"}, Op: spot{key: "x"}}
	if all := links([]Step{{ID: "y", Op: spot{key: "y"}}, s}); !slices.Equal(all, []link{{0, 1}}) {
		t.Errorf("%v", all)
	}
}
