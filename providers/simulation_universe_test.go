package providers_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"meshrotate/providers"
	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/providers/lab/scheduler"
	"meshrotate/providers/licensefile"
	"meshrotate/reconciler/secret"
	"meshrotate/specs"
	"meshrotate/state"
	"meshrotate/state/memory"
)

// universe is a schedule as it is lived through. What happens in it happens one thing at a time: the scheduler's goroutine
// decides, and everybody else waits meanwhile.
type universe struct {
	// mu orders nothing: whoever holds it is alone. It tells the race detector so, which does not know of bubbles.
	mu sync.Mutex

	schedule
	t         *testing.T
	w         *world
	scheduler *scheduler.Scheduler[verdict]
	other     *memory.Process              // a second operator's own state
	otherDone bool                         // his run was finished, in calm weather
	store     *memory.Store                // the lock, and the books when they are in memory
	text      string                       // the document
	read      map[string]*specs.Deployment // documents, by their text: to read one takes a while

	declared int // relays
	clock    atomic.Int64
	zombies  sync.WaitGroup
	timing   map[string]machine.Timing // of hosts with manners, as it was

	// Of the present episode.
	first     *operator
	working   *operator // who has begun to change something and not given the lock back
	second    *late
	events    int
	personAt  int // the event at which a person changes the sources
	faults    []pending
	armed     bool      // they may strike
	haunted   bool      // scripts of a dead run may be at work
	reverted  bool      // the document asks for the old password of the account
	belated   time.Time // when a statement that was held up on its way comes, be its run over or not
	drifting  bool      // somebody is at it: what he does is not known yet
	away      map[string]time.Time
	full      atomic.Int64         // the disk of the state, until then
	struck    map[string]bool      // hosts at which a fault struck
	disturbed map[string]bool      // hosts to which something happened that no run did
	unruly    map[string]bool      // in any episode
	booted    map[string]time.Time // when a host that was restarted is up again: perhaps in a later episode
	restarted bool                 // somebody else has started a service at any time
	hands     map[string]bool      // hosts at whose service somebody had a hand
	carried   bool                 // a clock was wrong: what an earlier run says about times says nothing

	// seenMarker is the marker when it was read last, and whose it was.
	seenMarker struct {
		text   string
		holder state.Holder
	}

	downtimes map[string]*downtime // by host
	taken     map[uint64]time.Time // by fence: when the lock was
	began     time.Time            // the run
	lastKeys  map[string]string
	leaving   map[string]leaving
	// Hosts at which somebody started a service that a run had stopped: the process, and what the run did after.
	meddled                    map[string]uint32
	swappedSince, startedSince map[string]bool
	// By host: something went wrong on its wire or in its scripts; a run has started its service; and the service was stopped when
	// the run asked for the last time.
	deaf, startedNow, seenStopped map[string]bool
	other2                        *operator // the second operator

	// retired: the document has given the old certificate up. accepted: a run has proven what it asks for. refusing are relays that
	// have refused a connector.
	retired, accepted bool
	outlawed          bool // somebody has stolen the old certificate
	refusing          map[string]bool

	invariants
	outside
	lockout lockout
	moves   moves
	login   loginSide
	leaks   []leak
	broken  []string
}

// late is a second operator who has not begun.
type late struct {
	at    int
	begin chan struct{}
}

// liveThrough lives through a schedule, and says which invariants broke. The trace is what happened.
func liveThrough(t *testing.T, s schedule) (broken, trace []string) {
	t.Helper()
	vendor()
	virtual(t, func(t *testing.T) {
		u := &universe{schedule: s, t: t, away: map[string]time.Time{}, booted: map[string]time.Time{}, struck: map[string]bool{}, disturbed: map[string]bool{}, unruly: map[string]bool{},
			hands: map[string]bool{}, refusing: map[string]bool{}, downtimes: map[string]*downtime{}, taken: map[uint64]time.Time{}, lastKeys: map[string]string{}, leaving: map[string]leaving{}}
		u.fresh()
		u.began = time.Now()
		u.create()
		u.scheduler = scheduler.Start(s.Seed, u.decide)
		u.hooks()
		for i, e := range s.Runs {
			u.episode(i+1, e)
		}
		u.zombies.Wait()
		u.calm()
		u.scheduler.Stop()
		broken, trace = u.broken, u.scheduler.Trace()
	})
	return broken, trace
}

// wrong notes an invariant that does not hold.
func (u *universe) wrong(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if len(u.broken) < 20 {
		u.broken = append(u.broken, text)
	}
	u.scheduler.Note("BROKEN: %s", text)
}

// create makes the world as it is before anything goes wrong.
func (u *universe) create() {
	seconds := func(n int) time.Duration { return time.Duration(n) * time.Second }
	u.w = newWorldAt(u.t, lab.Config{Relays: u.Relays, Memory: true, Login: u.Login, Replicas: u.Replicas, Connectors: u.Connectors, Account: u.Account, Signing: u.Signing, Build: u.Building, Time: lab.Timing{AdminReady: seconds(u.Ready), RelayConnect: seconds(u.Connect)}})
	u.store = memory.New()
	if err := u.books(); err != nil {
		u.t.Fatal(err)
	}
	u.text = u.w.lab.Document()
	u.read = map[string]*specs.Deployment{u.text: u.bounded(u.w.doc)}
	u.declared = u.Relays
	if u.Declared > 0 {
		u.declared = min(u.Declared, u.Relays)
	}
	u.beginOutside()
	u.invariants.begin(u.w)
	u.beginLogin()
	u.timing = map[string]machine.Timing{}
	u.commit(episode{})
	for _, m := range u.Manners {
		u.behave(m)
	}
}

// books puts the state where the schedule wants it. The lock is always in memory: there a dead process's lease ends by itself.
func (u *universe) books() error {
	fresh, ctx := u.store.Open(), context.Background()
	was := u.w.state
	u.w.state.Lock = fresh
	if u.Books == "file" {
		return nil
	}
	entries, err := was.Ledger.Entries(ctx)
	if err != nil {
		return err
	}
	u.w.state = fresh.State()
	if err := fresh.Append(ctx, entries...); err != nil {
		return err
	}
	return u.copyValues(was.Values, fresh)
}

// folders are where the values are kept.
func (u *universe) folders() []string {
	folders := append([]string{"relaykey", "license"}, u.storedFolders()...)
	if u.Login != "" {
		folders = append(folders, "sqllogin")
	}
	return folders
}

func (u *universe) copyValues(from, to state.Blobs) error {
	ctx := context.Background()
	for _, folder := range u.folders() {
		names, err := from.List(ctx, folder)
		if err != nil {
			return err
		}
		for _, name := range names {
			b, err := from.Read(ctx, name)
			if err == nil {
				err = to.Create(ctx, name, b)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// state is what a new process works with.
func (u *universe) state() (state.State, *memory.Process) {
	p := u.store.Open()
	s := p.State()
	if u.Books == "file" {
		s = u.w.state
		s.Lock = p
	}
	return s, p
}

// behave gives a host its manner.
func (u *universe) behave(m manner) {
	h := u.w.lab.Host(m.Host)
	if h == nil {
		return
	}
	err := h.Machine.Was(serviceOf(h), func(s *machine.Service) {
		if _, known := u.timing[h.Name]; !known {
			u.timing[h.Name] = s.Timing
		}
		if m.Start > 0 {
			s.Timing.Start = time.Duration(m.Start) * time.Second
		}
		if m.Stop > 0 {
			s.Timing.Stop = time.Duration(m.Stop) * time.Second
		}
		if m.Mode != "" {
			s.StartMode = m.Mode
		}
	})
	if err != nil {
		u.t.Error(err)
	}
	if m.Skew != 0 {
		h.Skew(time.Duration(m.Skew) * time.Second)
	}
	if m.Dependent && !h.Machine.Service(lab.WatchService).Installed {
		u.w.depends(h)
	}
}

func (u *universe) hooks() {
	for _, h := range u.w.lab.Hosts() {
		name := label(h.Name)
		h.Wire(u.wire(name))
		h.Points(u.point(name))
	}
	u.w.lab.WireAPI(u.wire(api))
	if u.hasSQL() {
		u.w.lab.WireSQL(u.wireSQL)
	}
}

func label(host string) string {
	first, _, _ := strings.Cut(host, ".")
	return first
}

// commit changes the document, as a merge does. Who has read the old one goes on with that.
func (u *universe) commit(e episode) {
	set := func(old, text string) { u.text = strings.Replace(u.text, old, text, 1) }
	if e.Key != "" {
		u.version("relayKey", u.wantKey, e.Key)
		u.wantKey = e.Key
	}
	if e.License != "" {
		if e.License != lab.NewLicense { // which the lab has written
			u.writeLicense(e.License)
		}
		set(fmt.Sprintf("version: %q", u.wantLicense), fmt.Sprintf("version: %q", e.License))
		set("licenses/"+u.wantLicense+".key", "licenses/"+e.License+".key")
		u.wantLicense = e.License
	}
	if e.Login != "" {
		u.commitLogin(e.Login, set)
	}
	if e.Retire {
		u.retire(true)
	}
	if e.Declared > 0 {
		u.declared = min(e.Declared, u.Relays)
	}
	text := u.text
	if u.declared < u.Relays {
		first, last, all := short(2, u.Relays), short(1+u.declared, u.Relays), short(1+u.Relays, u.Relays)
		cut := func(s string) string { return strings.TrimPrefix(s, "relay-") }
		text = strings.Replace(text, fmt.Sprintf("[%s..%s]", cut(first), cut(all)), fmt.Sprintf("[%s..%s]", cut(first), cut(last)), 1)
	}
	path := filepath.Join(u.w.dir, "meshrotate.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		u.t.Fatal(err)
	}
	if u.read[text] == nil {
		doc, err := specs.LoadFile(path, providers.Sections())
		if err != nil {
			u.t.Fatal(err)
		}
		u.read[text] = u.bounded(doc)
	}
	u.w.doc = u.read[text]
}

// version gives a section of the document another one: two secrets may have the same.
func (u *universe) version(section, old, next string) {
	before, after, _ := strings.Cut(u.text, "  "+section+":\n")
	u.text = before + "  " + section + ":\n" + strings.Replace(after, "version: "+old+"\n", "version: "+next+"\n", 1)
}

// bounded is a document with the schedule's policy.
func (u *universe) bounded(doc *specs.Deployment) *specs.Deployment {
	if u.Parallel > 0 {
		doc.Policy.Parallel = u.Parallel
	}
	doc.Policy.Unreachable.Count = u.Tolerate
	return doc
}

func (u *universe) writeLicense(version string) {
	b, err := u.w.lab.License(licensefile.License{Customer: lab.Customer, Tier: lab.Tier, Expires: time.Now().UTC().Truncate(24*time.Hour).AddDate(2, 0, 0)})
	if err == nil {
		err = os.WriteFile(filepath.Join(u.w.dir, "licenses", version+".key"), b, 0o600)
	}
	if err != nil {
		u.t.Fatal(err)
	}
	u.alone(func() { u.licenses[string(b)] = version })
}

// value is a kept value, "" when there is none.
func (u *universe) value(version string) string {
	return u.w.unseal(secret.Ref{Name: "relaykey", Version: version})
}
