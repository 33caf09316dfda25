package live

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"meshrotate/providers/adminapi"
	"meshrotate/providers/site"
	"meshrotate/providers/winhost"
	"meshrotate/reconciler"
)

// mostUnseen is how many hosts at the most are asked about services that nobody has seen to work.
const mostUnseen = 100

// stoppedOn asks hosts, all at once and for a few seconds, which of the services that this run has started there are stopped now, and
// says why, by the name that they have in the outages. A host that does not answer is silent; one that is at work says nothing.
func (s *Site) stoppedOn(ctx context.Context, hosts []string) (all map[string]error, silent []string) {
	ctx, cancel := context.WithTimeout(ctx, lastLook)
	defer cancel()
	var mu sync.Mutex
	var wg sync.WaitGroup
	all = map[string]error{}
	for _, name := range hosts[:min(len(hosts), mostUnseen)] {
		wg.Go(func() {
			stopped, answered := s.host(name).stoppedNow(ctx)
			mu.Lock()
			defer mu.Unlock()
			maps.Copy(all, stopped)
			if !answered {
				silent = append(silent, name)
			}
		})
	}
	wg.Wait()
	return all, silent
}

func (h *host) stoppedNow(ctx context.Context) (all map[string]error, answered bool) {
	if !h.mu.TryLock() {
		return nil, true // to a batch
	}
	defer h.mu.Unlock()
	ours := map[string]run{}
	for service, r := range h.running.all() {
		if !h.stopped.of(service) {
			ours[service] = r
		}
	}
	all = map[string]error{}
	stopped := h.whichStopped(ctx, slices.Sorted(maps.Keys(ours)))
	for service, exit := range stopped {
		all[ours[service].name] = reconciler.Hinted(fmt.Errorf("%s: service %s was started, and is stopped now (exit code %d)", h.name, service, exit),
			"look at the Application log and at the service's own log on the host: "+site.EndedBy(exit)+"; apply starts it")
	}
	return all, stopped != nil || len(ours) == 0
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
	stopped, silent := s.stoppedOn(ctx, s.unseen())
	for _, d := range known {
		switch _, ran := r.Started[d.What]; {
		case ran: // a moment ago: the later word counts
			if stopped[d.What] != nil {
				delete(r.Started, d.What)
				delete(r.Since, d.What)
			}
		case !d.Unwell: // it is known already
			delete(stopped, d.What)
		}
	}
	if slices.Contains(silent, s.config.MarkerHost) && s.adminSilent(ctx) {
		r.Missing = append(r.Missing, site.AdminLabel)
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

// adminSilent says that Admin's API does not answer.
func (s *Site) adminSilent(ctx context.Context) bool {
	if s.api.client == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, lastLook)
	defer cancel()
	_, _, err := s.api.client.Ready(ctx)
	var answered *adminapi.Error
	return err != nil && !(errors.As(err, &answered) && answered.Status != 0)
}

// watchMissing notes which of the relays that are waited for have stopped: twice in a row, as a service manager starts a service again
// within seconds.
func (s *Site) watchMissing(ctx context.Context, missing []string, before map[string]bool) map[string]bool {
	now := map[string]bool{}
	all, _ := s.stoppedOn(ctx, missing)
	for name, why := range all {
		if now[name] = true; before[name] {
			s.gone(name, why, s.config.Now)
		}
	}
	return now
}

// byList asks Admin once for relays of which nobody else says anything: those that are taken to be cut off, those whose host is not
// asked, or does not answer, and those that were started again and not seen to work.
func (s *Site) byList(ctx context.Context, r *reconciler.Report, down []reconciler.Down) {
	since, stands := map[string]time.Time{}, map[string]bool{}
	unseen := s.api.notSeen()
	for _, d := range down {
		delete(unseen, d.Target.Name)
		if stands[d.What] = d.CutOff || d.Elsewhere || d.What == d.Target.Name && slices.Contains(r.Missing, d.What); stands[d.What] {
			since[d.Target.Name] = later(d.Since, d.StoppedBy)
		}
	}
	maps.DeleteFunc(unseen, func(host string, _ time.Time) bool { _, ended := r.Down[host]; return ended })
	maps.Copy(since, unseen)
	heard := s.heard(ctx, since)
	now := s.config.Now()
	if r.Up == nil {
		r.Up, r.Bounds = map[string]time.Time{}, map[string]bool{}
	}
	for _, d := range down {
		switch works, known := heard[d.Target.Name]; {
		case d.CutOff && !known:
			r.Missing = append(r.Missing, d.What)
		case d.CutOff && works:
			r.Up[d.What] = now
		case stands[d.What] && works:
			r.Started[d.What] = now
			r.Missing = slices.DeleteFunc(r.Missing, func(name string) bool { return name == d.What })
		}
	}
	for host := range unseen {
		if heard[host] {
			r.Up[host], r.Bounds[host] = now, true
		}
	}
}

// heard is what Admin's list says of relays since a moment for each: true, that one works, as it is connected with a heartbeat since
// then; false, that it does not. Who is not in it is not known: there is no list, or an entry that may be old.
func (s *Site) heard(ctx context.Context, since map[string]time.Time) map[string]bool {
	heard := map[string]bool{}
	if len(since) == 0 || s.api.client == nil {
		return heard
	}
	list, err := s.api.relays(ctx)
	s.api.mu.Lock()
	clock := s.api.clock
	s.api.mu.Unlock()
	if err != nil || !clock.known {
		return heard
	}
	names := slices.Sorted(maps.Keys(since))
	listed := list.Directory(names, s.computerNames(names))
	w, restarts := waiting{skews: s.clocks(), admin: s.api.host}, s.api.restarts()
	for _, host := range names {
		switch e := listed.Of[host]; {
		case e != nil && e.Connected == nil:
		case w.lacking(host, e, clock.latest(since[host]), since[host], s.config.Now()) == "":
			heard[host] = true
		case !e.IsConnected() && !list.InPart(e) && !list.Old(e, clock.latest(later(since[host], restarts[host]))): // else it may be on another page
			heard[host] = false
		}
	}
	return heard
}
