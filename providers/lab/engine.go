package lab

import (
	"context"

	"meshrotate/providers/lab/machine"
	"meshrotate/providers/lab/wsman"
)

// Engine runs a command on a host.
type Engine interface {
	// Disk is the host's disk.
	Disk(host string) (machine.FS, error)
	// Run is the process that WinRM asks for.
	Run(ctx context.Context, m *machine.Machine, p wsman.Process) uint32
	// Close ends what it runs.
	Close()
}

// ServiceManager is an Engine whose services are real ones. A machine's own services follow them.
type ServiceManager interface {
	Engine
	// Product is the document's part `product`, as YAML: where the services and their files really are.
	Product() string
	// License is the path of the license file there.
	License() string
	// Start and Stop ask for a change of state, as Machine's do.
	Start(m *machine.Machine, service string) error
	Stop(m *machine.Machine, service string) error
}

// start and stop ask whoever has the services.
func (h *Host) start(service string) error {
	if h.manager != nil {
		return h.manager.Start(h.Machine, service)
	}
	return h.Machine.Start(service)
}

func (h *Host) stop(service string) error {
	if h.manager != nil {
		return h.manager.Stop(h.Machine, service)
	}
	return h.Machine.Stop(service)
}
