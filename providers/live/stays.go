package live

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/state"
)

// lastingFor is for how long what has changed in an answer must be the same: what is another every half a minute moves by itself. Nothing is
// stopped meanwhile.
const lastingFor = 35 * time.Second

// stays says that a change in an answer is one of what Admin has read. What moves by itself does not stay for long, and what is another
// after each reload is so after one more, of the same file. An error says that nobody could see that. What was seen once needs no watching in
// the same run.
func (a *api) stays(ctx context.Context, got *site.AnswerSeen, op site.ProveAnswer) (bool, error) {
	if a.settled(op.Path) {
		return true, nil
	}
	stays, err := a.lasts(ctx, got, op)
	if err != nil || !stays || op.Again == "" {
		return stays, err
	}
	if asked := a.call(ctx, site.Call{Path: op.Again, Timeout: op.Timeout}, reconciler.Step{Phase: reconciler.Verify}); asked.Outcome != state.Done {
		return false, fmt.Errorf("admin's answer has changed, and whether a reload alone does that is not known: POST %s: %w", op.Again, asked.Err)
	}
	if stays, err = a.lasts(ctx, got, op); stays {
		a.mu.Lock()
		a.restless[op.Path].settled = true
		a.mu.Unlock()
	}
	return stays, err
}

// lasts says that what has changed in an answer is the same in the next ones. An answer that is lost is none.
func (a *api) lasts(ctx context.Context, got *site.AnswerSeen, op site.ProveAnswer) (bool, error) {
	var last error
	for began := a.now(); ; {
		if pause(ctx, a.poll) != nil {
			if why := stoppedSince(ctx); why != nil {
				last = why
			}
			return false, reconciler.Hinted(unwatched(got, last), "nothing is to be undone for it: run it again, when Admin answers")
		}
		again, err := a.get(ctx, site.Get{Path: op.Path, Fields: op.Want})
		if err != nil {
			last = err
			continue
		}
		if a.heed(again, op); !agrees(a.calm(again, op), op, a.now()) {
			return false, nil
		}
		if a.now().Sub(began) >= lastingFor {
			return true, nil
		}
	}
}

func unwatched(got *site.AnswerSeen, why error) error {
	text := fmt.Sprintf("admin's answer has changed, to %s, and was not seen for %s on end: whether it stays is not known", got, lastingFor)
	if why == nil {
		return fmt.Errorf("%s", text)
	}
	return fmt.Errorf("%s: %w", text, why)
}

// calm is an answer with what it was before in the place of what moves by itself, where only a change proves anything.
func (a *api) calm(got *site.AnswerSeen, op site.ProveAnswer) *site.AnswerSeen {
	movers := a.movers(op)
	if len(movers) == 0 {
		return got
	}
	still := *got
	still.Fields = maps.Clone(got.Fields)
	for _, f := range op.Want {
		if slices.Contains(movers, f.Name) {
			still.Fields[f.Name] = f.Was
		}
	}
	return &still
}

// restless is what was seen in this run of one endpoint's answer: the values of its fields one after another, and whether a change was found to
// be one of what Admin has read.
type restless struct {
	values  map[string][]string
	settled bool
}

// turns is how many values a field may have one after another before it moves by itself: what was before, the new one, and once again, as where
// one answer comes from a cache or from somebody who has not read it yet.
const turns = 4

// heed notes what an answer says.
func (a *api) heed(got *site.AnswerSeen, op site.ProveAnswer) {
	if !op.Changed {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	seen := a.restless[op.Path]
	if seen == nil {
		seen = &restless{values: map[string][]string{}}
		a.restless[op.Path] = seen
	}
	for _, f := range op.Want {
		value, values := got.Fields[f.Name], seen.values[f.Name]
		if len(values) == 0 && f.Was != "" {
			values = []string{f.Was}
		}
		if value != "" && (len(values) == 0 || !f.Alike(value, values[len(values)-1])) {
			values = append(values, value)
		}
		seen.values[f.Name] = values
	}
}

// movers are the fields that have had a third value, or gone to and fro.
func (a *api) movers(op site.ProveAnswer) (names []string) {
	if !op.Changed {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	seen := a.restless[op.Path]
	if seen == nil {
		return nil
	}
	for _, f := range op.Want {
		values := seen.values[f.Name]
		third := func(value string) bool { return !f.Alike(value, values[0]) && !f.Alike(value, values[1]) }
		if len(values) > turns || len(values) > 2 && slices.ContainsFunc(values[2:], third) {
			names = append(names, f.Name)
		}
	}
	return names
}

func (a *api) settled(path string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	seen := a.restless[path]
	return seen != nil && seen.settled
}
