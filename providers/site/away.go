package site

import (
	"fmt"

	"meshrotate/reconciler"
)

// Tolerate lets some of these hosts fall behind: those that are named, and a number of others.
func Tolerate(of, names []string, count int) reconciler.Tolerance {
	t := reconciler.Tolerance{Of: map[string]bool{}, Names: map[string]bool{}, Count: count}
	for _, h := range of {
		t.Of[h] = true
	}
	for _, n := range names {
		t.Names[n] = t.Of[n]
	}
	return t
}

// Away sorts those that cannot be reached: left are those that may fall behind, by name first and then by number.
func Away[T any](away []T, host func(T) string, t reconciler.Tolerance) (left, lost []T) {
	for _, one := range away {
		switch {
		case t.Names[host(one)]:
			left = append(left, one)
		case t.Count > 0 && t.Of[host(one)]:
			t.Count--
			left = append(left, one)
		default:
			lost = append(lost, one)
		}
	}
	return left, lost
}

// RelaysAway are the findings about both, nothing where there are none. Because is why relays must not be lost.
func RelaysAway(left, lost []string, because string) (all []reconciler.Finding) {
	if len(lost) > 0 {
		all = append(all, Problem("relay-unreachable", Count(len(lost), "relay")+" cannot be reached: "+because,
			fmt.Sprintf("bring %[1]s back, or let the policy leave %[1]s behind: policy.unreachable.tolerate names hosts, policy.unreachable.count allows a number; the next run finishes %[1]s", itOrThem(lost)), lost...))
	}
	if len(left) > 0 {
		all = append(all, Warning("relay-left-behind", Count(len(left), "relay")+" cannot be reached and may be left behind; the next run finishes "+itOrThem(left), "", left...))
	}
	return all
}

// RelaysSpared is the finding about relays that are away and that a run leaves as they are, because it takes nothing from them. The
// others are not kept down for them.
func RelaysSpared(hosts []string, because string) reconciler.Finding {
	return Warning("relay-unreachable", Count(len(hosts), "relay")+" cannot be reached, and left alone: "+because,
		"bring "+itOrThem(hosts)+" back, and apply again", hosts...)
}

func itOrThem(hosts []string) string {
	if len(hosts) == 1 {
		return "it"
	}
	return "them"
}

// LeftOf are the targets that fall behind.
func LeftOf(hosts []string) (all []reconciler.Target) {
	for _, h := range hosts {
		all = append(all, Host(h))
	}
	return all
}

// Where are those of all that it is true of.
func Where[T any](all []T, is func(T) bool) []T {
	n := 0
	for _, one := range all {
		if is(one) {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	some := make([]T, 0, n) // a fleet's are large
	for _, one := range all {
		if is(one) {
			some = append(some, one)
		}
	}
	return some
}

// Each is what f makes of each.
func Each[T, U any](all []T, f func(T) U) []U {
	made := make([]U, len(all))
	for i, one := range all {
		made[i] = f(one)
	}
	return made
}

// Count is how people read a number of things: "1 relay", "13 relays".
func Count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
