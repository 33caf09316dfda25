package lab

// Stats count what reached the lab since it started.
type Stats struct {
	Hosts     int   `json:"hosts"`
	Relays    int   `json:"relays"`
	Connected int   `json:"connected"`
	Requests  int64 `json:"requests"`  // HTTP requests over WinRM, all hosts together
	Processes int64 `json:"processes"` // processes that WinRM was asked for
	Shells    int   `json:"shells"`    // that are open now: each counts against its owner's quota
	// MostProcesses are those of the host that got the most.
	MostProcesses int64   `json:"mostProcesses"`
	CPUMS         float64 `json:"cpuMS"` // that the lab's process has used; 0 where that is not known
	// RelayRestart is what a relay's service needs to stop and to connect again, in seconds.
	RelayRestart float64 `json:"relayRestart"`
}

// Stats counts.
func (l *Lab) Stats() Stats {
	s := Stats{Relays: len(l.Relays), Connected: l.Connected(), CPUMS: usedMS(), RelayRestart: (l.timing.RelayStop + l.timing.RelayConnect).Seconds()}
	for _, h := range l.Hosts() {
		s.Hosts++
		s.Requests += h.server.Requests()
		s.Shells += h.server.Shells()
		p := h.started.Load()
		s.Processes += p
		s.MostProcesses = max(s.MostProcesses, p)
	}
	return s
}
