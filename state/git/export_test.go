package git

import "time"

// EndsWithin bounds how long the end of a run waits for a server that is away.
func (s *Store) EndsWithin(d time.Duration) { s.waits = d }

// Cut ends whatever a process does in the background, as its end does: nothing is published, and nothing given back.
func (s *Store) Cut(l interface{ Fence() uint64 }) {
	h := l.(*held)
	if j := s.journaling(); j != nil {
		j.stop()
		<-j.done
	}
	h.stop()
	<-h.done
}

// AttemptsOf is how long one attempt may take, until the function is called that it returns.
func AttemptsOf(d time.Duration) func() {
	was := attempt
	attempt = d
	return func() { attempt = was }
}
