package machine

import (
	"context"
	"slices"
	"sort"
	"strings"
	"time"

	"meshrotate/providers/winhost"
)

// names lists the services, sorted.
func (m *Machine) names() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []string
	for _, s := range m.services {
		all = append(all, s.Name)
	}
	sort.Strings(all)
	return all
}

// dependents are the services that need s and are not stopped, those that nothing needs first. The lock is held.
func (m *Machine) dependents(s *service) []string {
	var found []string
	for _, other := range m.services {
		needs := slices.ContainsFunc(other.DependsOn, func(n string) bool { return strings.EqualFold(n, s.Name) })
		if !needs || other.state == winhost.Stopped {
			continue
		}
		for _, name := range append(m.dependents(other), other.Name) {
			if !slices.Contains(found, name) {
				found = append(found, name)
			}
		}
	}
	return found
}

// startWithDependencies starts what an auto service needs, then the service.
func (m *Machine) startWithDependencies(name string) error {
	m.mu.Lock()
	s := m.services[strings.ToLower(name)]
	if s == nil || s.StartMode != "auto" {
		m.mu.Unlock()
		return ErrNoService
	}
	needs := s.DependsOn
	m.mu.Unlock()
	for _, other := range needs {
		_ = m.startWithDependencies(other)
		_, _ = m.wait(context.Background(), other, 10*time.Second, func(s *service) bool { return s.state != winhost.StartPending })
	}
	return m.Start(name)
}

// Service says what the service manager knows; Installed is false for a name that it does not know.
func (m *Machine) Service(name string) winhost.Service {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.services[strings.ToLower(name)]
	if s == nil {
		return winhost.Service{}
	}
	return m.describe(s)
}

// State is a service's, and its process's number, 0 when it has none: what is asked for at every event.
func (m *Machine) State(name string) (winhost.ServiceState, uint32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch s := m.services[strings.ToLower(name)]; {
	case s == nil:
		return "", 0
	case s.process == nil:
		return s.state, 0
	default:
		return s.state, s.process.PID
	}
}

func (m *Machine) describe(s *service) winhost.Service {
	d := winhost.Service{
		Installed: true, State: s.state, Account: s.Account, StartMode: s.StartMode,
		ExitCode: s.exitCode, Dependents: m.dependents(s),
	}
	for name := range s.Environment {
		d.Environment = append(d.Environment, name)
	}
	sort.Strings(d.Environment)
	slices.Reverse(d.Dependents)
	if s.process != nil {
		d.PID, d.StartedAt = s.process.PID, s.process.Started.UTC()
	}
	if s.state == winhost.Running || s.state == winhost.StartPending {
		d.ExitCode = 0
	}
	return d
}

// Await waits until a service is in a state; false says that it did not come in time.
func (m *Machine) Await(name string, state winhost.ServiceState, limit time.Duration) bool {
	reached, err := m.wait(context.Background(), name, limit, func(s *service) bool { return s.state == state })
	return reached && err == nil
}

// wait blocks until the service is as wanted, or the time is over: then it returns false. It also ends with the
// context.
func (m *Machine) wait(ctx context.Context, name string, limit time.Duration, wanted func(*service) bool) (bool, error) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		m.mu.Lock()
		s := m.services[strings.ToLower(name)]
		if s == nil {
			m.mu.Unlock()
			return false, ErrNoService
		}
		if wanted(s) {
			m.mu.Unlock()
			return true, nil
		}
		if s.changed == nil {
			s.changed = make(chan struct{})
		}
		changed := s.changed
		m.mu.Unlock()
		select {
		case <-changed:
		case <-timer.C:
			return false, nil
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}
