package adminapi

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"
)

// Object is an object that the Admin API answered, of which nobody here knows what it means.
type Object struct {
	Answer Answer
	fields map[string]json.RawMessage // by lower-case name
}

// Text is the first of these fields that is there, whatever its name's case: a text, or a number as .NET writes an
// enumeration. "" when there is none.
func (o Object) Text(names ...string) string {
	for _, n := range names {
		var v lenient[label]
		if raw, ok := o.fields[strings.ToLower(n)]; ok && json.Unmarshal(raw, &v) == nil && v.known {
			return string(v.value)
		}
	}
	return ""
}

// Time is the first of these fields that is a moment, UTC; zero when there is none.
func (o Object) Time(names ...string) time.Time {
	for _, n := range names {
		var v lenient[moment]
		if raw, ok := o.fields[strings.ToLower(n)]; ok && json.Unmarshal(raw, &v) == nil && v.known {
			return time.Time(v.value)
		}
	}
	return time.Time{}
}

// Relays is the relay list, in the server's order.
type Relays struct {
	Answer Answer
	List   []Relay
	// Unnamed counts entries without any name: they can be matched with no host.
	Unnamed int
}

// Relay is one entry of the list.
type Relay struct {
	Name string
	// Connected is nil when the answer does not say.
	Connected *bool
	// LastHeartbeat is on the Admin host's clock, UTC. Zero: the answer does not say.
	LastHeartbeat time.Time
	Version       string
}

// IsConnected says that the answer says so. False may also mean unknown.
func (r Relay) IsConnected() bool { return r.Connected != nil && *r.Connected }

// readObject reads an object. Names are matched whatever their case, as encoding/json does.
func readObject(body []byte) (Object, error) {
	var raw map[string]json.RawMessage
	if !startsWith(body, '{') || json.Unmarshal(body, &raw) != nil {
		return Object{}, notJSON("an object")
	}
	o := Object{fields: make(map[string]json.RawMessage, len(raw))}
	for _, name := range slices.Sorted(maps.Keys(raw)) {
		o.fields[strings.ToLower(name)] = raw[name]
	}
	return o, nil
}

// readRelays reads an array of relays, or an object that holds one under "relays" or "items".
func readRelays(body []byte) (Relays, error) {
	var list []*rawRelay
	if startsWith(body, '[') {
		if err := json.Unmarshal(body, &list); err != nil {
			return Relays{}, notJSON("a list of relays")
		}
	} else {
		var wrapped struct {
			Relays *[]*rawRelay `json:"relays"`
			Items  *[]*rawRelay `json:"items"`
		}
		if err := json.Unmarshal(body, &wrapped); err != nil {
			return Relays{}, notJSON("a list of relays")
		}
		switch {
		case wrapped.Relays != nil:
			list = *wrapped.Relays
		case wrapped.Items != nil:
			list = *wrapped.Items
		default: // no list at all is not an empty list
			return Relays{}, notJSON("a list of relays")
		}
	}
	r := Relays{List: make([]Relay, 0, len(list))}
	for _, raw := range list {
		if relay := raw.relay(); relay.Name != "" {
			r.List = append(r.List, relay)
		} else {
			r.Unnamed++
		}
	}
	return r, nil
}

// rawRelay has every name under which a version of the product may report a field.
type rawRelay struct {
	Name             lenient[label]  `json:"name"`
	HostName         lenient[label]  `json:"hostName"`
	Host             lenient[label]  `json:"host"`
	MachineName      lenient[label]  `json:"machineName"`
	Connected        lenient[bool]   `json:"connected"`
	LastHeartbeat    lenient[moment] `json:"lastHeartbeat"`
	LastHeartbeatUtc lenient[moment] `json:"lastHeartbeatUtc"`
	LastSeenUtc      lenient[moment] `json:"lastSeenUtc"`
	Version          lenient[label]  `json:"version"`
}

func (raw *rawRelay) relay() Relay {
	if raw == nil { // a null in the list
		return Relay{}
	}
	r := Relay{Version: string(raw.Version.value)}
	for _, name := range []label{raw.Name.value, raw.HostName.value, raw.Host.value, raw.MachineName.value} {
		if r.Name = strings.TrimSpace(string(name)); r.Name != "" {
			break
		}
	}
	if raw.Connected.known {
		connected := raw.Connected.value
		r.Connected = &connected
	}
	for _, seen := range []moment{raw.LastHeartbeat.value, raw.LastHeartbeatUtc.value, raw.LastSeenUtc.value} {
		if r.LastHeartbeat = time.Time(seen); !r.LastHeartbeat.IsZero() {
			break
		}
	}
	return r
}

func readDashboard(body []byte) error {
	if !json.Valid(body) || !(startsWith(body, '{') || startsWith(body, '[')) {
		return notJSON("a dashboard")
	}
	return nil
}

func startsWith(body []byte, first byte) bool {
	trimmed := bytes.TrimLeft(body, " \t\r\n")
	return len(trimmed) > 0 && trimmed[0] == first
}

func notJSON(want string) error {
	return &Error{Kind: WrongContent, Detail: "the answer is not " + want}
}
