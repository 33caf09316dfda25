package reconciler

import (
	"slices"
	"strings"
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
	// Lessons are those of the findings that only this kind has.
	Lessons []Lesson
}

// Needed is a value that a kind of secret needs.
type Needed struct {
	// Ref is the secret and the declared version. Its source is asked for no other version.
	Ref  secret.Ref
	From specs.Source
	// Keep is where a generated one is kept as well, for others; nil: nowhere.
	Keep *specs.Place
	// Exact says that every byte counts, a final newline too: a signed file rather than a password.
	Exact bool
	// Document says that it may be a JSON document, as some APIs want it.
	Document bool
	// Plain says that a generated one is of letters and digits alone, some of each: a password.
	Plain bool
	// Read makes of a value what the kind's plan may know of it, of the declared one and of one found live. What it returns
	// may be shown to anybody. Nil: nothing is known of a value.
	Read func(value []byte) (any, error)
	// Check is asked once more of the declared value alone: is it fit to be rolled out? Open reads a file that the document
	// names. Nil: it is.
	Check func(value []byte, open func(path string) ([]byte, error)) error
	// Odd says why a value that its source gives cannot be meant, by what only this kind knows, without a character of it. What is
	// kept is not asked: it was accepted once. Nil: nothing is odd.
	Odd func(value []byte) error
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
	// Coming is what other changes of the same plan will alter: see Change.Alters.
	Coming []Coming
	// Emergency is a secret that others know, by the word of whoever plans; nil when there is none.
	Emergency *Emergency
	// Minders are rotations that are not planned for, and may object to a stop: see Minder.
	Minders []Rotation
	// Declared are the names of all secrets of the document, planned for or not; nil: those that are planned for.
	Declared map[string]bool
	// Withhold takes values out of a text that people have typed; nil: there are none in it.
	Withhold func(text string) string
	// Forgotten are objections of secrets that the document does not name any more, by the ledger alone.
	Forgotten []Minded
}

// Owns says that what a step has left on a host is this secret's to remove: the run that took the step there last did so for it, or for
// none that the document has. Another's belongs to the run that goes on with that one.
func (in Input) Owns(secret string, step Step) bool {
	by := in.History.LastToBegin(step.Name(), step.Op.Target().Name)
	by = slices.DeleteFunc(by, func(name string) bool { return !in.Declared[name] && name != secret })
	return len(by) == 0 || slices.Contains(by, secret)
}

// Coming is a fact of a target as it will be once a round of the plan has been done.
type Coming struct {
	Target Target
	Fact   Fact
	Round  int
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
	Title string `json:"title"`
	// Group is what several secrets are called together, where there may be hundreds: they are shown in one row.
	Group  string `json:"group,omitempty"`
	Status Status `json:"status"`
	// Before is the live version, "" when it is not known. While a rotation is pending it is the one before that.
	Before string `json:"before,omitempty"`
	// Live is, while a rotation is pending, the live version as it was seen: "" when nobody could.
	Live string `json:"live,omitempty"`
	// Waits names the changes of the same plan that go first, when it is refused, or cannot be judged, only because a service is not
	// well, and they may be the cure. It keeps no other change back then; a later plan has it.
	Waits string `json:"waits,omitempty"`
	// Reason is a sentence: why there is something to do, or what the live state is.
	Reason string `json:"reason,omitempty"`
	// Lines tell the steps as people read them: "13 relays", never a list of hosts. The plan makes them of the merged steps.
	Lines []Line `json:"lines,omitempty"`
	// Outages are predictions.
	Outages []state.Outage `json:"outages,omitempty"`
	// Undo says what can be taken back, and until when. The plan makes it of the steps; what a rotation says is added.
	Undo     string    `json:"undo,omitempty"`
	Findings []Finding `json:"findings,omitempty"`
	// Beside are findings about hosts rather than about this secret: the plan shows each once, in Plan.Fleet.
	Beside []Finding `json:"-"`
	// Rounds are what is left to do. Most changes have one. Those of a plan have no steps: they are in Plan.Rounds, merged.
	Rounds []Round `json:"-"`
	// Alters are facts of targets that another secret may have to follow. When there are any, every rotation is asked once
	// more, with them in Input.Coming; what it alters then must be the same.
	Alters []Coming `json:"-"`
	// Down is what is stopped since an earlier run stopped it.
	Down []Down `json:"down,omitempty"`
	// Returned is what came up by itself since then.
	Returned []Returned `json:"returned,omitempty"`
	// Left are targets that this change leaves behind because the policy tolerates it.
	Left []Target `json:"left,omitempty"`
	// LeftWhy is why, where it is for another reason than that one cannot be reached and is tolerated.
	LeftWhy map[Target]error `json:"-"`
	// Behind: it could not be looked at, and is left as it is: an emergency takes it along, and goes on without it. Left are its targets.
	Behind bool `json:"behind,omitempty"`
	// Unreached are what will take the old value out of what is left behind, once a later run comes there.
	Unreached []Step `json:"-"`
	// Tolerate says which targets may still fall behind while it is applied.
	Tolerate Tolerance `json:"-"`
	// Awaits are hosts that a further round waits for: it is begun only if none of them was left behind in an earlier one, but for
	// those that may be.
	Awaits Tolerance `json:"-"`
	// Proof is how success is shown. The plan makes it of the steps that are proofs.
	Proof string `json:"proof,omitempty"`
	// Next are starts that bring the new value into force, and that this change leaves to others; Opens is when, behind their names,
	// where that is known. It is stored, and that is what is proven.
	Next  []Op   `json:"-"`
	Opens string `json:"-"`
	// Later is what they are called, without those that are in this plan: "the next start of Admin". The plan says it.
	Later string `json:"later,omitempty"`
	// Unproven is what nobody will have seen though all that can be seen here says that it works: "that the source takes it". Then it is
	// stored, and not called proven.
	Unproven string `json:"unproven,omitempty"`
	// Due is when the next rotation is due by the declared cadence, zero when there is none or it is not known.
	Due     time.Time `json:"due,omitzero"`
	Expires time.Time `json:"expires,omitzero"`
	// Overlaps are old values that are accepted beside the ones that replace them.
	Overlaps []Overlap `json:"overlaps,omitempty"`
	// Unfinished says that an earlier run began with it and did not finish: going back leads to what that one left.
	Unfinished bool `json:"unfinished,omitempty"`
	// Compromised is why the old value is accepted nowhere once this is done, "" where it may be. The plan says it.
	Compromised string `json:"compromised,omitempty"`
	// Parts are what the declared version is made of, where that is several things that may be declared again each. Ousted are those
	// that this takes out. None of them is a value.
	Parts, Ousted []string `json:"-"`
	// Keepers are the places, some on hosts, that have what others know and that no step of this takes it out of. One whose field is a
	// state.HeldUntilBy is another secret's.
	Keepers []state.Fact `json:"-"`
	// Still are the places that accept what others know, since an emergency or, in one, after it.
	Still []Still `json:"-"`
	// Unseen are hosts, or other targets, that have or accept values of the secret, and which ones is not seen now: where others know one that an earlier run took
	// out elsewhere, the plan says so.
	Unseen []string `json:"-"`
	// Leaked is what is declared though others know it: the version, or one of its parts.
	Leaked string `json:"-"`
	// finishes: an emergency was proven, and this comes to what that one has left behind.
	finishes bool
}

// Still is a place that accepts what others know, on a target, and what ends that. Ends says that a step of this change does.
type Still struct {
	Place, On, Hint string
	Ends            bool
}

// Overlap is an old value that is accepted beside the one that replaces it.
type Overlap struct {
	Old string `json:"old"`
	// Began is when the other one was proven beside it, zero when no run has recorded that. From Ends on it may end.
	Began time.Time `json:"began,omitzero"`
	Ends  time.Time `json:"ends"`
	// Held is what uses the old one still, "" when nothing is known to.
	Held string `json:"held,omitempty"`
}

// Blocked says that a guard objects.
func Blocked(findings []Finding) bool {
	for _, f := range findings {
		if f.Severity == Error {
			return true
		}
	}
	return false
}

// Tolerance is which hosts may be left behind: of those that it is of, the ones that are named, and a number of others.
type Tolerance struct {
	Of, Names map[string]bool
	Count     int
}

// Line is one sentence of a plan.
type Line struct {
	Phase string `json:"phase"`
	Text  string `json:"text"`
}

// Severity orders findings.
type Severity string

// The severities. An Error blocks; a Warning is shown; a Note is for the record. Silenced is what the policy accepts for a while.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
	Note    Severity = "note"

	Silenced Severity = "silenced"
)

// FindingID names a kind of finding. It is stable and searchable: "relay-undeclared". Whoever finds it has a Lesson for it.
type FindingID string

// Finding is something a reader should know.
type Finding struct {
	Severity Severity  `json:"severity"`
	Code     FindingID `json:"code"`
	Text     string    `json:"text"`
	Hosts    []string  `json:"hosts,omitempty"`
	Hint     string    `json:"hint,omitempty"`
	// Unwell: it is about a service that is not well. Cure: the change goes on all the same, as it may be just what helps.
	Unwell, Cure bool `json:"-"`
	// Drift says that it is drift, though nothing may be left to do and nothing is refused for it.
	Drift bool `json:"drift,omitempty"`
}

// Drifted says that one of the findings is drift, and that the policy does not accept it.
func Drifted(findings []Finding) bool {
	return slices.ContainsFunc(findings, func(f Finding) bool { return f.Drift && f.Severity != Silenced })
}

// OfState says that a finding is about what is remembered, rather than about what is live.
func (f Finding) OfState() bool { return strings.HasPrefix(string(f.Code), "state-") }

// Doubted says that what is remembered does not fit together, or not with what is kept: then nothing is as declared for
// sure.
func (p *Plan) Doubted() bool {
	return slices.ContainsFunc(p.Fleet, Finding.OfState) ||
		slices.ContainsFunc(p.Changes, func(c Change) bool { return slices.ContainsFunc(c.Findings, Finding.OfState) })
}
