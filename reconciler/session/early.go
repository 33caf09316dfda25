package session

import (
	"context"
	"slices"
	"time"

	"meshrotate/reconciler"
	"meshrotate/specs"
	"meshrotate/state"
)

// DownByRecord is what earlier runs left down, or may have, by the ledger alone: for whoever could not look. What a run has stopped
// that is at work is its own business. Where the ledger cannot be read, or is another deployment's, it says nothing.
func DownByRecord(ctx context.Context, kinds []reconciler.Kind, d *specs.Deployment, st state.State, now time.Time) []reconciler.Down {
	entries, err := st.Ledger.Entries(ctx)
	if err != nil {
		return nil
	}
	if h, held, err := st.Lock.Current(ctx); err == nil && held && h.AtWork(now) {
		entries = slices.DeleteFunc(slices.Clone(entries), func(e state.Entry) bool { return e.Run == h.Run })
	}
	in := reconciler.Input{History: state.NewHistory(entries), Now: now}
	if name := in.History.Deployment(); name != "" && name != d.Name {
		return nil
	}
	var p reconciler.Plan
	reads := planned{}
	for _, k := range kinds {
		rotations, err := RotationsOf([]reconciler.Kind{k}, d, nil)
		if err != nil {
			continue // of its services the ledger alone tells
		}
		for _, r := range rotations {
			p.Changes = append(p.Changes, r.Plan(in))
			reads.add(r)
		}
	}
	for _, w := range in.History.DownElsewhere(reads.has) {
		p.Down = append(p.Down, downElsewhere(w))
	}
	all := p.AllDown()
	for i, d := range all {
		switch {
		case d.CutOff:
		case d.Started:
			all[i].Cause = "an earlier run started it again, and it was not seen to work after that"
		default:
			all[i].Cause = "an earlier run stopped it, or was about to"
		}
	}
	return all
}

// planned are the hosts that are read for secrets, by their names.
type planned map[string]map[string]bool

func (p planned) add(r reconciler.Rotation) {
	of := map[string]bool{}
	for _, read := range r.Reads() {
		of[read.Target().Name] = true
	}
	p[r.Ref().Name] = of
}

func (p planned) has(secret, host string) bool { return p[secret][host] }

// downElsewhere is down by the ledger alone.
func downElsewhere(w state.Word) reconciler.Down {
	return reconciler.Down{What: w.Host, Service: w.Service, Target: reconciler.Target{Kind: reconciler.HostTarget, Name: w.Host}, Since: w.Since, Sooner: w.Sooner, Unsure: true}
}
