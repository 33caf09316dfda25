package reconciler

import (
	"slices"

	"meshrotate/specs"
	"meshrotate/state"
)

// dependsOn tells of the relays that are cut off while Admin is down, where no change says it more exactly: who depends on whom is the
// product's, whichever secret is the reason. When each is back nobody looks at: it is not before Admin.
func (p *Plan) dependsOn(d *specs.Deployment) {
	if len(d.Relays()) == 0 {
		return
	}
	names := map[string]bool{} // of Admin's service in the outages
	for _, s := range p.Steps() {
		if o, ok := s.Op.(Serving); ok && s.Op.Target() == (Target{HostTarget, d.Hosts.Admin}) {
			if what, service := o.Serves(); service == d.Product.Admin.On(d.Hosts.Admin).Service {
				names[what] = true
			}
		}
	}
	exact := slices.ContainsFunc(p.Changes, func(c Change) bool {
		return c.Status == Rotate && slices.ContainsFunc(c.Outages, func(o state.Outage) bool { return o.With != "" })
	})
	for i, c := range p.Changes {
		if exact || c.Status != Rotate {
			continue
		}
		for _, o := range c.Outages {
			if names[o.What] {
				p.Changes[i].Outages = append(slices.Clone(c.Outages), state.Outage{What: "relays cut off", Predicted: o.Predicted, With: o.What})
			}
		}
	}
}
