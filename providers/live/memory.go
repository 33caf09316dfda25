package live

import (
	"context"
	"maps"
	"sync"
	"time"

	"meshrotate/providers/site"
	"meshrotate/reconciler/secret"
)

// memory is what one target's work tells another's, by host, while a run lasts. Nobody waits for a host to read it.
type memory struct {
	mu sync.Mutex
	// computers are the names that hosts gave themselves.
	computers map[string]string
	// skews are how far hosts' clocks are ahead of ours.
	skews map[string]time.Duration
	// dead is when a host's service was seen to have ended by itself, or not to read what it was to.
	dead map[string]time.Time
	// why is what its host says of it.
	why map[string]error
	// ends are the services, by name, that were asked to stop and had not at the end of that step: they work until they have.
	ends map[string]bool
	// accounts are what services run as that a start has found running, or started.
	accounts map[accountOf]string
	// backs are those that services get on the way back, where this run has given them another one.
	backs map[accountOf]string
	pids  map[accountOf]int // and as which processes
	// restarts are when services of hosts began to start again, at the latest, by our clock.
	restarts map[string]time.Time
	// began is the same at the earliest: what a service does once after its start is no older than this.
	began map[string]time.Time
	// fleet are those of them that are one of many.
	fleet map[string]bool
	// stored is when secrets of the product's store were set, as it was seen last, and storedNow asks again; pushes are what this run
	// has set there.
	stored    map[string]time.Time
	storedNow func(context.Context) (map[string]time.Time, error)
	pushes    map[string]push
	// values are settings as they were read, where more than a secret is in them.
	values map[settingOf]secret.Value
	// signers are who has signed files, by the SHA-256 of a file.
	signers map[string][]site.Signer
}

// push is a secret that this run has let a program set: not before it began, by our clock. Before is when it had been set, on
// is the machine that sealed it.
type push struct {
	began, before time.Time
	on            site.MachineIdentity
}

// settingOf is where a setting stands.
type settingOf struct{ host, path, setting string }

func newMemory() memory {
	return memory{computers: map[string]string{}, skews: map[string]time.Duration{}, dead: map[string]time.Time{}, why: map[string]error{}, ends: map[string]bool{}, accounts: map[accountOf]string{}, backs: map[accountOf]string{}, pids: map[accountOf]int{}, restarts: map[string]time.Time{}, began: map[string]time.Time{}, fleet: map[string]bool{}, stored: map[string]time.Time{}, pushes: map[string]push{}, values: map[settingOf]secret.Value{}, signers: map[string][]site.Signer{}}
}

// computerNames are the names that the hosts gave themselves, by host. It never waits for a host that is at work.
func (m *memory) computerNames(hosts []string) map[string]string {
	m.mu.Lock()
	defer m.mu.Unlock()
	names := map[string]string{}
	for _, h := range hosts {
		names[h] = m.computers[h]
	}
	return names
}

func (m *memory) named(host, computer string, skew time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.computers[host], m.skews[host] = computer, skew
}

// clocks are how far the hosts' clocks are ahead of ours, where that is known.
func (m *memory) clocks() map[string]time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.skews)
}

// gone notes that a service of the host ended by itself, or does not read what it was to: what it would have done does not come.
// That it worked later than this nobody else can say: it reads the clock while it holds the lock.
func (m *memory) gone(host string, why error, now func() time.Time) (at time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	at = now()
	m.dead[host], m.why[host] = at, why
	return at
}

func (m *memory) goneAt(host string) (at time.Time, gone bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	at, gone = m.dead[host]
	return at, gone
}

// whyGone is what the hosts say of those that are gone.
func (m *memory) whyGone(hosts []string) map[string]error {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := map[string]error{}
	for _, h := range hosts {
		if why := m.why[h]; why != nil {
			all[h] = why
		}
	}
	return all
}

func (m *memory) ending(name string, is bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ends[name] = is
}

func (m *memory) isEnding(name string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.ends[name]
}

type accountOf struct{ host, service string }

// runsAs notes what a service runs as.
func (m *memory) runsAs(host, service, account string, pid uint32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.accounts[accountOf{host, service}], m.pids[accountOf{host, service}] = account, int(pid)
}

// processOf is the process as which a service was seen last, 0 where it was not.
func (m *memory) processOf(host, service string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.pids[accountOf{host, service}]
}

// others says that a process of a host is another service's than this one's.
func (m *memory) others(host, service string, pid int) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for of, other := range m.pids {
		if of.host == host && of.service != service && other == pid && pid != 0 {
			return true
		}
	}
	return false
}

// setBack notes the account that a service gets on the way back.
func (m *memory) setBack(host, service, account string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.backs[accountOf{host, service}] = account
}

// runAs says that another service runs as this account, and would be started with it once more on the way back.
func (m *memory) runAs(host, service, account string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for of, other := range m.accounts {
		back := m.backs[of]
		if of != (accountOf{host, service}) && site.SameAccount(account, other) && (back == "" || site.SameAccount(account, back)) {
			return true
		}
	}
	return false
}

// stopping notes that the service of one of many is about to stop: what is listed of it until it is started again is old.
func (m *memory) stopping(host string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.fleet, host)
}

// restarted notes that a service of the host was started again, between two moments of our clock.
func (m *memory) restarted(host string, ofMany bool, from, at time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.dead, host)
	m.fleet[host] = m.fleet[host] || ofMany
	if m.restarts[host].Before(at) {
		m.restarts[host] = at
	}
	if m.began[host].Before(from) {
		m.began[host] = from
	}
}

// startedFrom is when a service of the host was started again, at the earliest.
func (m *memory) startedFrom(host string) (at time.Time, restarted bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	at, restarted = m.began[host]
	return at, restarted
}

// restartedAt are all hosts with a service that was started again, and when.
func (m *memory) restartedAt() map[string]time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.restarts)
}

// startedOfMany are those of a fleet.
func (m *memory) startedOfMany() map[string]time.Time {
	all := m.restartedAt()
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.DeleteFunc(all, func(host string, _ time.Time) bool { return !m.fleet[host] })
	return all
}

// sawStored notes when secrets were set, as the store tells it.
func (m *memory) sawStored(at map[string]time.Time, now func(context.Context) (map[string]time.Time, error)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stored, m.storedNow = at, now
}

// untouched says that a secret was not set since it was looked at.
func (m *memory) untouched(ctx context.Context, ref string) bool {
	m.mu.Lock()
	before, ask := m.stored[ref], m.storedNow
	m.mu.Unlock()
	if ask == nil {
		return false
	}
	now, err := ask(ctx)
	return err == nil && now[ref].Equal(before)
}

// push notes that a secret was set by this run.
func (m *memory) push(ref string, began time.Time, on site.MachineIdentity) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pushes[ref] = push{began, m.stored[ref], on}
}

func (m *memory) pushOf(ref string) (push, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, ok := m.pushes[ref]
	return p, ok
}

// noteValue keeps the value of a setting: another target is asked about it.
func (m *memory) noteValue(r site.Setting, v secret.Value) {
	if r.Form.Kind == "" {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.values[settingOf{r.Host, r.Path, r.Setting}] = v
}

func (m *memory) valueOf(host, path, setting string) (secret.Value, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok := m.values[settingOf{host, path, setting}]
	return v, ok
}
