package reconciler

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// ReadPlan reads a saved plan to be shown. Its ops say what they do, and cannot be done: apply plans again.
func ReadPlan(b []byte) (*Plan, error) {
	if _, err := ReadSaved(b); err != nil {
		return nil, err
	}
	p := &Plan{}
	if err := json.Unmarshal(b, p); err != nil {
		return nil, fmt.Errorf("not a plan: %w", err)
	}
	return p, nil
}

// savedOp is an op as a plan has it.
type savedOp struct {
	data OpData
	key  string
}

func (o savedOp) Kind() string         { return o.data.Kind }
func (o savedOp) Target() Target       { return o.data.Target }
func (o savedOp) Key() string          { return o.key }
func (o savedOp) Says() Phrase         { return Phrase{} }
func (o savedOp) Merge(Op) (Op, error) { return nil, errors.New("a saved op merges with none") }

// MarshalJSON writes the op's arguments, as they were.
func (o savedOp) MarshalJSON() ([]byte, error) {
	if len(o.data.Args) == 0 {
		return []byte("{}"), nil
	}
	return o.data.Args, nil
}

// savedSwap is one that makes another file live.
type savedSwap struct{ savedOp }

func (o savedSwap) Swaps() string { return o.key }

func (o *OpData) op(key string) Op {
	switch {
	case o == nil:
		return nil
	case o.Kind == "swap":
		return savedSwap{savedOp{*o, key}}
	}
	return savedOp{*o, key}
}

// UnmarshalJSON reads a step as a saved plan has it. What its op does to what, its ID says.
func (s *Step) UnmarshalJSON(b []byte) error {
	type plain Step
	var written struct {
		plain
		Op   *OpData `json:"op"`
		Back struct {
			Op    *OpData `json:"op"`
			Never string  `json:"never"`
		} `json:"back"`
	}
	if err := json.Unmarshal(b, &written); err != nil {
		return err
	}
	if written.Op == nil {
		return fmt.Errorf("step %s has no op", written.ID)
	}
	*s = Step(written.plain)
	_, key, _ := strings.Cut(s.ID, "/"+written.Op.Target.id()+"/")
	s.Op = written.Op.op(key)
	switch back := written.Back; {
	case back.Op != nil:
		s.Back = Way(back.Op.op(""))
	case back.Never != "":
		s.Back = Never(back.Never)
	default:
		s.Back = Nothing()
	}
	return nil
}
