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
	names map[string]string        // computers' own names, by host
	skews map[string]time.Duration // of hosts' clocks
	admin string                   // Admin's host
	lag   time.Duration            // how old what a list says may be
	beats map[string]time.Time     // the first heartbeat that was listed of one once no list could be older than its restart, by host
	// seemed are those that seem to work by one of the clocks, and not by all: from when on they did nobody knows once that is known.
	seemed map[string]bool
	odd    bool                 // heartbeats are told by a clock that is ahead, and nobody's
	since  map[string]time.Time // by host, by our clock
	rest   time.Time            // for all others
	// unwatched: nobody saw when Admin became ready again, so that all others may work for longer than since then.
	unwatched bool
	missing   []string
	up        map[string]time.Time
	first     map[string]time.Time // when one that works was seen to, before somebody waited for it
	wasLate   map[string]bool      // the same as late, of first
	heard     time.Time            // of the last list
	before    time.Time            // of the list before it
	moved     time.Time            // since when the list has changed last, at the least
	same      time.Time            // since when it says what it says now, as far as it was asked for
	late      map[string]bool      // of those that are up, and may have been for longer: nobody could look
	fell      map[string]fallen    // who worked, and did not at a later look
	gone      []string             // whose host said why they do not come: nobody waits for them
	whys      map[string]error     // by host: what they say
	lacks     map[string]string    // by host: what the last list lacked
	mute      map[string]bool      // by host: the last list does not say whether it works
	part      bool                 // the last list lacks some: it says of nobody that he does not work
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
	if !w.part {
		w.heard = now
	}
	if !clock.known {
		return // a heartbeat cannot be compared with anything
	}
	w.doubt(list, now)
	listed := list.Directory(slices.AppendSeq(slices.Clone(w.missing), maps.Keys(w.up)), w.names)
	w.lacks, w.mute = map[string]string{}, map[string]bool{}
	w.fall(listed)
	if !w.part && w.strange(list, listed, clock) {
		for _, host := range w.missing {
			w.lacks[host], w.mute[host] = "Admin lists others as connected since, and not %s, nor any that was restarted", true
		}
		return
	}
	var missing []string
	for _, host := range w.missing {
		since, restarted := w.since[host]
		if !restarted {
			since = w.rest
		}
		if w.lacks[host] = w.lacking(host, listed.Of[host], clock.latest(since), since, now); w.lacks[host] != "" {
			missing = append(missing, host)
			if fell, is := w.fell[host]; is {
				w.lacks[host] += ", though it was connected at " + fell.up.UTC().Format(time.TimeOnly) + " UTC"
			}
			w.mute[host] = tellsNothing(listed.Of[host]) || slices.Contains(listed.Ambiguous, host)
			if list.Old(listed.Of[host], clock.latest(since)) {
				w.lacks[host] = old
			}
			if listed.Of[host].IsConnected() && !w.mute[host] && w.moved.Before(since) {
				w.lacks[host], w.mute[host] = stands, true
			}
			if r := listed.Of[host]; r != nil && !r.IsConnected() && !w.mute[host] && !w.same.IsZero() && w.same.Before(since) {
				w.lacks[host], w.mute[host] = still, true
			}
			continue
		}
		w.up[host], w.late[host] = now, now.Sub(later(since, w.before)) > lateBy || w.unwatched && !restarted || w.seemed[host]
		if at := w.first[host]; restarted && at.After(since) {
			w.up[host], w.late[host] = at, w.wasLate[host]
		}
		if fell, is := w.fell[host]; is { // what ended then was the outage that a restart made
			w.up[host], w.late[host] = fell.up, fell.late
		}
	}
	w.missing = missing
}

const old = "Admin lists an old connection of %s, and no new one beside it, as it does of others"

// lookAt is where to look for the reason.
func (w *waiting) lookAt() string {
	for _, host := range w.missing {
		if w.lacks[host] == old {
			return site.PerhapsPage
		}
	}
	return lookAtRelay
}

// strange says that the list has relays that are connected and were heard of since, and none of ours: by the names that it has now, none
// of them can be told.
func (w *waiting) strange(list *site.RelaysSeen, listed site.Directory, clock adminClock) bool {
	return len(listed.Of) == 0 && len(listed.Ambiguous) == 0 && slices.ContainsFunc(list.Relays, func(r site.RelaySeen) bool {
		return r.HeardAfter(clock.latest(w.rest))
	})
}

// fall takes those out of who works that the list says no more of: one that was connected for a moment does not work.
func (w *waiting) fall(listed site.Directory) {
	for _, host := range slices.Sorted(maps.Keys(w.up)) {
		r := listed.Of[host]
		if w.part || r != nil && (r.Connected == nil || *r.Connected) || slices.Contains(listed.Ambiguous, host) {
			continue
		}
		if w.fell == nil {
			w.fell = map[string]fallen{}
		}
		w.fell[host] = fallen{w.up[host], w.late[host]}
		delete(w.up, host)
		w.missing = append(w.missing, host)
	}
}

// fallen is since when one worked that does no more.
type fallen struct {
	up   time.Time
	late bool
}

// exact is how well clocks are known: an answer tells a second, and takes some of them.
const exact = 2 * time.Second

// doubt looks for heartbeats that have not come yet, by the time of the answer and by the clocks of the relay and of Admin. By whose
// clock they are told is not known then, and what they proved so far they did not.
func (w *waiting) doubt(list *site.RelaysSeen, now time.Time) {
	if w.odd || list.Time.IsZero() {
		return
	}
	all := slices.AppendSeq(slices.Clone(w.missing), maps.Keys(w.up))
	for host, r := range list.Directory(all, w.names).Of {
		latest := list.Time
		for _, of := range []string{host, w.admin} {
			if skew, known := w.skews[of]; known {
				latest = later(latest, now.Add(skew))
			}
		}
		w.odd = w.odd || r.IsConnected() && r.Heartbeat.After(latest.Add(exact))
	}
	if w.odd {
		w.missing, w.up = slices.Sorted(slices.Values(all)), map[string]time.Time{}
	}
}

// lacking is what an entry lacks of a relay that works since a moment, which by the clock that stands in Admin's answers was then at
// the latest. Whose clock a heartbeat is told by is not known: the relay may send its own time, and a proxy may put its own into the
// answers. A heartbeat is new that is later by all of them. Where they differ it may take long to be that: one is new as well that
// came after another was listed, once no list could be older than the restart.
func (w *waiting) lacking(host string, r *site.RelaySeen, then, since, now time.Time) string {
	first, last := then, then
	for _, of := range []string{host, w.admin} {
		if skew, known := w.skews[of]; known {
			first, last = earlier(first, since.Add(skew)), later(last, since.Add(skew))
		}
	}
	lack := lackingOf(r, last)
	if r == nil || lack == "" && !w.odd || last.Sub(first) <= exact && !w.odd {
		return lack
	}
	if lackingOf(r, first) == "" {
		if w.seemed == nil {
			w.seemed = map[string]bool{}
		}
		w.seemed[host] = true
	}
	if w.odd {
		first, lack = time.Time{}, "Admin lists %s as connected, and whose clock its heartbeats are told by is not known: further ones are waited for"
	}
	if w.beats == nil || now.Sub(since) < w.lag {
		return lack
	}
	if beat, known := w.beats[host]; !known {
		w.beats[host] = r.Heartbeat
	} else if r.Heartbeat.After(beat) {
		return lackingOf(r, first)
	}
	return lack
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
		return "Admin lists %s without a word on being connected" + seenIn(r)
	case !*r.Connected:
		return "Admin lists %s as not connected"
	case r.Heartbeat.IsZero():
		return "Admin lists %s as connected, without a heartbeat" + seenIn(r)
	case !r.Heartbeat.After(since):
		return "Admin lists %s as connected, without a heartbeat since the restart"
	}
	return ""
}

// tellsNothing says of an entry that it tells neither that a relay works nor that it does not.
func tellsNothing(r *site.RelaySeen) bool {
	return r != nil && (r.Connected == nil || *r.Connected && r.Heartbeat.IsZero())
}

// seenIn is what an entry holds in fields that could not be read, for a format.
func seenIn(r *site.RelaySeen) string {
	if len(r.Odd) == 0 {
		return ""
	}
	return strings.ReplaceAll(" ("+strings.Join(r.Odd, ", ")+")", "%", "%%")
}

// untold says that the last list does not tell of relays that are missing: of all of them, or while none works.
func (w *waiting) untold() bool {
	n := 0
	for _, host := range w.missing {
		if w.mute[host] {
			n++
		}
	}
	return n > 0 && (n == len(w.missing) || len(w.up) == 0)
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
