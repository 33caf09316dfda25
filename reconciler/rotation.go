package reconciler

import (
	"time"

	"meshrotate/reconciler/secret"
	"meshrotate/specs"
	"meshrotate/state"
)

// Kind is one kind of secret. The program knows it by one line in a registry.
type Kind struct {
	// Name is the rotation package's name: "relaykey".
	Name string
	// Section is what the kind adds to the document.
	Section specs.Section
	// Values says where the values of its secrets come from.
	Values func(spec any) []Needed
	// New makes the rotations that a document asks for; spec is what Section.New returned, decoded and checked.
	New func(d *specs.Deployment, spec any) ([]Rotation, error)
}

// Needed is a value that a kind of secret needs.
type Needed struct {
	// Name is the secret's, as in secret.Ref.
	Name string
	From specs.Source
	// Exact says that every byte counts, a final newline too: a signed file rather than a password.
	Exact bool
}

// Rotation is one secret of one deployment.
type Rotation interface {
	// Ref names the secret and the declared version.
	Ref() secret.Ref
	// Reads says what to look at. It is data: the same answer every time, no I/O.
	Reads() []Read
	// Plan compares what is wanted with what was seen and says what is left to do. It must be pure: the same input
	// gives the same Change, and it holds no value.
	Plan(in Input) Change
}

// Input is all that planning may know.
type Input struct {
	Seen    Seen
	History state.History
	Now     time.Time
}

// Phase is the only ordering language. Every target finishes a phase before any target starts the next.
type Phase int

// The phases. Stop, Change and Start are together what people call the switch.
const (
	Prepare Phase = iota // make the new value durable, stage files; nothing live changes
	Accept               // make everyone accept the new beside the old
	Stop
	Edit
	Start
	Verify // prove it with the new credential, on a fresh connection
	Retire // remove the old
)

// String is the phase's name for people.
func (p Phase) String() string {
	return [...]string{"prepare", "accept", "switch", "switch", "switch", "verify", "retire"}[p]
}

// TargetKind is what a Target is.
type TargetKind string

// The kinds of target.
const (
	HostTarget   TargetKind = "host"
	APITarget    TargetKind = "admin-api"
	ValuesTarget TargetKind = "values"
)

// Target is something that is looked at or changed: reads and steps travel to it in one batch.
type Target struct {
	Kind TargetKind `json:"kind"`
	Name string     `json:"name,omitempty"`
}

// String is the name for people.
func (t Target) String() string {
	switch {
	case t.Name != "":
		return t.Name
	case t.Kind == APITarget:
		return "Admin API"
	default:
		return string(t.Kind)
	}
}

// Read is one question about a target. Reads are data; the site knows how to answer them.
type Read interface {
	Target() Target
	// Key is unique within the target: when two rotations ask the same, it is asked once.
	Key() string
}

// Result is the answer to a Read. It may hold secret.Values; its facts may not.
type Result interface {
	// Facts are what a plan is bound to and may show.
	Facts() []Fact
}

// Fact is one thing seen on a target, in words that a plan may show.
type Fact struct {
	Field string `json:"field"`
	Value string `json:"value"`
}

// Op is one change to a target, or one proof. Ops are data: they travel to the site, which knows how to do them.
type Op interface {
	Target() Target
	// Key says what the op does to what: "stop service IdentityMeshAdmin". Ops with the same key in one phase merge.
	Key() string
	// Merge joins another op of the same key into one.
	Merge(other Op) (Op, error)
}

// Narrower is an op about several hosts that can do without those that were left behind.
type Narrower interface {
	Without(left func(host string) bool) Op
}

// Step is an op in its place in the order, with the secrets that need it.
type Step struct {
	// Name is unique within the plan; it is the step's key in the ledger.
	Name    string       `json:"name"`
	Secrets []secret.Ref `json:"secrets"`
	Phase   Phase        `json:"phase"`
	// Wave orders steps within one phase: there is a barrier between waves too.
	Wave int `json:"wave,omitempty"`
	Op   Op  `json:"op"`
	// Undo takes the op back. Undos run in reverse order of their steps. Nil: there is nothing to take back.
	Undo Op `json:"undo,omitempty"`
	// Alone says that a failure stays on its target: the others go on, and Verify decides.
	Alone bool `json:"alone,omitempty"`
}

// Status is where a secret stands.
type Status string

// The statuses.
const (
	AsDeclared Status = "as declared"
	Rotate     Status = "rotate"
	// Refused: a guard objects, to what is to be done or to what is live. Findings say why.
	Refused Status = "refused"
	// Unknown: it could not be looked at. Findings say why.
	Unknown Status = "unknown"
)

// Change is what a rotation has to say: where the secret stands, and what is left to do.
type Change struct {
	Secret secret.Ref `json:"secret"`
	// Title is the secret's name for people: "relay key".
	Title  string `json:"title"`
	Status Status `json:"status"`
	// Before is the live version, "" when it is not known.
	Before string `json:"before,omitempty"`
	// Reason is a sentence: why there is something to do, or what the live state is.
	Reason string `json:"reason,omitempty"`
	// Lines tell the steps as people read them: "13 relays", never a list of hosts.
	Lines []Line `json:"lines,omitempty"`
	// Outages are predictions.
	Outages  []state.Outage `json:"outages,omitempty"`
	Undo     string         `json:"undo,omitempty"`
	Findings []Finding      `json:"findings,omitempty"`
	Steps    []Step         `json:"-"`
	// Left are targets that this change leaves behind because the policy tolerates it.
	Left []Target `json:"left,omitempty"`
	// Tolerate says which targets may still fall behind while it is applied.
	Tolerate Tolerance `json:"-"`
	// Proof is how success is shown, for the end of an apply: "13 relays connected with a heartbeat after …".
	Proof string `json:"proof,omitempty"`
	// Due is when the next rotation is due by the declared cadence, zero when there is none or it is not known.
	Due     time.Time `json:"due,omitzero"`
	Expires time.Time `json:"expires,omitzero"`
}

// Tolerance is which targets may be left behind.
type Tolerance struct {
	Names map[string]bool
	Count int
}

// Line is one sentence of a plan.
type Line struct {
	Phase string `json:"phase"`
	Text  string `json:"text"`
}

// Severity orders findings.
type Severity string

// The severities. An Error blocks; a Warning is shown; a Note is for the record.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
	Note    Severity = "note"
)

// Finding is something a reader should know. Code is stable and searchable: "relay-undeclared".
type Finding struct {
	Severity Severity `json:"severity"`
	Code     string   `json:"code"`
	Text     string   `json:"text"`
	Hosts    []string `json:"hosts,omitempty"`
	Hint     string   `json:"hint,omitempty"`
}
