package site

import (
	"time"

	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
)

// cameBack says that a service works that an earlier run left down, or was cut off after its stop, and that no run has seen come
// up: it was up by the look, and Admin when the ledger took that it is ready. When its process started is the least: Admin is ready,
// and a relay is connected, later than that.
func cameBack(in reconciler.Input, ref secret.Ref, host, service, what string, s *ServiceSeen, m *MachineSeen) (reconciler.Returned, bool) {
	said, stop, _ := lastSaid(in.History, ref, host, service, what)
	at := since(said, stop)
	ok := !at.IsZero()
	api := in.Seen.Reach(API)
	unready := what == AdminLabel && api != "" && api != reconciler.Reached
	if !ok || !s.Running() || s.RunsSince(at, m) || unready {
		return reconciler.Returned{}, false
	}
	up := in.Now
	ready := reconciler.Step{Phase: reconciler.Switch, Op: AwaitReady{}}
	if e, known := in.History.StepDone(ref.Name, ref.Version, ready.Name(), ""); known && what == AdminLabel && e.Time.After(at) && e.Time.After(said.Told) && e.Time.After(stop.at) && e.Time.Before(up) {
		up = e.Time
	}
	back := reconciler.Returned{What: what, Since: at, UpBy: up, Sooner: said.Sooner && at.Equal(said.Since)}
	if m != nil && !s.StartedAt.IsZero() {
		back.Ran = s.StartedAt.Add(-m.Skew)
	}
	return back, !up.Before(at)
}

// NotYetWorking are those of what came back that run and are not seen to work since an earlier run. Unsure says of a host that whoever
// knows whether it does was not asked, or may not have told all.
func NotYetWorking(back []reconciler.Returned, unsure func(host string) bool) (down []reconciler.Down) {
	for _, r := range back {
		if r.UpBy.IsZero() {
			down = append(down, reconciler.Down{What: r.What, Target: Host(r.What), Since: r.Since, Sooner: r.Sooner, CutOff: true, Unsure: unsure(r.What),
				Cause: "an earlier run started it again, or somebody did, and it was not seen to work since"})
		}
	}
	return down
}

// RunsSince says that the service's process is older than that moment of ours: nobody has stopped it since.
func (s *ServiceSeen) RunsSince(at time.Time, m *MachineSeen) bool {
	return s.Running() && m != nil && !s.StartedAt.IsZero() && s.StartedAt.Add(-m.Skew).Before(at)
}
