package machine

import (
	"maps"
	"strings"
)

// Environment is what the registry holds for a service, or for the machine when service is "". The second result is
// false for a service that is not installed.
func (m *Machine) Environment(service string) (map[string]string, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if service == "" {
		return maps.Clone(m.machine), true
	}
	s := m.services[strings.ToLower(service)]
	if s == nil {
		return nil, false
	}
	return maps.Clone(s.Environment), true
}
