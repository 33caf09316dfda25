package reconciler

import "time"

// EventKind says what an Event tells.
type EventKind string

// The kinds of event.
const (
	LookBegan  EventKind = "look-began"  // Total targets
	Looked     EventKind = "looked"      // one target, with Err when it was not reached
	PhaseBegan EventKind = "phase-began" // Phase, Total batches
	TargetDone EventKind = "target-done" // one target's batch in a phase ended; More says that it has another
	PhaseEnded EventKind = "phase-ended"
	Progressed EventKind = "progressed" // Text: what a long step is waiting for
	Said       EventKind = "said"       // Text: a line that a program has written, which a step runs on Target
	Undoing    EventKind = "undoing"
)

// Event is one thing that happened during a run. One listener serves the terminal, the log and the JSON.
type Event struct {
	Time   time.Time `json:"time"`
	Kind   EventKind `json:"kind"`
	Phase  string    `json:"phase,omitempty"`
	Target string    `json:"target,omitempty"`
	Total  int       `json:"total,omitempty"`
	More   bool      `json:"more,omitempty"`
	Text   string    `json:"text,omitempty"`
	Err    error     `json:"-"`
	Error  string    `json:"error,omitempty"`
}
