package site

import (
	"fmt"
	"time"

	"meshrotate/reconciler"
)

// MaxSkew is how far a host's clock may be off: Kerberos refuses more (RFC 4120, section 1.6), and times in ledgers and
// logs no longer tell what came first.
const MaxSkew = 5 * time.Minute

// ClockFinding objects to a host whose clock is off. ok is false when it is not.
func ClockFinding(host string, m *MachineSeen) (f reconciler.Finding, ok bool) {
	if m == nil || m.Skew.Abs() <= MaxSkew {
		return f, false
	}
	way := "ahead of"
	if m.Skew < 0 {
		way = "behind"
	}
	return reconciler.Finding{Severity: reconciler.Error, Code: "clock-skew", Hosts: []string{host},
		Text: fmt.Sprintf("%s: its clock is %s %s ours", host, m.Skew.Abs().Round(time.Minute), way),
		Hint: "set the clocks right: on the host `w32tm /resync`"}, true
}
