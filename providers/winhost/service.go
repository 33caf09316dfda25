package winhost

import "time"

// ServiceQuery looks at a service. One that is not installed is an answer, not an error.
type ServiceQuery struct {
	Service string `json:"name"`
}

// ServiceStop stops a service, the running services that depend on it first, and waits until it has stopped. It
// answers Unchanged when it was stopped already.
type ServiceStop struct {
	Service string `json:"name"`
	// TimeoutSeconds bounds the wait, 0 means 60.
	TimeoutSeconds int `json:"timeoutSeconds"`
}

// ServiceStart starts a service, waits until it runs, then watches that the same process runs on: a service that
// reports RUNNING has not proven anything yet. Then it starts Dependents, in this order.
type ServiceStart struct {
	Service string `json:"name"`
	// TimeoutSeconds bounds the wait for RUNNING, 0 means 60.
	TimeoutSeconds int `json:"timeoutSeconds"`
	// StableSeconds is how long the process must have run, 0 means not to watch.
	StableSeconds int `json:"stableSeconds"`
	// Dependents are names of services, as ServiceStop answered them.
	Dependents []string `json:"dependents"`
}

// ServiceState is a state of the service control manager. The zero State is unknown.
type ServiceState string

// The states.
const (
	Stopped         ServiceState = "stopped"
	StartPending    ServiceState = "startPending"
	StopPending     ServiceState = "stopPending"
	Running         ServiceState = "running"
	ContinuePending ServiceState = "continuePending"
	PausePending    ServiceState = "pausePending"
	Paused          ServiceState = "paused"
)

// Service is what a host says about a service, at the end of the op.
type Service struct {
	Installed bool         `json:"installed"`
	State     ServiceState `json:"state"`
	// PID is 0 while no process runs.
	PID uint32 `json:"pid"`
	// StartedAt is when the process started, UTC by the host's clock; zero when there is none, or it may not be asked.
	StartedAt time.Time `json:"startedAt,omitzero"`
	// Account is the start name, such as LocalSystem or CONTOSO\svc-im.
	Account string `json:"account"`
	// StartMode is boot, system, auto, manual or disabled.
	StartMode string `json:"startMode"`
	// ExitCode is how the last run ended, a Windows error number or the service's own.
	ExitCode uint32 `json:"exitCode"`
	// Environment are the names in the service's own environment; the values stay on the host.
	Environment []string `json:"environment"`
	// Dependents are the running services that need this one; after a ServiceStop, those that it stopped, in the
	// order in which to start them again.
	Dependents []string `json:"dependents"`
	// Begin and End are when a stop or a start began and ended, UTC by the host's clock; zero after a query. Received is when
	// the host had the request for it.
	Begin    time.Time `json:"begin,omitzero"`
	End      time.Time `json:"end,omitzero"`
	Received time.Time `json:"received,omitzero"`
	// Registration is the digest of what a ServiceStart has started it with, as Environment has it; "" after anything else.
	Registration string `json:"registration,omitempty"`
}

// Took is how long a stop or a start took, on the host.
func (s Service) Took() time.Duration { return s.End.Sub(s.Begin) }

func (o ServiceQuery) Name() string   { return "service.query" }
func (o ServiceQuery) Object() string { return o.Service }
func (o ServiceQuery) Looks() bool    { return true }
func (o ServiceStop) Name() string    { return "service.stop" }
func (o ServiceStop) Object() string  { return o.Service }
func (o ServiceStop) Looks() bool     { return false }
func (o ServiceStart) Name() string   { return "service.start" }
func (o ServiceStart) Object() string { return o.Service }
func (o ServiceStart) Looks() bool    { return false }
