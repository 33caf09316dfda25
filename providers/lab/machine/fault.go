package machine

import (
	"strings"
	"sync"
	"time"
)

// When is a moment in an op's life.
type When string

// The moments. Between them the op has its effect.
const (
	Before When = "before"
	After  When = "after"
)

// Point is where a fault may strike.
type Point struct {
	// Op is the op's name, such as "file.swap"; "start" is the start of PowerShell itself, only Before.
	Op string
	// Object is the path, as the request has it, or the service.
	Object string
	When   When
	// Process counts the machine's processes, from 1: a script that a dead client left behind is another one than the next.
	Process int
}

// End is how a process goes away.
type End string

// The ways. The zero End is none: the process goes on.
const (
	EndNone  End = ""
	EndCrash End = "crash" // at once, without a reply, exit code 1
	EndCut   End = "cut"   // in the middle of the reply, exit code 1
	EndHang  End = "hang"  // it never answers, until the context ends
)

// Action is what a fault does. The zero Action does nothing. Delay comes first, then Fail or End.
type Action struct {
	// Delay makes it slow.
	Delay time.Duration
	// Fail answers the op with this number; Before, it has no effect on the machine.
	Fail Errno
	// End ends the process.
	End End
	// Noise is written to standard output before the reply.
	Noise string
}

// Fault is an Action at the points that it names.
type Fault struct {
	// Op, Object and When are those of the points it strikes, "" for any. Object may be the end of a path.
	Op, Object string
	When       When
	// Times is how often it strikes, 0 for always.
	Times int
	Action
}

// Faults is a Hook that strikes with the first fault that fits.
func Faults(faults ...Fault) func(Point) Action {
	var mu sync.Mutex
	struck := make([]int, len(faults))
	return func(p Point) Action {
		mu.Lock()
		defer mu.Unlock()
		for i, f := range faults {
			fits := (f.Op == "" || f.Op == p.Op) && (f.When == "" || f.When == p.When) &&
				strings.HasSuffix(strings.ToLower(p.Object), strings.ToLower(f.Object))
			if fits && (f.Times == 0 || struck[i] < f.Times) {
				struck[i]++
				return f.Action
			}
		}
		return Action{}
	}
}
