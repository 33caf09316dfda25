package live

import (
	"context"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
)

// order lets reads of one target wait until others were looked at.
type order map[reconciler.Target]chan struct{}

func newOrder(targets []reconciler.Target) order {
	o := order{}
	for _, t := range targets {
		o[t] = make(chan struct{})
	}
	return o
}

// await returns when what the reads follow was looked at. What nobody looks at is not waited for.
func (o order) await(ctx context.Context, reads []reconciler.Read) {
	for _, r := range reads {
		f, ok := r.(site.Follower)
		if !ok {
			continue
		}
		if done := o[f.Follows()]; done != nil {
			select {
			case <-done:
			case <-ctx.Done():
			}
		}
	}
}

func (o order) looked(t reconciler.Target) { close(o[t]) }
