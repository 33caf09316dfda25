package reconciler

import (
	"cmp"
	"strings"

	"meshrotate/reconciler/secret"
	"meshrotate/state"
)

// books are what the ledger is still to be told. It is told at few moments: what thousands of hosts did alike is one line.
type books struct {
	order   []line
	pending map[line]*noted
	// failedBack is what could not be taken back, by secret; firstBack the first of it.
	failedBack map[string]error
	firstBack  error
	// untriedBack: by secret, what waits for something that could not be taken back was not tried.
	untriedBack map[string]bool
}

// line is what hosts have in common.
type line struct {
	secret  secret.Ref
	step    string
	outcome state.Outcome
	detail  string
	// stops and starts are the service that it is about.
	stops, starts string
}

type noted struct {
	hosts  []string
	detail string // of the only host
	facts  []state.Fact
}

// note adds what became of a step on its target. Several hosts are one line while their news is the same: a process number
// for each of ten thousand is none.
func (b *books) note(s Step, o state.Outcome, detail, news string, facts []state.Fact) {
	if b.pending == nil {
		b.pending = map[line]*noted{}
	}
	t := s.Op.Target()
	var stops, starts string
	if turning, ok := s.Op.(Turning); ok {
		if _, starts = turning.Serves(); turning.Stops() {
			stops, starts = starts, ""
		}
	}
	for _, ref := range s.Secrets {
		l := line{secret: ref, step: s.Name(), outcome: o, detail: detail, stops: stops, starts: starts}
		if t.Kind == HostTarget {
			l.detail = strings.ReplaceAll(news, t.Name, "the host")
		}
		n := b.pending[l]
		if n == nil {
			n = &noted{}
			b.pending[l] = n
			b.order = append(b.order, l)
		}
		if t.Kind == HostTarget {
			n.hosts = append(n.hosts, t.Name)
		}
		n.detail = detail
		n.facts = append(n.facts, facts...)
		if h, holds := s.Op.(Holder); holds && h.Holds() != "" && t.Kind != HostTarget {
			n.facts = append(n.facts, state.Fact{Field: state.On, Value: t.Name})
		}
	}
}

func (b *books) stuck(s Step, err error) {
	if b.firstBack == nil {
		b.firstBack = err
	}
	for _, r := range s.Secrets {
		b.failedBack[r.Name] = cmp.Or(b.failedBack[r.Name], err)
	}
}
