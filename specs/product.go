package specs

import (
	"maps"
	"strings"
)

// Product names the product's files, keys, services and endpoints. Every default is the runbook's.
type Product struct {
	// Admin is IdentityMesh Admin. Left out: the service IdentityMeshAdmin and
	// %ProgramFiles%\IdentityMesh\appsettings.json.
	Admin Component `json:"admin,omitzero"`
	// Engine is the sync engine. Left out: the service IdentityMeshEngine and
	// %ProgramFiles%\IdentityMesh.Service\appsettings.json.
	Engine Component `json:"engine,omitzero"`
	// Relay is the relay agent. Left out: the service IdentityMeshRelayAgent and
	// %ProgramFiles%\IdentityMeshRelayAgent\appsettings.json.
	Relay Component `json:"relay,omitzero"`
	// API is the paths of the Admin API's endpoints.
	API API `json:"api,omitzero"`
}

// Component is one Windows service and its settings file.
type Component struct {
	// Service is the Windows service's name, not its display name.
	Service string `json:"service,omitempty" jsonschema:"minLength=1,maxLength=256" trust:"target"`
	// Settings is the full path on the host of its appsettings.json, or of another settings file that it reads, such as
	// appsettings.Production.json.
	Settings string `json:"settings,omitempty" jsonschema:"minLength=1" trust:"target"`
	// Keys are the settings that lie in another file than the rest, as .NET names them, and the full path of that file: several
	// secrets of one service may lie in several files.
	Keys map[string]string `json:"keys,omitempty" trust:"target"`
	// Hosts is what single hosts do differently, by host name.
	Hosts map[string]HostComponent `json:"hosts,omitempty"`
	// StopTimeout bounds the stop of the service: at least 10s.
	StopTimeout Duration `json:"stopTimeout,omitzero" jsonschema:"default=60s" trust:"more"`
	// StartTimeout bounds the start of the service: at least 10s.
	StartTimeout Duration `json:"startTimeout,omitzero" jsonschema:"default=60s" trust:"more"`
	// Stable is how long the started process must stay the same one.
	Stable Duration `json:"stable,omitzero" jsonschema:"default=3s" trust:"more"`
}

// HostComponent is what one host does differently.
type HostComponent struct {
	// Settings is the full path of the settings file on this host. With it, the component's keys do not count here.
	Settings string `json:"settings,omitempty" jsonschema:"minLength=1" trust:"target"`
	// Keys are the settings that lie in another file on this host, and the full path of that file.
	Keys map[string]string `json:"keys,omitempty" trust:"target"`
}

// On is the component as it is on one host: what the document says of the host goes before what it says of all.
func (c Component) On(host string) Component {
	own := c.Hosts[host]
	if own.Settings != "" {
		c.Settings, c.Keys = own.Settings, nil
	}
	c.Keys = maps.Clone(c.Keys)
	for key, file := range own.Keys {
		maps.DeleteFunc(c.Keys, func(k, _ string) bool { return strings.EqualFold(k, key) })
		if c.Keys == nil {
			c.Keys = map[string]string{}
		}
		c.Keys[key] = file
	}
	c.Hosts = nil
	return c
}

// Holding is the component with the settings file that the key lies in.
func (c Component) Holding(key string) Component {
	for k, file := range c.Keys {
		if strings.EqualFold(k, key) { // as .NET compares them
			c.Settings = file
		}
	}
	c.Keys = nil
	return c
}

// RelayFields are the names of what the relay list says of a relay: a field of its entry, or of an object in it, such as
// `connection.state`. Left out: the usual names, see the README.
type RelayFields struct {
	// List is where the answer has the list of relays, where it has several: a field, or the path to it.
	List string `json:"list,omitempty" jsonschema:"minLength=1,example=data.agents" trust:"target"`
	// Name holds the computer's name.
	Name string `json:"name,omitempty" jsonschema:"minLength=1,example=machineName" trust:"target"`
	// Connected says whether it is connected.
	Connected string `json:"connected,omitempty" jsonschema:"minLength=1,example=isConnected" trust:"target"`
	// Heartbeat is when it was last heard of.
	Heartbeat string `json:"heartbeat,omitempty" jsonschema:"minLength=1,example=lastSeenUtc" trust:"target"`
	// Zone is the time zone of heartbeats that are written without one, as IANA names it. Left out: UTC.
	Zone string `json:"zone,omitempty" jsonschema:"minLength=1,example=Europe/Berlin" trust:"target"`
}

// Paging is the parameter of a query by which the next page is asked for: one of the three. Left out: by links alone.
type Paging struct {
	// Page has the number of a page. Where the answer does not tell its own, the path of the list has that of the first.
	Page string `json:"page,omitempty" jsonschema:"minLength=1,example=pageNumber" trust:"target"`
	// Offset has how many entries come before the page.
	Offset string `json:"offset,omitempty" jsonschema:"minLength=1,example=$skip" trust:"target"`
	// Token has what the page before names as the token of the next one.
	Token string `json:"token,omitempty" jsonschema:"minLength=1,example=continuationToken" trust:"target"`
}

// API is the paths of the Admin API's endpoints.
type API struct {
	// Ready answers 200 when Admin is ready.
	Ready string `json:"ready,omitempty" jsonschema:"minLength=1,default=/health/ready" trust:"target"`
	// Relays lists the relays and their heartbeats.
	Relays string `json:"relays,omitempty" jsonschema:"minLength=1,default=/api/relays" trust:"target"`
	// Dashboard needs the database.
	Dashboard string `json:"dashboard,omitempty" jsonschema:"minLength=1,default=/api/dashboard" trust:"target"`
	// Fields are the names in the relay list, where the usual ones are not those.
	Fields RelayFields `json:"fields,omitzero"`
	// Domains are those that the relays of the document are in, as Admin names them in its list. Left out: those that most are in. An entry of
	// another domain is another machine.
	Domains []string `json:"domains,omitempty" jsonschema:"minItems=1,example=[CONTOSO]" trust:"target"`
	// Paging is how the next page of the relay list is asked for, where its answers have no link to it.
	Paging Paging `json:"paging,omitzero"`
	// ReadyTimeout is how long to wait for Admin to be ready: at least 10s.
	ReadyTimeout Duration `json:"readyTimeout,omitzero" jsonschema:"default=2m" trust:"more"`
	// ConnectedTimeout is how long to wait for every relay to be connected: at least 10s.
	ConnectedTimeout Duration `json:"connectedTimeout,omitzero" jsonschema:"default=3m" trust:"more"`
}
