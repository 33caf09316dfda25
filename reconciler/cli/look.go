package cli

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"meshrotate/reconciler"
	"meshrotate/reconciler/session"
	"meshrotate/specs"
)

// opened is an open deployment, for one verb.
type opened struct {
	*session.Session
	program *program
	flags   string // that name the document again
	again   bool   // a saved plan that is too old may be applied if it is equal to the present one
	// question is what a person is asked before a plan is applied, nil for what is asked of every plan.
	question func(*reconciler.Plan) string
	// needs is a secret that a plan must rotate, "" for none; ran is the run that began.
	needs, ran string
}

// open loads the document and opens the deployment. The caller closes it.
func (p *program) open(ctx context.Context, s *source, need Need) (*opened, error) {
	d, err := p.inForce(ctx, s)
	if err != nil {
		return nil, err
	}
	only, err := p.chosen(s.only)
	if err != nil {
		return nil, err
	}
	if s.host, err = hostOf(d, s.host); err != nil {
		return nil, err
	}
	rotations, others, err := p.rotations(d, only)
	if err != nil {
		return nil, err
	}
	tuned := *d // the plan is bound to the document as it is written
	switch {
	case s.parallel < 0:
		return nil, reconciler.Hinted(fmt.Errorf("--parallel is %d", s.parallel), "give a number of hosts, from 1 on")
	case s.parallel > 0:
		tuned.Policy.Parallel = s.parallel
	}
	live := &Live{}
	if !d.Origin.Unagreed { // else not even a credential is read
		need.Hosts = reconciler.HostsOf(rotations)
		if live, err = p.app.Open(ctx, &tuned, need); err != nil {
			return nil, fmt.Errorf("open %s: %w", d.Name, err)
		}
	}
	return &opened{program: p, Session: &session.Session{Document: d, Rotations: rotations, Only: only, Others: others, Site: live.Site, State: live.State,
		By: p.user() + "@" + hostname(), PID: os.Getpid(), Parallel: s.parallel, Now: p.app.Now}}, nil
}

// rotations are those of the chosen kinds, and the document's others; none chosen means all.
func (p *program) rotations(d *specs.Deployment, only []string) (chosen, others []reconciler.Rotation, err error) {
	chosen, err = session.RotationsOf(p.app.Kinds, d, only)
	if err != nil || len(only) == 0 {
		return chosen, nil, err
	}
	var rest []string
	for _, k := range p.app.Kinds {
		if !slices.Contains(only, k.Name) {
			rest = append(rest, k.Name)
		}
	}
	if len(rest) > 0 {
		others, err = session.RotationsOf(p.app.Kinds, d, rest)
	}
	return chosen, others, err
}

// close ends all connections, also when the run was interrupted.
func (n *opened) close(ctx context.Context) {
	if n.Site != nil {
		n.Site.Close(context.WithoutCancel(ctx))
	}
}

// chosen are the kinds that --only names, sorted. A kind may be named as the document names it.
func (p *program) chosen(names []string) ([]string, error) {
	var only []string
	for _, name := range names {
		i := slices.IndexFunc(p.app.Kinds, func(k reconciler.Kind) bool {
			return strings.EqualFold(name, k.Name) || strings.EqualFold(name, k.Section.Key)
		})
		if i < 0 {
			err := fmt.Errorf("--only %s: there is no such kind of secret", name)
			if near := specs.Nearest(name, p.kindNames()); near != "" {
				return nil, reconciler.Hinted(err, "did you mean "+near+"?")
			}
			return nil, reconciler.Hinted(err, "the kinds are "+strings.Join(p.kindNames(), ", "))
		}
		only = append(only, p.app.Kinds[i].Name)
	}
	slices.Sort(only)
	return slices.Compact(only), nil
}

// hostOf is a host as the document names it: --host takes the full name, or its first label where that is one host's.
func hostOf(d *specs.Deployment, name string) (string, error) {
	if name == "" {
		return "", nil
	}
	var short, labels []string
	for _, h := range d.AllHosts() {
		if strings.EqualFold(h, name) {
			return h, nil
		}
		label, _, _ := strings.Cut(h, ".")
		if labels = append(labels, label); strings.EqualFold(label, name) {
			short = append(short, h)
		}
	}
	switch len(short) {
	case 1:
		return short[0], nil
	case 0:
		err := fmt.Errorf("--host %s: %s has no such host", name, d.Name)
		if near := specs.Nearest(name, append(labels, d.AllHosts()...)); near != "" {
			return "", reconciler.Hinted(err, "did you mean "+near+"?")
		}
		return "", reconciler.Hinted(err, "hosts are named as under hosts: in the document")
	default:
		return "", reconciler.Hinted(fmt.Errorf("--host %s: %s and %s have this name", name, short[0], short[1]), "give the full name")
	}
}

// survey opens, looks and closes: all that plan, drift and status do with the hosts.
func (p *program) survey(ctx context.Context, s *source, need Need) (*session.View, *opened, error) {
	n, err := p.open(ctx, s, need)
	if err != nil {
		return nil, nil, err
	}
	defer n.close(ctx)
	show := p.progress()
	defer show.Close()
	n.believed(show)
	n.Tell = show.Tell
	v, err := n.Survey(ctx)
	p.looked = err == nil && len(v.Plan.Seen) > 0
	return v, n, named(ctx, err)
}

// stuck is blocked at the end of a verb that has written its report: a person who has it before the eyes is not told
// everything twice.
func (p *program) stuck(plan *reconciler.Plan) error {
	err := session.Stuck(plan)
	if err == nil || !p.seen() {
		return err
	}
	first := plan.Blocked()[0]
	return fmt.Errorf("%s is %s: the report above says why, and what to do", first.Title, first.Status)
}
