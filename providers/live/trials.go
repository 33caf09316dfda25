package live

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"meshrotate/providers/adminapi"
	"meshrotate/providers/site"
)

// try asks an endpoint what a later phase asks of it. Any answer is one; without one, nobody knows.
func (a *api) try(ctx context.Context, r site.Trial) (*site.TrialSeen, error) {
	seen := &site.TrialSeen{Trial: r}
	var err error
	switch r.Asks {
	case site.AsksReady:
		ready, answer, failed := a.readySoon(ctx)
		if err = failed; err == nil && !ready {
			seen.Status, seen.Problem = answer.Status, fmt.Sprintf("not ready (HTTP %d)", answer.Status)
			if answer.Unwell {
				seen.Status, seen.Problem = http.StatusServiceUnavailable, fmt.Sprintf("not ready (HTTP %d, and it says Unhealthy)", answer.Status)
			}
		}
	case site.AsksRuns:
		all, failed := a.syncRuns(ctx, r.Path, adminapi.Listed{At: r.List, Key: r.ListKey})
		seen.Runs, err = make(map[string]site.Run, len(all)), failed
		for name, run := range all {
			seen.Runs[name] = site.Run{Began: run.began, Failed: !run.good() && !run.busy(), Shut: !run.good() && !run.busy() && run.shut}
		}
	case site.AsksPost:
		seen.Untried, err = a.client.Posts(ctx, r.Path, r.Beside)
	default:
		_, err = a.client.Get(ctx, r.Path)
	}
	a.note(err)
	var e *adminapi.Error
	if (adminapi.Answered(err) || adminapi.KindOf(err) == adminapi.WrongContent) && errors.As(err, &e) {
		seen.Status, seen.Problem, seen.Hint = e.Status, e.Seen(), e.Hint()
		return seen, nil
	}
	return seen, err
}

// readySoon asks whether Admin is ready. One that has just started is not, for a moment: it is asked again.
func (a *api) readySoon(ctx context.Context) (ready bool, answer adminapi.Answer, err error) {
	for end := a.now().Add(patience); ; {
		ready, answer, err = a.client.Ready(ctx)
		if ready || err != nil || !a.now().Before(end) || pause(ctx, a.poll) != nil {
			return ready, answer, err
		}
	}
}

// settling is how long a look waits for the first relay to connect: Admin, or all of them, may have started just now.
const settling = 5 * time.Second

// recent is how old the latest heartbeat may be of a list that is told from a frozen one.
const recent = 5 * time.Minute

// relaysSoon asks for Admin's list, and for a moment again while it has relays and none of them is connected, or was heard since
// long: one that has just started may show what it knew before.
func (a *api) relaysSoon(ctx context.Context) (*site.RelaysSeen, error) {
	for end := a.now().Add(settling); ; {
		list, err := a.relays(ctx)
		if err != nil || len(list.Relays) == 0 || !a.now().Before(end) || slices.ContainsFunc(list.Relays, func(r site.RelaySeen) bool { return lively(list, r) }) || pause(ctx, a.poll) != nil {
			return list, err
		}
	}
}

// lively says that a relay is connected and not for long silent, or that nobody can tell.
func lively(list *site.RelaysSeen, r site.RelaySeen) bool {
	return r.Connected == nil || *r.Connected && (r.Heartbeat.IsZero() || list.Time.IsZero() || list.Time.Sub(r.Heartbeat).Abs() <= recent)
}
