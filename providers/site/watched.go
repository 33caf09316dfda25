package site

import (
	"time"

	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
	"meshrotate/state"
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

// leftWith are the dependents that an earlier run stopped with a service, and that do not run though the service does: whoever
// started it by hand did not start them.
func leftWith(h state.History, ref secret.Ref, w Watched) (down []reconciler.Down) {
	if !w.Seen.Running() {
		return nil // it is told with the service
	}
	_, lost := Stopped(h, ref.Name, w.Host, w.Service, w.Seen)
	since := stopBegan(h, ref, w.Host, w.Service)
	if said, ok := h.LastWord(ref.Name, w.What); ok && since.IsZero() {
		since = said.Since // that run is at its end, and has left it behind
	}
	if since.IsZero() {
		return nil // as far as any run knows it came up with the service, and somebody stopped it since
	}
	for _, name := range lost {
		down = append(down, reconciler.Down{What: name + " on " + w.Host, Service: name, Target: Host(w.Host), Since: since,
			Cause: "an earlier run stopped it with " + w.Service + ", which runs again"})
	}
	return down
}

// LeftDown says which services an earlier run left down, and which came back of themselves since.
func LeftDown(in reconciler.Input, ref secret.Ref, all []Watched) (down []reconciler.Down, back []reconciler.Returned) {
	for _, w := range all {
		if d, ok := downSince(in, ref, w); ok && !(d.Unsure && w.Relay.HeardAfter(d.Since.Add(w.StopTimeout))) {
			down = append(down, d)
		}
		down = append(down, leftWith(in.History, ref, w)...)
		if b, ok := cameBack(in, ref, w.Host, w.Service, w.What, w.Seen, w.Machine); ok {
			if !w.Works {
				b.UpBy, b.Later = time.Time{}, !w.Relay.lastHeardBefore(w.Seen.StartedAt)
			}
			back = append(back, b)
		}
	}
	return down, back
}
