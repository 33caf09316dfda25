package site_test

import (
	"strings"
	"testing"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
)

// Whatever does not run is down, also where no run has stopped it; what is starting may run in a moment.
func TestWhatIsFoundDown(t *testing.T) {
	for state, want := range map[string]struct {
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
		seen := &site.ServiceSeen{Name: "x", Installed: true, State: state}
		down, _ := site.LeftDown(reconciler.Input{}, secret.Ref{Name: "a"}, []site.Watched{{Host: "h", Service: "x", What: "Engine", Seen: seen}})
		if want.found != (len(down) == 1) {
			t.Errorf("%s: %+v", state, down)
			continue
		}
		if want.found && (!down[0].Found || down[0].Unsure != want.unsure || !strings.Contains(down[0].Cause, want.cause)) {
			t.Errorf("%s: %+v", state, down[0])
		}
	}
	down, _ := site.LeftDown(reconciler.Input{}, secret.Ref{Name: "a"}, []site.Watched{{Host: "h", Service: "x", What: "Engine", Seen: &site.ServiceSeen{Name: "x"}}})
	if len(down) > 0 {
		t.Errorf("what is not installed is not down: %+v", down)
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
