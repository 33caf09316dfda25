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
)

// mostUnseen is how many hosts at the most are asked about services that nobody has seen to work.
const mostUnseen = 100

// stoppedOn asks hosts, all at once and for a few seconds, which of the services that this run has started there are stopped now, and
// says why, by the name that they have in the outages. A host that does not answer, or that is at work, says nothing.
func (s *Site) stoppedOn(ctx context.Context, hosts []string) map[string]error {
	ctx, cancel := context.WithTimeout(ctx, lastLook)
	defer cancel()
	var mu sync.Mutex
	var wg sync.WaitGroup
	all := map[string]error{}
	for _, name := range hosts[:min(len(hosts), mostUnseen)] {
		wg.Go(func() {
			stopped := s.host(name).stoppedNow(ctx)
			mu.Lock()
			defer mu.Unlock()
			maps.Copy(all, stopped)
		})
	}
	wg.Wait()
	return all
}

func (h *host) stoppedNow(ctx context.Context) map[string]error {
	if !h.mu.TryLock() {
		return nil
	}
	defer h.mu.Unlock()
	ours := maps.Clone(h.running)
	maps.DeleteFunc(ours, func(service string, _ run) bool { return h.stopped[service] })
	all := map[string]error{}
	for service, exit := range h.whichStopped(ctx, slices.Sorted(maps.Keys(ours))) {
		all[ours[service].name] = reconciler.Hinted(fmt.Errorf("%s: service %s was started, and is stopped now (exit code %d)", h.name, service, exit),
			"look at the Application log and at the service's own log on the host: "+site.EndedBy(exit)+"; apply starts it")
	}
	return all
}

// whichStopped asks which of these services are stopped, and with which exit code. An answer that is none says of no service that
// it is.
func (h *host) whichStopped(ctx context.Context, services []string) map[string]uint32 {
	var ops []winhost.Op
	for _, name := range services {
		ops = append(ops, winhost.ServiceQuery{Service: name})
	}
	if len(ops) == 0 {
		return nil
	}
	results, err := h.ask(ctx, ops, true)
	if err != nil {
		return nil
	}
	stopped := map[string]uint32{}
	for i, r := range results {
		if r.Err(ops[i]) == nil && r.Service != nil && r.Service.State == winhost.Stopped {
			stopped[services[i]] = r.Service.ExitCode
		}
	}
	return stopped
}

// unseen are the hosts with a service that this run has started and of which nobody sees at its end whether it works: those that are
// no relay, and relays that were not proven.
func (s *Site) unseen() []string {
	fleet := s.startedOfMany()
	s.api.mu.Lock()
	proven := maps.Clone(s.api.proven)
	s.api.mu.Unlock()
	var some []string
	for _, host := range slices.Sorted(maps.Keys(s.restartedAt())) {
		if _, many := fleet[host]; !many || !proven[host] {
			some = append(some, host)
		}
	}
	return some
}

// endedUnseen adds what has stopped since its start to the last look.
func (s *Site) endedUnseen(ctx context.Context, r *reconciler.Report, known []reconciler.Down) {
	stopped := s.stoppedOn(ctx, s.unseen())
	for _, d := range known {
		if !d.Unwell { // it ran
			delete(stopped, d.What)
		}
	}
	for name, why := range stopped {
		if r.Down == nil {
			r.Down, r.Ended = map[string]time.Time{}, true
		}
		r.Down[name] = s.config.Now()
		if r.Fallen = why; len(stopped) > 1 {
			r.Fallen = reconciler.Hinted(errors.New("it was started, and is stopped now"), lookAtLog)
		}
	}
}

// watchMissing notes which of the relays that are waited for have stopped: twice in a row, as a service manager starts a service again
// within seconds.
func (s *Site) watchMissing(ctx context.Context, missing []string, before map[string]bool) map[string]bool {
	now := map[string]bool{}
	for name, why := range s.stoppedOn(ctx, missing) {
		if now[name] = true; before[name] {
			s.gone(name, why, s.config.Now)
		}
	}
	return now
}

// cutOffStill asks Admin for those that are taken to be cut off: who is connected, with a heartbeat since then, is not.
func (s *Site) cutOffStill(ctx context.Context, r *reconciler.Report, cut []reconciler.Down) {
	if len(cut) == 0 {
		return
	}
	names := make([]string, 0, len(cut))
	for _, d := range cut {
		names = append(names, d.Target.Name)
	}
	var list *site.RelaysSeen
	err := errNoAPI
	if s.api.client != nil {
		list, err = s.api.relays(ctx)
	}
	if err != nil {
		for _, d := range cut {
			r.Missing = append(r.Missing, d.What)
		}
		return
	}
	s.api.mu.Lock()
	clock := s.api.clock
	s.api.mu.Unlock()
	listed := list.Directory(names, s.computerNames(names))
	w := waiting{skews: s.clocks(), admin: s.api.host}
	for _, d := range cut {
		switch e := listed.Of[d.Target.Name]; {
		case !clock.known || e != nil && e.Connected == nil:
			r.Missing = append(r.Missing, d.What)
		case w.lacking(d.Target.Name, e, clock.latest(d.Since), d.Since, s.config.Now()) == "":
			if r.Up == nil {
				r.Up = map[string]time.Time{}
			}
			r.Up[d.What] = s.config.Now()
		case e.IsConnected():
			r.Missing = append(r.Missing, d.What) // by an entry that may be old
		}
	}
}
