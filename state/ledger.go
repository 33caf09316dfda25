// Package state is what meshrotate remembers between runs: the ledger, the lease, and nothing secret.
//
// The ledger is append-only. It is the change-log that operators keep, the source of "last rotated" and "due", and
// what makes a crash harmless: `started` is durable before the first effect, `proven` comes only after proof. It holds
// versions, times and outcomes; never a value.
package state

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"meshrotate/reconciler/secret"
)

// Outcome is what an Entry says happened. A step is started, done, failed or unknown. A rotation as a whole is started and
// then has an ending.
type Outcome string

// The outcomes. Without a later word than Started the outcome is not known: look again.
const (
	Started Outcome = "started"
	Done    Outcome = "done"
	Failed  Outcome = "failed"
	// Unknown: the effect may or may not have happened. It is an ending too: what is live must be looked at.
	Unknown Outcome = "unknown"
)

// The endings of a rotation in a run, beside Unknown.
const (
	// Proven: the declared version is live, and evidence says so.
	Proven Outcome = "proven"
	// Back: everything is as it was before the run.
	Back Outcome = "back"
	// Ahead: something was done that has no way back, and the version is not proven. The next run goes on from there. Nobody
	// vouches for the old value any more.
	Ahead Outcome = "ahead"
)

// Entry is one line of the ledger.
type Entry struct {
	Time   time.Time `json:"time"` // UTC
	Run    string    `json:"run"`
	Commit string    `json:"commit,omitempty"`
	Plan   string    `json:"plan,omitempty"` // digest of the plan that was applied
	By     string    `json:"by,omitempty"`   // user@host that ran it
	Fence  uint64    `json:"fence,omitempty"`
	// Deployment names what the ledger is about, in the entry that a run begins with.
	Deployment string `json:"deployment,omitempty"`
	// Salt says which salt the plan's fingerprints were made with, as SaltID does, in the entries that begin a rotation.
	Salt    string `json:"salt,omitempty"`
	Secret  string `json:"secret,omitempty"`
	Version string `json:"version,omitempty"`
	// Before is the version that was live when the rotation began, "" when it is not known.
	Before string `json:"before,omitempty"`
	// Step says which step, "switch/stop IdentityMeshAdmin"; empty for the rotation as a whole.
	Step string `json:"step,omitempty"`
	// Hosts are where the step came out like this. Nil for a step without a host, and for a rotation as a whole. They are a
	// set: however they were given, a ledger returns them sorted, each once.
	Hosts   []string `json:"hosts,omitempty"`
	Outcome Outcome  `json:"outcome"`
	// Stops and Starts are the service that the step stops or starts on its hosts: for whoever knows nothing of its kind any more.
	Stops  string `json:"stops,omitempty"`
	Starts string `json:"starts,omitempty"`
	// Detail is a sentence for people: why it failed, how it was proven.
	Detail string `json:"detail,omitempty"`
	// Unproven is, with Proven, what nobody has seen all the same: nothing here shows it.
	Unproven string `json:"unproven,omitempty"`
	// Facts are what was learnt, for a later run.
	Facts []Fact `json:"facts,omitempty"`
	// Outages are the measured downtimes of a rotation, with what the plan predicted.
	Outages []Outage `json:"outages,omitempty"`
	// Left are the hosts that a rotation left behind, for a later run to finish.
	Left []string `json:"left,omitempty"`
	// Link is the hash of this entry and of all before it, as a ledger returns it that is chained; else "". It is not given.
	Link string `json:"-"`
}

// Fact is something that a run learnt and a later one may need: which services a stop takes down with it, which machine a
// secret was sealed on. With Started it is known before the effect, and holds until the rotation is proven or back, and nothing is pending. With any
// other outcome it holds until the same field of the same host is told again.
type Fact struct {
	Host  string `json:"host,omitempty"`
	Field string `json:"field"`
	Value string `json:"value"`
}

// Outage is how long something was down, in seconds.
type Outage struct {
	What      string  `json:"what"` // "relay-07", "relays", "Admin"
	Predicted float64 `json:"predicted,omitempty"`
	Measured  float64 `json:"measured"`
	// Since is when it went down for the last time, when nothing has shown since that it is up again; else zero. What was
	// started and then not seen to work counts as down.
	Since time.Time `json:"since,omitzero"`
	// UpBy says that Measured is the most that it can have been: an earlier run had left it down, nobody saw it come up, and by
	// this moment it was.
	UpBy time.Time `json:"upBy,omitzero"`
	// Ran says, with UpBy, after how long the process ran again that was seen then, where that is known: it worked then, or later.
	Ran float64 `json:"ran,omitempty"`
	// AtMost says that Measured is the most that it can have been: nobody could look when it went down, or when it came up.
	AtMost bool `json:"atMost,omitempty"`
	// AtLeast says that Measured is the least that it can have been: nobody looked at it for its own sake, and until then what it
	// depends on was down; or it was seen down, and had worked some time before.
	AtLeast bool `json:"atLeast,omitempty"`
	// Found says that it, or one of a fleet, was found stopped by no run that the ledger knows, and started: for how long that was
	// so is not known, and not in Measured.
	Found bool `json:"found,omitempty"`
	// Started says that the run had started it again: since then it was not seen to work, or does not any more.
	Started bool `json:"started,omitempty"`
	// Earlier says that it began before the run that tells it: Measured is not how long a run takes something down.
	Earlier bool `json:"earlier,omitempty"`
	// Host and Service are what it is then, when it is one service.
	Host    string `json:"host,omitempty"`
	Service string `json:"service,omitempty"`
	// Members are what it is the outage of, while it is a prediction: a fleet's hosts. Not recorded.
	Members []string `json:"-"`
	// Unseen are further ones that were not seen to work when it was predicted: nobody knows whether they did. They count where they do
	// not at its end. Not recorded.
	Unseen []string `json:"-"`
	// With is what they are cut off by, while it is a prediction: from its stop on they cannot work, whether they run or not. Without
	// Members nobody looks when they do again.
	With string `json:"-"`
}

// State is everything that is remembered about a deployment, opened as one thing. A backend provides all of it.
type State struct {
	Ledger Ledger
	Lock   Lock
	Salt   Salt
	Values Blobs
	// Records says what of this is there.
	Records Records
}

// Records lets somebody who only looks see whether what is remembered fits together.
type Records interface {
	// Present writes nothing, and makes nothing.
	Present(ctx context.Context) (Present, error)
}

// Present is what is there of a state.
type Present struct {
	// Begun says that there is a record, though it may be empty: somebody has held the lock here.
	Begun bool
	// Salt tells one salt from another and tells nobody the salt; "" when there is none.
	Salt string
	// Fence is the highest that the lock knows, 0 when it knows of none.
	Fence uint64
	// Place is where it is, for people.
	Place string
	// Journals are what runs of this machine recorded and could not bring to the place that all share.
	Journals []Journal
	// Unable is why no record can be begun here, where that is known before anybody tries; nil otherwise.
	Unable error
}

// Journal is what a run recorded on this machine's disk alone.
type Journal struct {
	Place, Run string
	// Says is what is in it, in short.
	Says string
	// Late says that another run has begun since: it is told as what became of that run, and nothing else hangs on it.
	Late bool
	// Published says that this process has just brought it to where all see it.
	Published bool
}

// SaltID tells one salt from another.
func SaltID(salt secret.Value) string {
	m := hmac.New(sha256.New, salt.Expose())
	m.Write([]byte("which salt"))
	return hex.EncodeToString(m.Sum(nil)[:6])
}

// SealOf is what only who has the salt can make of a text.
func SealOf(salt secret.Value, text string) string {
	m := hmac.New(sha256.New, salt.Expose())
	m.Write([]byte("a saved plan\n" + text))
	return hex.EncodeToString(m.Sum(nil))
}

// Ledger is an append-only record. Implementations pass statetest.Ledger.
type Ledger interface {
	// Append makes the entries durable, in order, all before it returns nil. An error means that they may or may not
	// be there; the caller must not go on to the effect that they announce.
	Append(ctx context.Context, entries ...Entry) error
	// Reserve keeps room for so many bytes of entries, as JSON, until the lease is given back: what is appended under that
	// lease then fits, whatever fills the disk meanwhile. It fails when there is no room. Another call replaces what the one
	// before it kept.
	Reserve(ctx context.Context, bytes int) error
	// Entries returns everything, oldest first. A torn last line, left by a crash, is no entry and no error. An entry that was
	// lost, edited or added by somebody else is an error that names it. Entries may share slices: do not change them.
	Entries(ctx context.Context) ([]Entry, error)
}

// Salt keys the fingerprints of files that plans show.
type Salt interface {
	// Salt is the deployment's, made once and durable.
	Salt(ctx context.Context) (secret.Value, error)
	// PresentSalt is Salt for a look that is compared with no other: where none was made yet it writes nothing, and returns
	// another one each time.
	PresentSalt(ctx context.Context) (secret.Value, error)
}

// Blobs keeps sealed values by name, "relaykey/7.age". Implementations pass statetest.Blobs.
type Blobs interface {
	// Create makes a blob durable before it returns nil, and fails with fs.ErrExist when there is one: a name has one
	// content for ever. What made fs.ErrExist is durable too by then, though the process that made it was killed. A name
	// that CheckBlob refuses is an error.
	Create(ctx context.Context, name string, content []byte) error
	// Read fails with fs.ErrNotExist when there is none.
	Read(ctx context.Context, name string) ([]byte, error)
	// List names the blobs in a folder, "relaykey", as Read takes them, sorted; none when there is no such folder.
	List(ctx context.Context, folder string) ([]string, error)
	// Folders names those that List has something in, sorted.
	Folders(ctx context.Context) ([]string, error)
	// Remove takes a blob away for good, and fails with fs.ErrNotExist when there is none. Only a person's word is a reason: what
	// hosts hold may not be told from another value afterwards.
	Remove(ctx context.Context, name string) error
	// Check says why nothing could be created now, or nil. It writes nothing that stays.
	Check(ctx context.Context) error
	// Place is where they are, for people.
	Place() string
}

// Lock lets one run at a time change a deployment. Implementations pass statetest.Lock.
type Lock interface {
	// Acquire takes the lease, or fails with *HeldError. A lease whose holder is known to be dead, or whose heartbeat
	// is older than its time to live, is taken over with a higher fence. Heartbeat and Fence of holder are ignored.
	Acquire(ctx context.Context, holder Holder) (Lease, error)
	// Current returns the present holder, be it alive or dead, or what is known of a damaged lease; ok is false when nobody
	// holds it.
	Current(ctx context.Context) (holder Holder, ok bool, err error)
	// Break removes the lease of the given fence, whoever holds it, and fails when that is not the present one. The
	// holder stops before its next effect. Fence 0 is that of a lease that cannot be read, and of no other.
	Break(ctx context.Context, fence uint64) error
}

// Lease is a held lock. It renews itself until released.
type Lease interface {
	// Fence grows with every acquisition.
	Fence() uint64
	// Check fails with *LostError when the lease is no longer ours. Call it before each effect.
	Check(ctx context.Context) error
	// Regain takes a lease anew that was taken away, where nobody has had one since: nobody holds it, and no higher fence was given out.
	// It fails otherwise, also when nobody can say, and does nothing to a lease that is ours.
	Regain(ctx context.Context) error
	// Doing records what the holder is at, for whoever finds the lease.
	Doing(ctx context.Context, what string) error
	// Release gives it back, also when ctx is done already: an interrupted run has to. Releasing a lost lease is an
	// error and harms nobody.
	Release(ctx context.Context) error
}

// Holder says who holds a lease.
type Holder struct {
	Run       string    `json:"run"`
	By        string    `json:"by"`   // user
	Host      string    `json:"host"` // machine
	PID       int       `json:"pid"`
	Commit    string    `json:"commit,omitempty"`
	Started   time.Time `json:"started"`
	Heartbeat time.Time `json:"heartbeat"`
	Fence     uint64    `json:"fence"`
	Doing     string    `json:"doing,omitempty"`
	// Beat is how often the holder renews its heartbeat where that is seldom, as the store knows; 0 is every few seconds.
	Beat time.Duration `json:"-"`
	// Ended says that the next run takes the lease over: the holder has certainly ended, or it is Silent. False is not known.
	Ended bool `json:"ended,omitempty"`
	// Silent says that the holder is not known to have ended. It did not renew its heartbeat for as long as it promised to: it may be
	// suspended, and go on until it notices that its lease is lost.
	Silent bool `json:"silent,omitempty"`
	// Damaged says why the lease is not to be believed, "" when it is: it cannot be read, and then Fence is 0 and nothing
	// else is known; or its heartbeat lies in the future, and nobody can say whether it is alive. Nobody takes such a lease
	// over. Break removes it.
	Damaged string `json:"damaged,omitempty"`
}

// Name says which run it is, of whom, and when it began.
func (h Holder) Name() string {
	return "run " + h.Run + " of " + h.By + "@" + h.Host + ", begun " + h.Started.UTC().Format("2006-01-02 15:04:05 UTC")
}

// alive is how old a heartbeat may be whose run is taken for one that is at work: two were missed by then in a folder or in SQL Server.
// A lease in a folder goes stale soon after, so whoever is refused for a dead run's has to be told before. Where heartbeats are seldom,
// two may be late by as long as an answer takes.
const (
	alive   = 15 * time.Second
	answers = 5 * time.Second
)

// AtWork says that the holder is taken for one that is at work, for whoever asks what stands still. Its silence may be shorter than that
// though it is dead: nobody can know.
func (h Holder) AtWork(now time.Time) bool {
	return !h.Ended && h.Damaged == "" && now.Sub(h.Heartbeat) < max(alive, 2*h.Beat+answers)
}

// MarkerTTL is how long a marker on a host is respected after its last heartbeat. It is long, because the way to the host
// may be away for minutes.
const MarkerTTL = 5 * time.Minute

// HeldError says that somebody else holds the lease.
type HeldError struct {
	Holder Holder
	// Marker is the host whose marker says so, "" for the lock of this state.
	Marker string
}

func (e *HeldError) Error() string {
	h, at := e.Holder, ""
	if e.Marker != "" {
		at = ", says the marker on " + e.Marker
	}
	if h.Damaged != "" && h.Fence == 0 {
		return "the deployment is locked" + at + ", and nobody can say by whom: " + h.Damaged
	}
	s := "the deployment is locked by " + h.By + "@" + h.Host + ", run " + h.Run + ", since " + h.Started.UTC().Format(time.RFC3339)
	if h.Doing != "" {
		s += ", last at: " + h.Doing
	}
	if h.Damaged != "" {
		s += "; " + h.Damaged
	}
	return s + at
}

// Hint says what to do about it.
func (e *HeldError) Hint() string {
	if e.Marker != "" {
		return fmt.Sprintf("wait for it to end: without a heartbeat for %v it is taken over; if that run is dead, `meshrotate unlock --marker` shows what it was doing and removes its marker", MarkerTTL)
	}
	if e.Holder.Damaged != "" && e.Holder.Fence == 0 {
		return "make sure that no meshrotate is at work, then remove the lock: `meshrotate unlock`"
	}
	return "wait for it to end; if that run is dead, `meshrotate unlock` shows what it was doing and removes its lock"
}

// AwayError says that what keeps the state was not reached, or did not answer. Later it may.
type AwayError struct{ Err error }

func (e *AwayError) Error() string { return e.Err.Error() }

// Unwrap returns what happened.
func (e *AwayError) Unwrap() error { return e.Err }

// LostError says that a lease is no longer held by the one who acquired it: it was broken, or taken over.
type LostError struct {
	Fence uint64 // of the lease that was lost
	// Holder has the lease now; its Fence is 0 when nobody does, or when it is not known.
	Holder Holder
	// Err is why the lease could not be renewed, nil when somebody took it away.
	Err error
	// Marker is the host whose marker was lost, "" for the lock of the state.
	Marker string
}

func (e *LostError) Error() string {
	s := fmt.Sprintf("the lock (fence %d) was lost", e.Fence)
	if e.Marker != "" {
		s = "the marker on " + e.Marker + " was lost"
	}
	switch h := e.Holder; {
	case h.Fence != 0:
		s += fmt.Sprintf(": now held by %s@%s, run %s (fence %d)", h.By, h.Host, h.Run, h.Fence)
	case e.Err != nil:
		s += ": it could not be renewed: " + e.Err.Error()
	default:
		s += ": it was removed, or a run that took it over has ended"
	}
	return s
}

// Unwrap returns why the lease could not be renewed.
func (e *LostError) Unwrap() error { return e.Err }

// Hint says what to do about it.
func (e *LostError) Hint() string {
	return "this run stops before its next effect; when nobody else is at work, run `meshrotate plan` to see what is left"
}
