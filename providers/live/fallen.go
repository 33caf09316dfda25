package live

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"meshrotate/providers/site"
	"meshrotate/providers/winhost"
	"meshrotate/reconciler"
	"meshrotate/state"
)

// lookOnceMore asks in the batch that comes last, of Retire or of the way back, for the services that this run has started on
// the host: that they were proven says nothing about what somebody did since.
func (h *host) lookOnceMore(steps []reconciler.Step) []winhost.Op {
	if len(steps) == 0 || steps[0].Phase != reconciler.Retire && (steps[0].Phase != reconciler.Prepare || !steps[0].Undoes()) {
		return nil
	}
	var ops []winhost.Op
	for _, name := range h.running.names() {
		ops = append(ops, winhost.ServiceQuery{Service: name})
	}
	return ops
}

// fallen adds to a batch's last report which of the services that this run has started were seen to be stopped, whatever they
// were asked for.
func (h *host) fallen(r reconciler.Report, asked []winhost.Op, results []winhost.Result) reconciler.Report {
	for i, op := range asked {
		s := results[i].Service
		if _, queries := op.(winhost.ServiceQuery); !queries || results[i].Err(op) != nil || s == nil || s.State != winhost.Stopped {
			continue
		}
		ours, started := h.running.find(op.Object())
		if _, told := r.Down[ours.name]; told || !started || h.stopped.of(op.Object()) {
			continue
		}
		if r.Down == nil {
			r.Down = map[string]time.Time{}
		}
		r.Down[ours.name], r.Ended = h.site.config.Now(), true
		r.Fallen = reconciler.Hinted(fmt.Errorf("%s: service %s was started, and is stopped now (exit code %d)", h.name, op.Object(), s.ExitCode),
			"look at the Application log and at the service's own log on the host: "+site.EndedBy(s.ExitCode)+"; apply starts it")
	}
	return r
}

const lookAtLog = "look at the Application log and at the service's own log on the host; or somebody stopped it; apply starts it"

// Fallen asks Admin once which of the relays that were started and seen to work are not connected any more. An API that does not
// answer says nothing.
func (s *Site) Fallen(ctx context.Context) reconciler.Report {
	a := s.api
	a.mu.Lock()
	proven := slices.Sorted(maps.Keys(a.proven))
	a.mu.Unlock()
	restarted := s.startedOfMany()
	proven = slices.DeleteFunc(proven, func(host string) bool {
		_, ours := restarted[host]
		_, gone := s.goneAt(host) // its host said why it is down
		return !ours || gone
	})
	if len(proven) == 0 {
		return reconciler.Report{}
	}
	ctx, cancel := a.within(ctx, patience)
	defer cancel()
	list, err := a.told(ctx)
	if err != nil {
		return reconciler.Report{Outcome: state.Unknown, Note: "whether every relay is connected still is not known: " + err.Error()}
	}
	r := reconciler.Report{Outcome: state.Unknown, Down: map[string]time.Time{}, Ended: true, Fallen: reconciler.Hinted(errNotConnected, lookAtLog)}
	listed := list.Directory(proven, s.computerNames(proven))
	for _, host := range proven {
		if e := listed.Of[host]; e == nil || e.Connected == nil || !*e.Connected {
			r.Down[host] = a.now()
		}
	}
	return r
}

// lastLook is how long hosts are asked at the end of a run for what is down there.
const lastLook = 3 * time.Second

// Running asks every host for its own, all at once. What a host that does not answer has is Missing, and what somebody starts just now.
func (s *Site) Running(ctx context.Context, down []reconciler.Down) reconciler.Report {
	whole := ctx
	ctx, cancel := context.WithTimeout(whole, lastLook)
	defer cancel()
	r := reconciler.Report{Started: map[string]time.Time{}, Since: map[string]time.Time{}}
	up := map[string]time.Time{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, d := range down {
		if d.Service == "" || d.Target.Kind != reconciler.HostTarget || d.Elsewhere {
			continue
		}
		if d.Unwell {
			wg.Go(func() {
				if s.api.isReady(ctx) {
					mu.Lock()
					defer mu.Unlock()
					r.Up, r.Bounds = map[string]time.Time{d.What: s.config.Now()}, bound(d.What, true)
				}
			})
			continue
		}
		wg.Go(func() {
			runs, seen, since := s.host(d.Target.Name).runs(ctx, d.Service)
			works := runs && s.worksNow(ctx, d)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case runs:
				r.Started[d.What] = s.config.Now()
				if works {
					up[d.What] = s.config.Now()
				}
				if !since.IsZero() {
					r.Since[d.What] = since
				}
			case !seen:
				r.Missing = append(r.Missing, d.What)
			}
		})
	}
	wg.Wait()
	s.endedUnseen(whole, &r, down)
	ctx, end := context.WithTimeout(whole, lastLook) // the hosts may have used up theirs
	defer end()
	s.byList(ctx, &r, down)
	for name, at := range up {
		if _, ended := r.Down[name]; ended {
			continue
		}
		r.Up[name], r.Bounds[name] = at, true
	}
	return r
}

// worksNow says of a service that this run has started, and that runs, that it does its work: Admin when it is ready. Of a relay that is
// for Admin to tell, and of others their process tells.
func (s *Site) worksNow(ctx context.Context, d reconciler.Down) bool {
	h := s.host(d.Target.Name)
	h.mu.Lock()
	_, ours := h.running.find(d.Service)
	h.mu.Unlock()
	switch {
	case !ours || d.What == d.Target.Name:
		return false
	case d.What == site.AdminLabel && s.api.client != nil:
		return s.api.isReady(ctx)
	}
	return true
}

// runs asks for a service, and since when its process runs, at the latest: by this run's own word, or by the host's clock.
func (h *host) runs(ctx context.Context, service string) (yes, seen bool, since time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	query := winhost.ServiceQuery{Service: service}
	var results []winhost.Result
	err := insist(ctx, lastLook, h.site.config.Now, func() (err error) {
		results, err = h.ask(ctx, []winhost.Op{query, winhost.MachineIdentity{}}, true) // its shell may have ended while another host was waited for
		if err == nil && results[0].Service != nil && results[0].Service.State == winhost.StartPending {
			err = errStarts
		}
		return err
	})
	seen = err == nil && results[0].Err(query) == nil && results[0].Service != nil
	yes = seen && results[0].Service.State == winhost.Running
	if !yes {
		return yes, seen, since
	}
	if ours, known := h.running.find(service); known && ours.pid == results[0].Service.PID {
		return yes, seen, ours.at
	}
	if m := results[1].Machine; m != nil {
		since = startedAt(results[0].Service, m.Now, h.site.config.Now())
	}
	return yes, seen, since
}

// startedAt is by our clock when a process was started that was seen at a moment of its host's clock, and of ours at the latest; zero when
// the host does not know.
func startedAt(s *winhost.Service, theirs, ours time.Time) time.Time {
	if s.StartedAt.IsZero() || theirs.Before(s.StartedAt) {
		return time.Time{}
	}
	return ours.Add(-theirs.Sub(s.StartedAt))
}

var errStarts = errors.New("somebody starts it just now")

var errNotConnected = errors.New("it was proven, and Admin does not list it as connected any more")
