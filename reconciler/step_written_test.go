package reconciler

import (
	"bytes"
	"testing"

	"meshrotate/reconciler/secret"
)

// sayOp is an op with arguments, where it has any.
type sayOp struct {
	Text string `json:"text,omitempty"`
	Wait Span   `json:"wait,omitempty"`
	Own  any    `json:"own,omitempty"`
}

func (o sayOp) Kind() string         { return "say" }
func (o sayOp) Target() Target       { return Target{Kind: HostTarget, Name: "a<b"} }
func (o sayOp) Key() string          { return "say " + o.Text }
func (o sayOp) Says() Phrase         { return Phrase{} }
func (o sayOp) Merge(Op) (Op, error) { return o, nil }

// However a step is written, it is the same: a plan's digest is made of it.
func TestAStepIsWrittenAsItsData(t *testing.T) {
	ops := []sayOp{{}, {Text: `<&> "args":{} "`}, {Wait: 3e9}, {Text: "x", Own: map[string]any{"args": struct{}{}}}, {Own: map[string]any{"back": nil}}}
	for _, op := range ops {
		for _, back := range []Back{{}, Nothing(), Never("why <not>"), Way(sayOp{}), Way(op)} {
			s := Step{ID: "1", Secrets: []secret.Ref{{Name: "a", Version: "1"}}, Phase: Switch, After: []string{"x"}, Op: op, Back: back, Alone: true}
			whole, err := s.MarshalJSON()
			data, err2 := s.byData()
			if err != nil || err2 != nil || !bytes.Equal(whole, data) {
				t.Errorf("%s\n%s\n%v %v", whole, data, err, err2)
			}
		}
	}
	if _, err := (Step{Op: sayOp{Own: func() {}}}).MarshalJSON(); err == nil {
		t.Error("an op that cannot be written is no error")
	}
}
