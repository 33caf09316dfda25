package labcli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"meshrotate/reconciler"
	"meshrotate/state"
)

// Demo is what `meshrotate demo -o json` prints.
type Demo struct {
	// OK says that every secret is proven and that the second plan is empty.
	OK              bool         `json:"ok"`
	Secrets         []DemoSecret `json:"secrets"`
	SecondPlanEmpty bool         `json:"second_plan_empty"`
	// Failed are the verbs that ended otherwise than the demo expects, with what they said.
	Failed  []DemoFailure `json:"failed,omitempty"`
	Seconds float64       `json:"seconds"`
}

// DemoFailure is a verb that ended with another exit code than it should have.
type DemoFailure struct {
	Verb string `json:"verb"`
	Code int    `json:"code"`
	Want int    `json:"want"`
	Said string `json:"said"`
}

// DemoSecret is one rotated secret. Kind is the rotation package's name.
type DemoSecret struct {
	Kind   string `json:"kind"`
	Before string `json:"before"`
	After  string `json:"after"`
	Proven bool   `json:"proven"`
	// Proof is what the run saw, as its ledger tells it; Lab is what the lab itself says, which nobody asked before.
	Proof   []string       `json:"proof"`
	Lab     string         `json:"lab"`
	Outages []state.Outage `json:"outages,omitempty"` // seconds
}

// cause is why not everything is proven: what went wrong first. A reader of the JSON has seen nothing of what the verbs said.
func (r *Demo) cause() error {
	const text, hint = "the demo did not prove everything: ", "a busy machine may be the reason: try again; `meshrotate demo` shows what every verb says"
	unproven := slices.IndexFunc(r.Secrets, func(s DemoSecret) bool { return !s.Proven })
	switch {
	case len(r.Failed) > 0:
		f := r.Failed[0]
		return reconciler.Hinted(fmt.Errorf("%s%s ended with %d instead of %d: %s", text, f.Verb, f.Code, f.Want, f.Said), hint)
	case unproven >= 0:
		s := r.Secrets[unproven]
		return reconciler.Hinted(fmt.Errorf("%s%s: the lab says: %s", text, s.Kind, s.Lab), hint)
	}
	return reconciler.Hinted(errors.New(text+"nothing was rotated"), hint)
}

// table is narrow enough for 80 columns: how a secret was proven stands below it.
func (d *demo) table(r *Demo) error {
	fmt.Fprintf(d.io.Out, "\n%-14s %-9s %-9s %s\n", "SECRET", "BEFORE", "AFTER", "HOW IT WAS PROVEN")
	for _, s := range r.Secrets {
		how := append(s.Proof, "the lab says: "+s.Lab)
		if !s.Proven {
			how = append([]string{"NOT PROVEN"}, how...)
		}
		for i, line := range fold(how, 44) {
			if i == 0 {
				fmt.Fprintf(d.io.Out, "%-14s %-9s %-9s %s\n", s.Kind, s.Before, s.After, line)
			} else {
				fmt.Fprintf(d.io.Out, "%35s%s\n", "", line)
			}
		}
	}
	second := "empty: nothing to do"
	if !r.SecondPlanEmpty {
		second = "NOT empty"
	}
	_, err := fmt.Fprintf(d.io.Out, "\nsecond plan %s · %.1f s in all\n", second, r.Seconds)
	return err
}

// fold breaks lines at spaces; what goes on is indented by two.
func fold(lines []string, width int) []string {
	var all []string
	for _, l := range lines {
		for len(l) > width {
			at := strings.LastIndexByte(l[:width], ' ')
			if at < 3 {
				break
			}
			all = append(all, l[:at])
			l = "  " + l[at+1:]
		}
		all = append(all, l)
	}
	return all
}
