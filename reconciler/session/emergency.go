package session

import "meshrotate/reconciler"

// Replace limits the session to a secret that others know, and to what that one needs.
func (s *Session) Replace(e reconciler.Emergency) {
	urgent, others := reconciler.Urgent(s.Rotations, e.Secret)
	s.Emergency, s.BreakGlass, s.Rotations, s.Others, s.Only = &e, e.Why, urgent, append(others, s.Others...), nil
	for _, r := range urgent {
		s.Only = append(s.Only, r.Ref().Name)
	}
}
