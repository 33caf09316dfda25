package state

import "time"

// Rotation is one try to rotate a secret, as a change-log tells it.
type Rotation struct {
	Secret  string    `json:"secret"`
	Version string    `json:"version"`
	Before  string    `json:"before,omitempty"`
	Run     string    `json:"run"`
	Commit  string    `json:"commit,omitempty"`
	Plan    string    `json:"plan,omitempty"`
	By      string    `json:"by,omitempty"`
	Started time.Time `json:"started,omitzero"` // zero when the ledger does not say
	Ended   time.Time `json:"ended,omitzero"`   // zero while there is no outcome
	// Outcome is Started while nothing more is known (it may be under way), and Unknown when another rotation of the
	// secret was started since.
	Outcome Outcome `json:"outcome"`
	// Reason is why it was started; Detail is what came of it: the proof, or the failure.
	Reason  string   `json:"reason,omitempty"`
	Detail  string   `json:"detail,omitempty"`
	Outages []Outage `json:"outages,omitempty"`
	Left    []string `json:"left,omitempty"` // hosts left behind, for a later run to finish
}

// Rotations is the change-log of a secret, oldest first; "" asks for all secrets.
func (h History) Rotations(secret string) []Rotation {
	var log []Rotation
	for _, r := range h.all {
		if secret == "" || r.Secret == secret {
			log = append(log, r)
		}
	}
	return log
}

// addRotation takes one entry about a rotation as a whole into the change-log.
func addRotation(log []Rotation, e Entry) []Rotation {
	last := latest(log, e.Secret)
	if e.Outcome == Started {
		if last != nil && last.Outcome == Started {
			last.Outcome = Unknown
		}
		return append(log, begin(e))
	}
	if last == nil || last.Version != e.Version {
		r := begin(e) // an outcome without a start: tell it anyway
		r.Started, r.Ended = time.Time{}, e.Time
		return append(log, r)
	}
	last.Outcome, last.Ended = e.Outcome, e.Time
	// A rotation that failed and was then undone has two things to say.
	switch {
	case last.Detail == "":
		last.Detail = e.Detail
	case e.Detail != "" && e.Detail != last.Detail:
		last.Detail += "; " + e.Detail
	}
	if len(e.Outages) > 0 {
		last.Outages = e.Outages
	}
	if len(e.Left) > 0 {
		last.Left = e.Left
	}
	if last.Before == "" {
		last.Before = e.Before
	}
	return log
}

func begin(e Entry) Rotation {
	reason := ""
	if e.Outcome == Started {
		reason, e.Detail = e.Detail, ""
	}
	return Rotation{Reason: reason, Secret: e.Secret, Version: e.Version, Before: e.Before, Run: e.Run, Commit: e.Commit, Plan: e.Plan,
		By: e.By, Started: e.Time, Outcome: e.Outcome, Detail: e.Detail, Outages: e.Outages, Left: e.Left}
}

// latest is the last rotation of a secret in the log, nil without one. It points into the log.
func latest(log []Rotation, secret string) *Rotation {
	for i := len(log) - 1; i >= 0; i-- {
		if log[i].Secret == secret {
			return &log[i]
		}
	}
	return nil
}
