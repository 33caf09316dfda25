package live

import (
	"cmp"
	"context"
	"fmt"
	"hash/fnv"
	"time"

	"meshrotate/providers/adminapi"
	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/state"
)

// pulse is whether Admin's list lives: whether anything that it says of relays changes. A cache, or a database that is no longer
// written, goes on with what was so before a change, under answers that are new: that all are connected and none was heard of since.
// It says so of relays that work as well, so nothing is taken back for it. Where one relay alone is listed, and is dead, nothing
// else could move, and the two cannot be told apart: an Admin that lives lists it as not connected, sooner or later.
type pulse struct {
	sum   uint64
	asked time.Time // when the list was asked for last that says what the last one said
	moved time.Time // when one was asked for that another one followed
	since time.Time // when one was asked for first that says what the last one said
	beats map[string]time.Time
	// apart is the least time between two heartbeats of a relay that stays connected, as far as they were seen; pace is the same of those
	// between which there was no other.
	apart, pace time.Duration
	kept        time.Duration // what pace was before relays restarted, where it is longer than a proof would wait
}

func (p *pulse) note(list adminapi.Relays) {
	sum := sumOf(list.List)
	if !p.asked.IsZero() && sum != p.sum {
		p.moved = p.asked
	}
	if p.asked.IsZero() || sum != p.sum {
		p.since = list.Answer.Sent
	}
	p.measure(list)
	p.sum, p.asked = sum, list.Answer.Sent
}

// measure compares heartbeats with those of the list before. One that came in between two would have been listed after the first list as
// the second was: where they are further apart than twice the time between the lists, there was none.
func (p *pulse) measure(list adminapi.Relays) {
	beats := make(map[string]time.Time, len(list.List))
	for _, r := range list.List {
		if !r.IsConnected() || r.LastHeartbeat.IsZero() {
			continue
		}
		was, known := p.beats[r.Name]
		beats[r.Name] = r.LastHeartbeat
		apart := r.LastHeartbeat.Sub(was)
		if !known || apart <= 0 {
			continue
		}
		if p.apart == 0 || apart < p.apart {
			p.apart = apart
		}
		if apart > 2*list.Answer.Sent.Sub(p.asked) && (p.pace == 0 || apart < p.pace) {
			p.pace = apart
		}
	}
	p.beats = beats
}

// slow says that the heartbeats that were seen are further apart than this, and that it is not known how far.
func (p *pulse) slow(than time.Duration) bool { return p.apart > than && p.pace == 0 }

// paced is how long to wait for a heartbeat after a restart: the time that is asked for, or until the next one where they come further
// apart than that.
func (a *api) paced(asked time.Duration) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.pulse.kept <= asked {
		return asked
	}
	return a.pulse.kept + time.Minute
}

// sumOf is the same of lists that say the same of the same relays, in whatever order.
func sumOf(list []adminapi.Relay) (sum uint64) {
	h := fnv.New64a()
	for _, r := range list {
		h.Reset()
		for _, name := range r.Names {
			_, _ = h.Write([]byte(name))
			_, _ = h.Write([]byte{0})
		}
		switch {
		case r.Connected == nil:
		case *r.Connected:
			_, _ = h.Write([]byte{1})
		default:
			_, _ = h.Write([]byte{2})
		}
		_, _ = h.Write(r.Raw)
		sum += h.Sum64()
	}
	return sum
}

// awaitPulse asks for the list until it says something else than before. What it said in a look of long ago is no measure, and how far
// heartbeats are apart that were seen then is measured anew where it matters.
func (a *api) awaitPulse(ctx context.Context, op site.AwaitPulse, say func(string)) reconciler.Report {
	began, timeout := a.now(), op.Timeout.Of()
	ctx, cancel := a.within(ctx, timeout)
	defer cancel()
	told := false
	for {
		list, err := a.told(ctx)
		a.mu.Lock()
		moved, slow := a.pulse.moved.After(began.Add(-timeout)), a.pulse.slow(timeout)
		a.mu.Unlock()
		switch {
		case err == nil && moved && !slow:
			a.keepPace(timeout, say)
			return done("")
		case err == nil && !told && len(list.Relays) > 0:
			say("waiting until Admin's list of the relays says something new")
			told = true
		}
		if pause(ctx, a.poll) == nil {
			continue
		}
		if err != nil {
			return reconciler.Report{Outcome: state.Unknown, Err: err}
		}
		if moved { // and not again for as long
			a.keepPace(timeout, say)
			return done("")
		}
		return failed(reconciler.Hinted(fmt.Errorf("admin's list of the relays has said the same of all of them for %s: it is frozen, or what is read as heartbeats%s are none; it would prove no relay after a restart",
			timeout.Round(time.Second), readIn(list)), moves+passGET))[0]
	}
}

// moves is what to see of a list that does not move.
const moves = "see in Admin's dashboard whether heartbeats go on; if they do, name the field that tells of them as product.api.fields.heartbeat, or a longer product.api.connectedTimeout where they come that seldom; or "

// readIn names the field that heartbeats were read in.
func readIn(list *site.RelaysSeen) string {
	for _, r := range list.Relays {
		if r.IsConnected() && r.Field != "" {
			return " (" + r.Field + ")"
		}
	}
	return ""
}

// keepPace keeps how far heartbeats are apart before relays restart: afterwards they say when these came back.
func (a *api) keepPace(timeout time.Duration, say func(string)) {
	a.mu.Lock()
	a.pulse.kept = 0
	if a.pulse.apart > timeout {
		a.pulse.kept = cmp.Or(a.pulse.pace, a.pulse.apart)
	}
	kept := a.pulse.kept
	a.mu.Unlock()
	if kept > timeout {
		say(fmt.Sprintf("heartbeats come %s apart: one after the restart is waited for up to %s", kept.Round(time.Second), a.paced(timeout).Round(time.Second)))
	}
}

// passGET is what helps where somebody answers for Admin.
const passGET = "let whatever lies between here and Admin (a proxy, a cache) pass GET for the list of relays on to Admin each time"

// stands is what an entry lacks in a list that does not move.
const stands = "Admin lists %s as connected, and its list has not changed for any relay since the restart"

// still is the same of a relay that is not connected, in a list that says what it said before the restart. Of relays that were all cut off
// before it, one that lives may say so too: what is known then is nothing.
const still = "Admin lists %s as not connected, and its list says of every relay what it said before the restart"

// seeList is where to look for what the list does not tell.
func (w *waiting) seeList() string {
	for _, host := range w.missing {
		if w.lacks[host] == stands || w.lacks[host] == still {
			return moves + passGET + "; the next run asks again"
		}
	}
	return "see what Admin's list says of them; product.api.fields names the fields. As soon as that can be read the next run asks again, and until then it is refused"
}
