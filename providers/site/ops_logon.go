package site

import (
	"strings"
	"time"

	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
	"meshrotate/state"
)

// Logon asks how a service logs on, and whether an account may. No password is tried. Answer: *LogonSeen.
type Logon struct{ Host, Service, Account string }

func (r Logon) Target() reconciler.Target { return Host(r.Host) }
func (r Logon) Key() string               { return "logon " + r.Service + " " + strings.ToLower(r.Account) }

// LogonSeen answers Logon. What a host cannot know is "".
type LogonSeen struct {
	Service, Account string
	// Exists: the host finds the account. Right: it may log on as a service there. Locked: it is locked out or disabled.
	// Configured: the service is to run as it. Running: the service's process does. Each is "yes", "no" or "".
	Exists, Right, Locked, Configured, Running string
	// PasswordSet is when the account got its password, by the clock of who keeps it; zero where that is not known.
	PasswordSet time.Time
}

// The answers.
const (
	Yes = "yes"
	No  = "no"
)

// Facts leave out who runs now: a restart alone would make a saved plan untrue.
func (s *LogonSeen) Facts() []reconciler.Fact {
	var words []string
	for _, w := range []struct{ is, yes, no, open string }{
		{s.Exists, "", "no such account", "not found out"}, {s.Right, "may log on", "may not log on", "right not known"}, {s.Locked, "locked", "", ""},
		{s.Configured, "set", "not set", ""},
	} {
		if text := map[string]string{Yes: w.yes, No: w.no, "": w.open}[w.is]; text != "" {
			words = append(words, text)
		}
	}
	return []reconciler.Fact{{Field: "logon of " + s.Service + " as " + s.Account, Value: strings.Join(words, ", ")}}
}

// TryLogon logs an account on as a service and off again, with a version of its password: what the service manager will do at
// the next start. No service is touched. A wrong password counts against the account, so it is not tried again blindly.
type TryLogon struct {
	Host    string     `json:"-"`
	Account string     `json:"account"`
	Secret  secret.Ref `json:"secret"`
	Who
}

func (o TryLogon) Kind() string              { return "try-logon" }
func (o TryLogon) Target() reconciler.Target { return Host(o.Host) }
func (o TryLogon) Key() string               { return "try logon of " + o.Account }
func (o TryLogon) Says() reconciler.Phrase {
	return o.says("a fresh logon of " + o.Account + " on")
}
func (o TryLogon) Merge(other reconciler.Op) (reconciler.Op, error) {
	b, ok := other.(TryLogon)
	if !ok || b.Secret != o.Secret {
		return nil, errDifferent
	}
	return o, nil
}

// SetLogon makes a service log on as an account from its next start on. A version of the account's password goes with it,
// unless the account has none. A process that runs goes on as it is.
type SetLogon struct {
	Host    string     `json:"-"`
	Service string     `json:"service"`
	Account string     `json:"account"`
	Secret  secret.Ref `json:"secret,omitzero"`
	Who
}

func (o SetLogon) Kind() string              { return "set-logon" }
func (o SetLogon) Target() reconciler.Target { return Host(o.Host) }
func (o SetLogon) Key() string               { return "set logon of " + o.Service }
func (o SetLogon) Holds() string             { return "the service manager's logon of " + o.Service }
func (o SetLogon) Says() reconciler.Phrase   { return o.says("set its logon as " + o.Account) }
func (o SetLogon) Merge(other reconciler.Op) (reconciler.Op, error) {
	return same(o, other)
}

// ProveLogon demands that a service runs as an account, in a process that started after its logon was set and stays; or, of one
// that nobody restarts, that it is set to.
type ProveLogon struct {
	Host    string     `json:"-"`
	Service string     `json:"service"`
	Account string     `json:"account"`
	Secret  secret.Ref `json:"secret,omitzero"`
	// Since is when an earlier run set the logon, by the host's clock.
	Since time.Time `json:"since,omitzero"`
	// Later: the next start is somebody else's. Where there was none yet, it is enough that the logon is set.
	Later bool `json:"later,omitempty"`
	// Stable is how long the process must have run.
	Stable reconciler.Span `json:"stable"`
	Who
}

func (o ProveLogon) Kind() string              { return "prove-logon" }
func (o ProveLogon) Target() reconciler.Target { return Host(o.Host) }
func (o ProveLogon) Key() string               { return "prove logon of " + o.Service }
func (o ProveLogon) Says() reconciler.Phrase {
	if o.Later {
		return o.says(o.Account + " stored as the logon of")
	}
	return o.says("a process as " + o.Account + ", younger than its logon, on")
}
func (o ProveLogon) Merge(other reconciler.Op) (reconciler.Op, error) {
	return same(o, other)
}

// Passwordless says that an account has no password that a person knows.
func Passwordless(account string) bool {
	a := strings.ToLower(account)
	return strings.HasSuffix(a, "$") || a == "localsystem" || strings.HasPrefix(a, `nt authority\`) || strings.HasPrefix(a, `nt service\`)
}

// StoredLogon is what the ledger knows of a service's logon: what the service manager keeps nobody can read back.
type StoredLogon struct {
	// Version is of the password; "" is none that was set by a run that told so.
	Version string
	// At is when it was set, by the host's clock; zero once a process was seen that started with it.
	At time.Time
}

func logonOf(service string) string { return "logon of " + service }

const inForce = "in force"

// Fact is what a run tells the ledger.
func (s StoredLogon) Fact(host, service string) state.Fact {
	at := inForce
	if !s.At.IsZero() {
		at = s.At.UTC().Format(time.RFC3339Nano)
	}
	return state.Fact{Host: host, Field: logonOf(service), Value: at + ": " + s.Version}
}

// StoredLogonOf reads it back.
func StoredLogonOf(h state.History, name, host, service string) StoredLogon {
	text, _ := h.Fact(name, host, logonOf(service))
	at, version, ok := strings.Cut(text, ": ")
	if !ok {
		return StoredLogon{}
	}
	s := StoredLogon{Version: version}
	if at != inForce {
		t, err := time.Parse(time.RFC3339Nano, at)
		if err != nil {
			return StoredLogon{}
		}
		s.At = t
	}
	return s
}

const refusedLogon = "logon refused"

// LogonRefused is what a run tells the ledger of a version that was refused, by our clock.
func LogonRefused(version string, at time.Time) state.Fact {
	return state.Fact{Field: refusedLogon, Value: at.UTC().Format(time.RFC3339) + ": " + version}
}

// LogonRefusedAt is when a version was refused for the last time.
func LogonRefusedAt(h state.History, name, version string) (time.Time, bool) {
	text, _ := h.Fact(name, "", refusedLogon)
	at, of, _ := strings.Cut(text, ": ")
	t, err := time.Parse(time.RFC3339, at)
	return t, err == nil && of == version
}

// LogonAccepted is what a run tells the ledger of a version with which the account has logged on: it has that password now.
func LogonAccepted(version string) state.Fact {
	return state.Fact{Field: acceptedLogon, Value: version}
}

const acceptedLogon = "logon accepted"

// AcceptedLogon is the version with which a run has seen the account log on last, "" for none.
func AcceptedLogon(h state.History, name string) string {
	version, _ := h.Fact(name, "", acceptedLogon)
	return version
}
