package site

import (
	"maps"

	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
)

// Operator is the machine that meshrotate runs on, as a target: programs of whoever runs it. What is done for one secret has a
// target of its own: nobody's program waits for another's.
func Operator(name string) reconciler.Target {
	return reconciler.Target{Kind: reconciler.OperatorTarget, Name: name}
}

// OperatorProgram asks whether a program can be run on the operator's machine. Answer: *ProgramSeen.
type OperatorProgram struct{ Path string }

func (r OperatorProgram) Target() reconciler.Target { return Operator("") }
func (r OperatorProgram) Key() string               { return "program " + r.Path }

// ProgramSeen answers OperatorProgram.
type ProgramSeen struct {
	Path string
	// Problem is why it cannot be run, "" when nothing is known to stand in the way.
	Problem string
}

func (s *ProgramSeen) Facts() []reconciler.Fact {
	v := "can be run"
	if s.Problem != "" {
		v = s.Problem
	}
	return []reconciler.Fact{{Field: "program " + s.Path, Value: v}}
}

// RunHook runs a program on the operator's machine, which gets a version of a secret on its standard input. What it has done
// nobody can see; so it has to take being run again with the same value. One that proves a login changes nothing: 0 says that the
// value was taken, 1 that it was refused, and whatever else it ends with says nothing.
type RunHook struct {
	Program string     `json:"program"`
	Args    []string   `json:"args,omitempty"`
	Secret  secret.Ref `json:"secret"`
	// About is what it is told beside, in its environment: names after MESHROTATE_.
	About   map[string]string `json:"about,omitempty"`
	Timeout reconciler.Span   `json:"timeout"`
	// What it is for, as in "sets it at its source system".
	What string `json:"what"`
	// Proves: it proves a login. ByHand is whose part comes before that, after "a person": while it is refused, they are waited for.
	Proves bool   `json:"proves,omitempty"`
	ByHand string `json:"byHand,omitempty"`
}

func (o RunHook) Kind() string              { return "run-hook" }
func (o RunHook) Target() reconciler.Target { return Operator(o.Secret.Name) }
func (o RunHook) Key() string               { return "run " + base(o.Program) + " for " + o.Secret.Name }
func (o RunHook) Says() reconciler.Phrase {
	return reconciler.Phrase{Do: base(o.Program) + ", run here, " + o.What}
}
func (o RunHook) Merge(other reconciler.Op) (reconciler.Op, error) {
	if b, ok := other.(RunHook); !ok || b.Key() != o.Key() || b.Secret != o.Secret || !maps.Equal(b.About, o.About) {
		return nil, errDifferent
	}
	return o, nil
}
