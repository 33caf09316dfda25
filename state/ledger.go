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
	// Unsure says that nobody could look whether it is down at all: an earlier run was to stop it, and was cut off.
	Unsure bool `json:"unsure,omitempty"`
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

// KeySealed begins a seal that was made with a key that the state does not hold.
const KeySealed = "key:"

// SealOf is what only who has the salt can make of a text, and the key where there is one: whoever may read the state has the salt.
func SealOf(salt, key secret.Value, text string) string {
	m := hmac.New(sha256.New, salt.Expose())
	m.Write([]byte("a saved plan\n" + text))
	if key.IsZero() {
		return hex.EncodeToString(m.Sum(nil))
	}
	k := hmac.New(sha256.New, key.Expose())
	k.Write(m.Sum(nil))
	return KeySealed + hex.EncodeToString(k.Sum(nil))
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
