package live

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"meshrotate/providers/adminapi"
	"meshrotate/providers/site"
)

// try asks an endpoint what a later phase asks of it. Any answer is one; without one, nobody knows.
func (a *api) try(ctx context.Context, r site.Trial) (*site.TrialSeen, error) {
	seen := &site.TrialSeen{Trial: r}
	var err error
	switch r.Asks {
	case site.AsksReady:
		ready, answer, failed := a.client.Ready(ctx)
		if err = failed; err == nil && !ready {
			seen.Status, seen.Problem = answer.Status, fmt.Sprintf("not ready (HTTP %d)", answer.Status)
		}
	case site.AsksRuns:
		all, failed := a.syncRuns(ctx, r.Path)
		seen.Names, err = slices.Sorted(maps.Keys(all)), failed
	case site.AsksPost:
		seen.Untried, err = a.client.Posts(ctx, r.Path, r.Beside)
	default:
		_, err = a.client.Get(ctx, r.Path)
	}
	a.note(err)
	var e *adminapi.Error
	if adminapi.Answered(err) && errors.As(err, &e) {
		seen.Status, seen.Problem, seen.Hint = e.Status, e.Seen(), e.Hint()
		return seen, nil
	}
	return seen, err
}
