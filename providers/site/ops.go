package site

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"meshrotate/reconciler"
)

// Who is whom an op is about, in words.
type Who struct {
	// Name is how outages and plans call it: "Admin", "relay-07".
	Name string `json:"name,omitempty"`
	// Noun is what several like it are called: "relay". "" when it has a name of its own.
	Noun string `json:"noun,omitempty"`
}

func (w Who) says(do string) reconciler.Phrase {
	return reconciler.Phrase{Do: do, Who: w.Name, Noun: w.Noun}
}

// AdminLabel is what people call the Admin service.
const AdminLabel = "Admin"

// same merges ops that must be equal.
func same[T interface {
	comparable
	reconciler.Op
}](a T, other reconciler.Op) (reconciler.Op, error) {
	if b, ok := other.(T); !ok || a != b {
		return nil, errDifferent
	}
	return a, nil
}

// kinds read ops back, by kind.
var kinds = map[string]func(t reconciler.Target, args []byte) (reconciler.Op, error){
	StageSettings{}.Kind():  onNamed(func(o *StageSettings, host string) { o.Host = host }),
	StageFile{}.Kind():      onNamed(func(o *StageFile, host string) { o.Host = host }),
	Swap{}.Kind():           onNamed(func(o *Swap, host string) { o.Host = host }),
	Restore{}.Kind():        onNamed(func(o *Restore, host string) { o.Host = host }),
	Discard{}.Kind():        onNamed(func(o *Discard, host string) { o.Host = host }),
	StopService{}.Kind():    onNamed(func(o *StopService, host string) { o.Host = host }),
	StartService{}.Kind():   onNamed(func(o *StartService, host string) { o.Host = host }),
	ProveFile{}.Kind():      onNamed(func(o *ProveFile, host string) { o.Host = host }),
	ProveAsBefore{}.Kind():  onNamed(func(o *ProveAsBefore, host string) { o.Host = host }),
	ProveSetting{}.Kind():   onNamed(func(o *ProveSetting, host string) { o.Host = host }),
	ProveList{}.Kind():      onNamed(func(o *ProveList, host string) { o.Host = host }),
	ProveUnused{}.Kind():    onNamed(func(o *ProveUnused, host string) { o.Host = host }),
	ProveProcess{}.Kind():   onNamed(func(o *ProveProcess, host string) { o.Host = host }),
	AlterLogin{}.Kind():     onNamed(func(o *AlterLogin, server string) { o.Server = server }),
	ProveLogin{}.Kind():     onNamed(func(o *ProveLogin, server string) { o.Server = server }),
	ProveLoginFrom{}.Kind(): onNamed(func(o *ProveLoginFrom, host string) { o.Host = host }),
	ProveAccount{}.Kind():   onNamed(func(o *ProveAccount, server string) { o.Server = server }),
	ProveSessions{}.Kind():  onNamed(func(o *ProveSessions, server string) { o.Server = server }),
	RetireLogin{}.Kind():    onNamed(func(o *RetireLogin, server string) { o.Server = server }),
	Keep{}.Kind():           elsewhere[Keep],
	AwaitReady{}.Kind():     elsewhere[AwaitReady],
	AwaitPulse{}.Kind():     elsewhere[AwaitPulse],
	Call{}.Kind():           elsewhere[Call],
	Mark{}.Kind():           elsewhere[Mark],
	ProveAnswer{}.Kind():    elsewhere[ProveAnswer],
	ProveRelays{}.Kind():    elsewhere[ProveRelays],
	TryLogon{}.Kind():       onNamed(func(o *TryLogon, host string) { o.Host = host }),
	SetLogon{}.Kind():       onNamed(func(o *SetLogon, host string) { o.Host = host }),
	ProveLogon{}.Kind():     onNamed(func(o *ProveLogon, host string) { o.Host = host }),
	PushSecret{}.Kind():     onNamed(func(o *PushSecret, host string) { o.Host = host }),
	RecordMachine{}.Kind():  onNamed(func(o *RecordMachine, host string) { o.Host = host }),
	ProveListed{}.Kind():    onNamed(func(o *ProveListed, host string) { o.Host = host }),
	ProveStored{}.Kind():    onNamed(func(o *ProveStored, server string) { o.Server = server }),
	ProveSync{}.Kind():      elsewhere[ProveSync],

	ImportCertificate{}.Kind(): onNamed(func(o *ImportCertificate, host string) { o.Host = host }),
	RemoveCertificate{}.Kind(): onNamed(func(o *RemoveCertificate, host string) { o.Host = host }),
	StageScript{}.Kind():       onNamed(func(o *StageScript, host string) { o.Host = host }),
	SetVariable{}.Kind():       onNamed(func(o *SetVariable, host string) { o.Host = host }),
	RunBuild{}.Kind():          onNamed(func(o *RunBuild, host string) { o.Host = host }),
	ProvePin{}.Kind():          onNamed(func(o *ProvePin, host string) { o.Host = host }),
	ProveUnpinned{}.Kind():     onNamed(func(o *ProveUnpinned, host string) { o.Host = host }),
	ProveSigned{}.Kind():       onNamed(func(o *ProveSigned, host string) { o.Host = host }),
}

// ReadOp reads an op as reconciler.DataOf wrote it.
func ReadOp(d reconciler.OpData) (reconciler.Op, error) {
	read, ok := kinds[d.Kind]
	if !ok {
		return nil, fmt.Errorf("there is no op of kind %q", d.Kind)
	}
	op, err := read(d.Target, d.Args)
	if err == nil && op.Target() != d.Target {
		err = fmt.Errorf("it is not done on %s", d.Target)
	}
	if err != nil {
		return nil, fmt.Errorf("op of kind %q: %w", d.Kind, err)
	}
	return op, nil
}

func elsewhere[T reconciler.Op](_ reconciler.Target, args []byte) (reconciler.Op, error) {
	return decode[T](args, func(*T) {})
}

func onNamed[T reconciler.Op](put func(*T, string)) func(reconciler.Target, []byte) (reconciler.Op, error) {
	return func(t reconciler.Target, args []byte) (reconciler.Op, error) {
		return decode(args, func(o *T) { put(o, t.Name) })
	}
}

// decode refuses fields that it does not know: without them it would be another op.
func decode[T reconciler.Op](args []byte, put func(*T)) (reconciler.Op, error) {
	var o T
	if len(args) > 0 {
		d := json.NewDecoder(bytes.NewReader(args))
		d.DisallowUnknownFields()
		if err := d.Decode(&o); err != nil {
			return nil, err
		}
		if _, err := d.Token(); !errors.Is(err, io.EOF) {
			return nil, errors.New("something follows its arguments")
		}
	}
	put(&o)
	return o, nil
}
