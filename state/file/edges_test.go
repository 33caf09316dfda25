package file_test

import (
	"errors"
	"strings"
	"testing"

	"meshrotate/state"
)

// Whether a holder has ended, and whether its lease is to be believed, is for who reads it to say: a holder that claims it
// would be replaced while it is at work.
func TestAHolderDoesNotSayThatItHasEnded(t *testing.T) {
	dir := t.TempDir()
	lease, err := open(t, dir).Acquire(t.Context(), state.Holder{Run: "r1", Ended: true, Damaged: "so it says"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = lease.Release(t.Context()) }()
	if h, ok, err := open(t, dir).Current(t.Context()); err != nil || !ok || h.Ended || h.Damaged != "" {
		t.Errorf("%+v, %v, %v", h, ok, err)
	}
	if strings.Contains(read(t, dir, "lease.json"), "so it says") {
		t.Error("the lease file says what nobody looked at")
	}
}

// A lease that cannot be read has fence 0: whoever names another one is told so, and breaks nothing.
func TestBreakingWhatCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "lease.json", "{")
	err := open(t, dir).Break(t.Context(), 7)
	var h interface{ Hint() string }
	if err == nil || !errors.As(err, &h) || !strings.Contains(h.Hint(), "fence 0") {
		t.Errorf("%v", err)
	}
	if read(t, dir, "lease.json") != "{" {
		t.Error("it was removed")
	}
}

// The ledger is read by people with a text viewer: what they wrote stands there as they wrote it.
func TestTheLedgerReadsAsItWasWritten(t *testing.T) {
	dir := t.TempDir()
	if err := open(t, dir).Append(t.Context(), state.Entry{Secret: "k", Outcome: state.Failed, Detail: "5 < 7 & relé"}); err != nil {
		t.Fatal(err)
	}
	if text := read(t, dir, "ledger.jsonl"); !strings.Contains(text, "5 < 7 & relé") {
		t.Error(text)
	}
}
