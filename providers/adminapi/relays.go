package adminapi

import (
	"bytes"
	"cmp"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Relays is the relay list, in the server's order.
type Relays struct {
	Answer Answer
	List   []Relay
	// Unnamed counts entries without any name: they can be matched with no host.
	Unnamed int
	// Total is how many there are, as the server says; 0 when it does not.
	Total int
	// More says that there are more than List has, by the server's own words, and no way to them.
	More bool
	// Moved says that this is so because entries went from one page to another while the pages were read.
	Moved bool
	// Size is how many entries the one page that was read could have, as the server says, where nothing in it tells the way to another;
	// 0 when it does not.
	Size int
	// Round is how many entries there are, where nothing says whether these are all, and pages have as many by default; else 0.
	Round int

	at     place
	linked bool   // it has a place for the way to a next page
	next   string // of the next page
	// perhaps is the same where it may be a token instead.
	perhaps string
	pages   int // that there are, as the server says
	read    int // pages that were read
	again   int // entries that stood on an earlier page already
}

// Relay is one entry of the list.
type Relay struct {
	// Name is the first of its names. Names are all that differ, without a domain before a backslash: that is Domain, which may be a field of its own, too; "" for none.
	Name   string
	Names  []string
	Domain string
	// Machine is the one of several names that a field says to be the machine's, "" where none does.
	Machine string
	// Connected is nil when the answer does not say.
	Connected *bool
	// LastHeartbeat is on the Admin host's clock, UTC. Zero: the answer does not say. Zoneless says that it was written without a
	// zone, in a field that does not promise UTC.
	LastHeartbeat time.Time
	Zoneless      bool
	// Field is where that was, and Raw what it holds there.
	Field   string
	Raw     json.RawMessage
	Version string
	// Odd are fields that are there and cannot be read, with the value seen: `connected = "maybe"`.
	Odd []string
}

// IsConnected says that the answer says so. False may also mean unknown.
func (r Relay) IsConnected() bool { return r.Connected != nil && *r.Connected }

// Fields are the product's names for what a relay says of itself. Those left out have the usual names.
type Fields struct {
	// List is where the list is in the answer: a field, or a path such as data.agents.
	List                       string
	Name, Connected, Heartbeat string
	// Zone is that of heartbeats that are written without one; nil is UTC.
	Zone *time.Location
	// places are where earlier answers had what nobody has named.
	places *places
}

// The usual names, lower case. The first that is there and can be read counts.
var (
	nameFields      = []string{"name", "relayname", "hostname", "host", "machinename", "computername", "fqdn", "displayname"}
	connectedFields = []string{"connected", "isconnected", "online", "isonline", "connectionstate", "connectionstatus", "status", "state"}
	heartbeatFields = []string{"lastheartbeat", "lastheartbeatutc", "lastheartbeatat", "lastseen", "lastseenutc", "lastseenat", "lastcontact", "lastcontactutc", "heartbeat", "heartbeatutc"}
	listFields      = []string{"relays", "items", "value", "data", "results", "$values", "d"}
	nextFields      = []string{"nextlink", "@odata.nextlink", "next", "nextpage"}
	sizeFields      = []string{"pagesize", "perpage", "itemsperpage", "limit", "take", "maxpagesize", "maxitems"}
	moreFields      = []string{"hasmore", "hasnext", "hasnextpage", "more", "moreavailable", "istruncated", "truncated", "partial", "ispartial", "continuationtoken", "nexttoken", "nextpagetoken", "nextcursor"}
	totalFields     = []string{"totalcount", "total", "totalitems", "totalitemcount", "totalrecords", "totalelements", "@odata.count", "count"}
	pagingFields    = []string{"@odata", "paging", "pagination", "pageinfo", "page", "meta", "metadata", "links"} // objects that hold them
)

// readRelays reads an array of relays, or of groups of them, or an object that holds one.
func readRelays(body []byte, f Fields) (Relays, error) {
	var r Relays
	known := f.places
	if len(known.of("list ")) == 0 {
		known = nil // what is found counts once it shows who is connected: who is not may stand elsewhere then
	}
	list, way, ok := listOf(body, known, "")
	switch {
	case f.List != "":
		list, way, ok = listAt(body, f.List)
	case !ok && len(f.places.of("list ")) == 0:
		list, way, ok = f.tellingList(body, "")
	}
	if !ok { // no list at all is not an empty list
		want := "a list of relays"
		switch {
		case f.List != "":
			want += ": it has none as " + plain(f.List)
		case len(f.places.of("list ")) > 0:
			want += ": it has none where it had one before" + asPath(f.places.of("list ")[0])
		case keyed(body):
			want += ", but an object keyed by names, which is not read"
		case several(body, most):
			want += ", but holds several, and nobody knows which is meant"
		}
		e := notJSON(body, want)
		if e.otherwise && (f.List != "" || several(body, most)) {
			e.which = "product.api.fields.list"
		}
		return Relays{}, e
	}
	for _, on := range way {
		r.paging(on.Object)
	}
	r.List = make([]Relay, 0, len(list))
	for _, o := range list {
		r.add(f, o, most)
	}
	if f.List == "" && slices.ContainsFunc(r.List, Relay.IsConnected) {
		f.places.note("list ", wayTo(way))
	}
	r.spell(body)
	return r, nil
}

// spell gives fields the names that the answer has for them, as far as its beginning shows.
func (r *Relays) spell(body []byte) {
	const beginning = 8 << 10
	names := map[string]string{}
	for _, m := range fieldName.FindAllSubmatch(body[:min(len(body), beginning)], -1) {
		if name := string(m[1]); names[plainName(name)] == "" {
			names[plainName(name)] = name
		}
	}
	for i := range r.List {
		one := &r.List[i]
		one.Field = cmp.Or(names[one.Field], one.Field)
		for j, odd := range one.Odd {
			name, rest, _ := strings.Cut(odd, " ")
			one.Odd[j] = cmp.Or(names[name], name) + " " + rest
		}
	}
}

var fieldName = regexp.MustCompile(`"([A-Za-z0-9_$@.-]{1,64})"\s*:`)

// relay reads an entry.
func (f Fields) relay(o Object) Relay {
	var r Relay
	o.places = f.places
	o = f.living(o)
	if r.Names, r.Domain = f.names(o.fields.at); len(r.Names) == 0 {
		in := inner{of: o}
		r.Names, r.Domain = f.names(in.at)
	}
	if len(r.Names) > 0 {
		r.Name = r.Names[0]
	}
	for _, name := range []string{"machinename", "computername"} {
		text, _ := textOf(o.fields.at(name))
		if _, text = split(text); r.Machine == "" && text != "" && len(r.Names) > 1 {
			r.Machine = text
		}
	}
	r.Version, _ = textOf(o.fields["version"])
	r.connected(f, o)
	r.heard(f, o)
	return r
}

// heard reads when it last was, by the fields that said so before where they say anything.
func (r *Relay) heard(f Fields, o Object) {
	const thing = "heartbeat"
	odd := r.heardBy(f, o, f.places.of(thing))
	if r.LastHeartbeat.IsZero() && allNull(odd) {
		odd = r.heardBy(f, o, chosen(f.Heartbeat, heartbeatFields))
	}
	if r.LastHeartbeat.IsZero() {
		r.Odd = append(r.Odd, odd...)
	} else {
		f.places.note(thing, r.Field)
	}
}

// heardBy reads it by these fields. A moment whose zone is known goes before one whose zone is not.
func (r *Relay) heardBy(f Fields, o Object, names []string) (odd []string) {
	o.seek(names, func(name string, raw json.RawMessage) bool {
		at, zoneless := beatIn(f.Zone, raw)
		zoneless = zoneless && !strings.HasSuffix(name, "utc")
		switch {
		case at.IsZero():
			odd = noteOdd(odd, name, raw)
		case r.LastHeartbeat.IsZero(), !zoneless:
			r.LastHeartbeat, r.Zoneless, r.Field, r.Raw = at, zoneless, name, raw
		}
		return !at.IsZero() && !zoneless
	})
	return odd
}

// names are all that an entry has and that differ, and the domain that stands before one of them.
func (f Fields) names(at func(string) json.RawMessage) (names []string, domain string) {
	for _, name := range chosen(f.Name, nameFields) {
		text, _ := textOf(at(name))
		in, text := split(text)
		domain = cmp.Or(domain, in)
		if text != "" && !slices.Contains(names, text) {
			names = append(names, text)
		}
	}
	for _, name := range []string{"domain", "domainname", "netbiosdomain"} {
		if text, _ := textOf(at(name)); domain == "" {
			domain = strings.TrimSpace(text)
		}
	}
	return names, domain
}

// split takes a name apart that may be DOMAIN\COMPUTER$, as Windows writes a computer's account.
func split(text string) (domain, name string) {
	domain, name, found := strings.Cut(strings.TrimSpace(text), `\`)
	if !found {
		domain, name = "", domain
	}
	return domain, strings.TrimSuffix(name, "$")
}

func chosen(own string, usual []string) []string {
	if own != "" {
		return []string{strings.ToLower(own)}
	}
	return usual
}

// noteOdd keeps what a field that could not be read holds, short and printable.
func noteOdd(odd []string, name string, raw json.RawMessage) []string {
	switch {
	case raw == nil:
		return odd
	case bytes.Equal(raw, twoValues):
		return append(odd, name+" is there twice, and not alike")
	}
	return append(odd, name+" = "+plain(string(raw)))
}

// allNull says that the fields that could not be read have nothing to read.
func allNull(odd []string) bool {
	return !slices.ContainsFunc(odd, func(one string) bool { return !strings.HasSuffix(one, " = null") })
}
