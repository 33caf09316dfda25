package adminapi

import (
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
	Version       string
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
	listFields      = []string{"relays", "items", "value", "data", "results"}
	nextFields      = []string{"nextlink", "@odata.nextlink", "next", "nextpage"}
	moreFields      = []string{"hasmore", "hasnext", "hasnextpage", "more", "moreavailable", "istruncated", "continuationtoken", "nexttoken", "nextpagetoken", "nextcursor"}
	totalFields     = []string{"totalcount", "total", "totalitems", "totalitemcount", "totalrecords", "totalelements", "@odata.count", "count"}
	pagingFields    = []string{"paging", "pagination", "pageinfo", "page", "meta", "metadata", "links", "_links"} // objects that hold them
)

// readRelays reads an array of relays, or an object that holds one.
func readRelays(body []byte, f Fields) (Relays, error) {
	var r Relays
	var list []map[string]json.RawMessage
	if startsWith(body, '[') {
		if json.Unmarshal(body, &list) != nil {
			return Relays{}, notJSON(body, "a list of relays")
		}
	} else {
		o, err := readObject(body)
		if err != nil {
			return Relays{}, notJSON(body, "a list of relays")
		}
		found := false
		for _, name := range listFields {
			if raw, ok := o.fields[name]; ok && startsWith(raw, '[') && json.Unmarshal(raw, &list) == nil {
				found = true
				break
			}
		}
		if !found { // no list at all is not an empty list
			return Relays{}, notJSON(body, "a list of relays")
		}
		r.paging(o)
	}
	r.List = make([]Relay, 0, len(list))
	for _, raw := range list {
		if relay := f.relay(raw); relay.Name != "" {
			r.List = append(r.List, relay)
		} else {
			r.Unnamed++
		}
	}
	return r, nil
}

// paging reads what an answer says of further pages.
func (r *Relays) paging(o Object) {
	for _, name := range pagingFields {
		inner, err := readObject(o.fields[name])
		for field, raw := range inner.fields {
			if _, own := o.fields[field]; err == nil && !own {
				o.fields[field] = raw
			}
		}
	}
	for _, name := range nextFields {
		next, _ := textOf(o.fields[name])
		switch {
		case strings.ContainsAny(next, "/?"):
			r.next = cmp.Or(r.next, next)
		case affirms(o.fields[name]): // a number, a token or an object leads nowhere that is known
			r.More = true
		}
	}
	r.More = r.More || slices.ContainsFunc(moreFields, func(name string) bool { return affirms(o.fields[name]) })
	number := func(name string) int {
		text, _ := textOf(o.fields[name])
		n, _ := strconv.Atoi(text)
		return n
	}
	r.pages = number("totalpages")
	for _, name := range totalFields {
		r.Total = cmp.Or(r.Total, number(name))
	}
}

// affirms says that a field is there and does not say no.
func affirms(raw json.RawMessage) bool {
	return !slices.Contains([]string{"", "null", "false", "0", `""`, `"false"`, "{}", "[]"}, strings.ToLower(string(raw)))
}

// headed reads what the headers say of further pages.
func (r *Relays) headed(h http.Header) {
	if r.Total == 0 {
		r.Total, _ = strconv.Atoi(h.Get("X-Total-Count"))
	}
	r.More = r.More || nextLink.MatchString(strings.Join(h.Values("Link"), ","))
}

var nextLink = regexp.MustCompile(`(?i);\s*rel="?next\b`) // RFC 8288

// relay reads an entry. Names are matched whatever their case; of one given twice, in whatever cases, the last one counts.
func (f Fields) relay(raw map[string]json.RawMessage) Relay {
	if raw == nil { // a null in the list
		return Relay{}
	}
	low := raw
	for name := range raw {
		if strings.ToLower(name) != name {
			low = make(map[string]json.RawMessage, len(raw))
			for _, name := range slices.Sorted(maps.Keys(raw)) {
				if at := strings.ToLower(name); low[at] == nil || name != at {
					low[at] = raw[name]
				}
			}
			break
		}
	}
	var r Relay
	for _, name := range chosen(f.Name, nameFields) {
		text, _ := textOf(low[name])
		text = strings.TrimSpace(text)
		if _, after, ok := strings.Cut(text, `\`); ok { // DOMAIN\computer
			text = after
		}
		if text = strings.TrimSuffix(text, "$"); text != "" && !slices.Contains(r.Names, text) {
			r.Names = append(r.Names, text)
		}
	}
	if len(r.Names) > 0 {
		r.Name = r.Names[0]
	}
	r.Version, _ = textOf(low["version"])
	var odd []string
	for _, name := range chosen(f.Connected, connectedFields) {
		if yes, known := yesOf(low[name]); known {
			r.Connected = &yes
			break
		}
		odd = noteOdd(odd, name, low[name])
	}
	if r.Connected == nil {
		r.Odd = append(r.Odd, odd...)
	}
	odd = nil
	for _, name := range chosen(f.Heartbeat, heartbeatFields) {
		if at, zoneless := momentOf(low[name]); !at.IsZero() {
			r.LastHeartbeat, r.Zoneless = at, zoneless && !strings.HasSuffix(name, "utc")
			if zoneless && f.Zone != nil {
				r.LastHeartbeat = time.Date(at.Year(), at.Month(), at.Day(), at.Hour(), at.Minute(), at.Second(), at.Nanosecond(), f.Zone).UTC()
				r.Zoneless = false
			}
			break
		}
		odd = noteOdd(odd, name, low[name])
	}
	if r.LastHeartbeat.IsZero() {
		r.Odd = append(r.Odd, odd...)
	}
	return r
}

func chosen(own string, usual []string) []string {
	if own != "" {
		return []string{strings.ToLower(own)}
	}
	return usual
}

// noteOdd keeps what a field that could not be read holds, short and printable.
func noteOdd(odd []string, name string, raw json.RawMessage) []string {
	if raw == nil || string(raw) == "null" {
		return odd
	}
	return append(odd, name+" = "+plain(string(raw)))
}

// page is the path of the next page, "" when there is none. It must be of this server.
func (c *Client) page(next string) (string, error) {
	if next == "" {
		return "", nil
	}
	at, err := url.Parse(c.base + c.paths.Relays)
	if err != nil {
		return "", err
	}
	to, err := at.Parse(next)
	if err != nil || to.Scheme != at.Scheme || to.Host != at.Host {
		return "", &Error{Kind: WrongContent, Detail: "the next page of the relay list is on another server"}
	}
	path := to.RequestURI()
	root, err := url.Parse(c.base)
	if err != nil || !strings.HasPrefix(path, root.Path) {
		return "", &Error{Kind: WrongContent, Detail: "the next page of the relay list is elsewhere on the server"}
	}
	return strings.TrimPrefix(path, root.Path), nil
}
