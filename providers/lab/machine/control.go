package machine

import (
	"context"
	"errors"
	"slices"
	"time"

	"meshrotate/providers/winhost"
)

// limit is a timeout from a request; 0 means 60 s, as in the script.
func limit(seconds int) time.Duration {
	if seconds <= 0 {
		seconds = 60
	}
	return time.Duration(seconds) * time.Second
}

func (m *Machine) serviceStop(ctx context.Context, o *winhost.ServiceStop) winhost.Result {
	begin := m.now().UTC()
	before := m.Service(o.Service)
	if !before.Installed {
		return failure(ErrNoService, "no such service")
	}
	order := slices.Clone(before.Dependents)
	slices.Reverse(order)
	deadline := time.Now().Add(limit(o.TimeoutSeconds))
	err := error(nil)
	for _, name := range append(order, o.Service) {
		if err = m.stopOne(ctx, name, deadline); err != nil {
			break
		}
	}
	s := m.Service(o.Service)
	s.Begin, s.End, s.Dependents = begin, m.now().UTC(), before.Dependents
	r := winhost.Result{Code: winhost.OK}
	switch {
	case errors.Is(err, errTooLong):
		r = winhost.Result{Code: winhost.Timeout, Message: "the service did not stop in time"}
	case err != nil:
		r = failed(err, "cannot stop the service")
	case before.State == winhost.Stopped:
		r.Code = winhost.Unchanged
	}
	r.Service = &s
	return r
}

var errTooLong = errors.New("too long")

func stopped(s *service) bool { return s.state == winhost.Stopped }

// stopOne stops a service without its dependents. A start under way is waited for: the service manager refuses a stop
// until then.
func (m *Machine) stopOne(ctx context.Context, name string, deadline time.Time) error {
	if err := m.waitUntil(ctx, name, deadline, func(s *service) bool { return s.state != winhost.StartPending }); err != nil {
		return err
	}
	if m.Service(name).State == winhost.Stopped { // the right to stop it is not asked for
		return nil
	}
	if err := m.allowed(name); err != nil {
		return err
	}
	if err := m.Stop(name); err != nil && !errors.Is(err, ErrNotActive) && !errors.Is(err, ErrCannotControl) {
		return err
	}
	return m.waitUntil(ctx, name, deadline, stopped)
}

func (m *Machine) waitUntil(ctx context.Context, name string, deadline time.Time, wanted func(*service) bool) error {
	reached, err := m.wait(ctx, name, time.Until(deadline), wanted)
	if err == nil && !reached {
		return errTooLong
	}
	return err
}

func (m *Machine) serviceStart(ctx context.Context, o *winhost.ServiceStart) winhost.Result {
	begin := m.now().UTC()
	r := m.startOne(ctx, o.Service, limit(o.TimeoutSeconds), time.Duration(o.StableSeconds)*time.Second)
	for _, name := range o.Dependents {
		if !r.Done() {
			break
		}
		d := m.startOne(ctx, name, limit(o.TimeoutSeconds), 0)
		if !d.Done() {
			d.Message = "dependent " + name + ": " + d.Message
			r = d
		} else if d.Code == winhost.OK {
			r.Code = winhost.OK
		}
	}
	if s := m.Service(o.Service); s.Installed {
		s.Begin, s.End, s.Registration = begin, m.now().UTC(), m.Registration(o.Service)
		r.Service = &s
	}
	return r
}

// startOne starts a service and proves that it goes on.
func (m *Machine) startOne(ctx context.Context, name string, limit, stable time.Duration) winhost.Result {
	deadline := time.Now().Add(limit)
	r := winhost.Result{Code: winhost.Unchanged}
	if s := m.Service(name); s.State == winhost.StopPending {
		if err := m.waitUntil(ctx, name, deadline, stopped); err != nil {
			return startFailure(err)
		}
	}
	if s := m.Service(name); s.State != winhost.Running && s.State != winhost.StartPending {
		r.Code = winhost.OK
		if err := m.allowed(name); err != nil {
			return startFailure(err)
		}
		if err := m.Start(name); err != nil && !errors.Is(err, ErrAlreadyRunning) {
			return startFailure(err)
		}
	}
	if err := m.waitUntil(ctx, name, deadline, func(s *service) bool { return s.state != winhost.StartPending }); err != nil {
		return startFailure(err)
	}
	s := m.Service(name)
	if s.State == winhost.Running && stable > 0 {
		rest := stable - m.now().Sub(s.StartedAt)
		_, err := m.wait(ctx, name, max(rest, 0), func(now *service) bool {
			return now.state != winhost.Running || now.process.PID != s.PID
		})
		if err != nil {
			return startFailure(err)
		}
	}
	now := m.Service(name)
	if now.State != winhost.Running || now.PID != s.PID {
		return winhost.Result{Code: winhost.Failed, Win32: now.ExitCode, Message: "the service stopped by itself"}
	}
	return r
}

func startFailure(err error) winhost.Result {
	if errors.Is(err, errTooLong) {
		return winhost.Result{Code: winhost.Timeout, Message: "the service did not start in time"}
	}
	return failed(err, "cannot start the service")
}
