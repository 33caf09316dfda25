package adminapi

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"
)

// License is what the Admin service has loaded. Empty and zero fields were not in the answer.
type License struct {
	Answer       Answer
	Tier         string
	CustomerName string
	Expires      time.Time // UTC
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

// readLicense reads a license answer. Names are matched whatever their case, as encoding/json does.
func readLicense(body []byte) (License, error) {
	var raw struct {
		Tier         lenient[label]  `json:"tier"`
		CustomerName lenient[label]  `json:"customerName"`
		ExpiresUtc   lenient[moment] `json:"expiresUtc"`
	}
	if !startsWith(body, '{') {
		return License{}, notJSON("a license object")
	}
	if err := json.Unmarshal(body, &raw); err != nil {
		return License{}, notJSON("a license object")
	}
	return License{
		Tier:         string(raw.Tier.value),
		CustomerName: string(raw.CustomerName.value),
		Expires:      time.Time(raw.ExpiresUtc.value),
	}, nil
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
