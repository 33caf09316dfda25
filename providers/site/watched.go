package site

import (
	"time"

	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
)

// Watched is a service, as it was seen, that an earlier run may have left down.
type Watched struct {
	Host, Service, What string
	Seen                *ServiceSeen
	Machine             *MachineSeen
	// Relay is how Admin lists it, nil where it does not. It is heard of for as long as a stop may take after that began.
	Relay       *RelaySeen
	StopTimeout time.Duration
	// Works: where its process runs, it is known to do its work.
	Works bool
}

// LeftDown says which services an earlier run left down, and which came back of themselves since.
func LeftDown(in reconciler.Input, ref secret.Ref, all []Watched) (down []reconciler.Down, back []reconciler.Returned) {
	for _, w := range all {
		if d, ok := downSince(in, ref, w.Host, w.Service, w.What, w.Seen); ok && !(d.Unsure && w.Relay.HeardAfter(d.Since.Add(w.StopTimeout))) {
			down = append(down, d)
		}
		if b, ok := cameBack(in, ref, w.Host, w.Service, w.What, w.Seen, w.Machine); ok && w.Works {
			back = append(back, b)
		}
	}
	return down, back
}
