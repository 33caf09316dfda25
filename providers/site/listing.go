package site

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"meshrotate/reconciler"
)

// Listed is a relay that runs, with what Admin's list has of it: nil where it has nothing.
type Listed struct {
	Host  string
	Relay *RelaySeen
	Skew  time.Duration // how far its clock may be off, by which its heartbeats may be told
	// Apart: it cannot be connected, so that what is listed of it is old.
	Apart bool
}

// SkewOf is how far a host's clock may be off, as far as heartbeats that are told by it are believed.
func SkewOf(m *MachineSeen) time.Duration {
	if m == nil {
		return 0
	}
	return min(m.Skew.Abs(), MaxSkew)
}

// Listing is Admin's list, as a proof will look at it.
type Listing struct {
	*RelaysSeen               // nil where there is none
	Asked       time.Duration // how long the proof is to wait
	Admin       time.Time     // when it was seen by the clock of Admin's host, zero where that is not known: answers may have a proxy's
}

// ListingOf is what was seen of it.
func ListingOf(in reconciler.Input, admin string, asked time.Duration) Listing {
	l := Listing{RelaysSeen: Answer[RelaysSeen](in.Seen, Relays{}), Asked: asked}
	if m := Answer[MachineSeen](in.Seen, Machine{Host: admin}); m != nil {
		l.Admin = in.Now.Add(m.Skew)
	}
	return l
}

// Empty says that Admin listed nothing at all.
func (s Listing) Empty() bool { return s.RelaysSeen != nil && len(s.Relays) == 0 && s.Unnamed == 0 }

// fresh is how old the latest heartbeat may be of relays that are connected. What takes longer to be listed than a proof waits for
// it proves nothing.
func (s Listing) fresh() time.Duration {
	const most = 5 * time.Minute // relays send one at least every minute or so
	return min(most, s.Within(s.Asked))
}

// age is how old a heartbeat is, by the clock by which that is least.
func (s Listing) age(beat time.Time) time.Duration {
	age := s.Time.Sub(beat)
	if by := s.Admin.Sub(beat); !s.Admin.IsZero() && by.Abs() < age.Abs() {
		return by
	}
	return age
}

// Heard says that Admin lists the relay as connected, and has heard of it of late.
func (s Listing) Heard(l Listed) bool {
	return l.Relay.IsConnected() && (s.RelaysSeen == nil || s.Time.IsZero() || l.Relay.Heartbeat.IsZero() || s.age(l.Relay.Heartbeat) <= s.fresh()+l.Skew)
}

// Unprovable is why a proof by the list would fail whatever the relays do: it would be waited for in vain, with all of them down
// before it. Up are relays that run. Used says that such a proof is wanted: then it refuses.
func (s Listing) Unprovable(up []Listed, used bool) (all []reconciler.Finding) {
	object := func(code reconciler.FindingID, hint string, at []Listed, format string, args ...any) {
		f := reconciler.Finding{Severity: reconciler.Warning, Code: code, Text: fmt.Sprintf(format, args...), Hint: hint, Hosts: Each(at, func(l Listed) string { return l.Host })}
		if used {
			f.Severity = reconciler.Error
		}
		all = append(all, f)
	}
	if s.Moved {
		object("relay-list-cut", "name a path that gives all at once, or in an order that stays, such as product.api.relays: /api/relays?pageSize=10000", nil,
			"the pages of Admin's list move while they are read, as they do where it is ordered by heartbeats: %d were seen, and others are missing, whichever they are", len(s.Relays))
	} else if s.More {
		of := fmt.Sprintf("%d of %d entries", len(s.Relays), s.Total) // of which a relay may have several
		if s.Total <= len(s.Relays) {
			of = entries(len(s.Relays)) + ", says that there are more"
		}
		object("relay-list-cut", WholeList, nil,
			"Admin lists %s, and no way to the others: nothing would be proven of the rest", of)
	} else if n := len(s.Relays) + s.Unnamed; used && s.Size >= n && s.Size < n+len(up) {
		all = append(all, Warning("relay-list-cut",
			fmt.Sprintf("Admin's list is one page, which has room for %d, and no way to another: a relay that connects anew may leave its old entry beside the new one, and then some would not be on that page", s.Size), WholeList))
	} else if f, is := s.perhapsPage(up); is && used {
		all = append(all, f)
	}
	if s.Time.IsZero() {
		object("relay-list-date", "let whatever lies between here and Admin (a proxy) leave the Date header in", nil,
			"Admin's answer says nothing of its time (no Date header): no heartbeat could be called one after the change")
	}
	frozen, thaw := s.frozen(up)
	if within := s.Within(s.Asked); within > s.Asked && used && frozen == "" {
		all = append(all, Warning("relay-list-coarse",
			fmt.Sprintf("every heartbeat in Admin's list is on whole minutes, as if rounded: one after the change is waited for up to %s, not %s", within, s.Asked),
			"nothing is to be done; relays work meanwhile, and their outage is measured until that heartbeat"))
	}
	if silent := Where(up, func(l Listed) bool { return l.Relay != nil && l.Relay.Connected == nil }); len(silent) > 0 {
		object("relay-list-connected", "name another field as product.api.fields.connected: one that is true or false, 1 or 0, or Connected, Online, Active, Up, Open or the like; where the list has none, no relay can be proven by it", silent,
			"Admin does not say whether %s connected%s", areRelays(len(silent)), silent[0].odd())
	}
	mute := Where(up, func(l Listed) bool {
		return l.Relay.IsConnected() && l.Relay.Heartbeat.IsZero() || l.Relay != nil && l.Relay.Connected != nil && slices.ContainsFunc(l.Relay.Odd, unreadable)
	})
	if len(mute) > 0 {
		object("relay-list-heartbeat", "name the field that holds it, as product.api.fields.heartbeat: a moment as 2026-11-27T14:10:04Z, 2026-11-27 14:10:04 +00:00, /Date(…)/ or a count since 1970; where the list has none, no relay can be proven by it", mute,
			"Admin does not say when it last heard of %s%s", oneOrMany(len(mute)), mute[0].odd())
	}
	if frozen != "" {
		object("relay-list-time", thaw, up, "%s", frozen)
	}
	return all
}

// WholeList is what to do about a list of which there is one page.
const WholeList = "name a path that gives them all, such as product.api.relays: /api/relays?pageSize=10000; or the parameter by which the next page is asked for, product.api.paging: {page: …}, {offset: …} or {token: …}"

// PerhapsPage is what to do about a relay that a list does not show as connected, which may be one page.
const PerhapsPage = "see in Admin's dashboard whether it is connected. If it is, " + WholeList + ". If not, look at its log"

// perhapsPage says of a list that it may be one page: it has as many entries as pages have by default, and a relay is missing, or there are
// entries that a relay has left behind, which may push another one off.
func (s Listing) perhapsPage(up []Listed) (f reconciler.Finding, is bool) {
	if s.RelaysSeen == nil || s.Round == 0 {
		return f, false
	}
	missing := Where(up, func(l Listed) bool { return l.Relay == nil })
	text := fmt.Sprintf("Admin's list has %d entries, as many as a page has by default, and does not say whether these are all", s.Round)
	switch {
	case len(missing) > 0:
		text += fmt.Sprintf(": whether %s missing, or on another page, is not known", areRelays(len(missing)))
	case s.MayBePage():
		text += ": if they are not, a relay that connects anew and leaves its old entry beside the new one may push others off the page"
	default:
		return f, false
	}
	return Warning("relay-list-cut", text, WholeList, Each(missing, func(l Listed) string { return l.Host })...), true
}

// InPart says that what a list has of a relay, nil for nothing, may not be all: more of it may be on another page.
func (s *RelaysSeen) InPart(r *RelaySeen) bool {
	return s.More || s.Moved || s.MayBePage() || s.Round > 0 && r == nil
}

// MayBePage says that others may have been pushed off a list: by entries that relays have left behind, in a list that has as many as a page
// has by default, and does not say whether these are all.
func (s *RelaysSeen) MayBePage() bool {
	names := map[string]bool{}
	for _, r := range s.Relays {
		names[strings.ToLower(r.Name)] = true
	}
	return s.Round > len(names)+s.Unnamed
}

// frozen compares the latest heartbeat with the answer's own time.
func (s Listing) frozen(up []Listed) (text, hint string) {
	const pass = "let whatever lies between here and Admin (a proxy, a cache) pass GET for the list of relays on to Admin each time"
	switch by := s.Time.Sub(s.Admin); {
	case s.Age > s.fresh():
		return fmt.Sprintf("Admin's list comes out of a cache, which has had it for %s (Age): it would prove nothing", long(s.Age)), pass
	case !s.Time.IsZero() && !s.Admin.IsZero() && by.Abs() > 2*MaxSkew:
		return fmt.Sprintf("Admin's list says of itself that it was made at %s, when by its host's clock it was %s: it may come out of a cache, and would prove nothing",
			s.Time.UTC().Format(time.RFC3339), s.Admin.UTC().Format(time.RFC3339)), pass + "; or set the clock of whatever writes the Date header right"
	}
	beating := Where(up, func(l Listed) bool { return !l.Apart && l.Relay.IsConnected() && !l.Relay.Heartbeat.IsZero() })
	if len(beating) == 0 || s.Time.IsZero() {
		return "", ""
	}
	latest := slices.MaxFunc(beating, func(a, b Listed) int { return a.Relay.Heartbeat.Compare(b.Relay.Heartbeat) })
	last := latest.Relay
	age := s.age(last.Heartbeat)
	if age.Abs() <= s.fresh()+latest.Skew {
		return "", ""
	}
	way := "before"
	if age < 0 {
		way = "after"
	}
	text = fmt.Sprintf("the latest heartbeat in Admin's list, %s, is %s %s the answer itself: it would prove nothing", last.Beat(), long(age.Abs()), way)
	hint = "see in Admin's dashboard whether heartbeats go on: if they do, this field is none of them, as one that tells when a relay connected, and product.api.fields.heartbeat names the right one; or the list is frozen, or served from a cache; else no relay is heard. product.api.connectedTimeout is how long one is waited for"
	if last.Zoneless {
		hint = "its times have no zone and are read as UTC: name their zone as product.api.fields.zone; or else the list is frozen"
	}
	return text, hint
}

// long is a duration for people.
func long(d time.Duration) string {
	const day = 24 * time.Hour
	if d > 2*day {
		return Count(int(d/day), "day")
	}
	return d.Round(time.Second).String()
}

// unreadable says of a field that it is not one of those by which programs say that something never was.
func unreadable(odd string) bool { return !never.MatchString(odd) }

// The year 1 is -62135596800 seconds since 1970, in a zone of its own up to 14 hours more or less; or the same in milli- or microseconds.
var never = regexp.MustCompile(`(?i) = "?(null|never|none|n/a|-|0|-1|0001-01-01.*|(/Date\()?-6213[56]\d{6}(\d{3}){0,2}\b.*)?"?$`)

// odd is what an entry holds in fields that could not be read.
func (l Listed) odd() string {
	if len(l.Relay.Odd) == 0 {
		return ": no field of its list does"
	}
	return ": " + l.Relay.Name + " has " + strings.Join(l.Relay.Odd, ", ")
}

func entries(n int) string {
	if n == 1 {
		return "1 entry"
	}
	return fmt.Sprintf("%d entries", n)
}

func areRelays(n int) string {
	if n == 1 {
		return "a relay is"
	}
	return fmt.Sprintf("%d relays are", n)
}

func oneOrMany(n int) string {
	if n == 1 {
		return "a relay"
	}
	return Count(n, "relay")
}
