package live

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"meshrotate/providers/adminapi"
	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/state"
)

// runs are the latest runs that Admin told of, by path and owner: the steps of a batch share an answer.
type runs map[string]map[string]syncRun

// syncRun is the latest run of an owner of secrets.
type syncRun struct {
	began time.Time // by Admin's clock
	ended string    // what became of it, "" when Admin does not say
	shut  bool      // Admin's words for why are those of a secret that does not open
}

func (r syncRun) good() bool { return slices.Contains(goodWords(), r.ended) }
func (r syncRun) busy() bool { return slices.Contains(busyWords(), r.ended) }

// The names under which Admin may tell of runs, and the words for one that ended well. Nothing documents them.
func ownerNames() []string { return []string{"name", "connectorName", "connectorId", "id"} }
func beganNames() []string {
	return []string{"lastSyncStartedUtc", "lastSyncStarted", "lastSyncUtc", "lastRunStartedUtc"}
}
func statusNames() []string { return []string{"lastSyncStatus", "lastSyncResult", "lastRunStatus"} }
func whyNames() []string {
	return []string{"lastSyncError", "lastSyncMessage", "lastRunError", "lastError"}
}
func goodWords() []string { return []string{"succeeded", "success", "ok", "completed"} }
func busyWords() []string { return []string{"", "running", "pending", "queued", "inprogress"} }

// shutWords are how Windows says that what it sealed does not open: the number and the words of NTE_BAD_KEY_STATE, and the calls.
func shutWords() []string {
	return []string{"8009000b", "key not valid for use in specified state", "cryptunprotectdata", "protecteddata"}
}

// syncRuns are the latest runs that an endpoint tells of.
func (a *api) syncRuns(ctx context.Context, path string, at adminapi.Listed) (map[string]syncRun, error) {
	at.Tells = func(o adminapi.Object) bool {
		return o.Text(ownerNames()...) != "" && (!o.Time(nil, beganNames()...).IsZero() || o.Text(statusNames()...) != "")
	}
	list, answer, err := a.client.List(ctx, path, at)
	a.note(err)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	a.clock.note(answer)
	a.mu.Unlock()
	all := map[string]syncRun{}
	for _, o := range list {
		why := strings.ToLower(o.Text(whyNames()...)) // it may quote a value, and goes no further
		r := syncRun{o.Time(nil, beganNames()...), strings.ToLower(o.Text(statusNames()...)),
			slices.ContainsFunc(shutWords(), func(w string) bool { return strings.Contains(why, w) })}
		for _, name := range ownerNames() {
			if n := strings.ToLower(o.Text(name)); n != "" {
				all[n] = r
			}
		}
	}
	return all, nil
}

// proveSync waits for a run that began after the push. One that began before it, and one that is under way, prove nothing.
func (a *api) proveSync(ctx context.Context, op site.ProveSync, known runs, say func(string)) reconciler.Report {
	push, pushed := a.pushOf(op.Ref)
	earlier, err := time.Parse(time.RFC3339Nano, op.Since)
	if !pushed && err != nil {
		return refused(fmt.Errorf("%s was not pushed in this run", op.Ref))
	}
	say("waiting for a sync run of " + op.Owner)
	until := push.began.Add(op.Timeout.Of()) // all wait at the same time
	if !pushed {
		until = a.firstSync().Add(op.Timeout.Of())
	}
	defer a.gaveUp(a.now())
	ctx, cancel := a.within(ctx, max(until.Sub(a.now()), 0)+patience)
	defer cancel()
	ctx, end := a.whileRunning(ctx)
	defer end()
	var last error
	var busy time.Time // since when a run is under way that began after the push
	for asked := false; ; asked = true {
		r := known[op.Path][strings.ToLower(op.Owner)]
		after := r.began.After(earlier)
		if pushed {
			a.mu.Lock()
			after = r.began.After(a.clock.latest(push.began)) && a.clock.known
			a.mu.Unlock()
		}
		switch {
		case after && r.good():
			return done(fmt.Sprintf("a sync run of %s that began at %s succeeded", op.Owner, r.began.UTC().Format(time.TimeOnly)))
		case after && !r.busy() && op.ByHand == "":
			return failed(reconciler.Hinted(fmt.Errorf("the sync run of %s that began at %s, after the push, did not succeed", op.Owner, r.began.UTC().Format(time.TimeOnly)),
				"see in Engine's log whether it could open the secret and whether the source system takes the new value"))[0]
		case asked && !a.now().Before(until):
			return a.noSync(ctx, op, known[op.Path], busy, last)
		}
		if busy = (time.Time{}); after && r.ended != "" && r.busy() {
			busy = r.began
		}
		if asked && pause(ctx, max(a.poll, 200*time.Millisecond)) != nil {
			return a.noSync(ctx, op, known[op.Path], busy, last)
		}
		var all map[string]syncRun
		if all, last = a.syncRuns(ctx, op.Path, adminapi.Listed{At: op.List}); last == nil {
			known[op.Path] = all
		}
	}
}

// firstSync is when this run began to wait for sync runs.
func (a *api) firstSync() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.syncsSince.IsZero() {
		a.syncsSince = a.now()
	}
	return a.syncsSince
}

// noSync says why nothing was shown in time.
func (a *api) noSync(ctx context.Context, op site.ProveSync, all map[string]syncRun, busy time.Time, last error) reconciler.Report {
	if why := stoppedSince(ctx); why != nil {
		last = why
	}
	if last == nil && len(all) == 0 { // it told of this one when the rotation was planned
		last = reconciler.Hinted(fmt.Errorf("%s does not tell of any connector now", op.Path), "look at Admin's dashboard and at what stands before Admin; the next run asks again")
	}
	if last != nil {
		return reconciler.Report{Outcome: state.Unknown, Err: last, Unreachable: adminapi.KindOf(last) == adminapi.Unreachable}
	}
	if _, told := all[strings.ToLower(op.Owner)]; !told {
		return failed(reconciler.Hinted(fmt.Errorf("%s does not tell of %s", op.Path, op.Owner), "correct the connector's name, or leave out the proof by sync runs"))[0]
	}
	if op.ByHand != "" {
		return reconciler.Report{Outcome: state.Failed, Waits: true, Err: fmt.Errorf("a person %s; no sync run of %s that began since it was set has succeeded yet", op.ByHand, op.Owner)}
	}
	if !busy.IsZero() {
		return failed(reconciler.Hinted(fmt.Errorf("the sync run of %s that began at %s, after the push, has not ended within %s", op.Owner, busy.UTC().Format(time.TimeOnly), op.Timeout),
			"see in Engine's log what it does, or wait longer for it in the document"))[0]
	}
	return failed(reconciler.Hinted(fmt.Errorf("no sync run of %s began within %s after the push", op.Owner, op.Timeout), "start one by hand, or wait longer for it in the document"))[0]
}
