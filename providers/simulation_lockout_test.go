package providers_test

import (
	"math/rand/v2"
	"slices"

	"meshrotate/providers/lab"
	"meshrotate/providers/winhost"
)

// lockout is somebody who locks the account out that Admin and Engine run as, while a run is under way.
type lockout struct {
	locked bool
	// refused: a service was not started in this run for that.
	refused bool
}

// drawLockout lets some schedules have it, with numbers of its own.
func drawLockout(s *schedule) {
	r := rand.New(rand.NewPCG(s.Seed, 9))
	if r.IntN(20) != 0 {
		return
	}
	e := &s.Runs[r.IntN(len(s.Runs))]
	e.Faults = append(e.Faults, fault{What: "lock out", Host: pick(r, "im-admin", "im-engine", "im-engine"),
		Action: pick(r, "service.stop after", "file.swap after", "service.start before", "service.start after"), Nth: 1 + r.IntN(2)})
}

// lockOut locks the account.
func (u *universe) lockOut() {
	u.lockout.locked, u.restarted = true, true
	u.w.lab.Directory().Lock(lab.Account, true)
}

// keepUp: once Windows has refused a start for the account, no run stops a service that runs as it, and that it has started: it would
// not come up again. Whom somebody has started by hand meanwhile is stopped and started once.
func (u *universe) keepUp(o occasion) {
	h := u.w.lab.Host(o.host)
	if !u.lockout.locked || o.kind != "point" || !slices.Contains(u.services(), h) {
		return
	}
	switch runs := h.Machine.Service(serviceOf(h)).State == winhost.Running; {
	case o.action == "service.start after" && !runs:
		u.lockout.refused = true
	case o.action == "service.stop before" && runs && u.lockout.refused && u.startedNow[o.host] && !u.hands[o.host] && u.second == nil:
		u.wrong("4: the account is locked out, as a start has shown, and the service of %s is stopped, which runs", o.host)
	}
}
