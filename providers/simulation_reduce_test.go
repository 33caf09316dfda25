package providers_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// lives is how many smaller schedules are tried at the most.
const lives = 300

// reduce leaves out what a schedule does not need to break the same invariant: it takes every smaller one that still does, until
// there is none.
func reduce(t *testing.T, s schedule, broken []string, breaks func(schedule) []string) (schedule, []string) {
	t.Helper()
	left := lives
	for again := true; again; {
		again = false
		for _, smaller := range smaller(t, s) {
			if left--; left < 0 {
				return s, broken
			}
			if now := breaks(smaller); len(now) > 0 && number(now[0]) == number(broken[0]) {
				s, broken, again = smaller, now, true
				break
			}
		}
	}
	return s, broken
}

// number is an invariant's.
func number(broken string) string {
	n, _, _ := strings.Cut(broken, ":")
	return n
}

// smaller are the schedules with one part less, the largest parts first.
func smaller(t *testing.T, s schedule) (all []schedule) {
	try := func(change func(*schedule)) {
		c := cloned(t, s)
		change(&c)
		all = append(all, c)
	}
	some := func(change func(*schedule)) { // where it makes a difference
		if try(change); written(t, all[len(all)-1]) == written(t, s) {
			all = all[:len(all)-1]
		}
	}
	for i := range s.Runs {
		try(func(c *schedule) { c.Runs = slices.Delete(c.Runs, i, i+1) })
	}
	for _, n := range []int{s.Relays / 2, s.Relays - 1} {
		if n >= 0 && n < s.Relays {
			try(func(c *schedule) { c.Relays = n })
		}
	}
	for i := range s.Manners {
		try(func(c *schedule) { c.Manners = slices.Delete(c.Manners, i, i+1) })
	}
	for i, e := range s.Runs {
		for j := range e.Faults {
			try(func(c *schedule) { c.Runs[i].Faults = slices.Delete(c.Runs[i].Faults, j, j+1) })
		}
		for j := range e.Drift {
			try(func(c *schedule) { c.Runs[i].Drift = slices.Delete(c.Runs[i].Drift, j, j+1) })
		}
		some(func(c *schedule) { c.Runs[i].Second = nil })
		some(func(c *schedule) {
			c.Runs[i].Key, c.Runs[i].License, c.Runs[i].Login, c.Runs[i].Declared = "", "", "", 0
		})
		some(func(c *schedule) { c.Runs[i].Mode = "" })
		some(func(c *schedule) { c.Runs[i].Move = false })
		some(func(c *schedule) { c.Runs[i].Retire = false })
		some(func(c *schedule) { c.Runs[i].Ship, c.Runs[i].Retire = false, false })
		some(func(c *schedule) { c.Runs[i].Person, c.Runs[i].Confirm = 0, false })
		some(func(c *schedule) { c.Runs[i].Wait, c.Runs[i].Clock = 0, 0 })
	}
	some(func(c *schedule) { c.Login, c.Replicas = "", 0 })
	some(func(c *schedule) { c.Replicas = 0 })
	some(func(c *schedule) { c.Connectors, c.Source, c.Proof = 0, "", "" })
	some(func(c *schedule) { c.Source = "" })
	some(func(c *schedule) { c.Proof = "" })
	some(func(c *schedule) { c.Account, c.ChangedBy = "", "" })
	some(func(c *schedule) { c.ChangedBy = "" })
	some(func(c *schedule) { c.Building = false })
	some(func(c *schedule) { c.Signing, c.Building = false, false })
	some(func(c *schedule) { c.Books = "memory" })
	some(func(c *schedule) { c.Parallel, c.Tolerate = 0, 0 })
	some(func(c *schedule) { c.Declared = 0 })
	some(func(c *schedule) { c.Ready, c.Connect = 0, 0 })
	return all
}

func cloned(t *testing.T, s schedule) (c schedule) {
	t.Helper()
	if err := json.Unmarshal([]byte(written(t, s)), &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// A schedule that breaks an invariant is reduced to what breaks it, and to nothing that breaks another one.
func TestReduce(t *testing.T) {
	var drawn schedule
	fault := func(s schedule) (all int) {
		for _, e := range s.Runs {
			all += len(e.Faults)
		}
		return all
	}
	for seed := uint64(1); drawn.Relays < 4 || len(drawn.Runs) < 3 || fault(drawn) < 3; seed++ {
		drawn = draw(seed)
	}
	tried := 0
	small, broken := reduce(t, drawn, []string{"1: two relays and a fault"}, func(s schedule) []string {
		tried++
		switch {
		case s.Relays >= 2 && fault(s) >= 1:
			return []string{"1: two relays and a fault"}
		case s.Relays >= 1:
			return []string{"2: another one"}
		}
		return nil
	})
	if small.Relays != 2 || fault(small) != 1 || len(small.Runs) != 1 || len(small.Manners) > 0 || small.Books != "memory" || broken[0][:1] != "1" || tried > lives {
		t.Errorf("after %d lives: %s", tried, written(t, small))
	}
	if again := cloned(t, small); written(t, again) != written(t, small) {
		t.Errorf("it is not what is written: %s", written(t, again))
	}
	if drawn.Relays < 4 || fault(drawn) < 3 {
		t.Error("the schedule that was drawn has changed")
	}
}
