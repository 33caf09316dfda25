package site

import (
	"encoding/json"
	"fmt"
	"slices"

	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
	"meshrotate/state"
)

// Keep makes the declared version of a secret durable: minted or fetched, sealed, kept. Once per version, ever.
type Keep struct {
	Secret secret.Ref `json:"secret"`
	// How is where the value comes from, for people: "mint 32 bytes".
	How string `json:"how,omitempty"`
}

func (o Keep) Kind() string              { return "keep" }
func (o Keep) Target() reconciler.Target { return Values }
func (o Keep) Key() string               { return "keep " + o.Secret.String() }
func (o Keep) Says() reconciler.Phrase   { return reconciler.Phrase{Do: o.How + ", kept sealed"} }
func (o Keep) Merge(reconciler.Op) (reconciler.Op, error) {
	return o, nil
}

// Adopt keeps the value that is live as that of the declared version. Nothing live changes. To the ledger it is what Keep is: from
// then on the version has a value.
type Adopt struct {
	Secret secret.Ref `json:"secret"`
}

func (o Adopt) Kind() string              { return "adopt" }
func (o Adopt) Target() reconciler.Target { return Values }
func (o Adopt) Key() string               { return Keep{Secret: o.Secret}.Key() }
func (o Adopt) Says() reconciler.Phrase   { return reconciler.Phrase{Do: "keep the live value, sealed"} }
func (o Adopt) Merge(reconciler.Op) (reconciler.Op, error) {
	return o, nil
}

// AwaitReady waits until the Admin API is ready.
type AwaitReady struct {
	Timeout reconciler.Span `json:"timeout"`
	// As is how people call it where it is a proof: "/health/ready answers".
	As string `json:"as,omitempty"`
	// List also wants Admin's list of its relays to be one that a proof can read, where nobody could look at it before.
	List bool `json:"list,omitempty"`
}

func (o AwaitReady) Kind() string              { return "await-ready" }
func (o AwaitReady) Target() reconciler.Target { return API }
func (o AwaitReady) Key() string               { return "await ready" }
func (o AwaitReady) Says() reconciler.Phrase {
	if o.As != "" {
		return reconciler.Phrase{Do: o.As}
	}
	do := "wait until ready"
	if o.List {
		do += " and its list of relays can be read"
	}
	return reconciler.Phrase{Do: do, Who: AdminLabel}
}
func (o AwaitReady) Merge(other reconciler.Op) (reconciler.Op, error) {
	if b, ok := other.(AwaitReady); ok {
		o.Timeout, o.List = max(o.Timeout, b.Timeout), o.List || b.List
	}
	return o, nil
}

// Call asks Admin to do something: a POST without a body. That it was asked proves nothing.
type Call struct {
	Path string `json:"path"`
	// What it does, for people: "reload by its API".
	What string `json:"what"`
	// Proven says that a proof follows of what came of it: that Admin refuses is no failure then.
	Proven bool `json:"proven,omitempty"`
	// Timeout bounds how long Admin may take to be there for it, and to do it.
	Timeout reconciler.Span `json:"timeout,omitempty"`
	// Mark is the mark that it is the way back of, and whose place in the order it has there: another one than that of the same
	// call on the way forward. "" for none.
	Mark string `json:"mark,omitempty"`
}

func (o Call) Kind() string              { return "call" }
func (o Call) Target() reconciler.Target { return API }
func (o Call) Key() string {
	if o.Mark != "" {
		return Mark{What: o.Mark}.Key()
	}
	return "call " + o.Path
}
func (o Call) Says() reconciler.Phrase { return reconciler.Phrase{Do: o.What, Who: AdminLabel} }
func (o Call) Merge(other reconciler.Op) (reconciler.Op, error) {
	return same(o, other)
}

// Mark does nothing. It is there for its way back, which is taken also when what stands between was not reached.
type Mark struct {
	What string `json:"what"`
}

func (o Mark) Kind() string              { return "mark" }
func (o Mark) Target() reconciler.Target { return API }
func (o Mark) Key() string               { return "mark " + o.What }
func (o Mark) Says() reconciler.Phrase   { return reconciler.Phrase{} }
func (o Mark) Merge(other reconciler.Op) (reconciler.Op, error) {
	return same(o, other)
}

// ProveAnswer demands that Admin answers with these fields.
type ProveAnswer struct {
	Path    string          `json:"path"`
	Want    []Field         `json:"want"`
	Timeout reconciler.Span `json:"timeout"`
	// What it shows, for people: "Admin serves customer, tier and expiry".
	What string `json:"what"`
	// Changed demands that a field is another than before, as nothing else tells the new answer from the old.
	Changed bool `json:"changed,omitempty"`
	// Again is where Admin is asked to read the same once more, "" where it is not: what changes by that alone shows nothing.
	Again string `json:"again,omitempty"`
	// Before is the name by which the ledger keeps what was answered before, "" where that is not known.
	Before string `json:"before,omitempty"`
	// Untold says that the answer was the same before, and nothing in it could change.
	Untold bool `json:"untold,omitempty"`
	// Hint is what to do where it fails.
	Hint string `json:"hint,omitempty"`
}

// LooksOnly makes a saved plan stand where the answer has moved by itself since: what is demanded follows from the document and its
// file, which bind it.
func (ProveAnswer) LooksOnly() {}

func (o ProveAnswer) Kind() string              { return "prove-answer" }
func (o ProveAnswer) Target() reconciler.Target { return API }
func (o ProveAnswer) Key() string               { return "prove " + o.Path }
func (o ProveAnswer) Says() reconciler.Phrase   { return reconciler.Phrase{Do: o.What} }
func (o ProveAnswer) Merge(other reconciler.Op) (reconciler.Op, error) {
	b, ok := other.(ProveAnswer)
	if !ok || b.Path != o.Path || b.What != o.What || b.Changed != o.Changed || b.Again != o.Again || b.Before != o.Before || b.Untold != o.Untold || b.Hint != o.Hint || !slices.EqualFunc(o.Want, b.Want, Field.equal) {
		return nil, errDifferent
	}
	o.Timeout = max(o.Timeout, b.Timeout)
	return o, nil
}

// Foresees is what was answered before: a run that goes on with this one cannot ask any more.
func (o ProveAnswer) Foresees() []state.Fact {
	if o.Before == "" {
		return nil
	}
	was := map[string]string{}
	for _, f := range o.Want {
		was[f.Name] = f.Was
	}
	text, err := json.Marshal(was)
	if err != nil {
		return nil // of texts it cannot
	}
	return []state.Fact{{Field: o.Before, Value: string(text)}}
}

// AnsweredBefore is what an earlier run noted by this name, nil when none did.
func AnsweredBefore(h state.History, secret, name string) (was map[string]string) {
	if text, ok := h.Fact(secret, "", name); !ok || json.Unmarshal([]byte(text), &was) != nil {
		return nil
	}
	return was
}

// AwaitPulse waits, before anything is stopped, until Admin's list of the relays says something new of one of them. A list that a cache
// has, or that nobody writes any more, would prove no relay after the switch.
type AwaitPulse struct {
	Timeout reconciler.Span `json:"timeout"`
}

func (o AwaitPulse) Kind() string              { return "await-pulse" }
func (o AwaitPulse) Target() reconciler.Target { return API }
func (o AwaitPulse) Key() string               { return "await pulse" }
func (o AwaitPulse) Says() reconciler.Phrase {
	return reconciler.Phrase{Do: "see that Admin's list of the relays is alive"}
}

// LooksOnly: it changes nothing.
func (o AwaitPulse) LooksOnly() {}

// Merge waits for as long as the more patient of both.
func (o AwaitPulse) Merge(other reconciler.Op) (reconciler.Op, error) {
	b, ok := other.(AwaitPulse)
	if !ok {
		return nil, errDifferent
	}
	o.Timeout = max(o.Timeout, b.Timeout)
	return o, nil
}

// ProveRelays waits until every relay is connected with a heartbeat that is later than its restart in this run. For one
// that was not restarted, later than Admin's, or than the beginning of the proof.
type ProveRelays struct {
	Relays  []string        `json:"relays"`
	Timeout reconciler.Span `json:"timeout"`
}

func (o ProveRelays) Kind() string              { return "prove-relays" }
func (o ProveRelays) Target() reconciler.Target { return API }
func (o ProveRelays) Key() string               { return "prove relays" }
func (o ProveRelays) Says() reconciler.Phrase {
	if len(o.Relays) == 1 {
		return reconciler.Phrase{Do: o.Relays[0] + " connected, with a heartbeat after the change"}
	}
	return reconciler.Phrase{Do: fmt.Sprintf("%d relays connected, each with a heartbeat after the change", len(o.Relays))}
}

// Merge proves the relays of both.
func (o ProveRelays) Merge(other reconciler.Op) (reconciler.Op, error) {
	b, ok := other.(ProveRelays)
	if !ok {
		return nil, errDifferent
	}
	o.Relays, o.Timeout = union(o.Relays, b.Relays), max(o.Timeout, b.Timeout)
	return o, nil
}

// Without leaves out relays that were left behind.
func (o ProveRelays) Without(left func(string) bool) (op reconciler.Op, some bool) {
	o.Relays = slices.DeleteFunc(slices.Clone(o.Relays), left)
	return o, len(o.Relays) > 0
}
