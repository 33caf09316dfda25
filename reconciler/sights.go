package reconciler

import (
	"encoding/json"
	"fmt"
	"slices"

	"meshrotate/state/hostset"
)

// Sights is what a plan saw, target by target.
type Sights []HostFacts

// alikeFacts is what was seen of targets, as a plan's JSON has it. Hosts of which the same was asked are one.
type alikeFacts struct {
	Target *Target   `json:"target,omitempty"` // of one
	Hosts  string    `json:"hosts,omitempty"`  // of several, by hostset, in the order of their names
	Reach  Reach     `json:"reach"`
	Facts  []oneFact `json:"facts,omitempty"`
}

type oneFact struct {
	Field  string   `json:"field"`
	Value  *string  `json:"value,omitempty"`  // of all
	Values []string `json:"values,omitempty"` // of each, where they differ
}

// MarshalJSON writes hosts of which the same was asked as one.
func (s Sights) MarshalJSON() ([]byte, error) {
	all := []alikeFacts{}
	var groups [][]HostFacts
	at := map[string]int{}
	var shape []byte
	for _, h := range s {
		shape = append(shape[:0], h.Reach...)
		for _, f := range h.Facts {
			shape = append(append(shape, 0), f.Field...)
		}
		i, known := at[string(shape)]
		if !known || h.Target.Kind != HostTarget || groups[i][len(groups[i])-1].Target.Name >= h.Target.Name {
			i = len(groups)
			groups = append(groups, nil)
			if h.Target.Kind == HostTarget {
				at[string(shape)] = i
			}
		}
		groups[i] = append(groups[i], h)
	}
	for _, g := range groups {
		one, err := folded(g)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return json.Marshal(all)
}

func folded(hosts []HostFacts) (alikeFacts, error) {
	one := alikeFacts{Target: &hosts[0].Target, Reach: hosts[0].Reach}
	if len(hosts) > 1 {
		names := make([]string, len(hosts))
		for i, h := range hosts {
			names[i] = h.Target.Name
		}
		var err error
		one.Target = nil
		if one.Hosts, err = hostset.Fold(names); err != nil {
			return one, err
		}
	}
	for i, f := range hosts[0].Facts {
		fact := oneFact{Field: f.Field, Value: &f.Value}
		if slices.ContainsFunc(hosts, func(h HostFacts) bool { return h.Facts[i].Value != f.Value }) {
			fact.Value = nil
			for _, h := range hosts {
				fact.Values = append(fact.Values, h.Facts[i].Value)
			}
		}
		one.Facts = append(one.Facts, fact)
	}
	return one, nil
}

// UnmarshalJSON reads what was seen of every host, in a plan's order.
func (s *Sights) UnmarshalJSON(b []byte) error {
	var all []alikeFacts
	if err := json.Unmarshal(b, &all); err != nil {
		return err
	}
	for _, one := range all {
		hosts, err := one.unfolded()
		if err != nil {
			return err
		}
		*s = append(*s, hosts...)
	}
	slices.SortFunc(*s, byTarget)
	return nil
}

func (one alikeFacts) unfolded() ([]HostFacts, error) {
	names, err := hostset.Unfold(one.Hosts)
	if err != nil {
		return nil, err
	}
	var hosts []HostFacts
	if one.Target != nil {
		hosts = append(hosts, HostFacts{Target: *one.Target, Reach: one.Reach})
	}
	for _, name := range names {
		hosts = append(hosts, HostFacts{Target: Target{Kind: HostTarget, Name: name}, Reach: one.Reach})
	}
	for i := range hosts {
		for _, f := range one.Facts {
			fact := Fact{Field: f.Field}
			switch {
			case f.Value != nil:
				fact.Value = *f.Value
			case len(f.Values) == len(hosts):
				fact.Value = f.Values[i]
			default:
				return nil, fmt.Errorf("%d values of %s for %d hosts", len(f.Values), f.Field, len(hosts))
			}
			hosts[i].Facts = append(hosts[i].Facts, fact)
		}
	}
	return hosts, nil
}
