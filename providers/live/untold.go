package live

import (
	"fmt"

	"meshrotate/providers/site"
	"meshrotate/reconciler/secret"
)

// asked are the values that the look which begins asks for.
func (k *kept) asked(seen []*site.ValueSeen) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.seen = map[secret.Ref]*site.ValueSeen{}
	for _, v := range seen {
		k.seen[v.Secret] = v
	}
}

// untold notes that a live value could not be compared. It is what is kept that cannot be read, or the age identity: the host has answered,
// and is not to be blamed. False says that the look asks for no such value, so that nobody would be told.
func (k *kept) untold(ref secret.Ref, err error) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	seen := k.seen[ref]
	if seen != nil && seen.Problem == "" {
		trouble(seen, fmt.Errorf("what is live cannot be compared with what is kept: %w", err))
	}
	return seen != nil
}

// looked ends a look: what it saw changes no more.
func (k *kept) looked() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.seen = nil
}
