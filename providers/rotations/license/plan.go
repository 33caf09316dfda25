package license

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"meshrotate/providers/licensefile"
	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/state"
)

// live is a consumer as it was seen, and what it needs.
type live struct {
	consumer
	file    *site.FileSeen
	service *site.ServiceSeen
	edit    bool // another file is live
	restart bool // it must start to read the file
}

func (l live) whole() bool { return l.file != nil && l.service != nil }

// work is what is left to do.
type work struct {
	all                    []live
	files                  []live // one consumer for each host whose file is replaced
	tidy                   []live // one for each host with leftovers
	reload, pending, fetch bool
	next                   *licensefile.License
}

func (w work) restarts() []live {
	var some []live
	for _, l := range w.all {
		if l.restart {
			some = append(some, l)
		}
	}
	return some
}

func (w work) none() bool {
	return len(w.files) == 0 && len(w.restarts()) == 0 && len(w.tidy) == 0 && !w.reload && !w.pending
}

// Plan compares the live files, and what Admin serves, with the declared file.
func (r *Rotation) Plan(in reconciler.Input) reconciler.Change {
	w := r.need(in)
	c := reconciler.Change{Secret: r.ref, Title: "license", Before: r.before(in, w.all)}
	c.Due, _ = in.History.Due(r.ref.Name, r.spec.Every.Of())
	if w.next != nil {
		c.Expires = w.next.Expires
	}
	c.Findings = r.guard(in, w.all)
	blocked := slices.ContainsFunc(c.Findings, func(f reconciler.Finding) bool { return f.Severity == reconciler.Error })
	switch {
	case blocked && w.none():
		c.Status, c.Reason = reconciler.Unknown, "the declared license, or a host, could not be looked at"
		if w.next != nil && r.seen(in, w) {
			c.Status, c.Reason = reconciler.Refused, r.ref.Version+" is live everywhere, and a guard objects"
		}
	case blocked:
		c.Status, c.Reason = reconciler.Refused, r.reason(w)
	case w.none():
		c.Status, c.Before = reconciler.AsDeclared, r.ref.Version
		c.Reason = fmt.Sprintf("%s, %s, expires %s, in %s", w.next.Customer, w.next.Tier, w.next.Expires.UTC().Format(time.DateOnly), dayCount(daysLeft(w.next.Expires, in.Now)))
	default:
		c.Status, c.Reason = reconciler.Rotate, r.reason(w)
		r.steps(&c, w)
		r.describe(&c, in, w)
	}
	return c
}

// seen says that everything was: every consumer, and what Admin serves.
func (r *Rotation) seen(in reconciler.Input, w work) bool {
	for _, l := range w.all {
		if !l.whole() {
			return false
		}
	}
	return !r.hasAPI || in.Seen.Reach(site.API) == reconciler.Reached
}

// need finds the work.
func (r *Rotation) need(in reconciler.Input) work {
	var w work
	v := site.Answer[site.ValueSeen](in.Seen, r.value())
	if v != nil {
		w.next, w.fetch = v.License, !v.Kept
	}
	_, w.pending = in.History.Pending(r.ref.Name, r.ref.Version)
	hosts := map[string]bool{}
	for _, c := range r.consumers {
		l := live{consumer: c, file: site.Answer[site.FileSeen](in.Seen, c.file), service: site.Answer[site.ServiceSeen](in.Seen, c.service)}
		if l.whole() {
			l.edit = l.file.Version != r.ref.Version
			stale := l.service.Running() && l.service.StartedAt.Before(l.file.Modified)
			reloads := c.label == "Admin" && r.hasAPI // it proves by its API what it has read
			l.restart = !l.service.Running() || (!reloads && (l.edit || stale))
			if !hosts[c.host] && l.edit {
				w.files = append(w.files, l)
			}
			if !hosts[c.host] && (l.file.Staged || l.file.Backup) {
				w.tidy = append(w.tidy, l)
			}
			hosts[c.host] = true
		}
		w.all = append(w.all, l)
	}
	served := site.Answer[site.LicenseSeen](in.Seen, site.License{})
	w.reload = r.hasAPI && (len(w.files) > 0 || w.next != nil && served != nil && !serves(served, w.next))
	return w
}

func serves(s *site.LicenseSeen, want *licensefile.License) bool {
	return s.Customer == want.Customer && strings.EqualFold(s.Tier, want.Tier) && s.Expires.Equal(want.Expires)
}

func (r *Rotation) before(in reconciler.Input, all []live) string {
	if e, ok := in.History.Pending(r.ref.Name, r.ref.Version); ok && e.Before != "" {
		return e.Before
	}
	for _, l := range all {
		if l.whole() && l.edit {
			return l.file.Version
		}
	}
	if len(all) > 0 && all[0].whole() {
		return all[0].file.Version
	}
	return ""
}

func (r *Rotation) reason(w work) string {
	switch {
	case len(w.files) > 0:
		f := w.files[0]
		holds := f.file.Version
		switch holds {
		case site.Absent:
			holds = "no license"
		case site.Empty:
			holds = "an empty file"
		case site.Unknown:
			holds = "a license that meshrotate does not know"
			if f.file.License != nil {
				holds += fmt.Sprintf(" (%s, until %s)", f.file.License.Tier, f.file.License.Expires.UTC().Format(time.DateOnly))
			}
		}
		return fmt.Sprintf("the spec asks for %s; %s has %s", r.ref.Version, f.host, holds)
	case w.reload:
		return fmt.Sprintf("the file is %s; Admin serves another license", r.ref.Version)
	case len(w.restarts()) > 0:
		l := w.restarts()[0]
		if !l.service.Running() {
			return fmt.Sprintf("the file is %s; %s is not running", r.ref.Version, l.label)
		}
		return fmt.Sprintf("the file is %s; %s started before it was written", r.ref.Version, l.label)
	case w.pending:
		return fmt.Sprintf("an earlier run switched to %s and was cut off before the proof", r.ref.Version)
	default:
		return fmt.Sprintf("%s is live; files of an earlier run are left beside it", r.ref.Version)
	}
}

// Waves order the services within Stop and Start: Engine stops before Admin and starts after it.
const (
	waveKeep, waveStage        = 0, 1
	waveEngineStop, waveAdmin  = 0, 1
	waveHub, waveReady, waveUp = 0, 1, 2
	waveProof, waveProcess     = 0, 1
)

// steps lists what is to be done.
func (r *Rotation) steps(c *reconciler.Change, w work) {
	add := func(p reconciler.Phase, wave int, op, undo reconciler.Op) {
		c.Steps = append(c.Steps, reconciler.Step{Phase: p, Wave: wave, Op: op, Undo: undo})
	}
	if w.fetch {
		add(reconciler.Prepare, waveKeep, site.Keep{Secret: r.ref}, nil)
	}
	tidy := append([]live(nil), w.tidy...)
	for _, l := range w.files {
		add(reconciler.Prepare, waveStage, site.StageFile{Host: l.host, Path: r.path, Secret: r.ref, Base: l.file.SHA256}, site.Discard{Host: l.host, Path: r.path, Staged: true})
		add(reconciler.Edit, 0, site.Swap{Host: l.host, Path: r.path}, site.Restore{Host: l.host, Path: r.path})
		if !slices.ContainsFunc(tidy, func(t live) bool { return t.host == l.host }) {
			tidy = append(tidy, l)
		}
	}
	if w.reload {
		// Undo runs backwards: this step's comes after the old file is back.
		add(reconciler.Stop, waveEngineStop, site.NoteLicense{}, site.ReloadLicense{})
	}
	for _, l := range w.all {
		r.consumerSteps(add, l)
	}
	if r.hasAPI {
		add(reconciler.Start, waveReady, site.AwaitReady{Timeout: r.api.ReadyTimeout.Of()}, nil)
		if w.reload {
			add(reconciler.Start, waveReady, site.ReloadLicense{}, nil)
		}
		add(reconciler.Verify, waveProof, site.ProveLicense{Customer: w.next.Customer, Tier: w.next.Tier, Expires: w.next.Expires, Timeout: r.api.ReadyTimeout.Of()}, nil)
	}
	for _, t := range tidy {
		add(reconciler.Retire, 0, site.Discard{Host: t.host, Path: r.path, Staged: true, Backup: true}, nil)
	}
}

// consumerSteps restart a consumer that must, and prove every one.
func (r *Rotation) consumerSteps(add func(reconciler.Phase, int, reconciler.Op, reconciler.Op), l live) {
	admin := l.label == "Admin"
	if l.restart {
		start := site.StartService{Host: l.host, Service: l.component.Service, Timeout: l.component.StartTimeout.Of(), Name: l.label}
		stop := site.StopService{Host: l.host, Service: l.component.Service, Timeout: l.component.StopTimeout.Of(), Name: l.label}
		var restart reconciler.Op = start
		if !l.service.Running() {
			restart = nil
		}
		down, up := waveEngineStop, waveUp
		if admin {
			down, up = waveAdmin, waveHub
		}
		add(reconciler.Stop, down, stop, restart)
		add(reconciler.Start, up, start, stop)
	}
	add(reconciler.Verify, waveProof, site.ProveFile{Host: l.host, Path: r.path, Secret: r.ref}, nil)
	if !admin || !r.hasAPI {
		add(reconciler.Verify, waveProcess, site.ProveProcess{Host: l.host, Service: l.component.Service, Path: r.path, Stable: l.component.Stable.Of(), Name: l.label}, nil)
	}
}

// describe writes the sentences that a reviewer reads.
func (r *Rotation) describe(c *reconciler.Change, in reconciler.Input, w work) {
	say := func(phase, format string, args ...any) {
		c.Lines = append(c.Lines, reconciler.Line{Phase: phase, Text: fmt.Sprintf(format, args...)})
	}
	var names []string
	for _, l := range w.files {
		names = append(names, l.host)
	}
	where := strings.Join(names, " and ")
	if len(w.files) > 0 {
		say("prepare", "checked: %s, %s, expires %s; stage on %s", w.next.Customer, w.next.Tier, w.next.Expires.UTC().Format(time.DateOnly), where)
	}
	var does []string
	if len(w.files) > 0 {
		does = append(does, "replace the file on "+where+" in one move")
	}
	if w.reload {
		does = append(does, "Admin reloads by its API")
	}
	for _, l := range w.restarts() {
		does = append(does, "restart "+l.label)
	}
	if len(does) > 0 {
		say("switch", "%s", strings.Join(does, ", "))
	}
	proofs := []string{"the file on every host"}
	if r.hasAPI {
		proofs = append(proofs, "Admin serves customer, tier and expiry")
	} else {
		proofs = append(proofs, "Admin started after the file")
	}
	c.Proof = strings.Join(append(proofs, "Engine started after the file"), "; ")
	say("verify", "%s", c.Proof)
	if len(w.files) > 0 {
		c.Undo = "the old file back, and read again, until verify has passed"
	}
	c.Outages = r.predict(in, w)
}

// What a restart takes where no earlier run measured it, in seconds.
const guessRestart = 10

func (r *Rotation) predict(in reconciler.Input, w work) []state.Outage {
	var all []state.Outage
	for _, l := range w.restarts() {
		o := state.Outage{What: l.label, Predicted: guessRestart, Members: []string{l.label}}
		for _, m := range in.History.Outages(r.ref.Name) {
			if m.What == l.label {
				o.Predicted = m.Measured
			}
		}
		all = append(all, o)
	}
	return all
}
