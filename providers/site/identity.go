package site

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"meshrotate/reconciler"
	"meshrotate/state"
)

// MachineIdentity is which machine a program seals secrets on, and as whom the service that opens them runs. Windows keeps the keys (DPAPI)
// of that machine and of that account: what was sealed under others does not open. A clone shares MachineGUID with its
// original, a restored machine its name, so all of it counts. None of it is secret.
type MachineIdentity struct {
	MachineGUID  string    `json:"guid"`
	ComputerName string    `json:"name"`
	Domain       string    `json:"domain,omitempty"`
	Installed    time.Time `json:"installed,omitzero"`
	Account      string    `json:"account,omitempty"`
}

// SealedOn is the ledger's fact of the MachineIdentity that a secret was set under.
const SealedOn = "sealed on"

// Fact is what the ledger keeps.
func (i MachineIdentity) Fact() state.Fact {
	b, err := json.Marshal(i)
	if err != nil {
		panic(err) // it is text and a time
	}
	return state.Fact{Field: SealedOn, Value: string(b)}
}

// SealedUnder is what the ledger has of a secret. ok is false when no run has recorded it.
func SealedUnder(h state.History, secret string) (i MachineIdentity, ok bool) {
	text, ok := h.Fact(secret, "", SealedOn)
	return i, ok && json.Unmarshal([]byte(text), &i) == nil
}

// Changed says in words what is different now.
func (i MachineIdentity) Changed(now MachineIdentity) []string {
	var said []string
	differ := func(what, was, is string) {
		if !strings.EqualFold(was, is) {
			said = append(said, fmt.Sprintf("%s was %s and is %s", what, orNone(was), orNone(is)))
		}
	}
	differ("MachineGuid", i.MachineGUID, now.MachineGUID) // all of it: clones may differ in the end alone
	differ("the computer's name", i.ComputerName, now.ComputerName)
	differ("the domain", i.Domain, now.Domain)
	differ("Windows' installation", day(i.Installed), day(now.Installed))
	differ("the service's account", i.Account, now.Account)
	return said
}

// SameMachine says that no more than the account can be different.
func (i MachineIdentity) SameMachine(now MachineIdentity) bool {
	now.Account = i.Account
	return i.Changed(now) == nil
}

func orNone(s string) string {
	if s == "" {
		return "not known"
	}
	return s
}

func day(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04")
}

// Identity asks for the MachineIdentity of a host, and of the service there that opens what was sealed. Answer: *IdentitySeen.
type Identity struct{ Host, Service string }

func (r Identity) Target() reconciler.Target { return Host(r.Host) }
func (r Identity) Key() string               { return "identity for " + r.Service }

// IdentitySeen answers Identity.
type IdentitySeen struct {
	MachineIdentity
	Service string
}

// AccountOf is the field of the fact that tells what a service is set to run as.
func AccountOf(service string) string { return "account of " + service }

// Facts leave out what MachineSeen tells.
func (s *IdentitySeen) Facts() []reconciler.Fact {
	return []reconciler.Fact{{Field: AccountOf(s.Service), Value: s.Account}, {Field: "domain", Value: s.Domain}, {Field: "Windows installed", Value: day(s.Installed)}}
}

// RecordMachine tells the ledger the host's MachineIdentity, for secrets that were set there before anybody recorded it.
type RecordMachine struct {
	Host    string `json:"-"`
	Service string `json:"service"`
}

func (o RecordMachine) Kind() string              { return "record-machine" }
func (o RecordMachine) Target() reconciler.Target { return Host(o.Host) }
func (o RecordMachine) Key() string               { return "record machine for " + o.Service }
func (o RecordMachine) Says() reconciler.Phrase {
	return reconciler.Phrase{Do: "record which machine seals it:", Who: o.Host, Noun: "host"}
}
func (o RecordMachine) Merge(other reconciler.Op) (reconciler.Op, error) { return same(o, other) }
