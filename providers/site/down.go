package site

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
	"meshrotate/state"
)

// downSince says that a service is stopped, and since when an earlier run left it so, or was cut off after its stop. Of one that
// nobody could look at it says that it may be, as far as the ledger knows: not of Admin, when its API answers. Of one that no run
// stopped it says that it was found so.
func downSince(in reconciler.Input, ref secret.Ref, w Watched) (reconciler.Down, bool) {
	h, host, service, what, s := in.History, w.Host, w.Service, w.What, w.Seen
	if s.Running() && what == AdminLabel {
		return notReady(in, ref, host, service)
	}
	if s.Running() || s == nil && what == AdminLabel && in.Seen.Reach(API) == reconciler.Reached {
		return reconciler.Down{}, false
	}
	d := reconciler.Down{What: what, Service: service, Target: Host(host)}
	said, stop, start := lastSaid(h, ref, host, service, what)
	if d.Since = since(said, stop); d.Since.IsZero() {
		if d.Found = s != nil; d.Found {
			d.Cause, d.Unsure = found(s)
			d.Gone = !s.Installed
		}
		return d, d.Found
	}
	d.Sooner = said.Sooner && d.Since.Equal(said.Since)
	if noted, ok := h.Fact(ref.Name, host, dependentsOf(service)); ok {
		d.With = strings.Split(noted, "\n")
	}
	told := !said.Since.IsZero()
	d.StoppedBy = state.Word{Since: d.Since, Told: said.Told, Started: told && said.Started}.StoppedBy(w.StopTimeout)
	d.Started = told && said.Started || !told && start == state.Done
	switch {
	case s != nil && !s.Installed:
		d.Gone, d.Cause = true, "an earlier run stopped it, or was about to, and now there is no such service"
	case s != nil && s.ExitCode == 0 && !told && stop.outcome == state.Started && start != state.Done:
		d.Cause = "an earlier run that was cut off stopped it, or was about to; else somebody did since"
	case s != nil:
		d.Cause = stoppedBy(d.Started, s.ExitCode)
	case !told && (start == state.Done || stop.outcome == state.Failed):
		return reconciler.Down{}, false // as far as that run came, it was up
	case d.Started:
		d.Unsure, d.Cause = true, "an earlier run started it again, and it was not seen to work after that; its host cannot be looked at now"
	default:
		d.Unsure, d.Cause = true, "an earlier run stopped it, or was about to; its host cannot be looked at now"
	}
	if what == AdminLabel && s != nil && s.StartMode == "auto" {
		d.Cause += "; if its host restarts, it comes up with what its files have now"
	}
	return d, true
}

// found is why a service does not run that no run has stopped, and whether it may run in a moment.
func found(s *ServiceSeen) (cause string, unsure bool) {
	const nobody = ", by no run that the ledger knows"
	if !s.Installed {
		return "there is no such service on its host, and no run that the ledger knows stopped it", false
	}
	switch s.State {
	case "stopped":
		return "it was found stopped" + nobody + ": " + EndedBy(s.ExitCode), false
	case "stopPending":
		return "it was found stopPending" + nobody + ": somebody asked it to stop, and it has not ended", false
	case "startPending", "continuePending":
		return "it was found " + s.State + nobody + ": somebody starts it, and it does not run yet", true
	}
	return "it was found " + s.State + nobody + ": somebody paused it", false
}

// notReady says that Admin runs, was down since an earlier run, and answers that it is not ready.
func notReady(in reconciler.Input, ref secret.Ref, host, service string) (reconciler.Down, bool) {
	said, stop, _ := lastSaid(in.History, ref, host, service, AdminLabel)
	d := reconciler.Down{What: AdminLabel, Service: service, Target: Host(host), Since: since(said, stop), Sooner: said.Sooner, Started: true, Unwell: true}
	t, is := unready(in.Seen)
	if !is || d.Since.IsZero() {
		return reconciler.Down{}, false
	}
	d.Cause = "an earlier run started it again, or somebody did, and it is not ready since: GET " + t.Path + " answers " + t.Problem
	return d, true
}

// stoppedBy is why a service is not running that an earlier run stopped, and again started.
func stoppedBy(again bool, exit uint32) string {
	switch {
	case again:
		return "an earlier run started it again, and then " + EndedBy(exit)
	case exit == 0:
		return "an earlier run stopped it, or was to start it"
	}
	return "an earlier run stopped it, or was to start it, and after that " + EndedBy(exit)
}

// neverStarted is ERROR_SERVICE_NEVER_STARTED: no attempt to start the service was made since the host's last boot.
const neverStarted = 1077

// EndedBy is what a service's exit code says of its end: the service manager's own stop leaves 0, and so does a process that
// ends of itself without an error.
func EndedBy(exit uint32) string {
	switch exit {
	case 0:
		return "somebody stopped it, or it ended by itself without an error (exit code 0)"
	case neverStarted:
		return "its host restarted, and nobody started it since (exit code 1077)"
	}
	if why := notStarted[exit]; why != "" {
		return fmt.Sprintf("Windows could not start it: %s (exit code %d)", why, exit)
	}
	return fmt.Sprintf("it ended by itself, or its process was killed (exit code %d)", exit)
}

// notStarted are the codes of a start that came to nothing (Microsoft Learn, "System Error Codes").
var notStarted = map[uint32]string{
	1053: "it did not answer in time", 1058: "it is disabled", 1068: "a service that it depends on did not start",
	1069: "its account could not log on", 1075: "a service that it depends on is not there",
}

// begun is a step that an earlier run began with.
type begun struct {
	at      time.Time
	outcome state.Outcome
}

// lastSaid is the last word about a service of a run that came to its end; and how far the stop and the start came of the latest
// one that did not, or that came to no proof.
func lastSaid(h state.History, ref secret.Ref, host, service, what string) (said state.Word, stop begun, start state.Outcome) {
	said, _ = h.LastWord(ref.Name, what)
	stopping := inSwitch(StopService{Host: host, Service: service})
	for _, version := range h.Begun(ref.Name) {
		at, ok := h.StepBegan(ref.Name, version, stopping, host)
		if !ok || h.ToldSince(ref.Name, version, stopping, host, what) {
			continue // that run has said how it ended
		}
		stop = begun{at, h.StepOutcome(ref.Name, version, stopping, host)}
		start = h.StepOutcome(ref.Name, version, inSwitch(StartService{Host: host, Service: service}), host)
		break
	}
	if first, came, ok := h.Untold(ref.Name, stopping, host); ok { // a run for another version, cut off before that one
		if stop.at.IsZero() {
			stop.outcome = came
			_, start, _ = h.Untold(ref.Name, inSwitch(StartService{Host: host, Service: service}), host)
		}
		stop.at = first
	}
	return said, stop, start
}

func inSwitch(op reconciler.Op) string {
	return reconciler.Step{Phase: reconciler.Switch, Op: op}.Name()
}

// StoppedFor says that a run began to stop a service for a version of a secret. A run that went back takes what the ledger has of its
// steps with it, and those of the run before that it went on from: of what needs no restart any more it counts who stopped it last.
func StoppedFor(h state.History, ref secret.Ref, host, service string, restarts bool) bool {
	stop := inSwitch(StopService{Host: host, Service: service})
	_, began := h.StepBegan(ref.Name, ref.Version, stop, host)
	return began || !restarts && slices.Contains(h.LastToBegin(stop, host), ref.Name)
}

// StartedInVain counts the runs in a row that have started a service anew on a host for this version, and left it behind all the same.
func StartedInVain(h state.History, ref secret.Ref, host, service string) int {
	return h.InVain(ref.Name, ref.Version, inSwitch(StartService{Host: host, Service: service}), host)
}

// stopBegan is when a run last began to stop a service.
func stopBegan(h state.History, ref secret.Ref, host, service string) (last time.Time) {
	for _, version := range h.Begun(ref.Name) {
		if at, ok := h.StepBegan(ref.Name, version, inSwitch(StopService{Host: host, Service: service}), host); ok && at.After(last) {
			last = at
		}
	}
	if at, _, ok := h.Untold(ref.Name, inSwitch(StopService{Host: host, Service: service}), host); ok && last.IsZero() {
		return at
	}
	return last
}

// since is what was said, though the run that was to start it again was cut off itself.
func since(said state.Word, stop begun) time.Time {
	if said.Since.IsZero() {
		return stop.at
	}
	return said.Since
}

// DownFrom is since when a service is down, or what depends on it.
type DownFrom struct {
	At time.Time
	// Sooner: it was seen down then, and may have been before. Later: it was started again after that, and may have worked meanwhile.
	Sooner, Later bool
}

// StopBegan is when an earlier run, that was not at its end, began to stop a service; or since when what is called so is down
// after a run that ended.
func StopBegan(h state.History, ref secret.Ref, host, service, what string) (DownFrom, bool) {
	said, stop, _ := lastSaid(h, ref, host, service, what)
	from := DownFrom{At: since(said, stop)}
	from.Sooner = said.Sooner && from.At.Equal(said.Since)
	from.Later = h.Again(ref.Name, ref.Version, inSwitch(StopService{Host: host, Service: service}), inSwitch(StartService{Host: host, Service: service}), host)
	return from, !from.At.IsZero()
}
