package session

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"meshrotate/reconciler"
	"meshrotate/specs"
	"meshrotate/state"
)

// DownByRecord is what earlier runs left down, or may have, by the ledger alone: for whoever could not look. What a run has stopped
// that is taken for one at work is its own business: untold says what that is, for it may be dead. Where the ledger cannot be read, or is
// another deployment's, it says nothing.
func DownByRecord(ctx context.Context, kinds []reconciler.Kind, d *specs.Deployment, st state.State, now time.Time) (down []reconciler.Down, untold string) {
	entries, err := st.Ledger.Entries(ctx)
	if err != nil {
		return nil, ""
	}
	down = downBy(entries, kinds, d, now)
	h, held, err := st.Lock.Current(ctx)
	if err != nil || !held || !h.AtWork(now) {
		return down, ""
	}
	all := down
	down = downBy(slices.DeleteFunc(slices.Clone(entries), func(e state.Entry) bool { return e.Run == h.Run }), kinds, d, now)
	var names []string
	for _, o := range all {
		if !slices.ContainsFunc(down, func(d reconciler.Down) bool { return d.What == o.What }) {
			names = append(names, o.What)
		}
	}
	if len(names) == 0 {
		return down, ""
	}
	const most = 3
	if more := len(names) - most; more > 0 {
		names = append(names[:most], fmt.Sprintf("%d more", more))
	}
	return down, fmt.Sprintf("run %s of %s@%s, heard of %s ago, has stopped, or is about to: %s; whether they are down is not known",
		h.Run, h.By, h.Host, max(0, now.Sub(h.Heartbeat).Round(time.Second)), strings.Join(names, ", "))
}

func downBy(entries []state.Entry, kinds []reconciler.Kind, d *specs.Deployment, now time.Time) []reconciler.Down {
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
	return reconciler.Down{What: w.Host, Service: w.Service, Target: reconciler.Target{Kind: reconciler.HostTarget, Name: w.Host}, Since: w.Since, Sooner: w.Sooner, Started: w.Started, Unsure: true}
}
