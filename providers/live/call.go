package live

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"meshrotate/providers/adminapi"
	"meshrotate/providers/site"
	"meshrotate/reconciler"
)

// callAgain is when Admin is asked to do the same again, where something answered that it may be away, or the answer was lost: it may
// have done it. lostAnswers is how often that is done of answers that are lost. On the way back nothing else comes after it that would
// bring the old state: it is done oftener, each time after twice as long, for a minute.
const (
	callAgain       = 2 * time.Second
	lostAnswers     = 3
	lostAnswersBack = 6
)

// call asks Admin to do something. A way back starts Admin just before, and it may not listen yet, or what stands before it may
// say so. What is asked for is done twice without harm: another run asks for it again, too. A try, before anything stops, says
// something only of an Admin that answers still.
func (a *api) call(ctx context.Context, op site.Call, s reconciler.Step) reconciler.Report {
	try, most, again := s.Phase == reconciler.Prepare, lostAnswers, callAgain
	if s.Undoes() {
		most = lostAnswersBack
	}
	ctx, cancel := a.within(ctx, cmp.Or(op.Timeout.Of(), patience))
	defer cancel()
	for lost := 0; ; {
		err := a.client.Post(ctx, op.Path)
		a.note(err)
		if try && adminapi.KindOf(err) == adminapi.Lost {
			if _, silent := a.client.WaitReady(ctx, a.poll); silent != nil {
				return failed(silent)[0]
			}
		}
		if adminapi.KindOf(err) == adminapi.Lost {
			if lost++; lost < most && pause(ctx, again) == nil {
				if s.Undoes() {
					again *= 2
				}
				continue // the connection may have ended before it was heard
			}
		}
		if err == nil || adminapi.KindOf(err) == adminapi.Lost || adminapi.StatusOf(err) == http.StatusGatewayTimeout {
			return done("asked") // whether it did is for the proof to say; a gateway that waited in vain has handed it on
		}
		if op.Proven && !adminapi.Passes(err) && adminapi.Answered(err) {
			return done("asked, and refused")
		}
		kind, wait := adminapi.KindOf(err), a.poll
		if adminapi.Passes(err) {
			wait = max(wait, callAgain)
		}
		if kind != adminapi.Unreachable && kind != adminapi.Local && !adminapi.Passes(err) {
			return failed(err)[0]
		}
		if pause(ctx, wait) != nil {
			if !try && adminapi.StatusOf(err) == http.StatusBadGateway {
				return done("asked, and what stands before Admin did not say whether it did")
			}
			return failed(err)[0]
		}
	}
}
