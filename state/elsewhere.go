package state

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"
)

// serviceOn is a service of a host.
type serviceOn struct{ host, service string }

// turn is the last that is known of a service by steps: a stop that was begun, one that failed, and a start that was done.
type turn struct{ stopped, failed, started time.Time }

// DownElsewhere are the services that a run has left down, or was to stop when it was cut off, for secrets that nobody plans for on
// their hosts any more, each once, by host. What a later step of any secret has started is not among them.
func (h History) DownElsewhere(planned func(secret, host string) bool) []Word {
	turns := map[serviceOn]turn{}
	at := map[serviceOn]Word{}
	add := func(secret string, w Word) {
		w.Secret = secret
		if begun := h.Begun(secret); len(begun) > 0 {
			w.Begun = begun[0]
		}
		of := serviceOn{w.Host, w.Service}
		was, again := at[of]
		if again && (was.Since.Before(w.Since) || was.Since.Equal(w.Since) && was.Secret < w.Secret) {
			was, w = w, was
		}
		if w.Begun == "" && was.Begun != "" {
			w.Secret, w.Begun = was.Secret, was.Begun
		}
		at[of] = w
	}
	for _, r := range h.secrets {
		for _, s := range slices.AppendSeq(slices.Clone(r.untold), maps.Values(r.steps)) {
			s.turns(0, turns)
		}
	}
	for secret, r := range h.secrets {
		for _, w := range r.words {
			if w.Host != "" && !w.Since.IsZero() && !planned(secret, w.Host) {
				add(secret, w)
			}
		}
		open := map[serviceOn]turn{} // what no end of a run has told
		for _, s := range slices.AppendSeq(slices.Clone(r.untold), maps.Values(r.steps)) {
			s.turns(r.ended, open)
		}
		for of, t := range open {
			if t.stopped.After(t.started) && t.stopped.After(t.failed) && !planned(secret, of.host) {
				add(secret, Word{Since: t.stopped, Told: t.stopped, Host: of.host, Service: of.service, Unsure: true})
			}
		}
	}
	maps.DeleteFunc(at, func(of serviceOn, w Word) bool {
		return turns[of].started.After(w.Told) || h.confirmed[of].After(w.Told)
	})
	return slices.SortedFunc(maps.Values(at), func(a, b Word) int { return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(a.Service, b.Service)) })
}

// UnfinishedElsewhere are the hosts on which a rotation that is not at an end had something to do, or which the last one has left behind,
// for secrets that nobody plans for there any more, each once: they may not fit to what was changed elsewhere since its switch began.
func (h History) UnfinishedElsewhere(planned func(secret, host string) bool) (all []Word) {
	for _, secret := range slices.Sorted(maps.Keys(h.secrets)) {
		last, _ := h.LeftBehind(secret)
		for _, host := range last.Left {
			if !planned(secret, host) {
				all = append(all, Word{Since: last.Time, Told: last.Time, Host: host, Secret: secret, Begun: last.Version, Unsure: true, Sooner: true})
			}
		}
		for _, version := range h.Begun(secret) {
			s := h.secrets[secret].steps[version]
			if s == nil {
				continue
			}
			since, hosts := s.switched()
			for _, host := range slices.Sorted(maps.Keys(hosts)) {
				of := func(w Word) bool { return w.Host == host }
				if !since.IsZero() && !planned(secret, host) && !slices.ContainsFunc(all, of) {
					all = append(all, Word{Since: since, Told: since, Host: host, Secret: secret, Begun: version, Unsure: true})
				}
			}
		}
	}
	return all
}

// switched is when the first step of the switch began, zero when none did, and all hosts that any step names.
func (s *steps) switched() (since time.Time, hosts map[string]bool) {
	hosts = map[string]bool{}
	note := func(step string, entries []stepEntry) {
		for _, e := range entries {
			if strings.HasPrefix(step, "switch/") && (since.IsZero() || e.Time.Before(since)) {
				since = e.Time
			}
			for _, host := range e.Hosts {
				hosts[host] = true
			}
		}
	}
	for of, entries := range s.single {
		note(of.step, entries)
	}
	for step, entries := range s.many {
		note(step, entries)
	}
	return since, hosts
}

// confirm takes what somebody said about a service.
func (h History) confirm(e *Entry) {
	if e.Starts == "" || e.Outcome != Done {
		return
	}
	for _, host := range e.Hosts {
		h.confirmed[serviceOn{host, e.Starts}] = e.Time
	}
}

// turns adds what the steps did to services, after a place among all entries.
func (s *steps) turns(after int, all map[serviceOn]turn) {
	note := func(e stepEntry, host string) {
		of := serviceOn{host, cmp.Or(e.Stops, e.Starts)}
		t := all[of]
		switch {
		case e.at <= after:
		case e.Stops != "" && e.Outcome == Started && e.Time.After(t.stopped):
			t.stopped = e.Time
		case e.Stops != "" && e.Outcome == Failed && e.Time.After(t.failed):
			t.failed = e.Time
		case e.Starts != "" && e.Outcome == Done && !e.Time.Before(t.started):
			t.started = e.Time
		}
		all[of] = t
	}
	for of, entries := range s.single {
		for _, e := range entries {
			if e.Stops != "" || e.Starts != "" {
				note(e, of.host)
			}
		}
	}
	for _, entries := range s.many {
		for _, e := range entries {
			if e.Stops != "" || e.Starts != "" {
				for _, host := range e.Hosts {
					note(e, host)
				}
			}
		}
	}
}
