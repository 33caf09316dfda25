package site_test

import (
	"strings"
	"testing"
	"time"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
	"meshrotate/state"
)

// Whatever does not run is down, also where no run has stopped it; what is starting may run in a moment.
func TestWhatIsFoundDown(t *testing.T) {
	for service, want := range map[string]struct {
		found, unsure bool
		cause         string
	}{
		"running":         {},
		"stopped":         {true, false, "ended by itself"},
		"stopPending":     {true, false, "somebody asked it to stop"},
		"startPending":    {true, true, "somebody starts it"},
		"continuePending": {true, true, "somebody starts it"},
		"pausePending":    {true, false, "somebody paused it"},
		"paused":          {true, false, "somebody paused it"},
	} {
		seen := &site.ServiceSeen{Name: "x", Installed: true, State: service}
		down, _ := site.LeftDown(reconciler.Input{}, secret.Ref{Name: "a"}, []site.Watched{{Host: "h", Service: "x", What: "Engine", Seen: seen}})
		if want.found != (len(down) == 1) {
			t.Errorf("%s: %+v", service, down)
			continue
		}
		if want.found && (!down[0].Found || down[0].Unsure != want.unsure || !strings.Contains(down[0].Cause, want.cause)) {
			t.Errorf("%s: %+v", service, down[0])
		}
	}
	down, _ := site.LeftDown(reconciler.Input{}, secret.Ref{Name: "a"}, []site.Watched{{Host: "h", Service: "x", What: "Engine", Seen: &site.ServiceSeen{Name: "x"}}})
	if len(down) != 1 || !down[0].Found || !down[0].Gone || down[0].Unsure || !strings.Contains(down[0].Cause, "there is no such service") {
		t.Errorf("what is not installed does not run: %+v", down)
	}
}

// A heartbeat shows that what an earlier run left down runs: not while that run's stop may not have ended, unless it had started it again.
func TestWhenTheStopOfWhatIsDownHadEnded(t *testing.T) {
	at := time.Date(2026, 11, 26, 14, 15, 33, 0, time.UTC)
	for started, want := range map[bool]time.Time{false: at.Add(time.Minute), true: at.Add(20 * time.Second)} {
		h := state.NewHistory([]state.Entry{{Secret: "a", Version: "7", Outcome: state.Started}, {Secret: "a", Version: "7", Time: at.Add(20 * time.Second), Outcome: state.Unknown,
			Outages: []state.Outage{{What: "h", Host: "h", Service: "x", Since: at, Started: started}}}})
		down, _ := site.LeftDown(reconciler.Input{History: h}, secret.Ref{Name: "a", Version: "7"}, []site.Watched{{Host: "h", Service: "x", What: "h", StopTimeout: time.Minute}})
		if len(down) != 1 || !down[0].StoppedBy.Equal(want) {
			t.Errorf("%v: %+v", want, down)
		}
	}
}

// A service that could not be started has not ended by itself.
func TestEndedBy(t *testing.T) {
	for exit, want := range map[uint32]string{0: "somebody stopped it", 1: "ended by itself", 1067: "ended by itself", 1053: "could not start it: it did not answer",
		1069: "could not start it: its account could not log on", 1077: "its host restarted"} {
		if got := site.EndedBy(exit); !strings.Contains(got, want) {
			t.Errorf("%d: %s", exit, got)
		}
	}
}
