package toy

import (
	"meshrotate/providers/site"
	"meshrotate/reconciler"
)

// Plan compares the live token with the declared version.
func (r *Rotation) Plan(in reconciler.Input) reconciler.Change {
	c := reconciler.Change{Secret: r.ref, Title: "toy token"}
	value := site.Answer[site.ValueSeen](in.Seen, r.value())
	setting := site.Answer[site.SettingSeen](in.Seen, r.setting)
	service := site.Answer[site.ServiceSeen](in.Seen, r.service)
	if value == nil || setting == nil || service == nil {
		c.Status, c.Reason = reconciler.Unknown, "Engine's host, or the declared value, could not be looked at"
		c.Findings = []reconciler.Finding{site.HostFailed(in.Seen, r.host, "", "")}
		return c
	}
	c.Before = setting.Version
	c.Due, _ = in.History.Due(r.ref.Name, r.spec.Every.Of())
	c.Findings = r.guard(value, setting, service)
	_, pending := in.History.Pending(r.ref.Name, r.ref.Version)
	edit := setting.Version != r.ref.Version
	restart := edit || !service.Running() || service.StartedAt.Before(setting.Modified)
	dependents, lost := site.Stopped(in.History, r.ref.Name, r.host, r.component.Service, service)
	switch {
	case reconciler.Blocked(c.Findings):
		c.Status, c.Reason = reconciler.Refused, "a guard objects"
	case !edit && !restart && !pending && len(lost) == 0 && !setting.Staged && !setting.Backup:
		c.Status, c.Reason = reconciler.AsDeclared, "Engine holds it"
	default:
		c.Status, c.Reason = reconciler.Rotate, "the spec asks for "+r.ref.Version+"; Engine holds "+setting.Version
		c.Rounds = []reconciler.Round{{Steps: r.steps(work{keep: !value.Kept, edit: edit, restart: restart || len(lost) > 0, down: !service.Running(), dependents: dependents})}}
	}
	return c
}

func (r *Rotation) guard(value *site.ValueSeen, setting *site.SettingSeen, service *site.ServiceSeen) []reconciler.Finding {
	var all []reconciler.Finding
	if value.Problem != "" {
		all = append(all, problem("value-unavailable", "the token is not to be had: "+value.Problem, "look at secrets.toy.from"))
	}
	if setting.Refused != "" {
		all = append(all, problem("settings-refused", r.host+": "+r.component.Settings+" cannot be edited: "+setting.Refused, "mend the file on the host"))
	}
	for _, o := range setting.Overrides {
		all = append(all, problem("setting-overridden", r.host+": "+setting.Key+" is overridden by "+o, "remove the override and plan again"))
	}
	if !service.Installed {
		all = append(all, problem("service-missing", r.host+": there is no service "+r.component.Service, "name the service under product"))
	}
	return all
}

func problem(code reconciler.FindingID, text, hint string) reconciler.Finding {
	return reconciler.Finding{Severity: reconciler.Error, Code: code, Text: text, Hint: hint}
}

// work is what is left to do.
type work struct {
	keep, edit, restart, down bool
	dependents                []string
}

// steps stage the file, replace it while Engine is stopped, and prove that the process that runs has read it.
func (r *Rotation) steps(w work) []reconciler.Step {
	path, service := r.component.Settings, r.component.Service
	var steps []reconciler.Step
	add := func(p reconciler.Phase, op reconciler.Op, back reconciler.Back, after ...string) {
		steps = append(steps, reconciler.Step{Phase: p, Op: op, Back: back, After: after})
	}
	proof := site.ProveProcess{Host: r.host, Service: service, Path: path, Stable: reconciler.Span(r.component.Stable.Of()), Who: r.who}
	asBefore := reconciler.Nothing()
	keep := site.Keep{Secret: r.ref, How: "mint 32 bytes"}
	if !r.spec.From.Generated {
		keep.How = "fetch the token from " + r.spec.From.String()
	}
	if w.keep {
		add(reconciler.Prepare, keep, reconciler.Nothing())
	}
	if w.edit {
		asBefore = reconciler.Way(site.ProveAsBefore{Host: r.host, Path: path, Who: r.who})
		add(reconciler.Prepare, site.StageSettings{Host: r.host, Path: path, Edits: []site.KeyEdit{{Setting: r.spec.Setting, Secret: r.ref}}, Who: r.who},
			reconciler.Way(site.Discard{Host: r.host, Path: path, Staged: true}), reconciler.StepID(reconciler.Prepare, keep))
		steps = append(steps, site.Replace(site.Swap{Host: r.host, Path: path, Who: r.who}, false, service))
	}
	if w.restart {
		b := site.Bounce{WasDown: w.down,
			Stop:  site.StopService{Host: r.host, Service: service, Timeout: reconciler.Span(r.component.StopTimeout.Of()), Dependents: w.dependents, Who: r.who},
			Start: site.StartService{Host: r.host, Service: service, Timeout: reconciler.Span(r.component.StartTimeout.Of()), Dependents: w.dependents, Who: r.who}}
		if w.edit {
			b.Swaps = []string{path}
		}
		steps = append(steps, b.Steps()...)
	}
	add(reconciler.Verify, site.ProveSetting{Host: r.host, Path: path, Setting: r.spec.Setting, Secret: r.ref, Service: service, Who: r.who}, asBefore)
	add(reconciler.Verify, proof, reconciler.Way(proof))
	add(reconciler.Retire, site.Discard{Host: r.host, Path: path, Staged: true, Backup: true}, reconciler.Nothing())
	return steps
}
