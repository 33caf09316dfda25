package providers_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"meshrotate/reconciler"
	"meshrotate/state"
)

// record is what an operator has written, and what became of it. It says what he may do next.
type record struct {
	lease    state.Lease
	written  map[string]bool // secret, step, host: started
	proven   map[string]bool // by secret, or a round of it
	refused  bool            // the last that he wanted to write was not taken
	turned   bool            // he is on his way back
	turning  bool            // he has begun to take the switch back
	never    bool            // he has begun what has no way back
	verified bool            // he has begun to prove
	refuted  bool            // something has failed for certain
	broken   bool            // and that before it began to prove
	unknown  bool            // a proof had no answer
	strange  time.Time       // since when somebody else's marker is there
}

func (r *record) wrote(entries []state.Entry, err error) {
	r.refused = err != nil
	if err != nil {
		return
	}
	for _, e := range entries {
		switch {
		case e.Step == "" && e.Outcome == state.Proven, e.Outcome == state.Done && len(e.Step) > 6 && e.Step[:6] == "round ":
			r.proven[e.Secret] = true
		case e.Outcome == state.Started:
			for _, h := range e.Hosts {
				r.written[e.Secret+" "+e.Step+" "+h] = true
			}
			if len(e.Hosts) == 0 {
				r.written[e.Secret+" "+e.Step+" "] = true
			}
		}
	}
}

// markerLimit is after how long whoever lost the marker has noticed: a heartbeat, its patience, and another one.
const markerLimit = time.Minute

// noticed is after how long he has, if somebody has hindered him: without a heartbeat he gives up.
func (u *universe) noticed() time.Duration {
	if u.struck["im-admin"] || u.struck[""] || u.disturbed["im-admin"] {
		return state.MarkerTTL
	}
	return markerLimit
}

// may says what is wrong with beginning these steps; lost is what the lease said when the engine asked.
func (o *operator) may(t reconciler.Target, steps []reconciler.Step, lost error) {
	r := &o.record
	first := steps[0]
	if lost != nil {
		o.u.wrong("1: %s begins %s on %s, and its lease is lost: %v", o.name, first.Name(), t, lost)
	}
	if !r.strange.IsZero() && time.Since(r.strange) > o.u.noticed() {
		o.u.wrong("1: %s begins %s on %s, and its marker is somebody else's since %v", o.name, first.Name(), t, time.Since(r.strange))
	}
	for _, s := range steps {
		for _, ref := range s.Secrets {
			host := ""
			if t.Kind == reconciler.HostTarget {
				host = t.Name
			}
			if s.Phase <= reconciler.Switch && !r.turned && !s.Undoes() && !r.written[ref.Name+" "+s.Name()+" "+host] {
				o.u.wrong("2: %s begins %s on %s, and the ledger does not know", o.name, s.Name(), t)
			}
			if s.Phase == reconciler.Retire && !s.Proof && !s.Undoes() && !r.proven[ref.Name] {
				o.u.wrong("4: %s begins %s on %s, and the ledger does not have %s as proven", o.name, s.Name(), t, ref.Name)
			}
		}
	}
	// What has no way back is gone on with, as its starts are in the ledger; and what is down is started, whatever the books say:
	// services would stay down for it.
	starts := !slices.ContainsFunc(steps, func(s reconciler.Step) bool {
		t, turns := s.Op.(reconciler.Turning)
		return !turns || t.Stops()
	})
	if first.Phase == reconciler.Switch && !starts && !r.turned && !r.never && r.refused {
		o.u.wrong("2: %s begins %s on %s, and the ledger refuses", o.name, first.Name(), t)
	}
	r.never = r.never || slices.ContainsFunc(steps, func(s reconciler.Step) bool { return s.Back.Why != "" })
	r.verified = r.verified || first.Phase == reconciler.Verify && !first.Undoes()
	if first.Undoes() && first.Phase == reconciler.Switch && r.verified && !r.turning {
		r.turning = true
		if r.unknown && !r.refuted {
			o.u.wrong("7: %s takes the switch back, and nothing was refuted: a proof had no answer", o.name)
		}
		if !r.broken && o.u.works() == nil { // what a step of the switch said for certain is believed
			o.u.wrong("7: %s takes the switch back, and everything works with what is new", o.name)
		}
	}
}

// heard notes what became of steps.
func (o *operator) heard(steps []reconciler.Step, reports []reconciler.Report) {
	for i, s := range steps {
		var r reconciler.Report
		if i < len(reports) {
			r = reports[i]
		}
		if r.Outcome == state.Failed && !s.Undoes() { // proofs of others come after the way back, too
			o.refutes(s)
		}
		switch {
		case s.Undoes() || o.record.turned:
			return
		case r.Outcome == state.Failed:
			o.record.refuted = true
			o.record.broken = o.record.broken || s.Phase < reconciler.Verify
		case r.Outcome != state.Done:
			o.record.unknown = o.record.unknown || s.Phase == reconciler.Verify
			return
		}
	}
}

// marked looks at whose the marker is.
func (u *universe) marked() {
	m := u.marker()
	for _, o := range []*operator{u.first, u.other2} {
		switch {
		case o == nil || o.run == "":
		case m.Run == o.run || !time.Now().After(u.away["im-admin"]):
			o.record.strange = time.Time{}
		case o.record.strange.IsZero():
			o.record.strange = time.Now()
		}
	}
}

// marker is what the marker says. It is asked for often, and changes seldom.
func (u *universe) marker() state.Holder {
	b, _, err := u.w.lab.Admin.Machine.FS.Read(markerFile)
	if err != nil {
		return state.Holder{}
	}
	if string(b) != u.seenMarker.text {
		u.seenMarker.text, u.seenMarker.holder = string(b), state.Holder{}
		_ = json.Unmarshal(b, &u.seenMarker.holder) // one that cannot be read is nobody's
	}
	return u.seenMarker.holder
}

// marks says that the marker is the operator's.
func (u *universe) marks(o *operator) bool { return o.run != "" && u.marker().Run == o.run }

// holds learns the run that holds the lease.
func (o *operator) holds(l state.Lease, h state.Holder) {
	o.record = record{lease: l, written: map[string]bool{}, proven: map[string]bool{}}
	o.run = h.Run
	o.u.taken[l.Fence()] = time.Now()
}

// leaseLost asks the lease, as the engine does.
func (o *operator) leaseLost() error {
	if o.dead.Load() || o.record.lease == nil {
		return nil
	}
	if err := o.record.lease.Check(context.Background()); err != nil {
		return fmt.Errorf("lease: %w", err)
	}
	return nil
}

// works says what does not work with the new values at this moment: nil when a run that goes back has no reason in the world.
func (u *universe) works() error {
	if len(u.disturbed) > 0 {
		return errors.New("somebody else was at work")
	}
	if err := u.w.up(); err != nil {
		return err
	}
	return u.w.keyWorks(u.value(u.wantKey), "")
}
