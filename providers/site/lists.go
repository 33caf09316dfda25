package site

import (
	"fmt"
	"slices"
	"strings"

	"meshrotate/reconciler"
)

// List asks for a key of a settings file that holds several texts, none of them a secret. Answer: *ListSeen.
type List struct {
	Host, Path string
	// Setting is the configuration key, as .NET names it: "Some:List".
	Setting string
	// Service is the service that reads the file: its environment can override it.
	Service string
}

func (r List) Target() reconciler.Target { return Host(r.Host) }
func (r List) Key() string               { return "list " + r.Setting + " " + r.Path }

// ListSeen answers List.
type ListSeen struct {
	// SettingSeen says what is known of the file, and what wins over it. Its Version and Content are nothing here.
	SettingSeen
	Found   bool
	Members []string
	// Text says that they stand in one text, and not in a list as .NET has them.
	Text bool
	// Closed is why no member can be added, "" when one can.
	Closed string
}

// Under is the longest array that a weaker file has under the same key: the stronger one takes the place of its members, one by one, as long
// as it has as many. Mend is what to do about it.
type Under struct {
	Members    int
	Name, Mend string
}

// Uncovered objects to a list with fewer members than a weaker file has: the last of those would be in force beside it.
func (s *ListSeen) Uncovered(host string, members int) []reconciler.Finding {
	if members >= s.Under.Members {
		return nil
	}
	return []reconciler.Finding{Problem("setting-overridden", fmt.Sprintf("%s: %s is to have %s, and %s has %d: .NET adds the last of those", host, s.Key, Count(members, "member"), s.Under.Name, s.Under.Members),
		s.Under.Mend, host)}
}

// Facts are the members, as they are written.
func (s *ListSeen) Facts() []reconciler.Fact {
	f := s.facts(shortName(s.Path))
	value := strings.Join(s.Members, ", ")
	if !s.Found {
		value = Absent
	}
	f = append(f, reconciler.Fact{Field: s.Key + " in " + shortName(s.Path), Value: value})
	if s.Under.Members > 0 {
		f = append(f, reconciler.Fact{Field: s.Key + " in " + s.Under.Name, Value: Count(s.Under.Members, "member") + ", which it hides"})
	}
	return append(f, s.doubtful()...)
}

// ListEdit gives a list of a settings file these members, and no others.
type ListEdit struct {
	Setting string   `json:"setting"`
	Members []string `json:"members"`
}

func (e ListEdit) equal(other ListEdit) bool {
	return e.Setting == other.Setting && slices.Equal(e.Members, other.Members)
}

// ProveList demands that the list in effect has these members, and no others.
type ProveList struct {
	Host    string   `json:"-"`
	Path    string   `json:"path"`
	Setting string   `json:"setting"`
	Members []string `json:"members"`
	Service string   `json:"service"`
	// What it is, for people: "2 thumbprints".
	What string `json:"what"`
	Who
}

func (o ProveList) Kind() string              { return "prove-list" }
func (o ProveList) Target() reconciler.Target { return Host(o.Host) }
func (o ProveList) Key() string               { return "prove " + o.Setting + " in " + o.Path }
func (o ProveList) Says() reconciler.Phrase   { return o.says(o.What + " in force on") }
func (o ProveList) Merge(other reconciler.Op) (reconciler.Op, error) {
	b, ok := other.(ProveList)
	if !ok || b.Path != o.Path || b.Service != o.Service || b.What != o.What || b.Who != o.Who ||
		!(ListEdit{o.Setting, o.Members}).equal(ListEdit{b.Setting, b.Members}) {
		return nil, errDifferent
	}
	return o, nil
}

// mergeLists joins edits of lists, each list once.
func mergeLists(a, b []ListEdit) ([]ListEdit, error) {
	all := slices.Clone(a)
	for _, e := range b {
		i := slices.IndexFunc(all, func(x ListEdit) bool { return strings.EqualFold(x.Setting, e.Setting) })
		if i >= 0 && !all[i].equal(e) {
			return nil, fmt.Errorf("two rotations set %s", e.Setting)
		}
		if i < 0 {
			all = append(all, e)
		}
	}
	return all, nil
}
