package sqllogin_test

import (
	"strings"
	"testing"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/reconciler/rotationtest"
	"meshrotate/state"
)

// Several logins were replaced: each is named, and nobody says by which one.
func TestSeveralLoginsReplaced(t *testing.T) {
	s := live("alternating", b)
	proof := site.ProveSessions{Login: b, Serves: true, Leaves: site.WriteReplaced([]site.Replaced{{Login: a}, {Login: "im_old"}})}
	s.history = append(s.history, state.Entry{Secret: "sqllogin", Version: "12", Step: "verify/" + proof.Key(), Outcome: state.Done, Time: written, Facts: proof.Facts(written)})
	if c := s.plan(t); c.Status != reconciler.AsDeclared || !strings.Contains(c.Reason, a+" is to be disabled from 2026-11-08 on; im_old is to be disabled from 2026-11-08 on") {
		t.Errorf("%s: %s", c.Status, c.Reason)
	}
	s.now = now.AddDate(0, 1, 0)
	c := s.plan(t)
	if c.Status != reconciler.Rotate || !strings.HasPrefix(c.Reason, a+" and im_old were replaced, the soak") {
		t.Errorf("%s: %s", c.Status, c.Reason)
	}
	for _, login := range []string{a, "im_old"} {
		if find(c, reconciler.Retire, "retire login "+login, sql1) == nil {
			t.Errorf("%s is not disabled: %+v", login, rotationtest.Steps(c))
		}
	}
}
