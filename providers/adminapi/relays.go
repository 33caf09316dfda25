package adminapi

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
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

	next  string // of the next page
	pages int    // that there are, as the server says
}

// Relay is one entry of the list.
type Relay struct {
	// Name is the first of its names. Names are all that differ, without a domain before a backslash.
	Name  string
	Names []string
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
	Name, Connected, Heartbeat string
	// Zone is that of heartbeats that are written without one; nil is UTC.
	Zone *time.Location
}

// The usual names, lower case. The first that is there and can be read counts.
var (
	nameFields      = []string{"name", "relayname", "hostname", "host", "machinename", "computername", "fqdn", "displayname"}
	connectedFields = []string{"connected", "isconnected", "online", "isonline", "connectionstate", "connectionstatus", "status", "state"}
	heartbeatFields = []string{"lastheartbeat", "lastheartbeatutc", "lastheartbeatat", "lastseen", "lastseenutc", "lastseenat", "lastcontact", "lastcontactutc", "heartbeat", "heartbeatutc"}
	listFields      = []string{"relays", "items", "value", "data", "results", "$values", "d"}
	nextFields      = []string{"nextlink", "@odata.nextlink", "next", "nextpage"}
	moreFields      = []string{"hasmore", "hasnext", "hasnextpage", "more", "moreavailable", "istruncated", "truncated", "partial", "ispartial", "continuationtoken", "nexttoken", "nextpagetoken", "nextcursor"}
	totalFields     = []string{"totalcount", "total", "totalitems", "totalitemcount", "totalrecords", "totalelements", "@odata.count", "count"}
	pagingFields    = []string{"paging", "pagination", "pageinfo", "page", "meta", "metadata", "links"} // objects that hold them
)

// readRelays reads an array of relays, or of groups of them, or an object that holds one.
func readRelays(body []byte, f Fields) (Relays, error) {
	var r Relays
	list, way, ok := listIn(body, most)
	if !ok { // no list at all is not an empty list
		want := "a list of relays"
		switch {
		case keyed(body):
			want += ", but an object keyed by names, which is not read"
		case several(body):
			want += ", but holds several, and nobody knows which is meant"
		}
		return Relays{}, notJSON(body, want)
	}
	for _, o := range way {
		r.paging(o)
	}
	r.List = make([]Relay, 0, len(list))
	for _, o := range list {
		r.add(f, o, most)
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

// keyed says that the answer is an object of nothing but objects without a list in them.
func keyed(body []byte) bool {
	o, err := readObject(body)
	for _, raw := range o.fields {
		inner, err := readObject(raw)
		if err != nil || slices.ContainsFunc(slices.Collect(maps.Values(inner.fields)), func(raw json.RawMessage) bool { return startsWith(raw, '[') }) {
			return false
		}
	}
	return err == nil && len(o.fields) > 0
}

// listIn finds a list of objects: the answer itself, a field of it by a usual name, or the one in an object in it; with the objects
// on the way.
func listIn(body []byte, depth int) (list []Object, way []Object, ok bool) {
	if startsWith(body, '[') {
		var entries []map[string]json.RawMessage
		if json.Unmarshal(body, &entries) != nil {
			return nil, nil, false
		}
		list = make([]Object, len(entries))
		for i, raw := range entries {
			list[i].fields = plainly(raw)
		}
		return list, nil, true
	}
	o, err := readObject(body)
	if err != nil || depth == 0 {
		return nil, nil, false
	}
	for _, name := range listFields {
		if raw := o.fields[name]; startsWith(raw, '[') {
			if list, _, ok = listIn(raw, depth); ok {
				return list, []Object{o}, true
			}
		}
	}
	if list, ok = onlyList(o); ok {
		return list, []Object{o}, true
	}
	for _, raw := range o.fields {
		if !startsWith(raw, '{') {
			continue
		}
		if inner, on, found := listIn(raw, depth-1); found {
			if ok {
				return nil, nil, false // nobody knows which
			}
			list, way, ok = inner, append([]Object{o}, on...), true
		}
	}
	return list, way, ok
}

// onlyList is the one list of an object that has objects in it, whatever its name. An empty one could be of anything.
func onlyList(o Object) (list []Object, ok bool) {
	for _, raw := range o.fields {
		if !startsWith(raw, '[') {
			continue
		}
		some, _, is := listIn(raw, most)
		if !is || len(some) == 0 {
			continue
		}
		if ok {
			return nil, false // nobody knows which
		}
		list, ok = some, true
	}
	return list, ok
}

// paging reads what an answer says of further pages.
func (r *Relays) paging(o Object) {
	says := maps.Clone(o.fields)
	for _, name := range pagingFields {
		inner, _ := readObject(o.fields[name])
		for field, raw := range inner.fields {
			if _, own := says[field]; !own {
				says[field] = raw
			}
		}
	}
	for _, name := range nextFields {
		next, _ := textOf(says[name])
		if o, err := readObject(says[name]); err == nil {
			next, _ = textOf(o.fields["href"]) // of HAL, and of JSON:API
		}
		switch {
		case strings.ContainsAny(next, "/?"):
			r.next = cmp.Or(r.next, next)
		case affirms(says[name]): // a number, a token or an object leads nowhere that is known
			r.More = true
		}
	}
	r.More = r.More || slices.ContainsFunc(moreFields, func(name string) bool { return affirms(says[name]) })
	number := func(name string) int {
		text, _ := textOf(says[name])
		n, _ := strconv.Atoi(text)
		return n
	}
	r.pages = max(r.pages, number("totalpages"), number("pagecount"))
	for _, name := range totalFields {
		r.Total = cmp.Or(r.Total, number(name))
	}
}

// affirms says that a field is there and does not say no.
func affirms(raw json.RawMessage) bool {
	return !slices.Contains([]string{"", "null", "false", "0", `""`, `"false"`, "{}", "[]"}, strings.ToLower(strings.TrimSpace(string(raw))))
}

// headed reads what the headers say of further pages.
func (r *Relays) headed(h http.Header) {
	if r.Total == 0 {
		r.Total, _ = strconv.Atoi(h.Get("X-Total-Count"))
	}
	for _, name := range []string{"X-Pagination", "Pagination", "X-Paging"} {
		if o, err := readObject([]byte(h.Get(name))); err == nil {
			r.paging(o)
		}
	}
	if of := h.Get("Content-Range"); of != "" { // items 0-2/4; whoever does not say of how many sends a part
		total, err := strconv.Atoi(of[strings.LastIndexByte(of, '/')+1:])
		r.Total, r.More = max(r.Total, total), r.More || err != nil
	}
	if m := nextLink.FindStringSubmatch(strings.Join(h.Values("Link"), ",")); m != nil {
		r.next = cmp.Or(r.next, m[1])
	}
}

var nextLink = regexp.MustCompile(`(?i)<([^>]*)>(?:\s*;[^,;]*)*?;\s*rel="?next\b`) // RFC 8288

// relay reads an entry.
func (f Fields) relay(o Object) Relay {
	r := Relay{Names: f.names(o.fields)}
	if len(r.Names) == 0 {
		r.Names = f.names(o.fields.within())
	}
	if len(r.Names) > 0 {
		r.Name = r.Names[0]
	}
	r.Version, _ = textOf(o.fields["version"])
	var odd []string
	o.seek(chosen(f.Connected, connectedFields), func(name string, raw json.RawMessage) bool {
		yes, known := yesOf(raw)
		if known = known && (f.Connected != "" || !state(name) || !numeral(raw)); known {
			r.Connected = &yes
			return true
		}
		odd = noteOdd(odd, name, raw)
		return false
	})
	if r.Connected == nil {
		r.Odd = append(r.Odd, odd...)
	}
	odd = nil
	o.seek(chosen(f.Heartbeat, heartbeatFields), func(name string, raw json.RawMessage) bool {
		at, zoneless := momentIn(f.Zone, raw)
		if !at.IsZero() {
			r.LastHeartbeat, r.Zoneless = at, zoneless && !strings.HasSuffix(name, "utc")
			r.Field, r.Raw = name, raw
			return true
		}
		odd = noteOdd(odd, name, raw)
		return false
	})
	if r.LastHeartbeat.IsZero() {
		r.Odd = append(r.Odd, odd...)
	}
	return r
}

// names are all that an entry has and that differ.
func (f Fields) names(of fields) (names []string) {
	for _, name := range chosen(f.Name, nameFields) {
		text, _ := textOf(of.at(name))
		text = strings.TrimSpace(text)
		if _, after, ok := strings.Cut(text, `\`); ok { // DOMAIN\computer
			text = after
		}
		if text = strings.TrimSuffix(text, "$"); text != "" && !slices.Contains(names, text) {
			names = append(names, text)
		}
	}
	return names
}

// state says that a field holds one of several states. Which of them a number is, is not known.
func state(name string) bool {
	return strings.HasPrefix(name, "connectionst") || strings.HasPrefix(name, "stat")
}

func numeral(raw json.RawMessage) bool {
	text, _ := textOf(raw)
	_, err := strconv.ParseFloat(text, 64)
	return err == nil
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

// page is the path of the next page, "" when there is none. It is asked of this server: a proxy before it may have it write another
// one's name into its links, to the same list.
func (c *Client) page(next string) (string, error) {
	if next == "" {
		return "", nil
	}
	at, err := url.Parse(c.base + c.paths.Relays)
	if err != nil {
		return "", err
	}
	to, err := at.Parse(next)
	if err != nil {
		return "", &Error{Kind: WrongContent, Detail: "the next page of the relay list has no address that can be read", begun: true}
	}
	if (to.Scheme != at.Scheme || to.Host != at.Host) && to.Path != at.Path {
		return "", &Error{Kind: WrongContent, Detail: "the next page of the relay list is on another server, " + plain(to.Scheme+"://"+to.Host), elsewhere: true}
	}
	path := to.RequestURI()
	root, err := url.Parse(c.base)
	if err != nil || !strings.HasPrefix(path, root.Path) {
		return "", &Error{Kind: WrongContent, Detail: "the next page of the relay list is elsewhere on the server", elsewhere: true}
	}
	return strings.TrimPrefix(path, root.Path), nil
}
