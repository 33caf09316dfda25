package state

import "slices"

// taken is a step that a run began for a secret.
type taken struct {
	secret, run string
	hosts       []string // sorted
}

// noteTaken remembers who began a step, whatever was begun for a secret since.
func (h History) noteTaken(e *Entry) {
	if h.took[e.Step] == nil {
		h.took[e.Step] = map[string]bool{}
	}
	h.took[e.Step][e.Secret] = true
	if e.Outcome != Started {
		return
	}
	hosts := e.Hosts
	if !slices.IsSorted(hosts) {
		hosts = slices.Sorted(slices.Values(hosts))
	}
	h.begun[e.Step] = append(h.begun[e.Step], taken{e.Secret, e.Run, hosts})
}

// LastToBegin are the secrets for which a step was begun on a host by the last run that began it there; none where no run did. What such
// a step has left there is theirs.
func (h History) LastToBegin(step, host string) (secrets []string) {
	run := ""
	for _, t := range slices.Backward(h.begun[step]) {
		if secrets != nil && t.run != run {
			break
		}
		if _, on := slices.BinarySearch(t.hosts, host); on {
			secrets, run = append(secrets, t.secret), t.run
		}
	}
	return secrets
}
