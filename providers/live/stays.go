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
// after each reload is so after one more, of the same file. An error says that nobody could see that.
func (a *api) stays(ctx context.Context, got *site.AnswerSeen, op site.ProveAnswer) (bool, error) {
	stays, err := a.lasts(ctx, got, op)
	if err != nil || !stays || op.Again == "" || a.wasAsked(op.Path) {
		return stays, err
	}
	if asked := a.call(ctx, site.Call{Path: op.Again, Timeout: op.Timeout}, reconciler.Step{Phase: reconciler.Verify}); asked.Outcome != state.Done {
		return false, fmt.Errorf("admin's answer has changed, and whether a reload alone does that is not known: POST %s: %w", op.Again, asked.Err)
	}
	if stays, err = a.lasts(ctx, got, op); stays {
		a.ask(op.Path)
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
		for _, f := range op.Want {
			if again.Fields[f.Name] != got.Fields[f.Name] {
				a.moves(op.Path, f.Name)
			}
		}
		if !agrees(a.calm(got, op), op, a.now()) {
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

// restless is what was seen in this run of one endpoint's answer: the fields that move by themselves, and whether Admin was asked to read the
// same once more.
type restless struct {
	fields []string
	asked  bool
}

func (a *api) moves(path, field string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if seen := a.restless[path]; !slices.Contains(seen.fields, field) {
		seen.fields = append(slices.Clone(seen.fields), field)
		a.restless[path] = seen
	}
}

func (a *api) movers(op site.ProveAnswer) []string {
	if !op.Changed {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.restless[op.Path].fields
}

func (a *api) ask(path string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	seen := a.restless[path]
	seen.asked = true
	a.restless[path] = seen
}

func (a *api) wasAsked(path string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.restless[path].asked
}
