package lab

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"meshrotate/providers/lab/machine"
	"meshrotate/providers/winhost"
)

// WatchService is a service that depends on another one of its host, as monitoring agents do. The service manager does
// not stop a service whose dependents run, and does not bring them back.
const WatchService = "IdentityMeshWatch"

// breakDependent installs it and starts it.
func (l *Lab) breakDependent(h *Host) error {
	service := h.service()
	switch {
	case h.manager != nil:
		return errors.New("its services are real ones: the lab can add none")
	case h.Machine.Service(WatchService).Installed:
		return fmt.Errorf("%s is installed already", WatchService)
	}
	h.Machine.Install(machine.Service{Name: WatchService, DependsOn: []string{service}})
	if h.Machine.Service(service).State == winhost.Stopped {
		return nil // it comes with its service, or by hand
	}
	if err := h.settle(service, winhost.Running); err != nil {
		return err
	}
	return h.Machine.Start(WatchService)
}

// halt stops the host's service as the service manager's window does: its dependents first.
func (h *Host) halt() error {
	service := h.service()
	dependents := slices.Clone(h.Machine.Service(service).Dependents)
	slices.Reverse(dependents)
	for _, name := range dependents {
		if err := h.stop(name); err != nil && !errors.Is(err, machine.ErrNotActive) {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := h.settle(name, winhost.Stopped); err != nil {
			return err
		}
	}
	return h.stop(service)
}

// restart does what the service manager's window does: it brings the dependents back, too.
func (l *Lab) restart(h *Host) error { return h.around(func() error { return nil }) }

// around does something while the service is stopped, and starts it and its dependents again.
func (h *Host) around(do func() error) error {
	service := h.service()
	dependents := slices.Clone(h.Machine.Service(service).Dependents)
	if err := h.comesBack(); err != nil {
		return err
	}
	if err := h.halt(); err != nil && !errors.Is(err, machine.ErrNotActive) {
		return err
	}
	if err := h.settle(service, winhost.Stopped); err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	if err := h.start(service); err != nil || len(dependents) == 0 {
		return err
	}
	if err := h.settle(service, winhost.Running); err != nil {
		return err
	}
	for _, name := range dependents {
		if err := h.start(name); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// settle waits until a service is in a state.
func (h *Host) settle(service string, state winhost.ServiceState) error {
	if h.Machine.Await(service, state, 2*time.Minute) {
		return nil
	}
	return fmt.Errorf("%s does not become %s", service, state)
}

// comesBack says why the service, once stopped, would not start again.
func (h *Host) comesBack() error {
	if h.Machine.Outdated(h.service()) {
		return errors.New("the service's account has another password in the domain than the service manager: stopped, it would not start again (`lab break store`)")
	}
	return nil
}
