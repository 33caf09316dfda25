package site

import (
	"fmt"
	"strings"
	"time"

	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
	"meshrotate/state"
)

// aheadLeast is how far ahead of ours a file's time is that is kept with a proof. A fleet whose clocks are a few seconds off fills no
// ledger.
const aheadLeast = time.Minute

// AheadFacts are what the ledger keeps of a file that a proof has read, where its time lies in the future: its host's clock is ahead, or
// was set back since the file was written. Once the clock is right, a process that starts within that time looks older than the file, and
// has read it all the same: it is the one that was proven.
func AheadFacts(host, path string, written, now time.Time) []state.Fact {
	if !written.After(now.Add(aheadLeast)) {
		return nil
	}
	return []state.Fact{{Host: host, Field: aheadOf(path), Value: written.UTC().Format(time.RFC3339Nano)}}
}

func aheadOf(path string) string { return "written ahead: " + strings.ToLower(path) }

// ProvenAhead says that a proof has read this file as it is, with a time that lay in the future.
func ProvenAhead(h state.History, ref secret.Ref, host string, b Base) bool {
	at, ok := h.Fact(ref.Name, host, aheadOf(b.Path))
	return ok && at == b.Modified.UTC().Format(time.RFC3339Nano)
}

// ahead says that the file's time lies in the future of its host's clock.
func (b Base) ahead(now time.Time, m *MachineSeen) bool {
	return !now.IsZero() && b.Modified.After(now.Add(skewOf(m)+SkewError))
}

// AheadFinding says why a process looks older than its file, whenever it starts.
func AheadFinding(in reconciler.Input, host string, m *MachineSeen, b Base) (f reconciler.Finding, is bool) {
	if m == nil || !b.ahead(in.Now, m) {
		return f, false
	}
	const form = "2006-01-02 15:04:05 UTC"
	return Warning("file-ahead", fmt.Sprintf("%s: %s was last written at %s, and the clock there says %s now: it was set back since. Whether the process has read the file as it is, its start does not tell",
		host, b.Path, b.Modified.UTC().Format(form), in.Now.Add(m.Skew).UTC().Format(form)),
		"nothing is to be done where that clock is right now: this run starts the service once more, and knows then; else `w32tm /resync` there first", host), true
}
