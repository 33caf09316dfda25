package providers_test

import (
	"math/rand/v2"
	"strings"

	"meshrotate/providers/lab"
	"meshrotate/reconciler"
	"meshrotate/reconciler/session"
)

// drawOnly lets a third of the schedules go on with a run that is limited to one kind, after what may have been a run that was cut off;
// with numbers of its own.
func drawOnly(s *schedule) {
	r := rand.New(rand.NewPCG(s.Seed, 11))
	if r.IntN(3) != 0 {
		return
	}
	kinds := []string{"license", "relaykey"}
	if s.Login != "" {
		kinds = append(kinds, "sqllogin")
	}
	if s.Account != "" {
		kinds = append(kinds, lab.AccountSecret)
	}
	s.Runs = append(s.Runs, episode{Wait: r.IntN(3) * r.IntN(400), Unlock: true, Only: pick(r, kinds...)})
}

// limit lets a session plan for one kind alone, as --only does.
func limit(s *session.Session, kind string) {
	if kind == "" {
		return
	}
	var own, others []reconciler.Rotation
	for _, r := range s.Rotations {
		if name, _, _ := strings.Cut(r.Ref().Name, ":"); name == kind {
			own = append(own, r)
		} else {
			others = append(others, r)
		}
	}
	if len(own) > 0 {
		s.Only, s.Rotations, s.Others = []string{kind}, own, others
	}
}
