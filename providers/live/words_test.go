package live

import (
	"strings"
	"testing"
	"time"

	"meshrotate/providers/site"
)

// What a relay lacks reads as a sentence, also where "the host" stands for its name, and for many.
func TestWhatARelayLacks(t *testing.T) {
	yes, no := true, false
	now := time.Date(2026, 11, 26, 2, 0, 0, 0, time.UTC)
	for want, r := range map[string]*site.RelaySeen{
		"Admin does not list relay-01, relay-02":                                             nil,
		"Admin lists relay-01, relay-02 without a word on being connected":                   {},
		"Admin lists relay-01, relay-02 as not connected":                                    {Connected: &no},
		"Admin lists relay-01, relay-02 as connected, without a heartbeat":                   {Connected: &yes},
		"Admin lists relay-01, relay-02 as connected, without a heartbeat since the restart": {Connected: &yes, Heartbeat: now},
	} {
		w := waiting{missing: []string{"relay-01", "relay-02"}, lacks: map[string]string{}}
		for _, host := range w.missing {
			w.lacks[host] = lackingOf(r, now)
		}
		if got := strings.TrimPrefix(w.clauses(), ": "); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
