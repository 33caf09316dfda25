package reconciler

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"

	"meshrotate/state"
)

// TargetKind is what a Target is. A site has one worker for each kind, and no default.
type TargetKind string

// The kinds of target.
const (
	HostTarget   TargetKind = "host"
	APITarget    TargetKind = "admin-api"
	SQLTarget    TargetKind = "sql"
	ValuesTarget TargetKind = "values"
	// OperatorTarget is the machine that meshrotate runs on: programs of whoever runs it.
	OperatorTarget TargetKind = "operator"
	// DomainTarget is the directory that accounts are of.
	DomainTarget TargetKind = "domain"
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

// id is unique among all targets: no host's name begins with an @.
func (t Target) id() string {
	if t.Kind == HostTarget {
		return t.Name
	}
	id := "@" + string(t.Kind)
	if t.Name != "" {
		id += " " + t.Name
	}
	return id
}

// Read is one question about a target. Reads are data; the site knows how to answer them.
type Read interface {
	Target() Target
	// Key is unique within the target: when two rotations ask the same, it is asked once.
	Key() string
}

// ServiceRead is a Read of a service's state, and of nothing else.
type ServiceRead interface {
	Read
	OfService() string
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

// Op is one change to a target, or one proof. Ops are data: the site knows how to do them. What json.Marshal makes of an
// op is its arguments; with its kind and its target they are all of it, and it can be read back.
type Op interface {
	// Kind names the type of op: "swap".
	Kind() string
	Target() Target
	// Key says what the op does to what: "stop IdentityMeshAdmin". Ops with the same key in one phase merge.
	Key() string
	// Merge joins another op of the same key into one.
	Merge(other Op) (Op, error)
	// Says puts the op into words. A plan tells what it does by what its ops say, so that words cannot differ from deeds.
	Says() Phrase
}

// Phrase is an op in words: "stop" and "Admin".
type Phrase struct {
	// Do is what is done: "stop", "replace the file". "" is not worth a word.
	Do string
	// Apart is Do as it is said behind Who and a colon, where it is said otherwise then: without an "on" at its end.
	Apart string
	// Who is whom it is done to, "" when Do says it. Noun is what several of these are called: "relay".
	Who, Noun string
}

// Swapper is an op that makes another file live. It may stand in the Switch alone: two phases that swapped one file would
// bring one secret's new value live before its time. Two secrets that swap the same file share their fate.
type Swapper interface{ Swaps() string }

// Stager is an op that writes what a Swapper will make live. It may stand in Prepare alone: one staging a file and round.
type Stager interface{ Stages() string }

// Narrower is an op about several hosts that can do without those that were left behind.
type Narrower interface {
	// Without is the op for the others; some says that there are any.
	Without(left func(host string) bool) (op Op, some bool)
}

// Foreseer is an op that knows, before its effect, something that a later run will need if this one dies. It is durable
// before the effect.
type Foreseer interface{ Foresees() []state.Fact }

// Serving is an op about a service: what its outages are called, and the name it has on its host.
type Serving interface{ Serves() (what, service string) }

// Turning is a Serving op that stops its service, or starts it.
type Turning interface {
	Serving
	Stops() bool
}

// Taking is a Serving op whose service takes others down with it: they depend on it.
type Taking interface{ Takes() []string }

// OpData is an op as it is written.
type OpData struct {
	Kind   string          `json:"kind"`
	Target Target          `json:"target"`
	Args   json.RawMessage `json:"args,omitempty"`
}

// DataOf writes an op, nil for no op.
func DataOf(o Op) (*OpData, error) {
	if o == nil {
		return nil, nil
	}
	args, err := json.Marshal(o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.Key(), err)
	}
	if string(args) == "{}" {
		args = nil
	}
	return &OpData{Kind: o.Kind(), Target: o.Target(), Args: args}, nil
}

// Span is a time.Duration that is written in seconds.
type Span time.Duration

// Of is the span as Go counts it.
func (s Span) Of() time.Duration { return time.Duration(s) }

// String is how people read it.
func (s Span) String() string { return time.Duration(s).String() }

// MarshalJSON writes seconds.
func (s Span) MarshalJSON() ([]byte, error) {
	if whole := s.Of().Truncate(time.Second); whole == s.Of() {
		return strconv.AppendInt(nil, int64(whole/time.Second), 10), nil // as nearly all are
	}
	return json.Marshal(s.Of().Seconds())
}

// UnmarshalJSON reads seconds.
func (s *Span) UnmarshalJSON(b []byte) error {
	var seconds float64
	if err := json.Unmarshal(b, &seconds); err != nil {
		return err
	}
	*s = Span(math.Round(seconds * float64(time.Second)))
	return nil
}
