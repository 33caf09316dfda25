package sqllogin

// comesUp says that of a pair services are down whose string works: they come up, whatever becomes of a replica, to which nobody is
// connected. So the password is set within the switch, whose way back starts them, or which goes on where the files have it already.
func (r *Rotation) comesUp(w work) bool {
	return r.spec.Mode == alternating && w.downOnWhatWorks() && !w.parted()
}

// downOnWhatWorks says that a service is down, and that the strings sign in.
func (s sight) downOnWhatWorks() bool {
	stopped, works := false, s.whole()
	for _, h := range s.holders {
		stopped, works = stopped || h.stopped, works && h.accepted()
	}
	return stopped && works
}
