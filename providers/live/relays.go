package live

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"meshrotate/providers/adminapi"
	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/state"
)

func (a *api) relays(ctx context.Context) (*site.RelaysSeen, error) {
	list, err := a.client.Relays(ctx)
	a.note(err)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	a.clock.note(list.Answer)
	a.lists, a.listed = [2]time.Time{a.now(), a.lists[0]}, a.listed || len(list.List) > 0
	a.pulse.note(list)
	a.mu.Unlock()
	seen := &site.RelaysSeen{Domains: a.domains, Time: list.Answer.ServerTime, Age: list.Answer.Age, Total: list.Total, Size: list.Size, Round: list.Round, More: list.More, Moved: list.Moved, Unnamed: list.Unnamed}
	for _, r := range list.List {
		seen.Relays = append(seen.Relays, site.RelaySeen{Name: r.Name, Connected: r.Connected, Heartbeat: r.LastHeartbeat,
			Names: r.Names, Domain: r.Domain, Machine: r.Machine, Odd: r.Odd, Zoneless: r.Zoneless, Field: r.Field, Raw: r.Raw})
	}
	return seen, nil
}

// told is the list where it says anything: one that was not empty before, and is now, says of no relay that it is not connected; nor
// does one that is cut, which comes with an error.
func (a *api) told(ctx context.Context) (*site.RelaysSeen, error) {
	list, err := a.relays(ctx)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if empty := len(list.Relays) == 0 && list.Unnamed == 0; empty && a.listed {
		return nil, errEmptyList
	}
	if list.Moved {
		return list, errMovingList
	}
	if list.More {
		return list, errCutList
	}
	return list, nil
}

// inPart says that a list lacks some: it tells who works, and of nobody that he does not.
func inPart(err error) bool {
	return errors.Is(err, errCutList) || errors.Is(err, errMovingList) || errors.Is(err, errRoundList)
}

var errEmptyList = reconciler.Hinted(errors.New("its list has no relay at all, and had some before"), "look at Admin's dashboard and at what stands before Admin; the next run asks again")

var errMovingList = reconciler.Hinted(errors.New("the pages of its list move while they are read"), "name a path that gives all at once or in an order that stays, such as product.api.relays: /api/relays?pageSize=10000")

var errCutList = reconciler.Hinted(errors.New("its list is one page, without a way to the others"), site.WholeList)

var errRoundList = reconciler.Hinted(errors.New("its list has as many entries as one page has by default, old ones among them, and may be one page"), site.WholeList)

// adminClock is how far Admin's clock is ahead of ours, at the most. An answer tells the second at which it was made, and
// we know between which two moments of ours that was; every further answer makes it more exact.
type adminClock struct {
	low, high time.Duration
	known     bool
}

func (c *adminClock) note(a adminapi.Answer) {
	if a.ServerTime.IsZero() {
		return
	}
	low, high := a.ServerTime.Sub(a.Received), a.ServerTime.Add(time.Second).Sub(a.Sent)
	if !c.known || low > c.high || high < c.low { // somebody set a clock
		*c = adminClock{low, high, true}
		return
	}
	c.low, c.high = max(c.low, low), min(c.high, high)
}

// latest is a moment of ours on Admin's clock, at the latest.
func (c *adminClock) latest(ours time.Time) time.Time { return ours.Add(c.high) }

// proveRelays polls until every relay is connected with a heartbeat that no process from before its restart can have
// sent: later than the moment at which the new one began to start, on Admin's clock. Of a relay that was not restarted it
// demands one later than Admin's own restart, or else than the beginning of the proof.
func (a *api) proveRelays(ctx context.Context, op site.ProveRelays, say func(string)) reconciler.Report {
	if len(op.Relays) == 0 {
		return failed(reconciler.Hinted(errors.New("every relay was left behind: nothing shows that the new value works"),
			"look at what failed on the relays, mend it, and apply again"))[0]
	}
	defer a.gaveUp(a.now())
	op.Timeout = reconciler.Span(a.paced(op.Timeout.Of()))
	ctx, cancel := a.within(ctx, op.Timeout.Of())
	defer cancel()
	ctx, end := a.whileRunning(ctx)
	defer end()
	w := waiting{names: a.names(op.Relays), skews: a.clocks(), admin: a.host, since: a.restarts(), first: a.unfollow(), missing: slices.Clone(op.Relays), up: map[string]time.Time{}, late: map[string]bool{}, beats: map[string]time.Time{}, lag: min(time.Minute, op.Timeout.Of()/3)}
	a.mu.Lock()
	w.rest, w.wasLate = a.ready, maps.Clone(a.late)
	late := a.readyLate
	a.mu.Unlock()
	if w.rest.IsZero() {
		w.rest = a.now()
	}
	w.unwatched = a.unready() || late
	var last, said error // said: what the last answer was, where the time is over before the next one
	var stopped map[string]bool
	watched := a.now()
	for {
		if a.watch != nil && a.now().Sub(watched) >= watchEvery {
			stopped, watched = a.watch(ctx, w.missing, stopped), a.now()
		}
		var list *site.RelaysSeen
		if list, last = a.told(ctx); last == nil && list.MayBePage() {
			last = errRoundList
		}
		if last == nil || inPart(last) {
			a.mu.Lock()
			clock := a.clock
			w.before, w.moved, w.same = a.lists[1], a.pulse.moved, a.pulse.since
			a.mu.Unlock()
			w.part = last != nil
			w.check(list, clock, a.now())
			say(fmt.Sprintf("%d of %d relays connected", len(w.up), len(op.Relays)))
			said = last
		} else if ctx.Err() == nil {
			said = last
			say(fmt.Sprintf("%d of %d relays connected; waiting for the Admin API: %s", len(w.up), len(op.Relays), inShort(last)))
		}
		if ctx.Err() != nil && said != nil {
			last = said
		}
		a.prove(w)
		w.drop(a.gone)
		if len(w.missing) == 0 && len(w.gone) > 0 {
			return a.unproven(w, op, last)
		}
		if len(w.missing) == 0 {
			return reconciler.Report{Outcome: state.Done, Up: w.up, Bounds: w.late,
				Evidence: plural(len(op.Relays), "relay") + " connected" + heartbeats(len(op.Relays))}
		}
		if pause(ctx, a.poll) != nil {
			r := a.unproven(w, op, last)
			if why := stoppedSince(ctx); why != nil {
				r.Err = why
			}
			return r
		}
	}
}

// inShort is why the API could not be asked, for a line of progress.
func inShort(err error) string {
	var e *adminapi.Error
	switch {
	case errors.Is(err, errEmptyList):
		return "it lists no relay at all"
	case errors.Is(err, errCutList):
		return errCutList.Error()
	case !errors.As(err, &e):
		return "it does not answer"
	case e.Status != 0:
		return fmt.Sprintf("it answers with HTTP %d", e.Status)
	}
	return string(e.Kind)
}

// unproven says who is missing. Whoever is, does not work now, whatever was seen before.
func (a *api) unproven(w waiting, op site.ProveRelays, last error) reconciler.Report {
	w.whys = a.whyGone(w.gone)
	r := w.failed(op, last, a.now())
	if w.heard.IsZero() {
		return r
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	maps.DeleteFunc(a.first, func(host string, _ time.Time) bool { return w.up[host].IsZero() })
	return r
}

// prove notes what a proof has seen to work.
func (a *api) prove(w waiting) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.proven == nil {
		a.proven = map[string]bool{}
	}
	if a.first == nil {
		a.first, a.late = map[string]time.Time{}, map[string]bool{}
	}
	for host, at := range w.up {
		a.proven[host], a.first[host], a.late[host] = true, at, w.late[host] // who is asked again does not work from then on only
	}
}

// failed says who is missing at a moment. Where nobody has said so for a while, it is not known who is.
func (w *waiting) failed(op site.ProveRelays, last error, now time.Time) reconciler.Report {
	untold := w.untold()
	w.missing = append(w.missing, w.gone...)
	r := failed(w.reason(op, last, untold, now))[0]
	if untold || last != nil && now.Sub(w.heard) > patience && len(w.missing) > len(w.gone) {
		r.Outcome = state.Unknown // nobody said that a relay is not connected
	}
	r.Up, r.Bounds = w.up, w.late
	if len(w.up) > 0 {
		r.Missing, r.Whys = w.missing, w.whys
		r.Evidence = fmt.Sprintf("%d of %s connected", len(w.up), plural(len(op.Relays), "relay")) + heartbeats(len(w.up))
	}
	return r
}

func (w *waiting) reason(op site.ProveRelays, last error, untold bool, now time.Time) error {
	switch {
	case len(w.missing) == len(w.gone):
		return reconciler.Hinted(fmt.Errorf("%d of %d relays %s not connected: their hosts say why%s", len(w.gone), len(op.Relays), isOrAre(len(w.gone)), w.firstWhy()), lookAtRelay)
	case last != nil && now.Sub(w.heard) > patience:
		return reconciler.Hinted(fmt.Errorf("whether %d of %d relays %s connected is not known: %s: %w", len(w.missing), len(op.Relays), isOrAre(len(w.missing)), couldNot(last), last),
			cmp.Or(reconciler.HintOf(last), "look at the Admin service and at the way to it; the next run asks again"))
	}
	if untold {
		return reconciler.Hinted(fmt.Errorf("whether %d of %d relays %s connected is not known%s", len(w.missing), len(op.Relays), isOrAre(len(w.missing)), w.clauses()),
			w.seeList())
	}
	return reconciler.Hinted(fmt.Errorf("%d of %d relays %s not connected with a new heartbeat after %s%s", len(w.missing), len(op.Relays), isOrAre(len(w.missing)), op.Timeout, w.clauses()), w.lookAt())
}

func isOrAre(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

// couldNot says what is wrong with the API that does not tell of relays.
func couldNot(last error) string {
	if errors.Is(last, errEmptyList) || inPart(last) {
		return "the Admin API says nothing of them"
	}
	return "the Admin API could not be asked"
}

// firstWhy is what the first of them says that says something.
func (w *waiting) firstWhy() string {
	for _, host := range slices.Sorted(maps.Keys(w.whys)) {
		return ": " + w.whys[host].Error()
	}
	return ""
}

const lookAtRelay = "look at the log of a relay that is missing"

func heartbeats(n int) string {
	if n == 1 {
		return ", with a heartbeat after the change"
	}
	return ", each with a heartbeat after the change"
}

func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
