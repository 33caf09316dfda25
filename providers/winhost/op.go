package winhost

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"sync"

	"meshrotate/reconciler/secret"
)

// Op is one thing to do on a host. It is data: the types in this package that end in a family's verb, such as
// FileRead and ServiceStop, are all there are.
type Op interface {
	// Name is the op's name on the wire, such as "file.read".
	Name() string
	// Object is the path or the service that the op is about, "" for the machine itself.
	Object() string
	// Looks says that the op changes nothing.
	Looks() bool
}

// carrier is an op that carries a blob, or may: then ok says that it does.
type carrier interface {
	blob() (v secret.Value, ok bool)
}

// taker is a carrier on the host's side. Without a blob ok is false.
type taker interface {
	take(v secret.Value, ok bool) error
}

// needed is for ops that always carry one.
func needed(to *secret.Value, v secret.Value, ok bool) error {
	if !ok {
		return errors.New("no blob")
	}
	*to = v
	return nil
}

// Code says how an op ended. The zero Code is no answer.
type Code string

// The codes that a host answers.
const (
	OK          Code = "ok"
	Unchanged   Code = "unchanged"   // it was already so
	Conflict    Code = "conflict"    // the file is not what the op expects: look again
	NotFound    Code = "notFound"    // no such file or service
	Denied      Code = "denied"      // access denied, or a read-only file
	Sharing     Code = "sharing"     // another process holds the file, also after some tries
	DiskFull    Code = "diskFull"    // nothing was written
	Timeout     Code = "timeout"     // it may still happen
	Unsupported Code = "unsupported" // the host does not know this op
	Failed      Code = "failed"      // see Win32 and Message
	Skipped     Code = "skipped"     // not tried, because an op before it failed
)

// Answer is yes, no, or "" for unknown.
type Answer string

// The two answers that are known.
const (
	Yes Answer = "yes"
	No  Answer = "no"
)

// Result is what became of one op.
type Result struct {
	Code Code `json:"code"`
	// Win32 is the number of the Windows error, 0 when there is none.
	Win32 uint32 `json:"win32"`
	// Message is the host's own text, in the host's language. It never holds content.
	Message string `json:"message"`

	// One of these is set, by the op's family, unless the op was not tried.
	File        *File        `json:"file,omitempty"`
	Service     *Service     `json:"service,omitempty"`
	Environment *Environment `json:"environment,omitempty"`
	Machine     *Identity    `json:"machine,omitempty"`
	Log         *Log         `json:"log,omitempty"`
	SQL         *SQLAnswer   `json:"sql,omitempty"`
	Reached     *Reached     `json:"reached,omitempty"`
	Logon       *Logon       `json:"logon,omitempty"`
	Secrets     *Secrets     `json:"secrets,omitempty"`
	Trials      *Trials      `json:"trials,omitempty"`
	Exposed     *Exposed     `json:"exposed,omitempty"`
	Signatures  *Signatures  `json:"signatures,omitempty"`
	Variable    *Variable    `json:"variable,omitempty"`
	Build       *Build       `json:"build,omitempty"`
	// Certificates are those of a store, which may be empty.
	Certificates []StoredCertificate `json:"certificates,omitempty"`
}

// content is what of the result travels as a blob, nil where nothing does.
func (r Result) content() *secret.Value {
	switch {
	case r.File != nil:
		return &r.File.Content
	case r.Environment != nil:
		return &r.Environment.CommandLine
	}
	return nil
}

// Done says that the state asked for is there: the op did it, or it was so already.
func (r Result) Done() bool { return r.Code == OK || r.Code == Unchanged }

// Err is nil when the op is done, and otherwise an *OpError.
func (r Result) Err(op Op) error {
	if r.Done() {
		return nil
	}
	return &OpError{Op: op.Name(), Object: op.Object(), Code: r.Code, Win32: r.Win32, Message: r.Message}
}

// OpError is an op that a host answered with anything but ok or unchanged.
type OpError struct {
	Op, Object string
	Code       Code
	Win32      uint32
	Message    string
}

func (e *OpError) Error() string {
	text := e.Op
	if e.Object != "" {
		text += " " + e.Object
	}
	text += ": " + string(e.Code)
	if e.Win32 != 0 {
		text += fmt.Sprintf(" (Windows error %d)", e.Win32)
	}
	if e.Message != "" {
		text += ": " + e.Message
	}
	return text
}

// request and reply are the JSON of a frame. Every field is always there: the script runs in strict mode.
type request struct {
	// All asks for every op, whatever became of those before it.
	All bool     `json:"all"`
	Ops []wireOp `json:"ops"`
}

type wireOp struct {
	Op   string          `json:"op"`
	Blob int             `json:"blob"` // index of the frame's blob, -1 for none
	Args json.RawMessage `json:"args"`
}

type reply struct {
	Results []wireResult `json:"results"`
}

type wireResult struct {
	Result
	Blob int `json:"blob"`
}

// EncodeRequest makes the frame that asks for ops. With all, no op is skipped after a failure.
func EncodeRequest(nonce [NonceSize]byte, ops []Op, all bool) (Frame, error) {
	f := Frame{Nonce: nonce}
	r := request{All: all, Ops: []wireOp{}}
	for _, op := range ops {
		args, err := json.Marshal(op)
		if err != nil {
			return Frame{}, fmt.Errorf("%s: %w", op.Name(), err)
		}
		w := wireOp{Op: op.Name(), Blob: -1, Args: args}
		if c, ok := op.(carrier); ok {
			if v, ok := c.blob(); ok {
				w.Blob = len(f.Blobs)
				f.Blobs = append(f.Blobs, v.Expose())
			}
		}
		r.Ops = append(r.Ops, w)
	}
	text, err := json.Marshal(r)
	f.JSON = text
	return f, err
}

// DecodeRequest reads what EncodeRequest made. An op that this version does not know becomes an UnknownOp.
func DecodeRequest(f Frame) (ops []Op, all bool, err error) {
	var r request
	if err := json.Unmarshal(f.JSON, &r); err != nil {
		return nil, false, fmt.Errorf("%w: request: %w", ErrFrame, err)
	}
	for _, w := range r.Ops {
		op := newOp(w.Op)
		if err := json.Unmarshal(w.Args, op); err != nil {
			return nil, false, fmt.Errorf("%w: %s: %w", ErrFrame, w.Op, err)
		}
		if t, ok := op.(taker); ok {
			var v secret.Value
			if w.Blob >= len(f.Blobs) {
				return nil, false, fmt.Errorf("%w: %s: no blob %d", ErrFrame, w.Op, w.Blob)
			}
			if w.Blob >= 0 {
				v = secret.New(f.Blobs[w.Blob])
			}
			if err := t.take(v, w.Blob >= 0); err != nil {
				return nil, false, fmt.Errorf("%w: %s: %w", ErrFrame, w.Op, err)
			}
		}
		ops = append(ops, op)
	}
	return ops, r.All, nil
}

// EncodeReply makes the frame that answers with results.
func EncodeReply(nonce [NonceSize]byte, results []Result) (Frame, error) {
	f := Frame{Nonce: nonce}
	r := reply{Results: []wireResult{}}
	for _, result := range results {
		w := wireResult{Result: result, Blob: -1}
		if content := result.content(); content != nil && !content.IsZero() {
			w.Blob = len(f.Blobs)
			f.Blobs = append(f.Blobs, content.Expose())
		}
		r.Results = append(r.Results, w)
	}
	text, err := json.Marshal(r)
	f.JSON = text
	return f, err
}

// decodeReply reads the results for n ops. A result too few, or one without a code, spoils the whole reply.
func decodeReply(f Frame, n int) ([]Result, error) {
	var r reply
	if err := json.Unmarshal(f.JSON, &r); err != nil {
		return nil, fmt.Errorf("%w: reply: %w", ErrFrame, err)
	}
	if len(r.Results) != n {
		return nil, fmt.Errorf("%w: %d results for %d ops", ErrFrame, len(r.Results), n)
	}
	results := make([]Result, n)
	for i, w := range r.Results {
		if w.Code == "" {
			return nil, fmt.Errorf("%w: result %d has no code", ErrFrame, i)
		}
		if w.Blob >= 0 {
			content := w.content()
			if w.Blob >= len(f.Blobs) || content == nil {
				return nil, fmt.Errorf("%w: result %d has no blob %d", ErrFrame, i, w.Blob)
			}
			*content = secret.New(f.Blobs[w.Blob])
		}
		results[i] = w.Result
	}
	return results, nil
}

// newOp returns a pointer to the op of this name, to be filled from JSON.
func newOp(name string) Op {
	if t, known := ops()[name]; known {
		return reflect.New(t).Interface().(Op)
	}
	return &UnknownOp{name: name}
}

// ops are the ops that there are, by name.
var ops = sync.OnceValue(func() map[string]reflect.Type {
	all := map[string]reflect.Type{}
	for _, op := range []Op{
		&FileRead{}, &FileStage{}, &FileSwap{}, &FileRestore{}, &FileDiscard{},
		&ServiceQuery{}, &ServiceStop{}, &ServiceStart{}, &ServiceLogon{}, &LogonTry{}, &LogonRead{},
		&EnvironmentRead{}, &MachineIdentity{}, &LogMark{}, &LogMatch{}, &SQLSignIn{}, &SQLReach{},
		&SecretsLook{}, &SecretsSet{}, &SecretsList{}, &Preflight{}, &Exposure{}, &SignaturesRead{},
		&CertificatesRead{}, &CertificateImport{}, &CertificateRemove{}, &VariableRead{}, &VariableSet{}, &BuildRun{},
	} {
		all[op.Name()] = reflect.TypeOf(op).Elem()
	}
	return all
})

// UnknownOp is an op that the receiver does not know. It answers Unsupported.
type UnknownOp struct{ name string }

// Unknown is an op of any name, for tests of what a host answers to a newer program.
func Unknown(name string) *UnknownOp { return &UnknownOp{name: name} }

func (o UnknownOp) Name() string   { return o.name }
func (o UnknownOp) Object() string { return "" }
func (o UnknownOp) Looks() bool    { return false }
