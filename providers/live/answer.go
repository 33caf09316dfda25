package live

import (
	"cmp"
	"context"
	"errors"
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
	ctx, cancel := a.within(ctx, op.Timeout.Of())
	defer cancel()
	ctx, end := a.whileRunning(ctx)
	defer end()
	var heard time.Time
	var seen *site.AnswerSeen
	for {
		got, err := a.get(ctx, site.Get{Path: op.Path, Fields: op.Want})
		switch {
		case err != nil:
		case len(op.Want) == 0:
			return done(op.What)
		case agrees(got, op) && op.Untold:
			return done(op.What)
		case agrees(got, op):
			return done(site.AdminLabel + " serves " + got.String())
		default:
			seen, heard = got, a.now()
			say(site.AdminLabel + " still serves " + seen.String())
		}
		if pause(ctx, a.poll) == nil {
			continue
		}
		if seen != nil && a.now().Sub(heard) <= patience {
			text := "admin still serves "
			if op.Changed && agrees(seen, unchanged(op)) {
				text = "nothing in Admin's answer to GET " + op.Path + " has changed: it still serves "
			}
			return failed(reconciler.Hinted(errors.New(text+seen.String()+lacking(seen, op.Want)),
				cmp.Or(op.Hint, "look at Admin's log, and at what GET "+op.Path+" answers")))[0]
		}
		if why := stoppedSince(ctx); why != nil {
			err = why
		}
		return reconciler.Report{Outcome: state.Unknown, Err: err}
	}
}

func agrees(seen *site.AnswerSeen, op site.ProveAnswer) bool {
	changed := !op.Changed
	for _, f := range op.Want {
		if !f.Met(seen.Fields[f.Name]) {
			return false
		}
		changed = changed || f.Changed(seen.Fields[f.Name])
	}
	return changed
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
