package site

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
)

// What a live value turned out to be, where it is not a kept version.
const (
	Absent  = "absent"  // no file, or no such key
	Empty   = "empty"   // a key without a value
	Unknown = "unknown" // a value that is no kept version
	// Unreadable: .NET would refuse the file, so nobody knows.
	Unreadable = "unreadable"
	// Withheld: the host does not let it be read now.
	Withheld = "withheld"
)

// Base is the state of a file that an edit starts from.
type Base struct {
	Path   string
	Exists bool
	// SHA256 is the lower-case hex of the content, "" when the file does not exist. It stays in memory: a plan
	// shows Print.
	SHA256 string
	// Print is a keyed fingerprint of the content, which a plan may show: who reads it cannot test guesses.
	Print string
	// Modified is the host's time of the last write, which a copy keeps. Changed is when anything about the file was changed, zero
	// where the file system does not tell.
	Modified, Changed time.Time
	// Staged and Backup say that an earlier run left such a file beside it.
	Staged, Backup bool
	// Error is the Windows error that reading it met, 0 for none. What else is said of the file is nothing then.
	Error uint32
}

func (b Base) facts(name string) []reconciler.Fact {
	print := b.Print
	if b.Error != 0 {
		print = Withheld
	} else if !b.Exists {
		print = Absent
	}
	left := ""
	if b.Staged {
		left += " +staged"
	}
	if b.Backup {
		left += " +backup"
	}
	return []reconciler.Fact{{Field: name, Value: print + left}}
}

// shortName is the last two parts of a Windows (or other) path: the product has several files of one name.
func shortName(path string) string {
	cut := func(s string) int { return strings.LastIndexAny(s, `\/`) }
	if i := cut(path); i > 0 {
		if j := cut(path[:i]); j >= 0 {
			return path[j+1:]
		}
	}
	return path
}

// baseName is the last part of a path.
func baseName(path string) string { return path[strings.LastIndexAny(path, `\/`)+1:] }

// SettingSeen answers Setting.
type SettingSeen struct {
	Base
	Key string
	// Version is a kept version, or one of Absent, Empty, Unknown, Unreadable.
	Version string
	// Mark is a keyed fingerprint of the value, which stays in memory: of two values that are no kept versions it says whether they
	// are one. "" when it is not known.
	Mark string
	// Content is what the kind reads in the value, or what the form says of it; nil when there is nothing.
	Content any
	// Refused is why .NET would refuse the file, or why it cannot be edited, "" when it can.
	Refused string
	// Overrides are places that win over the file: "appsettings.Production.json", "the machine's environment variable
	// Some__Setting". While there is one, editing the file changes nothing. Mends say what to do about each.
	Overrides []string
	Mends     []string
	// Under is what a weaker file has under the key, where that is a list.
	Under Under
	// Doubts are what may mislead about the file, but does not win over it.
	Doubts []string
	// Beside are what the file, or another that the service reads, has of the setting's form under other keys.
	Beside []BesideSeen
	// Reach answers Setting.Reach; nil: nobody knows.
	Reach *ReachSeen
	// EnvironmentChanged says that the machine's environment was changed since the host started: services see it as it was then.
	EnvironmentChanged bool
}

func (s *SettingSeen) Facts() []reconciler.Fact {
	f := append(s.facts(shortName(s.Path)), reconciler.Fact{Field: s.Key + " in " + shortName(s.Path), Value: s.Version})
	if c, ok := s.Content.(interface {
		Facts(key string) []reconciler.Fact
	}); ok {
		f = append(f, c.Facts(s.Key+" in "+shortName(s.Path))...)
	}
	for _, b := range s.Beside {
		f = append(f, reconciler.Fact{Field: b.Key + " in " + shortName(b.Path) + " signs in", Value: b.Connection.User + " at " + b.Connection.Server + ", " + b.Version})
	}
	if s.Reach != nil {
		f = append(f, reconciler.Fact{Field: "sign-in from here", Value: s.Reach.String()})
	}
	return append(f, s.doubtful()...)
}

// Alike says that two settings are known to hold the same value.
func (s *SettingSeen) Alike(o *SettingSeen) bool {
	if s.Mark != "" && o.Mark != "" {
		return s.Mark == o.Mark
	}
	return s.Version == o.Version && s.Version != Unknown && s.Version != Withheld && s.Version != Unreadable
}

// Differs says that two settings are known to hold different values.
func (s *SettingSeen) Differs(o *SettingSeen) bool {
	if s.Mark != "" && o.Mark != "" {
		return s.Mark != o.Mark
	}
	unread := func(v string) bool { return v == Withheld || v == Unreadable }
	return s.Version != o.Version && !unread(s.Version) && !unread(o.Version)
}

// doubtful is what stands between the file and its service.
func (s *SettingSeen) doubtful() (f []reconciler.Fact) {
	if s.Refused != "" {
		f = append(f, reconciler.Fact{Field: s.Key + " cannot be edited", Value: s.Refused})
	}
	if len(s.Overrides) > 0 {
		f = append(f, reconciler.Fact{Field: s.Key + " is overridden by", Value: strings.Join(s.Overrides, ", ")})
	}
	return f
}

// FileSeen answers File.
type FileSeen struct {
	Base
	// Version is the declared or a kept version, or one of Absent, Empty, Unknown.
	Version string
	// Content is what the kind reads in the file, nil when it cannot.
	Content any
}

func (s *FileSeen) Facts() []reconciler.Fact {
	return append(s.facts(shortName(s.Path)), reconciler.Fact{Field: "version of " + shortName(s.Path), Value: s.Version})
}

// ServiceSeen answers Service.
type ServiceSeen struct {
	Name      string
	Installed bool
	State     string // running, stopped, startPending, stopPending, paused …
	PID       int
	StartedAt time.Time // host's clock; zero when it is not running
	StartMode string
	Account   string
	// Dependents are services that a stop would take down with it, in the order in which they are to be started.
	Dependents []string
	ExitCode   uint32 // of its last end
}

func (s *ServiceSeen) Facts() []reconciler.Fact {
	v := s.State
	if !s.Installed {
		v = "not installed"
	}
	if len(s.Dependents) > 0 {
		v += ", needed by " + strings.Join(s.Dependents, ", ")
	}
	return []reconciler.Fact{{Field: "service " + s.Name, Value: v}}
}

// Running says that it is installed and runs.
func (s *ServiceSeen) Running() bool { return s != nil && s.Installed && s.State == "running" }

// SourceChanged is the warning that goes with ValueSeen.SourceChanged.
func SourceChanged(ref secret.Ref, from string) reconciler.Finding {
	if from == "generated" {
		from = "the store in which it is kept for others"
	}
	return reconciler.Finding{Severity: reconciler.Warning, Code: "source-changed",
		Text: from + " has another value now than when version " + ref.Version + " was kept; the kept one counts", Hint: "a new value wants a new version: bump it in the document"}
}

// Unfit is the error that goes with ValueSeen.Unfit.
func Unfit(ref secret.Ref, v *ValueSeen) reconciler.Finding {
	return reconciler.Finding{Severity: reconciler.Error, Code: "value-unfit", Text: "the value of " + ref.String() + " cannot be meant: " + v.Unfit,
		Hint: "put another value at its source, or write `from: generated`"}
}

// MachineSeen answers Machine.
type MachineSeen struct {
	ComputerName, Domain, MachineGUID string
	PowerShell                        string
	// Skew is the host's clock minus ours, as far as it is not explained by the time the answer took.
	Skew time.Duration
}

func (s *MachineSeen) Facts() []reconciler.Fact {
	return []reconciler.Fact{{Field: "machine", Value: s.ComputerName + " " + s.MachineGUID}}
}

// RelaySeen is one relay as the Admin API lists it.
type RelaySeen struct {
	Name string
	// Names are all that it has, where there are several: of the machine, of its domain, for people.
	Names []string
	// Domain is a NetBIOS domain that stands before one of them, "" for none.
	Domain string
	// Machine is the one of several names that the list says to be the machine's, "" where it does not.
	Machine string
	// Odd are fields that could not be read, with what they hold.
	Odd []string
	// Zoneless says that the heartbeat was written without a zone: it is read as UTC.
	Zoneless bool
	// Connected is nil when the API does not say.
	Connected *bool
	Heartbeat time.Time // Admin's clock; zero when the API does not say
	// Field is where the list has the heartbeat, and Raw what it holds there.
	Field string
	Raw   []byte
}

// Beat is the heartbeat for people, with what the list has of it.
func (r *RelaySeen) Beat() string {
	text := r.Heartbeat.UTC().Format(time.RFC3339)
	if r.Field == "" {
		return text
	}
	return fmt.Sprintf("%s (%s = %.60s)", text, r.Field, strings.Map(func(c rune) rune {
		if unicode.IsPrint(c) {
			return c
		}
		return unicode.ReplacementChar
	}, string(r.Raw)))
}

// IsConnected says that Admin lists the relay as connected; not of one that it does not list.
func (r *RelaySeen) IsConnected() bool { return r != nil && r.Connected != nil && *r.Connected }

// HeardAfter says that it is connected, and that Admin has heard of it after that moment.
func (r *RelaySeen) HeardAfter(at time.Time) bool { return r.IsConnected() && r.Heartbeat.After(at) }

// lastHeardBefore says that Admin's list knows when it heard of the relay last, and that this was before that moment.
func (r *RelaySeen) lastHeardBefore(at time.Time) bool {
	return r != nil && !r.Heartbeat.IsZero() && r.Heartbeat.Before(at)
}

func (r RelaySeen) names() []string {
	if len(r.Names) == 0 {
		return []string{r.Name}
	}
	return r.Names
}

// RelaysSeen answers Relays.
type RelaysSeen struct {
	Relays  []RelaySeen
	Total   int       // that there are, as the API says; 0 when it does not
	Size    int       // how many it could have, where it is one page; 0 when the API does not say
	Round   int       // how many entries it has, where pages have as many by default and nothing says whether these are all; else 0
	More    bool      // there are more, as the API says, and no way to them
	Moved   bool      // or they went from page to page while these were read
	Unnamed int       // further entries, which have no name
	Time    time.Time // Admin's clock
	// Domains are those that the document's relays are in, as Admin names them, where it says so.
	Domains []string
	// Age is for how long something in between had the answer already.
	Age time.Duration
}

// Within is how long to wait for a heartbeat after a change: the time that is asked for, or what it takes Admin to write the next
// one, where all that it has written are rounded.
func (s *RelaysSeen) Within(asked time.Duration) time.Duration {
	if s == nil {
		return asked
	}
	beat := false
	for _, rounded := range []time.Duration{5 * time.Minute, time.Minute} {
		if !slices.ContainsFunc(s.Relays, func(r RelaySeen) bool {
			beat = beat || !r.Heartbeat.IsZero()
			return !r.Heartbeat.Truncate(rounded).Equal(r.Heartbeat)
		}) && beat {
			return max(asked, rounded+time.Minute) // relays send one at least every minute or so
		}
	}
	return asked
}

// Facts are none: in a large fleet relays come and go all the time, and a saved plan would never be true again. A relay that
// matters shows in the steps or in a finding.
func (s *RelaysSeen) Facts() []reconciler.Fact { return nil }

// AnswerSeen answers Get.
type AnswerSeen struct {
	What string
	// Fields are what the answer says, by our names; a field that it does not have is not there. Moments are in RFC 3339, UTC.
	Fields map[string]string
	// order are the names of all fields, bind of those that a plan stands on.
	order, bind []string
}

// NewAnswerSeen is the answer to a Get.
func NewAnswerSeen(r Get, fields map[string]string) *AnswerSeen {
	s := &AnswerSeen{What: r.What, Fields: fields}
	for _, f := range r.Fields {
		s.order = append(s.order, f.Name)
		if !f.Beside {
			s.bind = append(s.bind, f.Name)
		}
	}
	return s
}

// Facts are the fields that a plan stands on, in one line.
func (s *AnswerSeen) Facts() []reconciler.Fact {
	return []reconciler.Fact{{Field: s.What, Value: s.line(s.bind)}}
}

func (s *AnswerSeen) String() string { return s.line(s.order) }

func (s *AnswerSeen) line(names []string) string {
	var all []string
	for _, name := range names {
		if v := s.Fields[name]; v != "" {
			all = append(all, v)
		}
	}
	if len(all) == 0 {
		return "nothing"
	}
	return strings.Join(all, ", ")
}

// ValueSeen answers Value.
type ValueSeen struct {
	Secret secret.Ref
	// Kept says that the version is in the store: durable.
	Kept bool
	// Place is where it is kept, or would be.
	Place string
	// About is what its store says of it, for people: ", version 4 of 2026-11-20 13:02 UTC". Of what is kept already it is "".
	About string
	// Available says that it is kept, or that its source has it.
	Available bool
	// Print is a keyed fingerprint of what its source has, while it is not kept: what was reviewed is that value, and no other.
	Print string
	// SameAs is the kept version that has the same value, "" when there is none or when it is this one.
	SameAs string
	// Others are the other versions that are kept.
	Others []string
	// SourceChanged says that the source has another value now than the kept one: the version was not bumped with it.
	SourceChanged bool
	// Damaged are kept values of this secret, of whatever version, that cannot be believed: Hint says what to do.
	Damaged []string
	// Problem is why it is not available, or why it cannot be kept; Hint says what to do.
	Problem, Hint string
	// Content is what the kind reads in it; Unfit is why the kind does not want it rolled out.
	Content any
	Unfit   string
}

func (s *ValueSeen) Facts() []reconciler.Fact {
	v := "to be fetched"
	switch {
	case s.Kept:
		v = "kept"
	case s.Available:
		v = "available" + s.About + ", fingerprint " + s.Print
	}
	return []reconciler.Fact{{Field: "value of " + s.Secret.String(), Value: v}}
}
