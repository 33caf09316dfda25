package live

import (
	"context"

	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
)

// onHosts is the worker for hosts.
type onHosts struct{ *Site }

// look has its first turn already.
func (s onHosts) look(ctx context.Context, t reconciler.Target, reads []reconciler.Read, salt secret.Value) reconciler.Look {
	var look reconciler.Look
	h, again := s.host(t.Name), false
	err := insist(ctx, lookPatience, s.config.Now, func() error {
		if again {
			if err := h.queue(ctx); err != nil {
				look = reconciler.Look{Err: err}
				return err
			}
		}
		again = true
		look = s.lookAtHost(ctx, h, reads, salt)
		return look.Err
	})
	if look.Err != nil {
		look.Err = err
		look.Reach = reach(err)
	}
	return look
}

// do bounds the batch by the policy, or by what its steps allow themselves and wait for services, where that is longer: who has declared
// that a service may take a minute does not mean a batch to end before that.
func (s onHosts) do(ctx context.Context, t reconciler.Target, steps []reconciler.Step, tell func(reconciler.Event)) []reconciler.Report {
	limit := s.config.HostTimeout
	own := waitsOf(steps)
	if own > 0 {
		own += min(limit, answersIn)
	}
	setting := hostTimeout
	if own > limit {
		limit, setting = own, ""
	}
	ctx, cancel := within(ctx, limit, setting)
	defer cancel()
	return s.host(t.Name).do(ctx, steps, tell)
}

// Enter waits for a host's turn.
func (s *Site) Enter(ctx context.Context, _ reconciler.Target, phase reconciler.Phase) (leave func(error), err error) {
	turns := s.turns
	if phase == reconciler.Switch {
		turns = s.rush
	}
	began, err := turns.enter(ctx)
	return func(err error) { turns.leave(phase.String(), began, err) }, err
}

// lookAtHost looks at a host that has queued, and gives its turn back.
func (s *Site) lookAtHost(ctx context.Context, h *host, reads []reconciler.Read, salt secret.Value) reconciler.Look {
	waiting, cancel := within(ctx, s.config.HostTimeout, hostTimeout)
	err := h.connect(waiting)
	cancel()
	ctx, cancel = within(ctx, s.config.HostTimeout, hostTimeout)
	defer cancel()
	sent := s.config.Now()
	if err == nil {
		err = h.start(ctx)
	}
	look := reconciler.Look{Reach: reach(err), Err: looked(err)}
	if err == nil {
		look = h.look(ctx, reads, salt, sent)
	}
	if !s.config.Stay {
		h.close(context.WithoutCancel(ctx))
		h.forget()
	}
	s.turns.leave("look", h.turn, look.Err)
	return look
}

// gate lets so many in at once.
type gate chan struct{}

func (g gate) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case g <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (g gate) leave() { <-g }
