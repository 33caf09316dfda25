package live

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/state"
)

// proveAnswer asks until Admin serves what is wanted: it may take its time to read a file. While it does not answer, what it said
// before refutes nothing.
func (a *api) proveAnswer(ctx context.Context, op site.ProveAnswer, say func(string)) reconciler.Report {
	defer a.gaveUp(a.now())
	limit := op.Timeout.Of()
	if op.Changed {
		limit += lastingFor + a.poll
	}
	ctx, cancel := a.within(ctx, limit)
	defer cancel()
	ctx, end := a.whileRunning(ctx)
	defer end()
	var heard time.Time
	var seen *site.AnswerSeen
	restless := map[string]bool{} // what was seen to move by itself shows nothing any more
	for {
		got, err := a.get(ctx, site.Get{Path: op.Path, Fields: op.Want})
		if err == nil {
			got = calm(got, op, restless)
		}
		switch {
		case err != nil:
		case len(op.Want) == 0:
			return done(op.What)
		case agrees(got, op, a.now()) && op.Changed && !a.lasts(ctx, got, op, restless):
			seen, heard = got, a.now()
			say(site.AdminLabel + " answers otherwise each time: " + seen.String())
		case agrees(got, op, a.now()) && op.Untold:
			return done(op.What)
		case agrees(got, op, a.now()):
			return done(site.AdminLabel + " serves " + got.String())
		default:
			seen, heard = got, a.now()
			say(site.AdminLabel + " still serves " + seen.String())
		}
		if pause(ctx, a.poll) == nil {
			continue
		}
		if seen != nil && a.now().Sub(heard) <= patience {
			return failed(reconciler.Hinted(errors.New(refuted(seen, op, a.now())),
				cmp.Or(op.Hint, "look at Admin's log, and at what GET "+op.Path+" answers")))[0]
		}
		if why := stoppedSince(ctx); why != nil {
			err = why
		}
		return reconciler.Report{Outcome: state.Unknown, Err: err}
	}
}

// lastingFor is for how long what has changed in an answer must be the same: what is another every half a minute moves by itself. Nothing is
// stopped meanwhile.
const lastingFor = 35 * time.Second

// lasts says that what has changed in an answer is the same in the next ones: what is another each time says nothing of what was read.
func (a *api) lasts(ctx context.Context, got *site.AnswerSeen, op site.ProveAnswer, restless map[string]bool) bool {
	for began := a.now(); ; {
		if pause(ctx, a.poll) != nil {
			return false
		}
		again, err := a.get(ctx, site.Get{Path: op.Path, Fields: op.Want})
		if err != nil {
			return false
		}
		for _, f := range op.Want {
			if again.Fields[f.Name] != got.Fields[f.Name] {
				restless[f.Name] = true
			}
		}
		if !agrees(calm(got, op, restless), op, a.now()) {
			return false
		}
		if a.now().Sub(began) >= lastingFor {
			return true
		}
	}
}

// calm is an answer with what it was before in the place of what moves by itself, where only a change proves anything.
func calm(got *site.AnswerSeen, op site.ProveAnswer, restless map[string]bool) *site.AnswerSeen {
	if !op.Changed || len(restless) == 0 {
		return got
	}
	still := *got
	still.Fields = maps.Clone(got.Fields)
	for _, f := range op.Want {
		if restless[f.Name] {
			still.Fields[f.Name] = f.Was
		}
	}
	return &still
}

func agrees(seen *site.AnswerSeen, op site.ProveAnswer, now time.Time) bool {
	changed := !op.Changed
	for _, f := range op.Want {
		if !f.Met(seen.Fields[f.Name]) || f.Passed(seen.Fields[f.Name], now) {
			return false
		}
		changed = changed || f.Changed(seen.Fields[f.Name])
	}
	return changed
}

// refuted says why an answer proves nothing.
func refuted(seen *site.AnswerSeen, op site.ProveAnswer, now time.Time) string {
	text := "admin still serves "
	switch {
	case op.Changed && agrees(seen, unchanged(op), now):
		text = "nothing in Admin's answer to GET " + op.Path + " has changed: it still serves "
	case op.Before != "" && slices.ContainsFunc(op.Want, func(f site.Field) bool { return f.Changed(seen.Fields[f.Name]) }):
		text = "admin's answer has changed, and is not the wanted one: it serves "
	}
	if seen.String() == "nothing" { // which it may have done before, or not
		text = "admin serves "
	}
	text += seen.String() + lacking(seen, op.Want)
	for _, f := range op.Want {
		switch value := seen.Fields[f.Name]; {
		case f.Refused(value):
			text += fmt.Sprintf("; the %s %q is one that no proof takes", f.Name, value)
			if f.Was != "" && f.Was != value {
				text += fmt.Sprintf(" after %q", f.Was)
			}
		case f.Passed(value, now):
			text += fmt.Sprintf("; the %s has passed", f.Name)
		case value != "" && !f.Met(value):
			text += fmt.Sprintf("; the %s is not %s", f.Name, f.Want)
		}
	}
	return text
}

// unchanged is the same proof without the demand of a change.
func unchanged(op site.ProveAnswer) site.ProveAnswer {
	op.Changed = false
	return op
}

// lacking says which fields are not in an answer that should be.
func lacking(seen *site.AnswerSeen, want []site.Field) string {
	var names []string
	for _, f := range want {
		if f.Want != "" && f.Want != site.Never && seen.Fields[f.Name] == "" {
			names = append(names, f.Name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return " (its answer has no " + strings.Join(names, ", no ") + ")"
}
