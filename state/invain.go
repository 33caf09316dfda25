package state

import "slices"

// InVain counts the runs in a row, up to the last one that came to an end, that began a step on a host for this version and left the host
// behind all the same. One that was cut off, or went back, has not shown that it was in vain.
func (h History) InVain(secret, version, step, host string) (runs int) {
	began := map[string]bool{}
	for _, t := range h.begun[step] {
		if _, on := slices.BinarySearch(t.hosts, host); on {
			began[t.run] = true
		}
	}
	for _, e := range slices.Backward(h.whole(secret)) {
		left := slices.Contains(e.Left, host)
		switch {
		case e.Version != version, e.Outcome == Proven && !left:
			return runs
		case e.Outcome == Started, e.Outcome == Back:
		case left && began[e.Run]:
			runs++
			delete(began, e.Run) // it may have told its end twice
		}
	}
	return runs
}
