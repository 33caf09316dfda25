package live

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"meshrotate/providers/site"
	"meshrotate/providers/winhost"
	"meshrotate/reconciler"
	"meshrotate/state"
)

// stableStart is how long a started service is watched by its start, in seconds: enough to see one die of an empty key,
// and less than it takes any to be ready.
const stableStart = 1

// services is the family of Windows services.
func services(f *family) {
	f.reading(looking(func(q *questions, r site.Service) { q.ask(winhost.ServiceQuery{Service: r.Name}, r.Name) }, readService))
	f.op(doing(func(_ context.Context, h *host, o site.StopService) ([]winhost.Op, error) {
		h.site.stopping(h.name)
		return one(winhost.ServiceStop{Service: o.Service, TimeoutSeconds: seconds(o.Timeout.Of())})
	}, stopped))
	f.op(doing(func(_ context.Context, h *host, o site.StartService) ([]winhost.Op, error) {
		if h.barred[o.Service] != nil {
			return one(winhost.ServiceQuery{Service: o.Service}) // each start is one more wrong password, and a few lock the account out
		}
		return one(winhost.ServiceStart{Service: o.Service, TimeoutSeconds: seconds(o.Timeout.Of()), StableSeconds: stableStart, Dependents: o.Dependents})
	}, started))
	f.op(doing(func(_ context.Context, _ *host, o site.ProveProcess) ([]winhost.Op, error) {
		return []winhost.Op{winhost.ServiceQuery{Service: o.Service}, winhost.FileRead{Path: o.Path, HashOnly: true}, winhost.MachineIdentity{}}, nil
	}, proveProcess))
}

func seconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }

func readService(_ context.Context, q *questions, r site.Service) (reconciler.Result, error) {
	res, err := q.result(r.Name)
	if err != nil || res.Service == nil {
		return nil, known(err, "no state of service "+r.Name)
	}
	s := res.Service
	return &site.ServiceSeen{Name: r.Name, Installed: s.Installed, State: string(s.State), PID: int(s.PID),
		StartedAt: s.StartedAt, StartMode: s.StartMode, Account: s.Account, Dependents: s.Dependents, ExitCode: s.ExitCode}, nil
}

// stops is what goes down with a stop, from that moment on.
func stops(op reconciler.Op, at time.Time) map[string]time.Time {
	if stop, ok := op.(site.StopService); ok {
		return map[string]time.Time{stop.Name: at}
	}
	return nil
}

// stopsOf is what goes down with some of the steps.
func stopsOf(steps []reconciler.Step, at time.Time) map[string]time.Time {
	down := map[string]time.Time{}
	for _, s := range steps {
		maps.Copy(down, stops(s.Op, at))
	}
	return down
}

// olderThanAsked says that a service's process is the one that ran before it was asked to stop or to start.
func olderThanAsked(s *winhost.Service) bool {
	return !s.StartedAt.IsZero() && s.StartedAt.Before(s.Begin)
}

func stopped(_ context.Context, h *host, op site.StopService, d deed) reconciler.Report {
	s := d.results[0].Service
	h.stopped.put(op.Service, true)
	r := done(fmt.Sprintf("stopped in %.1f s", s.Took().Seconds()))
	if d.results[0].Code != winhost.Unchanged || d.again {
		r.Down, r.Bounds = stops(op, d.since(s)), bound(op.Name, d.again)
	}
	if len(s.Dependents) > 0 { // be it that the service itself was stopped already
		r.With = map[string][]string{op.Name: s.Dependents}
	}
	for _, name := range s.Dependents {
		if !slices.Contains(op.Dependents, name) {
			put(&h.took, op.Service, append(h.took[op.Service], name))
		}
	}
	return r
}

// started also starts what the stop took down and nobody had planned for: it came after the look.
func started(ctx context.Context, h *host, op site.StartService, d deed) reconciler.Report {
	s := d.results[0].Service
	if why := h.barred[op.Service]; why != nil && (s == nil || s.State != winhost.Running) {
		return reconciler.Report{Outcome: state.Failed, Err: why, Down: map[string]time.Time{op.Name: d.began}}
	}
	delete(h.barred, op.Service)
	// That a dependent was started does not say that the service was: its process is older than this start then.
	older := olderThanAsked(s)
	if d.results[0].Code != winhost.Unchanged && !older {
		// By our clock it began between these two moments, and what ran before had ended. The answer may have taken long.
		h.site.ending(op.Name, false)
		h.site.restarted(h.name, op.Noun != "", d.since(s), d.ended.Add(-s.Took()))
		h.running.put(op.Service, run{op.Name, s.PID, d.ended, d.again})
	}
	h.site.runsAs(h.name, op.Service, s.Account, s.PID)
	r := reconciler.Report{Outcome: state.Done, Evidence: fmt.Sprintf("running, process %d", s.PID), Started: map[string]time.Time{op.Name: d.ended}}
	theirs := d.results[0].Code == winhost.Unchanged || older
	if at := startedAt(s, s.Begin, d.ended); theirs && !at.IsZero() {
		r.Since = map[string]time.Time{op.Name: at}
	}
	if !theirs {
		r.Facts = site.StartedWith(h.name, op.Service, s.Registration)
	}
	if h.stopped.of(op.Service) && theirs && (!d.again || h.outdated(ctx, op.Service)) {
		return h.restart(ctx, op)
	}
	if h.stopped.of(op.Service) && theirs { // its host did, and it has what it is to have
		h.running.put(op.Service, run{op.Name, s.PID, d.ended, true})
	}
	h.stopped.put(op.Service, false)
	delete(h.failed, op.Service)
	if more := h.took[op.Service]; len(more) > 0 {
		start := winhost.ServiceStart{Service: op.Service, TimeoutSeconds: seconds(op.Timeout.Of()), Dependents: more}
		results, err := h.ask(ctx, []winhost.Op{start}, false)
		if err != nil {
			r.Outcome, r.Evidence, r.Err = lost(err).Outcome, "", h.downWith(op, more, err)
			return r
		}
		if err := results[0].Err(start); err != nil {
			r.Outcome, r.Evidence, r.Err = state.Failed, "", h.downWith(op, more, explain(err))
			return r
		}
		delete(h.took, op.Service)
	}
	return r
}

// outdated says that a service's process started before a file that this run has replaced was written. When an earlier try may
// have started it, that alone tells whether somebody else did, too early; and relays follow Admin before its process is proven.
func (h *host) outdated(ctx context.Context, service string) bool {
	ops := []winhost.Op{winhost.ServiceQuery{Service: service}}
	for path, f := range h.files.all() {
		if f.replaced {
			ops = append(ops, winhost.FileRead{Path: path, HashOnly: true})
		}
	}
	results, err := h.ask(ctx, ops, true)
	if err != nil || results[0].Service == nil || results[0].Service.State != winhost.Running {
		return false // the proof of its process says it
	}
	return slices.ContainsFunc(results[1:], func(r winhost.Result) bool {
		return r.File != nil && results[0].Service.StartedAt.Before(r.File.Modified)
	})
}

// restart stops and starts a service that somebody has started since this run stopped it: it may have read the old file.
func (h *host) restart(ctx context.Context, op site.StartService) reconciler.Report {
	h.stopped.put(op.Service, false)
	ops := []winhost.Op{winhost.ServiceStop{Service: op.Service, TimeoutSeconds: seconds(op.Timeout.Of())},
		winhost.ServiceStart{Service: op.Service, TimeoutSeconds: seconds(op.Timeout.Of()), StableSeconds: stableStart, Dependents: op.Dependents}}
	began := h.site.config.Now()
	results, err := h.ask(ctx, ops, false)
	if err != nil {
		return lost(err)
	}
	for i, res := range results {
		if err := res.Err(ops[i]); err != nil {
			r := reconciler.Report{Outcome: state.Failed, Err: fmt.Errorf("%s: somebody had started it meanwhile: %w", h.name, explain(err)),
				Down: map[string]time.Time{op.Name: began}}
			if i > 0 && (res.Service == nil || res.Service.State == winhost.Stopped) {
				r.Stays = h.notStarted(op, res, r.Err)
			}
			return r
		}
	}
	if results[0].Service != nil {
		put(&h.took, op.Service, append(h.took[op.Service], results[0].Service.Dependents...))
	}
	r := started(ctx, h, op, deed{results: results[1:], began: began, ended: h.site.config.Now()})
	r.Note = fmt.Sprintf("somebody had started %s between its stop and its start: it was stopped and started once more", op.Service)
	return r
}

// downWith says what is down beside a service that runs again.
func (h *host) downWith(op site.StartService, services []string, err error) error {
	return fmt.Errorf("%s: %s was stopped with %s and does not run again: %w", h.name, strings.Join(services, ", "), op.Service, err)
}

// proveProcess demands a process that started after the file was written, and that it stays the same for a while.
func proveProcess(ctx context.Context, h *host, op site.ProveProcess, d deed) reconciler.Report {
	first, f, m := d.results[0].Service, d.results[1].File, d.results[2].Machine
	if first == nil || f == nil || m == nil {
		return h.unproven("service %s could not be looked at", op.Service)
	}
	switch {
	case first.State != winhost.Running:
		return h.died(op, first)
	case first.StartedAt.IsZero():
		return h.unproven("the start time of service %s is not known", op.Service)
	case op.Known || h.readAfter(op, first, f): // what it has read is there still, whoever wrote it anew since
	case first.StartedAt.Before(f.Modified):
		return h.unproven("service %s started before %s was written", op.Service, op.Path)
	case first.StartedAt.Before(f.Changed):
		return h.unproven("service %s started before %s was changed, as when a file is copied that keeps its time", op.Service, op.Path)
	}
	r := h.stays(ctx, op, first, m.Now)
	if r.Outcome != state.Done {
		return r
	}
	facts := site.AheadFacts(h.name, op.Path, f.Modified, h.site.config.Now())
	if op.Noun != "" { // one of many: the fleet's evidence is the Admin API's
		r.Facts = facts
		return r
	}
	after := "after the change"
	if ours, known := h.running.find(op.Service); !known || ours.pid != first.PID {
		after = "after its file was written" // an earlier run, or somebody else, started it
	}
	r = done(fmt.Sprintf("%s runs since %s, %s", op.Name, first.StartedAt.UTC().Format(time.TimeOnly), after))
	r.Facts = facts
	// Of Admin its process alone does not say that it is up: that it is ready says so, and is waited for wherever it is started.
	if at, late, ok := h.upSince(op.Service, first); ok && !(op.Name == site.AdminLabel && h.site.api.client != nil) {
		r.Up, r.Bounds = map[string]time.Time{op.Name: at}, bound(op.Name, late)
	}
	return r
}

// readAfter says that the process is the one that this run started after it had written the file, or looked at it, and that the file
// still has that content: whatever clocks say, it has been read. A file's time may lie ahead of its host's clock.
func (h *host) readAfter(op site.ProveProcess, s *winhost.Service, f *winhost.File) bool {
	ours, known := h.running.of(op.Service), h.files.of(op.Path)
	if s.PID == 0 || ours.pid != s.PID || known == nil {
		return false
	}
	if known.replaced {
		return known.staged == f.SHA256
	}
	return known.read && known.base == f.SHA256 && known.written.Equal(f.Modified)
}

// stays demands that the process is the same after a while.
func (h *host) stays(ctx context.Context, op site.ProveProcess, first *winhost.Service, now time.Time) reconciler.Report {
	if wait := op.Stable.Of() - now.Sub(first.StartedAt); wait > 0 {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return lost(context.Cause(ctx))
		}
		query := winhost.ServiceQuery{Service: op.Service}
		var again []winhost.Result
		err := insist(ctx, h.site.config.Patience, h.site.config.Now, func() (err error) {
			again, err = h.ask(ctx, []winhost.Op{query}, true)
			return err
		})
		if err != nil {
			return unseen(err)
		}
		if err := again[0].Err(query); err != nil {
			return unseen(h.unproven("%w", err).Err)
		}
		switch s := again[0].Service; {
		case s == nil:
			return h.unproven("service %s could not be looked at", op.Service)
		case s.State != winhost.Running:
			return h.died(op, s)
		case s.PID != first.PID:
			return h.unproven("service %s did not stay up: it is another process than after its start", op.Service)
		}
	}
	return done("")
}

// upSince is from when on a service that this run has started is known to be up: from its start on, now that it has stayed. A
// process that somebody else started is up by now, and one that was started by a batch whose answer was lost, by the next answer.
func (h *host) upSince(service string, s *winhost.Service) (at time.Time, late, ours bool) {
	started, ours := h.running.find(service)
	if ours && started.pid != s.PID {
		return h.site.config.Now(), true, true
	}
	return started.at, started.late, ours
}

// bound says of one whether its times are bounds.
func bound(name string, is bool) map[string]bool {
	if !is {
		return nil
	}
	return map[string]bool{name: true}
}

// died says why a service does not run, and that nobody need wait for what it would do.
func (h *host) died(op site.ProveProcess, s *winhost.Service) reconciler.Report {
	r := h.unproven("service %s is %s (exit code %d)", op.Service, s.State, s.ExitCode)
	kept := h.keptDown(op.Service, s)
	if kept {
		r.Err = reconciler.Hinted(r.Err, notStartedYet)
	} else {
		r.Err = reconciler.Hinted(r.Err, "look at the Application log and at the service's own log on the host: after its start "+site.EndedBy(s.ExitCode))
	}
	if why := h.refused(op.Service, s); why != nil {
		r.Err = why
	}
	r.Down, r.Ended = map[string]time.Time{op.Name: h.site.gone(h.name, r.Err, h.site.config.Now)}, !kept && h.refused(op.Service, s) == nil
	return r
}

// keptDown says that a service is stopped because this run stopped it, and has not started it since: nothing has ended by itself.
func (h *host) keptDown(service string, s *winhost.Service) bool {
	return s.State == winhost.Stopped && h.stopped.of(service)
}

// notStartedYet is what to do about one.
const notStartedYet = "this run stopped it and has not started it: mend what failed before that, and apply again"

// refused is why a service is stopped whose start failed, nil of any other: nobody has stopped it after that.
func (h *host) refused(service string, s *winhost.Service) error {
	if s.State != winhost.Stopped {
		return nil
	}
	return h.failed[service]
}

// as says beside a service's failure how the service is now.
func as(err error, r winhost.Result) error {
	if r.Service == nil || r.Code != winhost.Timeout {
		return err
	}
	if all := r.Service.Dependents; r.Service.State == winhost.Running && len(all) > 0 {
		return reconciler.Hinted(fmt.Errorf("%w: it is running now; what depends on it stops before it: %s", err, strings.Join(all, ", ")),
			"look at what keeps that from stopping, or allow it more time: stopTimeout")
	}
	return fmt.Errorf("%w: it is %s now", err, r.Service.State)
}

// explain adds what a Windows error means for the person who reads it.
func explain(err error) error {
	var e *winhost.OpError
	if !errors.As(err, &e) {
		return err
	}
	hint := map[uint32]string{
		1053: "the service did not answer its start: .NET refuses its settings file, or it hangs; look at the file and at the Application log",
		1067: "the service's process ended at once: an empty or refused setting; look at the Application log",
		1057: "there is no such account: correct its name in the document",
		1069: "Windows does not let the service's account log on: a wrong password in the service manager, an account that is locked or disabled, or no right to log on as a service; event 7038 in the System log says which",
		1072: "the service is about to be deleted: close what still shows it, or restart the host, and install it again",
		1311: "the host reaches no domain controller: mend that and run again",
		1326: "this is not the account's password: put the right one at its source and declare a new version",
		1330: "the password has expired: set a new one in the domain, and declare it as a new version",
		1331: "the account is disabled: enable it, or declare another",
		1385: "the account may not log on as a service there: grant it \"Log on as a service\" on the host (secpol.msc, User Rights Assignment) or by group policy",
		1907: "the password must be changed before it is used: set one in the domain that need not, and declare it as a new version",
		1909: "the account is locked out: find out who tries a wrong password, unlock it, and run again",
		86:   "Windows does not open the PFX with this password; where it was right, this Windows is older than Server 2019 and cannot read AES: export the PFX with TripleDES-SHA1",
		1058: "the service is disabled: enable it, or take the host out of the document",
		112:  "the disk is full: make room and run again",
		5:    "access denied: the account needs administrator's rights on the host, and the file must not be read-only",
		32:   "another process holds the file: stop it and run again",
	}[e.Win32]
	switch {
	case e.Win32 == 87 && e.Op == (winhost.ServiceLogon{}).Name():
		hint = "Windows does not take this account for the service: look at how its name is written in the document"
	case e.Code == winhost.Conflict && e.Op == (winhost.CertificateImport{}).Name():
		hint = "name the PFX of the certificate that is declared"
	case e.Code == winhost.Conflict && e.Op == (winhost.VariableSet{}).Name():
		hint = "somebody has changed the variable since it was read; plan again"
	case e.Op == (winhost.BuildRun{}).Name():
		hint = "what it wrote is above; mend that, and apply again: the build is run anew"
	case e.Code == winhost.Conflict:
		hint = "somebody changed the file since it was read; run `meshrotate plan` to see what is there now, then apply again"
	case e.Code == winhost.Unsupported && e.Op == (winhost.SQLSignIn{}).Name():
		hint = "Windows PowerShell has that client; without it write proveFrom: here"
	case hint == "":
		return err
	}
	return reconciler.Hinted(err, hint)
}
