package site

import (
	"slices"
	"strings"
	"time"

	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
)

// Setting asks for one key of a settings file, as .NET's configuration reads it, and which kept version of the secret
// it holds. Answer: *SettingSeen.
type Setting struct {
	Host, Path string
	// Setting is the configuration key, as .NET names it: "Some:Setting".
	Setting string
	// Secret is the secret's name, for matching the live value against kept versions, and the declared one first.
	Secret secret.Ref
	// Service is the service that reads the file: its environment can override it.
	Service string
	// Form is how the secret sits in the value: the answer's content is then what else the value says.
	Form Form
	// Reach also asks whether the host reaches the server that the value, a connection string, names.
	Reach bool
}

func (r Setting) Target() reconciler.Target { return Host(r.Host) }
func (r Setting) Key() string               { return "setting " + r.Setting + " " + r.Path }

// File asks for a whole file that is a secret's value. Answer: *FileSeen.
type File struct {
	Host, Path string
	Secret     secret.Ref
}

func (r File) Target() reconciler.Target { return Host(r.Host) }
func (r File) Key() string               { return "file " + r.Path }

// Service asks for a service's state. Answer: *ServiceSeen.
type Service struct{ Host, Name string }

func (r Service) Target() reconciler.Target { return Host(r.Host) }
func (r Service) Key() string               { return "service " + r.Name }

// OfService makes it a reconciler.ServiceRead.
func (r Service) OfService() string { return r.Name }

// Machine asks who the host is. Answer: *MachineSeen.
type Machine struct{ Host string }

func (r Machine) Target() reconciler.Target { return Host(r.Host) }
func (r Machine) Key() string               { return "machine" }

// Relays asks the Admin API for its relays. Answer: *RelaysSeen.
type Relays struct{}

func (Relays) Target() reconciler.Target { return API }
func (Relays) Key() string               { return "relays" }

// Get asks the Admin API for an object, and takes these fields of it. Answer: *AnswerSeen.
type Get struct {
	Path string
	// What it is, for people: "version served".
	What   string
	Fields []Field
}

func (r Get) Target() reconciler.Target { return API }
func (r Get) Key() string               { return "get " + r.Path }

// Never is the moment that does not come: no date, or the end of .NET's calendar.
const Never = "never"

// Field is one field of an object that Admin answers.
type Field struct {
	// Name is ours. Of are the product's names for it, whatever their case; the first that is there counts.
	Name string   `json:"name"`
	Of   []string `json:"of"`
	// Time says that it is a moment, however it is written: it is compared as one. Fold says that case does not matter.
	Time bool `json:"time,omitempty"`
	// Zone is that of a moment that is written without one, as IANA names it; "" is UTC.
	Zone string `json:"zone,omitempty"`
	Fold bool   `json:"fold,omitempty"`
	// Own says that what the answer has of a part does not count, such as when its support ends.
	Own bool `json:"own,omitempty"`
	// Want is what a proof demands, "" for nothing; a moment is in RFC 3339, UTC, or Never.
	Want string `json:"want,omitempty"`
	// Within is how far the moment may lie from the wanted one.
	Within reconciler.Span `json:"within,omitempty"`
	// Not are words that a proof does not take, whatever their case. A field that has some may also be told by yes and no.
	Not []string `json:"not,omitempty"`
	// Lasting says that a proof takes no moment that has passed.
	Lasting bool `json:"lasting,omitempty"`
	// Was is what it was before, for a proof that demands a change.
	Was string `json:"was,omitempty"`
	// Beside says that another value shows no change of what is proven, such as a word about its health; and of a read, that a plan does not
	// stand on it.
	Beside bool `json:"beside,omitempty"`
}

// Met says that a value is the wanted one, blanks around it aside. Of a moment a fraction of a second means nothing; and midnight and the
// last second of the same date are one: only the date is meant.
func (f Field) Met(value string) bool {
	value, want := strings.TrimSpace(value), strings.TrimSpace(f.Want)
	switch {
	case f.Refused(value):
		return false
	case want == "":
		return true
	case f.Time && want == Never:
		return value == "" || value == Never
	case f.Time:
		return sameTime(value, want, f.Within.Of())
	}
	return value == want || f.Fold && strings.EqualFold(value, want)
}

// Refused says that no proof takes this value.
func (f Field) Refused(value string) bool {
	return slices.ContainsFunc(f.Not, func(not string) bool { return strings.EqualFold(not, strings.TrimSpace(value)) })
}

// Passed says that a proof does not take a moment, as it has passed. Where a date is wanted, its day may be meant. Its zone is the
// answer's.
func (f Field) Passed(value string, now time.Time) bool {
	const day = 24 * time.Hour
	at, date, err := TimeOf(value)
	if (date || f.Within.Of() >= day) && at.Minute() != 59 { // else it is the day's end
		at = at.Add(day)
	}
	return f.Lasting && err == nil && !now.Before(at)
}

// Changed says that a value is another than before. One that is not there any more is no other one.
func (f Field) Changed(value string) bool {
	return value != "" && !f.Beside && (f.Was == "" || !f.Alike(value, f.Was))
}

// Alike says that two values mean the same.
func (f Field) Alike(value, other string) bool {
	f.Want, f.Within, f.Not = other, 0, nil
	return f.Met(value)
}

// TimeOf reads a moment as a field has it. Date says that it is a date without a time of day.
func TimeOf(value string) (at time.Time, date bool, err error) {
	if at, err = time.Parse(time.DateOnly, value); err == nil {
		return at, true, nil
	}
	at, err = time.Parse(time.RFC3339Nano, value)
	return at.UTC(), false, err
}

// sameTime says that a value is the wanted one: as moments where both are, else by the date, which is that of somebody's zone.
func sameTime(value, want string, within time.Duration) bool {
	const day, east, west = 24 * time.Hour, 14 * time.Hour, 12 * time.Hour // how far zones are from UTC
	a, aDate, err1 := TimeOf(value)
	b, bDate, err2 := TimeOf(want)
	switch {
	case err1 != nil || err2 != nil:
		return false
	case !aDate && !bDate:
		return sameMoment(a, b, within)
	case aDate && bDate, within >= day: // the other one is a date as well
		return a.Format(time.DateOnly) == b.Format(time.DateOnly)
	case bDate:
		a, b = b, a
	}
	return !b.Before(a.Add(-east)) && b.Before(a.Add(day+west))
}

// sameMoment says that a moment is the wanted one. A date means any moment of its day, in some zone, and none before.
func sameMoment(at, want time.Time, within time.Duration) bool {
	const day = 24 * time.Hour
	early := within
	if early >= day {
		early -= day
	}
	if after := at.Sub(want); -early <= after && after <= within {
		return true
	}
	if want.Before(at) {
		at, want = want, at
	}
	apart := want.Sub(at)
	return apart < time.Second || at.Equal(at.Truncate(day)) && apart < day && apart >= day-time.Second
}

func (f Field) equal(g Field) bool {
	return f.Name == g.Name && f.Time == g.Time && f.Zone == g.Zone && f.Fold == g.Fold && f.Own == g.Own && f.Want == g.Want && f.Within == g.Within && f.Was == g.Was && f.Beside == g.Beside && f.Lasting == g.Lasting && slices.Equal(f.Of, g.Of) && slices.Equal(f.Not, g.Not)
}

// Value asks the local store about the declared version. Answer: *ValueSeen.
type Value struct{ Secret secret.Ref }

func (r Value) Target() reconciler.Target { return Values }
func (r Value) Key() string               { return "value " + r.Secret.String() }
