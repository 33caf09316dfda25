package license

import (
	"fmt"
	"strings"

	"meshrotate/providers/licensefile"
	"meshrotate/providers/site"
	"meshrotate/reconciler"
)

// reader is a consumer as it was seen, and what it needs.
type reader struct {
	consumer
	file    *site.FileSeen
	service *site.ServiceSeen
	edit    bool // another file is live
	restart bool // it must start to read the file
	reading site.Reading
	// dependents stop and start with the service; lost are those that an earlier run stopped and nobody started again.
	dependents, lost []string
}

func (l reader) admin() bool { return l.label == site.AdminLabel }

func (l reader) whole() bool { return l.file != nil && l.service != nil }

// work is what is left to do.
type work struct {
	all                    []reader
	files                  []reader // one consumer for each host whose file is replaced
	tidy                   []reader // one for each host with leftovers
	revive                 []reader // running, with dependents that an earlier run stopped
	reload, pending, fetch bool
	about                  string // what the declared one's store says of it
	rehearse               bool   // Admin can be asked to read the file that it has, before anything is changed
	next, served           *licensefile.License
	told                   told
	before                 map[string]string // what Admin answered before, where that must change
}

func (w work) restarts() []reader {
	var some []reader
	for _, l := range w.all {
		if l.restart {
			some = append(some, l)
		}
	}
	return some
}

// early says that Admin runs, and reads the file by its API before anything stops.
func (w work) early() bool { return w.reload && w.all[0].whole() && w.all[0].service.Running() }

// first says that Admin does not run, so that it can start with the new file, and say what it serves, before Engine stops.
func (w work) first() bool { return w.reload && w.all[0].whole() && !w.all[0].service.Running() }

func (w work) none() bool {
	return len(w.files) == 0 && len(w.restarts()) == 0 && len(w.tidy) == 0 && len(w.revive) == 0 && !w.reload && !w.pending
}

// Plan compares the live files, and what Admin serves, with the declared file.
func (r *Rotation) Plan(in reconciler.Input) reconciler.Change {
	w := r.need(in)
	c := reconciler.Change{Secret: r.ref, Title: "license", Before: r.before(in, w.all), Beside: site.Exposed(in.Seen, r.Reads()), Keepers: site.Copies(in.Seen, r.Reads())}
	if w.pending {
		c.Live = r.held(w.all)
	}
	c.Due, _ = in.History.Due(r.ref.Name, r.spec.Every.Of())
	if now := r.live(in, w.all); now != nil {
		c.Expires = now.Expires
	}
	c.Findings = r.guard(in, w.all)
	if f, wrong := site.KeptFinding(in, r.ref, len(w.files) > 0); wrong {
		c.Findings = append(c.Findings, f)
	}
	c.Down, c.Returned = site.LeftDown(in, r.ref, site.Each(w.all, func(l reader) site.Watched {
		return site.Watched{Host: l.host, Service: l.component.Service, What: l.label, Seen: l.service, Machine: site.Answer[site.MachineSeen](in.Seen, l.machine), Works: true}
	}))
	c.Findings = append(c.Findings, r.guardEnds(in, w)...)
	c.Findings = append(c.Findings, r.guardAnswer(in, w)...)
	c.Findings = append(c.Findings, r.guardReload(in, w)...)
	c.Findings = append(c.Findings, r.guardTold(in, w)...)
	wait := site.Awaiting{Trial: r.ready(), Admin: w.all[0].service, Timeout: r.api.ReadyTimeout.Of(), Used: w.all[0].restart, Pending: w.pending}
	if f, vain := wait.Finding(in); vain {
		c.Findings = append(c.Findings, f)
	}
	blocked := reconciler.Blocked(c.Findings)
	switch {
	case blocked && w.none():
		c.Status, c.Reason = reconciler.Unknown, "the declared license, or a host, could not be looked at"
		if w.next != nil && r.seen(in, w) {
			c.Status, c.Reason = reconciler.Refused, r.ref.Version+" is live everywhere, and a guard objects"
		}
	case blocked:
		c.Status, c.Reason = reconciler.Refused, site.Unopened(in, r.ref, r.reason(w))
	case w.none():
		c.Status, c.Before = reconciler.AsDeclared, r.ref.Version
		if c.Reason = say(w.next); silent(w.next) {
			c.Reason = "a file of " + c.Reason
		}
		if !w.next.Expires.IsZero() {
			c.Reason += ", " + inDays(reconciler.Days(w.next.Expires, in.Now))
		}
	default:
		c.Status, c.Reason = reconciler.Rotate, r.reason(w)
		c.Rounds = []reconciler.Round{{Steps: r.steps(w)}}
		c.Outages = r.predict(in, w)
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
	return !r.hasAPI || r.asked(in)
}

// asked says that Admin answered which license it serves.
func (r *Rotation) asked(in reconciler.Input) bool {
	reach, _ := site.APIReach(in.Seen, r.served())
	return reach == reconciler.Reached
}

// need finds the work.
func (r *Rotation) need(input reconciler.Input) work {
	var w work
	if v := site.Answer[site.ValueSeen](input.Seen, r.value()); v != nil {
		w.next, w.fetch, w.about = r.declared(input), !v.Kept, v.About
	}
	_, w.pending = input.History.Pending(r.ref.Name, r.ref.Version)
	hosts := map[string]bool{}
	for _, c := range r.consumers {
		l := reader{consumer: c, file: site.Answer[site.FileSeen](input.Seen, c.file), service: site.Answer[site.ServiceSeen](input.Seen, c.service)}
		if l.whole() {
			l.dependents, l.lost = site.Stopped(input.History, r.ref.Name, c.host, c.component.Service, l.service)
			l.edit = l.file.Version != r.ref.Version
			l.reading = site.ReadingOf(input, r.ref, c.host, l.service, site.Answer[site.MachineSeen](input.Seen, c.machine), l.file.Base, !l.edit)
			stale := l.service.Running() && l.reading == site.Unread
			reloads := l.admin() && r.hasAPI // it proves by its API what it has read
			l.restart = !l.service.Running() || (!reloads && (l.edit || stale))
			if !hosts[c.host] && l.edit {
				w.files = append(w.files, l)
			}
			if !hosts[c.host] && site.Leftover(input, r.ref.Name, c.host, r.spec.Path, l.file.Base) {
				w.tidy = append(w.tidy, l)
			}
			if len(l.lost) > 0 && !l.restart {
				w.revive = append(w.revive, l)
			}
			hosts[c.host] = true
		}
		w.all = append(w.all, l)
	}
	w.served = loaded(site.Answer[site.AnswerSeen](input.Seen, r.served()))
	w.reload = r.hasAPI && (len(w.files) > 0 || w.next != nil && w.served != nil && !serves(w.served, w.next) || r.unread(input, w.all[0]))
	w.rehearse = r.rehearsable(input, w)
	if w.told, w.before = r.tells(input, w); w.told == untold && w.all[0].whole() {
		w.all[0].restart = true
	}
	return w
}

// before is the version that was live before the rotation began.
func (r *Rotation) before(in reconciler.Input, all []reader) string {
	if e, ok := in.History.Unfinished(r.ref.Name, r.ref.Version); ok && e.Before != "" {
		return e.Before
	}
	return r.held(all)
}

// held is the version that is live now: another than the declared one, where there is one.
func (r *Rotation) held(all []reader) string {
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
		case site.Withheld:
			holds = "a license file that cannot be read"
		case site.Empty:
			holds = "an empty file"
		case site.Unknown:
			holds = "a license that meshrotate does not know"
			holds += until(in(f.file.Content))
		}
		return fmt.Sprintf("the spec asks for %s; %s has %s", r.ref.Version, f.host, holds)
	case w.reload && w.served != nil && w.next != nil && serves(w.served, w.next):
		return fmt.Sprintf("the file is %s; Admin runs since before it was written, and has not been asked to read it since", r.ref.Version)
	case w.reload:
		return fmt.Sprintf("the file is %s; Admin serves another license", r.ref.Version)
	case len(w.restarts()) > 0:
		l := w.restarts()[0]
		if !l.service.Running() {
			return fmt.Sprintf("the file is %s; %s is not running", r.ref.Version, l.label)
		}
		return fmt.Sprintf("the file is %s; %s started before it was last changed", r.ref.Version, l.label)
	case len(w.revive) > 0:
		return fmt.Sprintf("an earlier run stopped %s and did not start it again", strings.Join(w.revive[0].lost, ", "))
	case w.pending:
		return fmt.Sprintf("an earlier run switched to %s and did not get to its proof", r.ref.Version)
	default:
		return fmt.Sprintf("%s is live; files of an earlier run are left beside it", r.ref.Version)
	}
}
