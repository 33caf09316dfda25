package live

import (
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
}

func (p *pulse) note(list adminapi.Relays) {
	sum := sumOf(list.List)
	if !p.asked.IsZero() && sum != p.sum {
		p.moved = p.asked
	}
	if p.asked.IsZero() || sum != p.sum {
		p.since = list.Answer.Sent
	}
	p.sum, p.asked = sum, list.Answer.Sent
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

// awaitPulse asks for the list until it says something else than before. What it said in a look of long ago is no measure.
func (a *api) awaitPulse(ctx context.Context, op site.AwaitPulse, say func(string)) reconciler.Report {
	began, timeout := a.now(), op.Timeout.Of()
	ctx, cancel := a.within(ctx, timeout)
	defer cancel()
	told := false
	for {
		list, err := a.told(ctx)
		a.mu.Lock()
		moved := a.pulse.moved
		a.mu.Unlock()
		switch {
		case err == nil && moved.After(began.Add(-timeout)):
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
		return failed(reconciler.Hinted(fmt.Errorf("admin's list of the relays has said the same of all of them for %s: it is frozen, and would prove no relay after a restart", timeout.Round(time.Second)),
			"see in Admin's dashboard whether heartbeats go on; "+passGET))[0]
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
			return "see in Admin's dashboard whether heartbeats go on; " + passGET + "; the next run asks again"
		}
	}
	return "see what Admin's list says of them; product.api.fields names the fields; the next run asks again"
}
