package lab

import (
	"hash/fnv"
	"time"

	"meshrotate/providers/lab/machine"
	"meshrotate/providers/licensefile"
)

// adminState is Admin's process, zero while there is none.
type adminState struct {
	process *machine.Process
	ready   time.Time // when it will be
	key     string
	license *licensefile.License
	reloads int
	asked   int // pages of a list that moves
}

// Ail keeps Admin from ever being ready, or lets it.
func (l *Lab) Ail(yes bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ailing = yes
}

// relayState is a relay's process and what Admin remembers of it.
type relayState struct {
	process *machine.Process
	key     string
	tries   time.Time // when it first tries to connect
	// last is the last heartbeat that Admin got from an earlier connection; until then it lists it as connected.
	last, until time.Time
	cut         bool // it does not reach Admin
	// accepts are the thumbprints that the process has loaded, rejected the connectors that it has not.
	accepts, rejected []string
}

// connected says since when a relay is connected, by the processes that run now.
func (l *Lab) connected(h *Host, now time.Time) (since time.Time, ok bool) {
	r := l.mesh[h]
	if r == nil || r.process == nil || l.admin.process == nil || r.cut || r.key == "" || r.key != l.admin.key {
		return since, false
	}
	since = r.tries
	if back := l.admin.ready.Add(jitter(h.Name)); back.After(since) {
		since = back
	}
	return since, !now.Before(since)
}

// jitter spreads reconnects after Admin's restart.
func jitter(name string) time.Duration {
	f := fnv.New32a()
	_, _ = f.Write([]byte(name))
	return time.Duration(f.Sum32()%300) * time.Millisecond
}

// freeze remembers a relay's last heartbeat before its connection ends. Admin notices only after a while.
func (l *Lab) freeze(h *Host, now time.Time) {
	since, ok := l.connected(h, now)
	if !ok {
		return
	}
	r := l.mesh[h]
	r.last, r.until = l.beat(since, now), now.Add(l.timing.Stale)
}

// beat is the latest heartbeat of a connection.
func (l *Lab) beat(since, now time.Time) time.Time {
	return since.Add(now.Sub(since) / l.timing.Heartbeat * l.timing.Heartbeat)
}

// Listing is a relay as Admin lists it.
type Listing struct {
	Name             string    `json:"name"`
	Connected        bool      `json:"connected"`
	LastHeartbeatUTC time.Time `json:"lastHeartbeatUtc"`
	Version          string    `json:"version"`
}

// list is Admin's relay list. It can be stale: of stopped relays, and of all of them just after Admin's own restart.
func (l *Lab) list(now time.Time) []Listing {
	all := make([]Listing, 0, len(l.Relays))
	for _, h := range l.Relays {
		r := l.mesh[h]
		e := Listing{Name: h.Machine.Name, Version: "4.2.1", LastHeartbeatUTC: r.last.UTC(), Connected: now.Before(r.until)}
		if since, ok := l.connected(h, now); ok {
			e.Connected, e.LastHeartbeatUTC = true, l.beat(since, now).UTC()
		}
		if as := l.oddly[h]; as == nil || as(&e, now) {
			all = append(all, e)
		}
	}
	return all
}

// Connected counts the relays that really are connected now, whatever Admin lists.
func (l *Lab) Connected() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, now := 0, time.Now()
	for _, h := range l.Relays {
		if _, ok := l.connected(h, now); ok {
			n++
		}
	}
	return n
}

// Listed counts the relays that Admin lists as connected now. It learns late that one is gone.
func (l *Lab) Listed() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.list(time.Now()) {
		if r.Connected {
			n++
		}
	}
	return n
}

// IsConnected says whether a relay really is connected now.
func (l *Lab) IsConnected(h *Host) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, ok := l.connected(h, time.Now())
	return ok
}

// ConnectedFor is for how long a relay has been connected, as IsConnected has it.
func (l *Lab) ConnectedFor(h *Host) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	since, ok := l.connected(h, time.Now())
	if !ok {
		return 0
	}
	return time.Since(since)
}

// Accepts says whether Admin would let a relay with this key in.
func (l *Lab) Accepts(key string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.admin.process != nil && !time.Now().Before(l.admin.ready) && key != "" && l.admin.key == key
}

// Keys are the keys that running services have read, by host: what really runs, not what the files say.
func (l *Lab) Keys() map[string]string {
	l.mu.Lock()
	defer l.mu.Unlock()
	keys := make(map[string]string, 1+len(l.mesh))
	if l.admin.process != nil {
		keys[l.Admin.Name] = l.admin.key
	}
	for h, r := range l.mesh {
		if r.process != nil {
			keys[h.Name] = r.key
		}
	}
	return keys
}

// Reloads counts the license reloads that Admin was asked for.
func (l *Lab) Reloads() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.admin.reloads
}

// Served is the license that Admin serves, nil for none.
func (l *Lab) Served() *licensefile.License {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.admin.license
}
