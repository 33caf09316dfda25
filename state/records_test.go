package state_test

import (
	"testing"

	"meshrotate/reconciler/secret"
	"meshrotate/state"
)

func TestWhatTheLedgerHasHeardOf(t *testing.T) {
	h := state.NewHistory([]state.Entry{
		{Run: "r1", Step: "marker", Deployment: "contoso", Fence: 7, Outcome: state.Started},
		{Run: "r1", Secret: "k", Version: "7", Fence: 7, Outcome: state.Started},
		{Run: "r1", Secret: "k", Version: "7", Step: "keep", Outcome: state.Started},
		{Run: "r1", Secret: "k", Version: "7", Step: "keep", Outcome: state.Done},
		{Run: "r1", Secret: "k", Version: "7", Outcome: state.Back},
		{Run: "r2", Secret: "k", Version: "8", Fence: 3, Plan: "9c1f", Outcome: state.Started},
		{Run: "r2", Secret: "k", Version: "8", Step: "keep", Outcome: state.Started},
		{Run: "r2", Secret: "k", Version: "9", Outcome: state.Proven},
		{Secret: "k", Version: "10", Outcome: state.Ahead},
	})
	for _, c := range []struct {
		reason, version, step string
		done, known           bool
	}{
		{"that it was kept is never taken back", "7", "keep", true, true},
		{"it was neither proven nor ahead", "7", "", false, true},
		{"begun, and nobody knows whether it was done", "8", "keep", false, true},
		{"proven", "9", "", true, true},
		{"ahead: something of it is live", "10", "", true, true},
		{"never heard of", "11", "keep", false, false},
	} {
		if done, known := h.Ever("k", c.version, c.step); done != c.done || known != c.known {
			t.Errorf("%s: %v %v", c.reason, done, known)
		}
	}
	if done, known := h.Ever("other", "7", ""); done || known {
		t.Error("another secret's versions are its own")
	}
	if !h.Knows("r1") || h.Knows("r3") || h.Knows("") {
		t.Error("runs are known by their names")
	}
	if h.Deployment() != "contoso" || h.Fence() != 7 || !h.Planned() {
		t.Errorf("%q %d %v", h.Deployment(), h.Fence(), h.Planned())
	}
	if (state.History{}).Knows("r1") || (state.History{}).Planned() {
		t.Error("an empty ledger knows nothing")
	}
}

func TestSaltID(t *testing.T) {
	one, two := secret.NewString("0123456789abcdef0123456789abcdef"), secret.NewString("another one")
	same := secret.NewString("0123456789abcdef0123456789abcdef")
	if state.SaltID(one) != state.SaltID(same) || state.SaltID(one) == state.SaltID(two) || len(state.SaltID(one)) != 12 {
		t.Errorf("%q %q", state.SaltID(one), state.SaltID(two))
	}
}
