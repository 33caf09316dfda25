package license

import (
	"fmt"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
)

// MindReads are what tells whether a restart brings another license into force.
func (r *Rotation) MindReads() []reconciler.Read {
	var reads []reconciler.Read
	for _, c := range r.consumers {
		reads = append(reads, c.file, c.service, c.machine)
	}
	return reads
}

// Minds are the restarts that bring a file into force that is neither the declared one nor the one that was proven last. Admin may have
// been asked by hand to read it, which its start does not show: so it is said, and refuses nothing.
func (r *Rotation) Minds(in reconciler.Input) (all []reconciler.Minded) {
	proven, _ := in.History.Vouched(name)
	for _, c := range r.consumers {
		file, service := site.Answer[site.FileSeen](in.Seen, c.file), site.Answer[site.ServiceSeen](in.Seen, c.service)
		if file == nil || service == nil || !service.Running() || file.Version == r.ref.Version || file.Version == proven {
			continue
		}
		if site.ReadingOf(in, r.ref, c.host, service, site.Answer[site.MachineSeen](in.Seen, c.machine), file.Base, false) != site.Unread {
			continue
		}
		f := site.Warning("restart-other-license", fmt.Sprintf("%s: %s is neither license %s nor the one that was proven last, and service %s is not known to have read it: a restart brings it into force",
			c.host, r.spec.Path, r.ref.Version, c.component.Service), "see that the file is meant; or rotate the license first: `meshrotate apply` without --only, or with it for the license as well", c.host)
		all = append(all, reconciler.Minded{Service: c.component.Service, Finding: f})
	}
	return all
}
