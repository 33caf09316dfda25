package providers_test

import (
	"strings"
	"testing"
	"time"

	"meshrotate/providers/lab/machine"
)

// Of relays of which Admin's list says nothing nobody knows whether they are cut off: not since when either.
func TestRelaysOfWhichNothingIsReadAreNotCalledCutOff(t *testing.T) {
	vendor()
	for how, words := range map[string][]string{
		"relays-null": {"were not seen connected since", "whether they are now is not known"},
		"relays-403":  {"were not seen connected since", "whether they are now is not known"},
		"sound":       nil,
	} {
		t.Run(how, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 2, "relaykey")
				when(w.lab.Admin, "service.start", machine.After, func() { w.do("relays-null", "im-admin") })
				w.run()
				w.lab.Admin.Points(nil)
				w.do("sound", "im-admin")
				if how != "sound" {
					w.do(how, "im-admin")
				}
				time.Sleep(time.Minute)
				reason := w.planned().Changes[0].Reason
				if strings.Contains(reason, "not connected") || strings.Contains(reason, "cut off") {
					t.Errorf("they are connected: %s", reason)
				}
				for _, want := range words {
					if !strings.Contains(reason, want) {
						t.Errorf("%s: %s", want, reason)
					}
				}
			})
		})
	}
}
