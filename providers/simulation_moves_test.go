package providers_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"meshrotate/reconciler"
)

// moves are those of Engine to another machine.
type moves struct {
	n    int
	last time.Time // by the clock of SQL Server, rounded up: what was set before does not open
}

// drawMoves lets Engine be on another machine before some runs of half of the schedules with connectors, with numbers of its own.
func drawMoves(s *schedule) {
	r := rand.New(rand.NewPCG(s.Seed, 10))
	if s.Connectors == 0 || r.IntN(2) != 0 {
		return
	}
	for i := range s.Runs {
		s.Runs[i].Move = r.IntN(2) == 0
	}
}

// move puts Engine onto another machine, with its name and its disk.
func (u *universe) move() {
	u.moves.n++
	u.moves.last = time.Now()
	u.w.lab.EngineHost.Machine.Become(fmt.Sprintf("00000000-0000-4000-8000-%012d", u.moves.n), u.moves.last.UTC().Truncate(time.Second))
	u.scheduler.Note("Engine is on another machine")
}

// judgeMoved: a connector's secret that is as declared, a plan says, opens on the machine that Engine is on.
func (u *universe) judgeMoved(o *operator) {
	if o.applied == nil || u.w.lab.SQLInstance() == nil {
		return
	}
	for _, c := range o.applied.Plan.Changes {
		ref, connector := strings.CutPrefix(c.Secret.Name, "connector:")
		if !connector || c.Status != reconciler.AsDeclared || slices.ContainsFunc(c.Findings, func(f reconciler.Finding) bool { return f.Code == "connector-set-elsewhere" }) {
			continue
		}
		if _, _, opens := u.w.lab.Stored(ref); !opens {
			u.wrong("7: %s is as declared, a plan says, and does not open", ref)
		}
	}
}
