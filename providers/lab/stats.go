package lab

// Stats count what reached the lab since it started.
type Stats struct {
	Hosts     int   `json:"hosts"`
	Relays    int   `json:"relays"`
	Connected int   `json:"connected"`
	Requests  int64 `json:"requests"`  // HTTP requests over WinRM, all hosts together
	Processes int64 `json:"processes"` // processes that WinRM was asked for
	Shells    int   `json:"shells"`    // that are open now: each counts against its owner's quota
	// MostRequests and MostProcesses are those of the host that got the most.
	MostRequests  int64 `json:"mostRequests"`
	MostProcesses int64 `json:"mostProcesses"`
}

// Stats counts.
func (l *Lab) Stats() Stats {
	s := Stats{Relays: len(l.Relays), Connected: l.Connected()}
	for _, h := range l.Hosts() {
		r, p := h.server.Requests(), h.started.Load()
		s.Hosts++
		s.Requests += r
		s.Shells += h.server.Shells()
		s.Processes += p
		s.MostRequests, s.MostProcesses = max(s.MostRequests, r), max(s.MostProcesses, p)
	}
	return s
}
