package providers_test

import (
	"testing"
	"time"
)

// A list that froze a moment ago is as it should be in the look. Before anything is stopped it must say something new of some relay.
func TestAListThatFrozeAMomentAgo(t *testing.T) {
	for _, kind := range []string{"relaykey", "codesigning"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 2, kind)
				w.do("relays-stuck", "im-admin")
				time.Sleep(20 * time.Second)
				seen := stopsAnywhere(w)
				p, o := w.run()
				if len(p.Blocked()) > 0 || o.Err == nil {
					t.Fatalf("%v %+v", o, p.Blocked())
				}
				says(t, o.Err, "has said the same of all of them", "3m0s", "frozen")
				hinted(t, o.Err)
				if all := seen(); len(all) > 0 {
					t.Errorf("%d services were stopped or started: %q", len(all), all)
				}
				if len(o.Down) > 0 {
					t.Errorf("%+v", o.Down)
				}
				w.do("sound", "im-admin")
				w.settled()
			})
		})
	}
}
