package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"meshrotate/reconciler"
	"meshrotate/reconciler/render"
	"meshrotate/specs"
	"meshrotate/state"
)

// session is an open deployment with its rotations.
type session struct {
	program   *program
	document  *specs.Deployment
	rotations []reconciler.Rotation
	only      []string // kinds, sorted; nil is all
	parallel  int
	live      *Live
}

// view is what a look found, and what follows from it.
type view struct {
	plan    *reconciler.Plan
	history state.History
	took    time.Duration
}

// open loads the document and opens the deployment. The caller closes it.
func (p *program) open(ctx context.Context, s *source, need Need) (*session, error) {
	d, err := p.load(ctx, s)
	if err != nil {
		return nil, err
	}
	n := &session{program: p, document: d, parallel: s.parallel}
	if n.only, err = p.chosen(s.only); err != nil {
		return nil, err
	}
	if s.host, err = hostOf(d, s.host); err != nil {
		return nil, err
	}
	if n.rotations, err = p.rotations(d, n.only); err != nil {
		return nil, err
	}
	tuned := *d // the plan is bound to the document as it is written
	switch {
	case s.parallel < 0:
		return nil, reconciler.Hinted(fmt.Errorf("--parallel is %d", s.parallel), "give a number of hosts, from 1 on")
	case s.parallel > 0:
		tuned.Policy.Parallel = s.parallel
	default:
		n.parallel = d.Policy.Parallel
	}
	if n.live, err = p.app.Open(ctx, &tuned, need); err != nil {
		return nil, fmt.Errorf("open %s: %w", d.Name, err)
	}
	return n, nil
}

// close ends all connections, also when the run was interrupted.
func (n *session) close(ctx context.Context) { n.live.Site.Close(context.WithoutCancel(ctx)) }

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

// rotations are what the document asks for, of all kinds or of some.
func (p *program) rotations(d *specs.Deployment, only []string) ([]reconciler.Rotation, error) {
	var all []reconciler.Rotation
	for _, k := range p.app.Kinds {
		spec, declared := d.Secrets[k.Section.Key]
		if !declared || (len(only) > 0 && !slices.Contains(only, k.Name)) {
			continue
		}
		rotations, err := k.New(d, spec)
		if err != nil {
			return nil, fmt.Errorf("%s: secrets.%s: %w", d.Origin.File, k.Section.Key, err)
		}
		all = append(all, rotations...)
	}
	return all, nil
}

var errInterrupted = errors.New("interrupted while looking; nothing was changed")

// look looks at the deployment and plans. It writes nothing.
func (n *session) look(ctx context.Context, show *render.Progress) (*view, error) {
	began := n.program.app.Now()
	entries, err := n.live.Ledger.Entries(ctx)
	if ctx.Err() != nil {
		return nil, errInterrupted
	}
	if err != nil {
		return nil, fmt.Errorf("read the ledger of %s: %w", n.document.Name, err)
	}
	v := &view{history: state.NewHistory(entries)}
	tell := func(e reconciler.Event) {
		if ctx.Err() == nil { // an interrupt is nobody's failure
			show.Tell(e)
		}
	}
	seen := reconciler.Observe(ctx, n.live.Site, n.rotations, tell)
	if ctx.Err() != nil {
		return nil, errInterrupted
	}
	now := n.program.app.Now()
	v.took = now.Sub(began)
	v.plan, err = reconciler.MakePlan(n.document, n.rotations, reconciler.Input{Seen: seen, History: v.history, Now: now})
	if err != nil {
		return nil, fmt.Errorf("plan %s: %w", n.document.Name, err)
	}
	v.plan.Only = n.only
	return v, nil
}

// survey opens, looks and closes: all that plan, drift and status do with the hosts.
func (p *program) survey(ctx context.Context, s *source, need Need) (*view, *session, error) {
	n, err := p.open(ctx, s, need)
	if err != nil {
		return nil, nil, err
	}
	defer n.close(ctx)
	show := p.progress()
	defer show.Close()
	v, err := n.look(ctx, show)
	return v, n, err
}

// stuck is blocked at the end of a verb that has written its report: a person who has it before the eyes is not told
// everything twice.
func (p *program) stuck(plan *reconciler.Plan) error {
	err := blocked(plan)
	if err == nil || !p.seen() {
		return err
	}
	first := plan.Blocked()[0]
	return fmt.Errorf("%s is %s: the report above says why, and what to do", first.Title, first.Status)
}

// blocked is the error about secrets that a guard refuses or that nobody could look at, nil without any. The plan says
// the rest.
func blocked(plan *reconciler.Plan) error {
	stuck := plan.Blocked()
	if len(stuck) == 0 {
		return nil
	}
	text, hint := stuck[0].Title+" is "+string(stuck[0].Status), "the plan says why"
	i := slices.IndexFunc(stuck[0].Findings, func(f reconciler.Finding) bool { return f.Severity == reconciler.Error })
	if i >= 0 {
		text += ": " + stuck[0].Findings[i].Text
		hint = cmp.Or(stuck[0].Findings[i].Hint, hint)
	}
	if more := len(stuck) - 1; more > 0 {
		text += fmt.Sprintf("; and %d more secrets are refused or unknown", more)
	}
	return reconciler.Hinted(errors.New(text), hint)
}
