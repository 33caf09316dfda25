package cli

import (
	"errors"
	"fmt"
	"strings"

	"meshrotate/reconciler"
	"meshrotate/state"
)

// stillDown tells of what is stopped, when this run did nothing about it.
func stillDown(down []reconciler.Down, err error) error {
	var sure, unsure, found, cut, perhaps []string
	for _, d := range down {
		name := d.What
		if d.Service != "" {
			name += " (" + strings.Join(append([]string{d.Service}, d.With...), ", ") + ")"
		}
		if d.Found && !d.CutOff {
			found = append(found, name)
			continue
		}
		if !d.Since.IsZero() {
			name += ", since " + d.Since.UTC().Format("2006-01-02 15:04:05 UTC")
			if d.Sooner {
				name += " at the latest"
			}
		}
		if d.CutOff && d.Unsure {
			perhaps = append(perhaps, name)
		} else if d.CutOff {
			cut = append(cut, name)
		} else if d.Unsure {
			unsure = append(unsure, name)
		} else {
			sure = append(sure, name)
		}
	}
	if len(down) == 0 {
		return err
	}
	hint := reconciler.HintOf(err)
	if held := new(state.HeldError); len(sure) > 0 && errors.As(err, &held) { // it may be of that run, which is at work
		err = fmt.Errorf("%w; a run, perhaps that one, has left DOWN: %s", err, few(sure))
	} else if len(sure) > 0 {
		err = fmt.Errorf("%w; an earlier run has left DOWN: %s", err, few(sure))
	}
	if len(unsure) > 0 {
		err = fmt.Errorf("%w; since an earlier run may be DOWN, and could not be looked at: %s", err, few(unsure))
	}
	if len(cut) > 0 {
		err = fmt.Errorf("%w; CUT OFF: %s", err, few(cut))
	}
	if len(perhaps) > 0 {
		err = fmt.Errorf("%w; may be CUT OFF: %s", err, few(perhaps))
	}
	if len(found) > 0 {
		err = fmt.Errorf("%w; found DOWN, stopped by no run that the ledger knows: %s", err, few(found))
	}
	return &Exit{Code: ExitPartly, Err: reconciler.Hinted(err, hint)}
}

// few are the first of many.
func few(names []string) string {
	const most = 5
	text := strings.Join(names[:min(len(names), most)], "; ")
	if more := len(names) - most; more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return text
}
