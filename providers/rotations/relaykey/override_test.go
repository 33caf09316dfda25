package relaykey_test

import (
	"strings"
	"testing"

	"meshrotate/reconciler"
)

// Every file has the declared version, and Admin reads another key than its file's: nothing is said to be live, and who is not connected
// is said without the words that their key is Admin's.
func TestALiveVersionThatSomethingOverrides(t *testing.T) {
	s := newScene()
	for _, h := range s.hosts {
		h.setting.Version = "7"
	}
	s.hosts[admin].setting.Overrides = []string{"the service's own variables"}
	off := false
	for i := range s.relays {
		s.relays[i].Connected = &off
	}
	c := s.plan(t)
	var text string
	for _, f := range c.Findings {
		text += f.Text + "\n"
	}
	if c.Status != reconciler.Refused || strings.Contains(c.Reason+text, "live everywhere") || strings.Contains(text, "with Admin's key") || strings.Contains(text, "right key") || !strings.Contains(text, "not connected") {
		t.Errorf("%s: %s\n%s", c.Status, c.Reason, text)
	}
}
