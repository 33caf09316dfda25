package reconciler

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"meshrotate/reconciler/secret"
)

// Phase is the outer order. Every target finishes a phase before any target starts the next. Within a phase Step.After is
// the order.
type Phase int

// The phases.
const (
	Prepare Phase = iota // make the new value durable, stage files; nothing live changes
	Accept               // make everyone accept the new beside the old, where that needs no file and no restart
	Switch               // stop, change, start
	Verify               // prove it with the new credential, on a fresh connection
	Retire               // remove the old
)

var phaseNames = [...]string{"prepare", "accept", "switch", "verify", "retire"}

// String is the phase's name.
func (p Phase) String() string { return phaseNames[p] }

// MarshalText writes the name.
func (p Phase) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads the name.
func (p *Phase) UnmarshalText(b []byte) error {
	i := slices.Index(phaseNames[:], string(b))
	if i < 0 {
		return fmt.Errorf("there is no phase %q", b)
	}
	*p = Phase(i)
	return nil
}

// Step is an op in its place in the order, with the secrets that need it. All of it is data.
type Step struct {
	// ID is unique in the plan, and the same in the next run: round, phase, target and key. The plan gives it.
	ID      string       `json:"id"`
	Secrets []secret.Ref `json:"secrets"`
	Phase   Phase        `json:"phase"`
	// After names the steps of this phase that must be done before this one, by StepID. Nothing else is waited for. It is a
	// constraint between ops: it holds on the way back too, between whichever of these ops take part there. A name that no
	// step bears is no constraint.
	After []string `json:"after,omitempty"`
	// Before is the same from the other side, for a step that somebody else may ask for: the start of a service that reads what
	// this one writes. What takes this one back comes before it as well.
	Before []string `json:"before,omitempty"`
	// Rather is Before where that contradicts nothing that another step says: the plan makes it so, or forgets it.
	Rather []string `json:"-"`
	Op     Op       `json:"op"`
	Back   Back     `json:"back"`
	// Proof says that its success is evidence, in whatever phase it stands. A step of Verify always is a proof.
	Proof bool `json:"proof,omitempty"`
	// Alone says that a failure stays on its target: the others go on, and the proofs decide.
	Alone bool `json:"alone,omitempty"`
	// Once says that it is never repeated blindly: after a lost answer it is looked at.
	Once bool `json:"once,omitempty"`
	// Vital says that what its target has without it is dead, or may not run beside what the others have: once it was begun, what
	// follows it there is not done without it, not even so that a service comes up; with a Never as its Back that is so from the outset. So it
	// is where nobody knows the end of a step that it comes after, and that has a Never.
	Vital bool `json:"vital,omitempty"`
	// Needed says that a service which was down before does not start without it, be it before it, or on the way back: what it has
	// is dead, or may not run beside what the others have.
	Needed bool `json:"needed,omitempty"`
	// WasDown says of a stop that the service did not run before. The way back starts it all the same, for what is proven may need
	// it; that it does not start then is no failure of the way back.
	WasDown bool `json:"wasDown,omitempty"`
	// Limit is its own deadline, for what takes longer than a look at a host: a build. Zero: the policy's.
	Limit Span `json:"limit,omitempty"`
	// undoes says that it is part of a way back.
	undoes bool
	// spare says of a start on the way back that it may fail: the service was down before.
	spare bool
}

// Undoes says that the step takes another one back, or proves that everything is as it was.
func (s Step) Undoes() bool { return s.undoes }

// Back is the way back from a step. The zero Back is refused when the plan is made: nobody forgot to think of it.
type Back struct {
	kind backKind
	// Op takes the step back. It looks before it acts: the step may have been begun and not done.
	Op Op
	// Why there is no way back, for people.
	Why string
}

type backKind int

const (
	notSaid backKind = iota
	way
	nothing
	never
)

// Way is the way back by an op. Of a step of Verify it is what is proven after everything else went back.
func Way(o Op) Back { return Back{kind: way, Op: o} }

// Nothing says that there is nothing to take back.
func Nothing() Back { return Back{kind: nothing} }

// Never says that there is no way back once the step was begun, and why. A secret with such a step begun goes forward.
func Never(why string) Back { return Back{kind: never, Why: why} }

// writtenBack is {"op":…}, {"never":"why"} or {}.
type writtenBack struct {
	Op    *OpData `json:"op,omitempty"`
	Never string  `json:"never,omitempty"`
}

// MarshalJSON writes what writtenBack says.
func (b Back) MarshalJSON() ([]byte, error) {
	op, err := DataOf(b.Op)
	if err != nil {
		return nil, err
	}
	return json.Marshal(writtenBack{op, b.Why})
}

// opIn is OpData whose arguments are written with the rest, and not before it: of ten thousand hosts' steps that is felt.
type opIn struct {
	Kind   string `json:"kind"`
	Target Target `json:"target"`
	Args   Op     `json:"args"`
}

// backIn is writtenBack with such an op.
type backIn struct {
	Op    *opIn  `json:"op,omitempty"`
	Never string `json:"never,omitempty"`
}

// stepIn is a step with such ops.
type stepIn struct {
	plainStep
	Back backIn `json:"back"`
	Op   opIn   `json:"op"`
	back opIn   // for Back
}

type plainStep Step // without its methods

// MarshalJSON writes the ops as data.
func (s Step) MarshalJSON() ([]byte, error) {
	var text bytes.Buffer
	err := new(stepIn).encode(s, json.NewEncoder(&text), &text)
	return bytes.TrimSuffix(text.Bytes(), []byte("\n")), err
}

// encode writes a step, and the end of the line, by an encoder that writes to text.
func (in *stepIn) encode(s Step, e *json.Encoder, text *bytes.Buffer) error {
	*in = stepIn{plainStep: plainStep(s), Back: backIn{Never: s.Back.Why}, Op: opIn{s.Op.Kind(), s.Op.Target(), s.Op}}
	if op := s.Back.Op; op != nil {
		in.back = opIn{op.Kind(), op.Target(), op}
		in.Back.Op = &in.back
	}
	begins := text.Len()
	if err := e.Encode(in); err == nil && !bytes.Contains(text.Bytes()[begins:], []byte(`"args":{}`)) { // which stands in no string: its quotes would be escaped
		return nil
	}
	b, err := s.byData() // an op without arguments is written without them; and an error names the op
	text.Truncate(begins)
	text.Write(append(b, '\n'))
	return err
}

// byData is MarshalJSON by OpData.
func (s Step) byData() ([]byte, error) {
	op, err := DataOf(s.Op)
	if err != nil {
		return nil, err
	}
	back, err := DataOf(s.Back.Op)
	if err != nil {
		return nil, err
	}
	return json.Marshal(struct {
		plainStep
		Back writtenBack `json:"back"`
		Op   *OpData     `json:"op"`
	}{plainStep(s), writtenBack{back, s.Back.Why}, op})
}

// Name is the step without its target: the ledger's key, beside the host.
func (s Step) Name() string {
	name := s.Phase.String() + "/" + s.Op.Key()
	if s.undoes {
		name = "back/" + name
	}
	return name
}

// StepID is how Step.After names the step of this phase with this op.
func StepID(p Phase, o Op) string { return p.String() + "/" + o.Target().id() + "/" + o.Key() }

// Round is Prepare to Retire, with a scope of undo of its own: what an earlier round proved stays. Most plans have one.
type Round struct {
	Steps []Step `json:"steps"`
}

// of are the steps of a phase, in order. They are the round's own where they stand together, as in a plan: who changes them clones them.
func (r Round) of(p Phase) []Step {
	n := r.count(p)
	if n == 0 {
		return nil
	}
	first := slices.IndexFunc(r.Steps, func(s Step) bool { return s.Phase == p })
	if together := r.Steps[first:min(first+n, len(r.Steps))]; (Round{together}).count(p) == n {
		return slices.Clip(together)
	}
	some := make([]Step, 0, n)
	for _, s := range r.Steps {
		if s.Phase == p {
			some = append(some, s)
		}
	}
	return some
}

// count is how many steps a phase has.
func (r Round) count(p Phase) int {
	n := 0
	for _, s := range r.Steps {
		if s.Phase == p {
			n++
		}
	}
	return n
}

// needs says that the secret needs the step.
func (s Step) needs(name string) bool {
	return slices.ContainsFunc(s.Secrets, func(r secret.Ref) bool { return r.Name == name })
}

// swaps is the file that the step makes live, "" for none. Two hosts may have a file of one name.
func (s Step) swaps() string {
	if f, ok := s.Op.(Swapper); ok {
		return s.Op.Target().id() + " " + f.Swaps()
	}
	return ""
}

func names(refs []secret.Ref) string {
	all := make([]string, len(refs))
	for i, r := range refs {
		all[i] = r.Name
	}
	return strings.Join(all, ", ")
}
