package live

import (
	"context"
	"fmt"
	"reflect"
	"time"

	"meshrotate/providers/site"
	"meshrotate/providers/winhost"
	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
)

// questions turns reads into ops, each op once, and results into answers.
type questions struct {
	host           *host
	salt           secret.Value
	ops            []winhost.Op
	index          map[string]int
	results        []winhost.Result
	more           map[string]winhost.Result       // what was asked beyond that, by what it is
	judged         map[*winhost.Environment]*judge // of the settings that were asked for
	read           map[string]error                // what .NET says of settings files that were asked for, by path as asked
	sent, received time.Time
}

func (q *questions) ask(op winhost.Op, key string) {
	if q.index == nil {
		q.index = map[string]int{}
	}
	if _, ok := q.index[key]; !ok {
		q.index[key] = len(q.ops)
		q.ops = append(q.ops, op)
	}
}

func (q *questions) result(key string) (winhost.Result, error) {
	i := q.index[key]
	return q.results[i], q.results[i].Err(q.ops[i])
}

// parsed notes whether .NET takes a settings file.
func (q *questions) parsed(path string, err error) {
	if q.read == nil {
		q.read = map[string]error{}
	}
	q.read[path] = err
}

// look answers the reads in one request. Sent is when the process was asked for: its clock is compared with ours.
func (h *host) look(ctx context.Context, reads []reconciler.Read, salt secret.Value, sent time.Time) reconciler.Look {
	h.mu.Lock()
	defer h.mu.Unlock()
	fail := func(err error) reconciler.Look { return reconciler.Look{Reach: reach(err), Err: looked(err)} }
	q := &questions{host: h, salt: salt}
	for _, r := range reads {
		with, ok := h.site.families.reads[reflect.TypeOf(r).String()]
		if !ok {
			return fail(fmt.Errorf("%s: a host cannot answer %T", h.name, r))
		}
		with.ask(q, r)
	}
	var err error
	if q.results, err = h.ask(ctx, q.ops, true); err != nil {
		return fail(err)
	}
	q.sent, q.received = sent, h.site.config.Now()
	look := reconciler.Look{Reach: reconciler.Reached, Results: map[string]reconciler.Result{}}
	for _, r := range reads {
		answer, err := h.site.families.reads[reflect.TypeOf(r).String()].answer(ctx, q, r)
		if err != nil {
			// A part that is not known makes the whole host unknown: nobody acts on half a look.
			return reconciler.Look{Reach: reconciler.Broken, Err: fmt.Errorf("%s: %w", h.name, explain(err))}
		}
		look.Results[r.Key()] = answer
	}
	return look
}

// known makes sure that a missing answer is an error.
func known(err error, missing string) error {
	if err == nil {
		err = fmt.Errorf("%s in the answer", missing)
	}
	return err
}

// machines is the family of what a host is.
func machines(f *family) {
	f.reading(looking(
		func(q *questions, _ site.Machine) { q.ask(winhost.MachineIdentity{}, "machine") },
		func(_ context.Context, q *questions, _ site.Machine) (reconciler.Result, error) {
			res, err := q.result("machine")
			if err != nil || res.Machine == nil {
				return nil, known(err, "no identity")
			}
			m := res.Machine
			off := skew(m.Now, q.sent, q.received)
			q.host.site.named(q.host.name, m.ComputerName, off)
			return &site.MachineSeen{ComputerName: m.ComputerName, Domain: m.Domain, MachineGUID: m.MachineGUID,
				PowerShell: m.PSVersion, Skew: off}, nil
		}))
}

// skew is how far the host's clock is outside of the time between question and answer.
func skew(host, sent, received time.Time) time.Duration {
	switch {
	case host.IsZero():
		return 0
	case host.Before(sent):
		return host.Sub(sent)
	case host.After(received):
		return host.Sub(received)
	}
	return 0
}
