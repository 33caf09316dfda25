package live

import (
	"cmp"
	"context"
	"errors"
	"fmt"
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
		limit += 3 * (lastingFor + a.poll)
	}
	ctx, cancel := a.within(ctx, limit)
	defer cancel()
	ctx, end := a.whileRunning(ctx)
	defer end()
	var heard time.Time
	var seen *site.AnswerSeen
	for {
		got, err := a.get(ctx, site.Get{Path: op.Path, Fields: op.Want})
		still := got
		if err == nil {
			a.heed(got, op)
			still = a.calm(got, op)
		}
		switch {
		case err != nil:
		case len(op.Want) == 0:
			return done(op.What)
		case agrees(still, op, a.now()) && op.Changed:
			stays, err := a.stays(ctx, got, op)
			if err != nil {
				return reconciler.Report{Outcome: state.Unknown, Err: err}
			}
			if stays {
				return done(site.AdminLabel + " serves " + got.String())
			}
			seen, heard = got, a.now()
			say(site.AdminLabel + " answered otherwise again: " + got.String())
		case agrees(still, op, a.now()) && op.Untold:
			return done(op.What)
		case agrees(still, op, a.now()):
			return done(site.AdminLabel + " serves " + got.String())
		default:
			seen, heard = got, a.now()
			say(site.AdminLabel + " still serves " + seen.String())
		}
		if pause(ctx, a.poll) == nil {
			continue
		}
		if seen != nil && a.now().Sub(heard) <= patience {
			return failed(reconciler.Hinted(errors.New(refuted(seen, a.calm(seen, op), op, a.now(), a.movers(op))),
				cmp.Or(op.Hint, "look at Admin's log, and at what GET "+op.Path+" answers")))[0]
		}
		if why := stoppedSince(ctx); why != nil {
			err = why
		}
		return reconciler.Report{Outcome: state.Unknown, Err: err}
	}
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

// refuted says why an answer proves nothing. Still is the answer without what moves by itself.
func refuted(seen, still *site.AnswerSeen, op site.ProveAnswer, now time.Time, movers []string) string {
	text := "admin still serves "
	switch {
	case op.Changed && agrees(still, unchanged(op), now):
		text = "nothing in Admin's answer to GET " + op.Path + " has changed"
		if len(movers) > 0 {
			text += " but what moves by itself (" + strings.Join(movers, ", ") + ")"
		}
		text += ": it still serves "
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
