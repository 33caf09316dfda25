package providers_test

import (
	"fmt"
	"slices"
	"strings"

	"meshrotate/providers/lab"
	"meshrotate/providers/winhost"
	"meshrotate/reconciler"
	"meshrotate/state"
)

// leaving is a relay that a run has stopped.
type leaving struct {
	key    string // that it had
	shared bool   // Admin ran with it too
}

// together is asked at every event: a relay that shares Admin's key and is stopped does not come back with another one while
// Admin has the same still. Admin is first, there and back.
func (u *universe) together(keys map[string]string) {
	admin, up := keys[u.w.lab.Admin.Name]
	for _, h := range u.w.lab.Relays {
		key, runs := keys[h.Name]
		was, before := u.lastKeys[h.Name], u.leaving[h.Name]
		switch {
		case !runs && was != "":
			u.leaving[h.Name] = leaving{was, up && was == admin}
		case runs && was == "" && before.shared && key != before.key && up && admin == before.key && !u.hands[label(h.Name)] && !u.struck[label(h.Name)] && !u.stale():
			u.wrong("1: %s was taken from the key that Admin still runs with", h.Name)
		}
		u.lastKeys[h.Name] = key
	}
}

// stale: somebody started Admin while a run had it stopped. When the batch is sent for the second time, or Admin has dependents,
// the run's own start looks as if it had done it: Admin has the old key, and only the proof of its process finds that, after the
// relays. And when Admin was down before the run, the way back does not make relays wait for it.
func (u *universe) stale() bool {
	_, meddled := u.meddled["im-admin"]
	admin := u.downtimes[u.w.lab.Admin.Name]
	return meddled || admin != nil && admin.old
}

// clean says that a run has nothing to tell but how it ended well.
func clean(out reconciler.Outcome) bool {
	for _, e := range out.Secrets {
		if e.Ending != state.Proven && e.Ending != state.Back {
			return false
		}
	}
	return !out.Halted && len(out.Left) == 0 && len(out.Down) == 0
}

// split: at the end of a run the fleet has one key, or it says who has another.
func (u *universe) split(out reconciler.Outcome, before snapshot) {
	keys := u.w.lab.Keys()
	admin, up := keys[u.w.lab.Admin.Name]
	if !up {
		return
	}
	whole, covered := true, clean(out)
	told := fmt.Sprint(out.Left, out.Remarks)
	if a := u.first.applied; a != nil { // a secret that has nothing to do is not in the outcome, and says in the plan whom it could not look at
		for _, c := range a.Plan.Changes {
			told += fmt.Sprintf("%+v", c.Findings)
		}
	}
	for _, d := range out.Down {
		told += " " + d.Target.Name
	}
	unknown := false
	for _, e := range out.Secrets {
		unknown = unknown || e.Change.Secret.Name == "relaykey" && e.Ending == state.Unknown
	}
	was := before.keys[u.w.lab.Admin.Name]
	if only := u.first.session.Only; len(only) > 0 && !slices.Contains(only, "relaykey") && admin == was {
		return // such a run looks at no relay: who comes back with an old key is for the next one
	}
	for _, h := range u.w.lab.Relays[:u.declared] {
		if k, ran := before.keys[h.Name]; ran && k != was {
			whole = false
		}
	}
	for _, h := range u.w.lab.Relays[:u.declared] {
		k, runs := keys[h.Name]
		if !runs || k == admin {
			continue
		}
		proven := false
		for _, e := range out.Secrets {
			proven = proven || e.Change.Secret.Name == "relaykey" && e.Ending == state.Proven
		}
		restarted := h.Machine.Service(lab.RelayService).PID != before.pids[h.Name] || admin != was
		switch {
		case covered && (whole || proven) && !strings.Contains(told, h.Name):
			u.wrong("1: the run is clean, and %s runs with another key than Admin: %v", h.Name, out)
		case restarted && !unknown && whole && !strings.Contains(told, h.Name):
			u.wrong("1: %s runs with another key than Admin, and nobody says so: %v", h.Name, out)
		}
	}
}

// between: whoever was started by somebody between a stop and a start does not stay on what it read then.
func (u *universe) between(out reconciler.Outcome) {
	for host, pid := range u.meddled {
		h := u.w.lab.Host(host)
		s := h.Machine.Service(serviceOf(h))
		if s.State != winhost.Running || !u.swappedSince[host] || !u.startedSince[host] || u.struck[host] {
			continue
		}
		if s.PID == pid {
			u.wrong("7: somebody started %s on %s before its file was swapped, and it runs on: %v", serviceOf(h), host, out)
			continue
		}
		// With dependents that it starts, its own start looks like the first: then the proof of its process must find it.
		if !h.Machine.Service(lab.WatchService).Installed && !strings.Contains(fmt.Sprint(out.Remarks), "between its stop and its start") {
			u.wrong("7: somebody started %s on %s meanwhile, and no remark says so: %v", serviceOf(h), host, out)
		}
	}
}
