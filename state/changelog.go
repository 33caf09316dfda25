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
	// Unproven is what nobody has seen of one that ended as proven: nothing that the run could ask shows it.
	Unproven string `json:"unproven,omitempty"`
	// TakenOver says that a later run had begun when this one told how it ended: it says what it knew, and the later one knew more.
	TakenOver bool `json:"takenOver,omitempty"`
	// Turned are the services that the run has stopped, or was to stop, while it has told no end: then Outages say it.
	Turned []Turned `json:"turned,omitempty"`
	turns  []*Entry // what they are made of
}

// Rotations is the change-log of a secret, oldest first; "" asks for all secrets.
func (h History) Rotations(secret string) []Rotation {
	var log []Rotation
	for _, r := range h.all {
		if secret == "" || r.Secret == secret {
			r.Turned = turned(r.turns)
			log = append(log, r)
		}
	}
	return log
}

// addRotation takes one entry about a rotation as a whole into the change-log.
func (h *History) addRotation(of *record, e Entry) {
	var last *Rotation
	if of.rotation >= 0 {
		last = &h.all[of.rotation]
	}
	switch {
	case e.Outcome == Started:
		if last != nil && last.Outcome == Started {
			last.Outcome = Unknown
		}
	case last != nil && last.Version == e.Version:
		last.add(e)
		return
	}
	h.all = append(h.all, begin(e))
	of.rotation = len(h.all) - 1
}

// addLate takes what a run says of a secret that a later run has begun with since: it has lost its lock, and the other has seen more.
// It is what became of that run, and says nothing about anything else.
func (h *History) addLate(e Entry) {
	for i := len(h.all) - 1; i >= 0 && e.Step == "" && e.Outcome != Started; i-- {
		if r := &h.all[i]; r.Secret == e.Secret && r.Run == e.Run {
			r.add(e)
			r.TakenOver = true
			return
		}
	}
}

// add takes a word that came after the start.
func (r *Rotation) add(e Entry) {
	r.Outcome, r.Ended, r.Unproven, r.turns = e.Outcome, e.Time, e.Unproven, nil
	// A rotation that failed and then came back has two things to say.
	switch {
	case r.Detail == "":
		r.Detail = e.Detail
	case e.Detail != "" && e.Detail != r.Detail:
		r.Detail += "; " + e.Detail
	}
	if len(e.Outages) > 0 {
		r.Outages = e.Outages
	}
	if len(e.Left) > 0 {
		r.Left = e.Left
	}
	if r.Before == "" {
		r.Before = e.Before
	}
}

// begin tells a rotation from its first entry, which is an outcome when nobody recorded the start.
func begin(e Entry) Rotation {
	r := Rotation{Secret: e.Secret, Version: e.Version, Before: e.Before, Run: e.Run, Commit: e.Commit, Plan: e.Plan,
		By: e.By, Outcome: e.Outcome, Unproven: e.Unproven, Outages: e.Outages, Left: e.Left}
	if e.Outcome == Started {
		r.Started, r.Reason = e.Time, e.Detail
	} else {
		r.Ended, r.Detail = e.Time, e.Detail
	}
	return r
}

// ForgetStep begins the step of an entry that says which kept value was taken away. It is of no secret: what was rotated stays as it is.
const ForgetStep = "forget "

// Forgotten is a kept value that somebody took away.
type Forgotten struct {
	At    time.Time `json:"at"`
	Value string    `json:"value"` // the secret and its version
	Run   string    `json:"run"`
	By    string    `json:"by,omitempty"`
	Why   string    `json:"why,omitempty"`
}
