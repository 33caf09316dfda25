package live

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"meshrotate/providers/site"
	"meshrotate/providers/winhost"
	"meshrotate/reconciler"
	"meshrotate/state"
)

// A family is what hosts can be asked, and what can be done on them, about one kind of thing: files, settings, services.
// Each is one file. What a host is asked or told is one map over all families: what is in none of them is an error.
type family struct {
	reads map[string]readWith
	ops   map[string]opWith
}

// readWith answers one type of read: which ops to send, and what their results mean.
type readWith struct {
	ask    func(q *questions, r reconciler.Read)
	answer func(ctx context.Context, q *questions, r reconciler.Read) (reconciler.Result, error)
}

// opWith does one kind of op: which ops of the host protocol it is, and what their results mean.
type opWith struct {
	ops    func(ctx context.Context, h *host, op reconciler.Op) ([]winhost.Op, error)
	report func(ctx context.Context, h *host, op reconciler.Op, d deed) reconciler.Report
}

// deed is what came back for one op.
type deed struct {
	results []winhost.Result
	// began and ended are ours, around the batch as it was sent when it may have had its first effect, and as it was answered.
	began, ended time.Time
	// again: an earlier try may have done it, and what is unchanged now may have been changed by that.
	again bool
}

// looking makes a readWith of functions that know the read's type.
func looking[R reconciler.Read](ask func(*questions, R), answer func(context.Context, *questions, R) (reconciler.Result, error)) (string, readWith) {
	var zero R
	return fmt.Sprintf("%T", zero), readWith{
		ask: func(q *questions, r reconciler.Read) { ask(q, r.(R)) },
		answer: func(ctx context.Context, q *questions, r reconciler.Read) (reconciler.Result, error) {
			return answer(ctx, q, r.(R))
		},
	}
}

// doing makes an opWith of functions that know the op's type. Without a report it is done when the host says so.
func doing[O reconciler.Op](ops func(context.Context, *host, O) ([]winhost.Op, error), report func(context.Context, *host, O, deed) reconciler.Report) (string, opWith) {
	var zero O
	w := opWith{
		ops:    func(ctx context.Context, h *host, op reconciler.Op) ([]winhost.Op, error) { return ops(ctx, h, op.(O)) },
		report: func(context.Context, *host, reconciler.Op, deed) reconciler.Report { return done("") },
	}
	if report != nil {
		w.report = func(ctx context.Context, h *host, op reconciler.Op, d deed) reconciler.Report {
			return report(ctx, h, op.(O), d)
		}
	}
	return zero.Kind(), w
}

func (f *family) reading(name string, r readWith) { f.reads[name] = r }
func (f *family) op(kind string, o opWith)        { f.ops[kind] = o }

// families are all there are.
func families() family {
	f := family{reads: map[string]readWith{}, ops: map[string]opWith{}}
	for _, add := range []func(*family){files, settings, services, logons, machines, markers, logins, stored, preflights, exposures, lists, signatures, builds} {
		add(&f)
	}
	return f
}

func one(op winhost.Op) ([]winhost.Op, error) { return []winhost.Op{op}, nil }

// do runs a batch. When the host is lost in the middle of it, the batch is tried again over a new connection, for a while:
// every op looks before it acts, so one that was done already answers that it is unchanged; and what the batch has restarted is not
// stopped again. A step that says Once is not sent again after a lost answer: what became of it is looked at by the next run.
func (h *host) do(ctx context.Context, steps []reconciler.Step, tell func(reconciler.Event)) []reconciler.Report {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sealer, h.tell = nil, h.telling(steps, tell)
	ops, counts, checks, err := h.batch(ctx, steps)
	if err != nil {
		return failed(err)
	}
	var began time.Time
	var results []winhost.Result
	var ran, final error // of a try that may have had an effect; of the last try
	away := false        // the last try reached nobody
	if len(ops) > 0 {
		patience, most := h.site.config.Patience, triesAt(steps)
		if h.silent && tidies(steps) {
			patience, most = 0, lookPatience // it was waited for once, and nothing that is live depends on this
		}
		bounced := bouncesOf(ops)
		err = insist(ctx, patience, h.site.config.Now, func() (err error) {
			if err := reconciler.StillOurs(ctx); err != nil {
				return err
			}
			if ran == nil {
				began = h.site.config.Now()
			}
			try, cancel := within(ctx, most, "")
			defer cancel()
			if results, err = h.try(try, ops, bounced, began, ran != nil, awaited(steps) && !once(steps)); err == nil {
				away, final = false, unanswered(steps, ops, results)
				return final
			}
			err = h.fitful(err)
			var unknown bool
			final = err
			if unknown, away = mayHaveRun(err); !unknown {
				return err
			}
			if ran == nil {
				ran = err
			}
			if once(steps) {
				return nil // not to be tried again
			}
			return err
		})
		if err = answered(err, final); ran != nil && !lostLease(err) && (err != nil || once(steps)) {
			err = ran // that other tries reached nobody says nothing about it
		}
	}
	h.silent = h.silent || err != nil && passes(err)
	if err != nil {
		return unfinished(steps, err, ran, away, began)
	}
	d := deed{began: began, ended: h.site.config.Now(), again: ran != nil}
	return h.reports(ctx, steps, ops, counts, results, checks, d)
}

// batch are the ops of steps, with checks before them, and what is looked at after them; counts says how many each step became.
func (h *host) batch(ctx context.Context, steps []reconciler.Step) (ops []winhost.Op, counts []int, checks int, err error) {
	ops, counts, err = h.ops(ctx, steps)
	if err != nil {
		return nil, nil, 0, fmt.Errorf("%s: %w", h.name, err)
	}
	before := h.checks(steps)
	return slices.Concat(before, ops, h.lookOnceMore(steps)), counts, len(before), nil
}

// mayHaveRun says of a try that ended without an answer whether it may have had an effect, and that it has reached nobody.
//
//go:noinline
func mayHaveRun(err error) (unknown, away bool) {
	r := lost(err)
	return r.Outcome == state.Unknown, r.Unreachable
}

// unfinished is what is known of a batch without an answer.
func unfinished(steps []reconciler.Step, err, ran error, away bool, began time.Time) []reconciler.Report {
	r := lost(err)
	if ran == nil && lostLease(err) {
		r.Outcome = state.Failed // nothing was sent
	}
	r.Unreachable = r.Unreachable || away && steps[0].Phase == reconciler.Prepare // whatever came of the first try, nothing is live
	if steps[0].Phase == reconciler.Verify && !lostLease(err) {
		r = unseen(err)
	}
	if r.Outcome == state.Unknown {
		r.Down = stopsOf(steps, began) // it may have come that far
		r.Bounds = allOf(r.Down)
	}
	if late := new(slowError); steps[0].Phase == reconciler.Prepare && !steps[0].Undoes() && errors.As(err, &late) {
		r.Err = fmt.Errorf("%s, before any service is stopped: %w", steps[0].Op.Key(), err)
	}
	return []reconciler.Report{r}
}

// reports are what the answers say of the steps. The first ops are checks. It is no part of do, which waits: what a function has on
// its stack, ten thousand have.
func (h *host) reports(ctx context.Context, steps []reconciler.Step, ops []winhost.Op, counts []int, results []winhost.Result, checks int, d deed) []reconciler.Report {
	for i, r := range results {
		if i < checks && !r.Done() {
			all := failed(fmt.Errorf("%s: before %s: %w", h.name, steps[0].Op.Key(), explain(r.Err(ops[i]))))
			if d.again { // an earlier try may have come further
				all[0].Down, all[0].Further = stopsOf(steps, d.began), true
				all[0].Bounds = allOf(all[0].Down)
			}
			return all
		}
	}
	ops, results = ops[checks:], results[checks:]
	asked, answers := ops, results
	var reports []reconciler.Report
	for i, s := range steps {
		n := counts[i]
		d.results = results[:n]
		report := h.report(ctx, s, ops[:n], d)
		ops, results = ops[n:], results[n:]
		reports = append(reports, report)
		if report.Outcome != state.Done {
			if d.again { // an earlier try may have come further
				last := &reports[len(reports)-1]
				down := stopsOf(steps[i:], d.began)
				maps.Copy(down, last.Down)
				last.Down, last.Bounds, last.Further = down, allOf(down), true
			}
			break
		}
	}
	if n := len(reports) - 1; n >= 0 {
		reports[n] = h.fallen(reports[n], asked, answers)
	}
	return reports
}

// allOf says that nobody knows when these went down.
func allOf(down map[string]time.Time) map[string]bool {
	bounds := map[string]bool{}
	for name := range down {
		bounds[name] = true
	}
	return bounds
}

// telling passes on what the programs of these steps write.
func (h *host) telling(steps []reconciler.Step, tell func(reconciler.Event)) func(string) {
	return func(line string) {
		tell(reconciler.Event{Kind: reconciler.Said, Phase: steps[0].Phase.String(), Target: h.name, Text: h.site.config.Known.Withhold(line), Time: h.site.config.Now()})
	}
}

// checks demand, before a service is stopped, that every file which this run has staged on the host is still what was read, or
// what was staged: a batch that comes late must not stop what somebody else has changed since.
func (h *host) checks(steps []reconciler.Step) []winhost.Op {
	if !slices.ContainsFunc(steps, func(s reconciler.Step) bool { _, stops := s.Op.(site.StopService); return stops }) {
		return nil
	}
	var ops []winhost.Op
	for path, f := range h.files.all() {
		if f.staged != "" {
			ops = append(ops, winhost.FileRead{Path: path, HashOnly: true, Any: []string{f.base, f.staged}})
		}
	}
	return ops
}

// since is when a stop began, by our clock: the host tells how long after the request that was. How long the answer took is not
// to shorten an outage.
func (d deed) since(s *winhost.Service) time.Time {
	if s == nil || s.Received.IsZero() || d.again {
		return d.began
	}
	if at := d.began.Add(s.Begin.Sub(s.Received)); at.After(d.began) && at.Before(d.ended) {
		return at
	}
	return d.began
}

// triesAt is how long one try may take: what the services may take, and what a request and its answer take at the most. A
// host that goes silent in the middle is asked anew after that.
func triesAt(steps []reconciler.Step) time.Duration { return answersIn + waitsOf(steps) }

// answersIn is what a request and its answer take at the most.
const answersIn = 30 * time.Second

// waitsOf is how long steps may take by what is declared of them and of their services.
func waitsOf(steps []reconciler.Step) (t time.Duration) {
	for i := range steps {
		s := &steps[i]
		t += s.Limit.Of()
		switch op := s.Op.(type) {
		case site.StopService:
			t += op.Timeout.Of()
		case site.StartService:
			t += op.Timeout.Of()
		case site.ProveProcess:
			t += op.Stable.Of()
		case site.ProveLogon:
			t += op.Stable.Of()
		}
	}
	return t
}

// tidies says that nothing live is changed or looked at: files are staged, or what was staged is removed.
func tidies(steps []reconciler.Step) bool {
	for i := range steps {
		if p := steps[i].Phase; p != reconciler.Prepare && p != reconciler.Retire {
			return false
		}
	}
	return true
}

func once(steps []reconciler.Step) bool {
	for i := range steps {
		if steps[i].Once {
			return true
		}
	}
	return false
}

// ops turns steps into ops; counts says how many each step became.
func (h *host) ops(ctx context.Context, steps []reconciler.Step) (ops []winhost.Op, counts []int, err error) {
	for _, s := range steps {
		with, ok := h.site.families.ops[s.Op.Kind()]
		if !ok {
			return nil, nil, fmt.Errorf("%s: a host cannot do this (%s)", s.Op.Key(), s.Op.Kind())
		}
		some, err := with.ops(ctx, h, s.Op)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", s.Op.Key(), err)
		}
		ops, counts = append(ops, some...), append(counts, len(some))
	}
	return ops, counts, nil
}

// logonFailure is how Windows refuses a start whose account it does not let in: whatever else runs as that would not start either.
const logonFailure = 1069

// notStarted notes why a start failed after which the service does not run, as far as the answer tells, and says whether what runs as the
// same account would fail like it.
func (h *host) notStarted(op site.StartService, r winhost.Result, why error) (stays bool) {
	put(&h.failed, op.Service, why)
	if r.Win32 == logonFailure {
		put(&h.barred, op.Service, why)
	}
	return r.Service != nil && r.Win32 == logonFailure && h.site.runAs(h.name, op.Service, r.Service.Account)
}

// wrongPassword says that a service's account may log on as far as its host knows: then it was refused for its password.
func (h *host) wrongPassword(ctx context.Context, service string) bool {
	results, err := h.ask(ctx, []winhost.Op{winhost.LogonRead{Service: service}}, false)
	if err != nil || results[0].Logon == nil {
		return true
	}
	l := results[0].Logon
	return l.Locked != winhost.Yes && l.Right != winhost.No && l.Exists != winhost.No
}

// report says what the results mean for a step.
func (h *host) report(ctx context.Context, s reconciler.Step, ops []winhost.Op, d deed) reconciler.Report {
	for i, r := range d.results {
		if err := r.Err(ops[i]); err != nil {
			report := reconciler.Report{Outcome: failedAs(s, ops[i], r), Err: fmt.Errorf("%s: %w", h.name, explain(as(err, r))), Down: stops(s.Op, d.since(r.Service))}
			if stop, ok := s.Op.(site.StopService); ok && r.Service != nil && r.Service.State == winhost.StopPending {
				h.site.ending(stop.Name, true)
			}
			if r.Service != nil && r.Service.State == winhost.Running && olderThanAsked(r.Service) {
				report.Down = nil // it never stopped
			}
			if start, ok := s.Op.(site.StartService); ok {
				report.Err = h.ofProgram(start.Service, r, report.Err)
				if r.Service == nil || r.Service.State == winhost.Stopped || r.Service.State == winhost.StopPending {
					report.Stays = h.notStarted(start, r, report.Err)
				}
				if r.Win32 == logonFailure && h.wrongPassword(ctx, start.Service) {
					report.Facts = site.StartRefused(h.name, start.Service, h.site.config.Now())
				}
				if r.Service != nil && r.Service.State != winhost.Running {
					report.Down = map[string]time.Time{start.Name: d.began} // also where nobody had stopped it in this run
				}
			}
			h.refusal(ctx, s, d, &report)
			return report
		}
	}
	if was, ok := s.Back.Op.(site.SetLogon); ok {
		h.site.setBack(h.name, was.Service, was.Account)
	}
	return h.site.families.ops[s.Op.Kind()].report(ctx, h, s.Op, d)
}
