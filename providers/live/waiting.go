package live

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"meshrotate/providers/site"
)

// lateBy is for how long nobody need have looked for something to be told as it was measured.
const lateBy = 2 * time.Second

// waiting is the relays that are not proven yet.
type waiting struct {
	names   map[string]string        // computers' own names, by host
	skews   map[string]time.Duration // of hosts' clocks
	admin   string                   // Admin's host
	beats   map[string]time.Time     // the first heartbeat that was listed of one, by host
	since   map[string]time.Time     // by host, by our clock
	rest    time.Time                // for all others
	missing []string
	up      map[string]time.Time
	first   map[string]time.Time // when one that works was seen to, before somebody waited for it
	wasLate map[string]bool      // the same as late, of first
	heard   time.Time            // of the last list
	before  time.Time            // of the list before it
	late    map[string]bool      // of those that are up, and may have been for longer: nobody could look
	gone    []string             // whose host said why they do not come: nobody waits for them
	whys    map[string]error     // by host: what they say
	lacks   map[string]string    // by host: what the last list lacked
}

// drop ends the waiting for those whose host said why they do not come. One that Admin lists as connected for a while has worked
// until then.
func (w *waiting) drop(gone func(host string) (time.Time, bool)) {
	for host, up := range w.up {
		if at, is := gone(host); is && up.After(at) {
			w.up[host] = at
		}
	}
	w.missing = slices.DeleteFunc(w.missing, func(host string) bool {
		if _, is := gone(host); !is {
			return false
		}
		w.gone = append(w.gone, host)
		return true
	})
}

func (w *waiting) check(list *site.RelaysSeen, clock adminClock, now time.Time) {
	w.heard = now
	if !clock.known {
		return // a heartbeat cannot be compared with anything
	}
	listed := list.Directory(w.missing, w.names)
	w.lacks = map[string]string{}
	var missing []string
	for _, host := range w.missing {
		since, restarted := w.since[host]
		if !restarted {
			since = w.rest
		}
		if w.lacks[host] = w.lacking(host, listed.Of[host], clock.latest(since), since); w.lacks[host] != "" {
			missing = append(missing, host)
			continue
		}
		w.up[host], w.late[host] = now, now.Sub(later(since, w.before)) > lateBy
		if at := w.first[host]; restarted && at.After(since) {
			w.up[host], w.late[host] = at, w.wasLate[host]
		}
	}
	w.missing = missing
}

// lacking is what an entry lacks of a relay that works since a moment, which by the clock that stands in Admin's answers was then at
// the latest. Whose clock a heartbeat is told by is not known: the relay may send its own time, and a proxy may put its own into the
// answers. Where these clocks differ, a heartbeat is new that is later by all of them, or that is not the first one listed since.
func (w *waiting) lacking(host string, r *site.RelaySeen, then, since time.Time) string {
	first, last := then, then
	for _, of := range []string{host, w.admin} {
		if skew, known := w.skews[of]; known {
			first, last = earlier(first, since.Add(skew)), later(last, since.Add(skew))
		}
	}
	if r == nil || last.Sub(first) <= site.SkewError {
		return lackingOf(r, then)
	}
	beat, known := w.beats[host]
	if !known && w.beats != nil {
		w.beats[host] = r.Heartbeat
	}
	if known && r.Heartbeat.After(beat) {
		return lackingOf(r, first)
	}
	return lackingOf(r, last)
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// lackingOf is what an entry lacks of a relay that works since a moment, with %s for who it is, "" for nothing.
func lackingOf(r *site.RelaySeen, since time.Time) string {
	switch {
	case r == nil:
		return "Admin does not list %s"
	case r.Connected == nil:
		return "Admin lists %s without a word on being connected"
	case !*r.Connected:
		return "Admin lists %s as not connected"
	case r.Heartbeat.IsZero():
		return "Admin lists %s as connected, without a heartbeat"
	case !r.Heartbeat.After(since):
		return "Admin lists %s as connected, without a heartbeat since the restart"
	}
	return ""
}

// clauses says of the missing what the last list lacked: the same of many in one.
func (w *waiting) clauses() string {
	by := map[string][]string{}
	for _, host := range w.missing {
		if what := w.lacks[host]; what != "" {
			by[what] = append(by[what], host)
		}
	}
	var parts []string
	for _, what := range slices.Sorted(maps.Keys(by)) {
		const most = 3
		hosts := by[what]
		names := strings.Join(hosts[:min(len(hosts), most)], ", ")
		if more := len(hosts) - most; more > 0 {
			names += fmt.Sprintf(" and %d more", more)
		}
		parts = append(parts, fmt.Sprintf(what, names))
	}
	if len(parts) == 0 {
		return ""
	}
	return ": " + strings.Join(parts, "; ")
}
