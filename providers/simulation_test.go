package providers_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/providers/lab/wsman"
	"meshrotate/reconciler"
	"meshrotate/reconciler/rotationtest"
	"meshrotate/state"
)

var (
	schedules = flag.Int("schedules", 100, "how many random schedules TestSimulation runs")
	seed      = flag.Uint64("seed", 0, "run this schedule alone, and say what happens in it")
)

// TestSimulation lives through random weather: messages cut and lost, hosts away, services that die, processes killed, keys
// changed behind our back, again and again. Then the weather clears, and within three runs everything must be as declared.
// What is checked is the world, not the engine's words. A schedule that fails is run again by -seed.
func TestSimulation(t *testing.T) {
	vendor()
	first, last := uint64(1), uint64(*schedules)
	if *seed > 0 {
		first, last = *seed, *seed
	}
	for s := first; s <= last; s++ {
		t.Run(fmt.Sprint(s), func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) { simulate(t, s) })
		})
	}
}

// weather is what goes wrong in one schedule. Requests come from many goroutines: each takes the next number.
type weather struct {
	mu    sync.Mutex
	r     *rand.Rand
	w     *world
	clear bool
	// The chances, in a thousand.
	cut, hang, kill, crash, fail, away int
	killed                             bool
	log                                func(string, ...any)
}

func (x *weather) chance(of int) bool { return x.r.IntN(1000) < of }

// draw is a number below n. What dead runs left behind on hosts draws too.
func (x *weather) draw(n int) int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.r.IntN(n)
}

// wire decides what happens to a message.
func (x *weather) wire(h *lab.Host) func(wsman.Event) wsman.Fault {
	return func(e wsman.Event) (f wsman.Fault) {
		x.mu.Lock()
		defer x.mu.Unlock()
		if x.clear {
			return f
		}
		switch {
		case x.chance(x.cut):
			f.Kind = []wsman.Kind{wsman.CutBefore, wsman.CutMid, wsman.CutAfter}[x.r.IntN(3)]
		case x.chance(x.hang):
			f.Kind = wsman.Hang
		case x.chance(x.kill) && !x.killed:
			x.killed = true
			x.w.kill()
		case h != nil && x.chance(x.away):
			h.Unplug(true)
			time.AfterFunc(time.Duration(1+x.r.IntN(90))*time.Second, func() { h.Unplug(false) })
		default:
			return f
		}
		x.log("%s %s %d: %v", name(h), e.Action, e.N, f.Kind)
		return f
	}
}

func name(h *lab.Host) string {
	if h == nil {
		return api
	}
	return h.Name
}

// point decides what happens to an op on a host.
func (x *weather) point(h *lab.Host) func(machine.Point) machine.Action {
	return func(p machine.Point) (a machine.Action) {
		x.mu.Lock()
		defer x.mu.Unlock()
		if x.clear {
			return a
		}
		switch {
		case x.chance(x.crash):
			a.End = machine.EndCrash
		case p.When == machine.Before && x.chance(x.fail):
			a.Fail = []machine.Errno{1053, 1067, machine.ErrDiskFull, 32, 5}[x.r.IntN(5)]
		default:
			return a
		}
		x.log("%s %s %s %s: %+v", h.Name, p.When, p.Op, p.Object, a)
		return a
	}
}

func simulate(t *testing.T, number uint64) {
	r := rand.New(rand.NewPCG(number, 1))
	relays := r.IntN(6)
	w := newWorld(t, relays)
	x := &weather{r: r, w: w, log: func(string, ...any) {}}
	var said []string
	var mu sync.Mutex
	x.log = func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		said = append(said, fmt.Sprintf(format, args...))
	}
	pick := func(values ...int) int { return values[r.IntN(len(values))] }
	x.cut, x.hang, x.kill = pick(0, 5, 20, 60), pick(0, 0, 2, 6), pick(0, 5, 20)
	x.crash, x.fail, x.away = pick(0, 2, 10), pick(0, 0, 2, 8), pick(0, 0, 5, 15)
	if r.IntN(3) == 0 && relays > 0 {
		w.doc.Policy.Unreachable.Count = 1
	}
	for _, h := range w.lab.Hosts() {
		h.Wire(x.wire(h))
		h.Points(x.point(h))
	}
	w.lab.WireAPI(x.wire(nil))
	for range 1 + x.draw(4) {
		if relays > 0 && x.draw(4) == 0 {
			host := w.relay(1 + x.draw(relays)).Name
			what := []string{"key", "stop", "edit"}[x.draw(3)]
			if _, err := w.lab.Break(what, host); err == nil {
				x.log("break %s %s", what, host)
			}
		}
		x.mu.Lock()
		x.killed = false
		x.mu.Unlock()
		x.mu.Lock()
		x.clear = r.IntN(4) > 0 // most storms break when the look is over: there is more to break then
		x.mu.Unlock()
		o := w.stormy(x)
		x.log("run: %v", o)
		if err := w.sound(); err != nil && !slices.ContainsFunc(said, func(s string) bool { return len(s) > 10 && s[:9] == "break key" }) {
			t.Errorf("%v", err)
		}
		time.Sleep(time.Duration(x.draw(300)) * time.Second)
	}
	x.mu.Lock()
	x.clear = true
	x.mu.Unlock()
	for _, h := range w.lab.Hosts() {
		h.Unplug(false)
	}
	time.Sleep(10 * time.Minute) // what was under way on a host has ended
	for i := range 3 {
		p, o := w.run()
		x.log("clear run %d: blocked %d, %v", i, len(p.Blocked()), o)
		if p.Empty() && len(p.Blocked()) == 0 {
			break
		}
	}
	if w.calm(t) && *seed == 0 {
		return
	}
	for _, s := range said {
		t.Log(s)
	}
}

// stormy is a run in bad weather. One that is killed writes nothing more, and leaves its lease to be broken.
func (w *world) stormy(x *weather) reconciler.Outcome {
	s := w.process()
	defer s.close()
	if h, held, err := w.state.Lock.Current(w.t.Context()); err == nil && held {
		_ = w.state.Lock.Break(w.t.Context(), h.Fence)
	}
	s.State.Ledger, s.State.Lock = stormLedger{w.state.Ledger, x}, stormLock{w.state.Lock, x}
	return s.tryApply(func() {
		x.mu.Lock()
		defer x.mu.Unlock()
		x.clear = false
	})
}

var errKilled = errors.New("the process was killed")

func (x *weather) dead() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.killed {
		return errKilled
	}
	return nil
}

// stormLedger is the ledger of a process that may be killed.
type stormLedger struct {
	state.Ledger
	x *weather
}

func (m stormLedger) Append(ctx context.Context, entries ...state.Entry) error {
	if err := m.x.dead(); err != nil {
		return err
	}
	return m.Ledger.Append(ctx, entries...)
}

type stormLock struct {
	state.Lock
	x *weather
}

func (m stormLock) Acquire(ctx context.Context, h state.Holder) (state.Lease, error) {
	l, err := m.Lock.Acquire(ctx, h)
	if err != nil {
		return nil, err
	}
	return stormLease{l, m.x}, nil
}

type stormLease struct {
	state.Lease
	x *weather
}

func (m stormLease) Check(ctx context.Context) error {
	if err := m.x.dead(); err != nil {
		return err
	}
	return m.Lease.Check(ctx)
}

// calm demands that everything is as declared.
func (w *world) calm(t *testing.T) bool {
	s := w.process()
	defer s.close()
	plan := s.look().Plan
	ok := plan.Empty() && len(plan.Blocked()) == 0
	if !ok {
		t.Errorf("not as declared after three runs in calm weather: %+v", plan.Changes)
	}
	for _, err := range []error{w.up(), w.together(), w.licensed(lab.NewLicense), w.keyWorks(w.kept("relaykey", lab.NewKey), w.old)} {
		if err != nil {
			t.Error(err)
			ok = false
		}
	}
	rotationtest.Search(t, w.secrets(), w.said())
	return ok && !t.Failed()
}
