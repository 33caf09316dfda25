package live

import (
	"context"
	"errors"
	"fmt"
	"time"

	"meshrotate/providers/adminapi"
	"meshrotate/providers/site"
	"meshrotate/reconciler"
)

// awaitList waits until Admin's list of its relays is one that a proof can read. A clear answer that is none is not waited for longer
// than one who is starting may give it. What the list says of when it heard of relays counts for nothing yet: none can have come back.
func (a *api) awaitList(ctx context.Context, within time.Duration, say func(string)) error {
	say("looking at its list of relays")
	until := a.now().Add(patience)
	for {
		list, err := a.told(ctx)
		if err == nil {
			err = unprovable(list, within)
		}
		if err == nil {
			return nil
		}
		clear := adminapi.KindOf(err) != adminapi.Slow && (adminapi.KindOf(err) == "" || adminapi.Otherwise(err)) // an error may be one of an Admin that starts
		if clear && !a.now().Before(until) || pause(ctx, a.poll) != nil {
			return reconciler.Hinted(fmt.Errorf("admin is ready, and no proof could read its list of relays: %w", err), reconciler.HintOf(err))
		}
	}
}

// unprovable is what a proof would lack, of entries that tell of no relay that works now.
func unprovable(list *site.RelaysSeen, within time.Duration) error {
	if len(list.Relays) == 0 && list.Unnamed > 0 {
		return reconciler.Hinted(fmt.Errorf("no entry of its list has a name that can be read"), "name the field that holds the computer's name: product.api.fields.name")
	}
	var idle []site.Listed
	for i := range list.Relays {
		if r := &list.Relays[i]; !r.IsConnected() {
			idle = append(idle, site.Listed{Host: r.Name, Relay: r})
		}
	}
	for _, f := range (site.Listing{RelaysSeen: list, Asked: within}).Unprovable(idle, true) {
		if f.Severity == reconciler.Error {
			return reconciler.Hinted(errors.New(f.Text), f.Hint)
		}
	}
	return nil
}
