package state

import (
	"slices"
	"time"
)

// Turned is a service that a run without an end has stopped on some hosts, or was to stop.
type Turned struct {
	Service string `json:"service"`
	// At is when its stop was begun, at the earliest. Stopped says that it was done, Started that it was started again after that.
	At      time.Time `json:"at"`
	Stopped bool      `json:"stopped,omitempty"`
	Started bool      `json:"started,omitempty"`
	Hosts   []string  `json:"hosts"`
}

// addTurn keeps a stop or a start for the change-log, of a run that has told no end yet.
func (h *History) addTurn(of *record, e *Entry) {
	if of.rotation < 0 || e.Stops == "" && e.Starts == "" {
		return
	}
	if r := &h.all[of.rotation]; r.Outcome == Started && r.Version == e.Version {
		r.turns = append(r.turns, e)
	}
}

// turned are the services that were down, or may be, after these stops and starts.
func turned(entries []*Entry) (all []Turned) {
	type turn struct {
		at               time.Time
		stopped, started bool
	}
	now := map[serviceOn]turn{}
	var order []serviceOn
	for _, e := range entries {
		for _, host := range e.Hosts {
			of := serviceOn{host, e.Stops + e.Starts}
			t, known := now[of]
			switch {
			case e.Stops != "" && e.Outcome == Failed:
				t = turn{} // it runs, as far as that run knew
			case e.Stops != "":
				if t.at.IsZero() {
					t.at = e.Time
				}
				t.stopped, t.started = t.stopped || e.Outcome == Done, false
			case e.Outcome == Done:
				t.started = true
			}
			if !known {
				order = append(order, of)
			}
			now[of] = t
		}
	}
	for _, of := range order {
		t := now[of]
		if t.at.IsZero() {
			continue
		}
		i := slices.IndexFunc(all, func(o Turned) bool {
			return o.Service == of.service && o.At.Equal(t.at) && o.Stopped == t.stopped && o.Started == t.started
		})
		if i < 0 {
			i = len(all)
			all = append(all, Turned{Service: of.service, At: t.at, Stopped: t.stopped, Started: t.started})
		}
		all[i].Hosts = append(all[i].Hosts, of.host)
	}
	return all
}
