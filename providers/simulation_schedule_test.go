package providers_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"meshrotate/providers/lab"
)

// schedule is one universe as data: what is there, what is asked for, and what goes wrong. Parts of it can be left out, and it
// is a schedule still.
type schedule struct {
	// Seed decides the order of what may happen at the same time.
	Seed uint64 `json:"seed"`
	// Relays are all that there are. Declared is how many of them the first document names; 0 is all.
	Relays   int `json:"relays,omitempty"`
	Declared int `json:"declared,omitempty"`
	// Parallel and Tolerate are the document's policy: how many hosts at once, and how many may stay behind.
	Parallel int `json:"parallel,omitempty"`
	Tolerate int `json:"tolerate,omitempty"`
	// Ready is how long Admin takes from its start until it is ready, Connect how long a relay takes to connect, in seconds; 0
	// is as usual.
	Ready   int `json:"ready,omitempty"`
	Connect int `json:"connect,omitempty"`
	// Login is the mode of the SQL login, "" for a document without it; Replicas is how many instances there are, 0 is one.
	Login    string `json:"login,omitempty"`
	Replicas int    `json:"replicas,omitempty"`
	// Connectors is how many secrets of connectors there are; Account is when the services restart for a new password of theirs, ""
	// for a document without it.
	Connectors int    `json:"connectors,omitempty"`
	Account    string `json:"account,omitempty"`
	// Source is who changes the passwords at the source systems of connectors, ChangedBy who changes the account's in the domain; ""
	// is that it was done before. Proof is what shows that a source took it: "" is sync runs, else a "login", or "nothing".
	Source    string `json:"source,omitempty"`
	Proof     string `json:"proof,omitempty"`
	ChangedBy string `json:"changedBy,omitempty"`
	// Signing: the document asks the relays to accept a further certificate.
	Signing bool `json:"signing,omitempty"`
	// Building: a build host signs with that one from then on.
	Building bool `json:"building,omitempty"`
	// Books is where the state is: in a file, or in memory.
	Books   string    `json:"books"`
	Manners []manner  `json:"manners,omitempty"`
	Runs    []episode `json:"runs,omitempty"`
}

// manner is what is special about a host until the weather clears.
type manner struct {
	Host string `json:"host"`
	// Start and Stop are how long its service takes, in seconds; 0 is as usual.
	Start int `json:"start,omitempty"`
	Stop  int `json:"stop,omitempty"`
	// Mode is its start type: manual or disabled; "" is automatic.
	Mode string `json:"mode,omitempty"`
	// Skew is what its clock is ahead, in seconds.
	Skew int `json:"skew,omitempty"`
	// Dependent: another service depends on its service.
	Dependent bool `json:"dependent,omitempty"`
}

// episode is a run, what comes before it, and what goes wrong meanwhile.
type episode struct {
	// Wait is how long nothing happens before, in seconds.
	Wait int `json:"wait,omitempty"`
	// Key, License, Login and Declared are a commit: what the document asks for from now on. Zeroes are as before.
	Key      string `json:"key,omitempty"`
	License  string `json:"license,omitempty"`
	Login    string `json:"login,omitempty"`
	Declared int    `json:"declared,omitempty"`
	// Mode: the document asks for the other mode of the SQL login, with the "next" version or with the "same".
	Mode string `json:"mode,omitempty"`
	// Ship: connectors are deployed that are signed with the further certificate. Retire: the document gives the old one up.
	Ship   bool `json:"ship,omitempty"`
	Retire bool `json:"retire,omitempty"`
	// Move: Engine is on another machine, which opens nothing that was sealed before.
	Move bool `json:"move,omitempty"`
	// Person is the event at which a person changes the passwords at the source systems; 0 is never. Confirm: who was asked for that
	// and has done it says so to the run.
	Person  int  `json:"person,omitempty"`
	Confirm bool `json:"confirm,omitempty"`
	// Clock sets the operator's clock, in hours from the true time; 0 is right.
	Clock int `json:"clock,omitempty"`
	// Unlock breaks a lease that is held; without it the run waits until it has ended.
	Unlock bool    `json:"unlock,omitempty"`
	Drift  []drift `json:"drift,omitempty"`
	Second *second `json:"second,omitempty"`
	Faults []fault `json:"faults,omitempty"`
	// Early: what goes wrong may go wrong while the run looks. Most of it waits until there is more to break.
	Early bool `json:"early,omitempty"`
	// Only is the kind that the run is limited to, "" for all.
	Only string `json:"only,omitempty"`
	// Revert: the document asks for what it asked for before.
	Revert bool `json:"revert,omitempty"`
	// Stolen is the kind of a secret that others know: the run replaces it, as an emergency.
	Stolen string `json:"stolen,omitempty"`
}

// drift is what somebody does to a host behind our back; What is one of the lab's mishaps.
type drift struct {
	What string `json:"what"`
	Host string `json:"host"`
}

// second is another operator, who begins at the nth event of the run.
type second struct {
	At int `json:"at"`
	// Unlock: he breaks the first one's lease, though that is alive.
	Unlock bool `json:"unlock,omitempty"`
	// State is whose state he works with: "shared", or his "own" folder, which began as a copy.
	State string `json:"state"`
}

// states are what a second operator may work with. Two folders know of each other by the marker alone.
var states = []string{"shared", "own"}

// fault is something that goes wrong at the nth event of the run that fits.
type fault struct {
	What string `json:"what"`
	// Host and Action say which events fit; "" is any.
	Host   string `json:"host,omitempty"`
	Action string `json:"action,omitempty"`
	// Machine is to which machine it happens, of what happens to one.
	Machine string `json:"machine,omitempty"`
	Nth     int    `json:"nth"`
	// Times is at how many events in a row it strikes; 0 is one.
	Times int `json:"times,omitempty"`
	// For is how long it lasts, in seconds, of what lasts.
	For int `json:"for,omitempty"`
	// Code is an error's.
	Code int `json:"code,omitempty"`
}

// The faults, by the events at which they strike.
var (
	wireTrouble   = []string{"cut before", "cut mid", "cut after", "hang", "hang after", "status", "busy", "aborted", "in the clear", "slow wire"}
	scriptTrouble = []string{"crash", "cut reply", "hang script", "error", "slow disk"}
	worldTrouble  = []string{"kill", "kill after", "interrupt", "lost lease", "full", "clock", "partition", "away", "reboot", "die", "edit", "start between"}
)

var (
	wireActions   = []string{"", "", "Connect", "Create", "Command", "Send", "Receive", "Delete", "GET /health/ready", "GET /api/relays", "GET /api/license", "POST /api/license/reload"}
	scriptActions = []string{"", "file.stage before", "file.stage after", "service.stop before", "service.stop after", "file.swap before", "file.swap after",
		"service.start before", "service.start after", "file.read before", "file.discard before", "file.restore before", "service.query before"}
)

// draw makes the schedule of a seed: mostly small ones, for in these most of what can go wrong goes wrong too.
func draw(seed uint64) schedule {
	r := rand.New(rand.NewPCG(seed, 1))
	s := schedule{Seed: seed, Books: "memory", Relays: r.IntN(4)}
	switch {
	case r.IntN(150) == 0:
		large := rand.New(rand.NewPCG(seed, 3))
		if s.Relays = 11 + large.IntN(30); large.IntN(3) == 0 {
			s.Relays = 40
		}
	case r.IntN(12) == 0:
		s.Relays = 4 + r.IntN(7)
	}
	if r.IntN(6) == 0 {
		s.Books = "file"
	}
	if r.IntN(4) == 0 {
		s.Parallel = 1 + r.IntN(4)
	}
	if s.Relays > 0 && r.IntN(3) == 0 {
		s.Tolerate = 1 + r.IntN(2)
	}
	if s.Relays > 1 && r.IntN(6) == 0 {
		s.Declared = 1 + r.IntN(s.Relays)
	}
	if r.IntN(8) == 0 {
		s.Ready = pick(r, 3, 12)
	}
	if r.IntN(8) == 0 {
		s.Connect = pick(r, 3, 12)
	}
	for range few(r, 3) {
		s.Manners = append(s.Manners, drawManner(r, s.Relays))
	}
	key, license := 7, 0
	for i := range 1 + r.IntN(3) {
		e := episode{Wait: r.IntN(3) * r.IntN(200), Unlock: r.IntN(2) == 0}
		if i > 0 && r.IntN(3) == 0 {
			key++
			e.Key = fmt.Sprint(key)
		}
		if i > 0 && license == 0 && r.IntN(6) == 0 {
			license++
			e.License = thirdLicense
		}
		if i > 0 && s.Relays > 1 && r.IntN(6) == 0 {
			e.Declared = 1 + r.IntN(s.Relays)
		}
		if r.IntN(8) == 0 {
			e.Clock = r.IntN(9) - 4
		}
		for range few(r, 2) {
			e.Drift = append(e.Drift, drift{pick(r, "key", "stop", "edit", "license", "start"), drawHost(r, s.Relays)})
		}
		if r.IntN(6) == 0 {
			e.Second = &second{At: 1 + r.IntN(120), Unlock: r.IntN(2) == 0, State: pick(r, states...)}
		}
		e.Early = r.IntN(4) == 0
		for range few(r, pick(r, 2, 4, 8, 14)) {
			e.Faults = append(e.Faults, drawFault(r, s.Relays))
		}
		if r.IntN(10) == 0 {
			e.Faults = append(e.Faults, stuckBack(r)...)
		}
		s.Runs = append(s.Runs, e)
	}
	if r := rand.New(rand.NewPCG(seed, 2)); r.IntN(15) == 0 { // what is drawn later leaves the rest of the schedule as it was
		host := drawHost(r, s.Relays)
		e := &s.Runs[r.IntN(len(s.Runs))]
		e.Faults = append(e.Faults, fault{What: "die", Action: "file.discard before", Host: host, Machine: host, Nth: 1})
	}
	drawLogin(&s)
	drawStored(&s)
	drawSigning(&s)
	drawOutside(&s)
	drawBuilding(&s)
	drawLockout(&s)
	drawMoves(&s)
	drawOnly(&s)
	drawReverts(&s)
	drawModes(&s)
	drawEmergency(&s)
	return s
}

// thirdLicense is a version that a commit may ask for after the lab's own.
const thirdLicense = "2027-11"

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

// few is a number below n, a small one more often.
func few(r *rand.Rand, n int) int { return r.IntN(1 + r.IntN(n)) }

// short are the hosts' short names.
func short(n, relays int) string {
	switch n {
	case 0:
		return "im-admin"
	case 1:
		return "im-engine"
	}
	return lab.RelayName(n-1, relays)[:len(lab.RelayName(n-1, relays))-len(".lab.example")]
}

func drawHost(r *rand.Rand, relays int) string { return short(r.IntN(2+relays), relays) }

func drawManner(r *rand.Rand, relays int) manner {
	m := manner{Host: drawHost(r, relays)}
	switch r.IntN(6) {
	case 0:
		m.Start = pick(r, 1, 5, 20, 50)
	case 1:
		m.Stop = pick(r, 1, 5, 20, 50, 70)
	case 2:
		m.Mode = pick(r, "manual", "manual", "disabled")
	case 3:
		m.Skew = pick(r, -40, -5, 5, 40, 600)
	default:
		m.Dependent = true
	}
	return m
}

// stuckBack are two faults that are rare together: the switch fails while relays run, and Admin cannot be taken back.
func stuckBack(r *rand.Rand) []fault {
	admin := pick(r, fault{Action: "file.restore before", Nth: 1}, fault{Action: "service.stop before", Nth: 2})
	admin.What, admin.Host, admin.Times, admin.Code = "error", "im-admin", 4, 5
	return []fault{{What: "error", Host: "im-engine", Action: "service.start before", Nth: 1, Code: 1053}, admin}
}

func drawFault(r *rand.Rand, relays int) fault {
	var f fault
	switch r.IntN(5) {
	case 0:
		f.What, f.Action = pick(r, wireTrouble...), pick(r, wireActions...)
		f.Times = pick(r, 0, 0, 2, 3, 5)
	case 1, 2:
		f.What, f.Action = pick(r, scriptTrouble...), pick(r, scriptActions...)
		f.Times = pick(r, 0, 0, 0, 2, 4)
	default:
		f.What, f.Action = pick(r, worldTrouble...), pick(r, slices.Concat(wireActions, scriptActions, scriptActions)...)
	}
	if f.Nth = 1 + r.IntN(3); f.Action == "" {
		f.Nth = 1 + r.IntN(40+20*relays)
	}
	if r.IntN(2) == 0 && !strings.Contains(f.Action, "/") {
		f.Host = drawHost(r, relays)
	}
	switch f.What {
	case "start between":
		f.Action, f.Nth, f.For = "service.stop after", 1+r.IntN(2), pick(r, 0, 1, 1)
	case "away", "reboot", "die", "edit":
		f.Machine = cmp.Or(f.Host, drawHost(r, relays))
		if r.IntN(4) == 0 {
			f.Machine = drawHost(r, relays)
		}
	}
	switch f.What {
	case "slow wire", "slow disk":
		f.For = pick(r, 1, 5, 30, 90)
	case "away", "partition", "reboot", "full":
		f.For = pick(r, 1, 3, 10, 40, 80, 150, 400)
	case "clock":
		f.For = 3600 * (r.IntN(9) - 4)
	case "error":
		f.Code = pick(r, 1053, 1067, 112, 32, 5)
	case "status":
		f.Code = pick(r, 500, 502, 503, 503)
	}
	return f
}
