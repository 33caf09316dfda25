package specs

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"golang.org/x/net/idna"
)

// MaxRelays is how many relays one document may name.
const MaxRelays = 10_000

// EngineHost is the engine's host: the Admin host when none is named.
func (d *Deployment) EngineHost() string {
	if d.Hosts.Engine == "" || strings.EqualFold(d.Hosts.Engine, d.Hosts.Admin) {
		return d.Hosts.Admin
	}
	return d.Hosts.Engine
}

// Relays are the relay hosts in the order of the document, ranges expanded: at most MaxRelays.
func (d *Deployment) Relays() []string { return expandAll(d.Hosts.Relays) }

// Tolerated are the relays that may be unreachable, ranges expanded, each as Relays names it.
func (d *Deployment) Tolerated() []string {
	spelling := map[string]string{}
	for _, name := range d.Relays() {
		spelling[strings.ToLower(name)] = name
	}
	var names []string
	for _, name := range expandAll(d.Policy.Unreachable.Tolerate) {
		if known := spelling[strings.ToLower(name)]; known != "" {
			names = append(names, known)
		}
	}
	return names
}

// MayFallBehind are the relays that the policy may leave behind, those of them that it names, and how many others it allows. A host
// that is Admin's, the engine's or the build host as well is none of them: nothing goes on without it.
func (d *Deployment) MayFallBehind() (of, names []string, count int) {
	of = slices.DeleteFunc(d.Relays(), func(h string) bool {
		return strings.EqualFold(h, d.Hosts.Admin) || strings.EqualFold(h, d.EngineHost()) || strings.EqualFold(h, d.Hosts.Build)
	})
	return of, d.Tolerated(), d.Policy.Unreachable.Count
}

// AllHosts are the Admin host, the engine's, the build host and the relays, each once.
func (d *Deployment) AllHosts() []string {
	hosts := []string{d.Hosts.Admin}
	if engine := d.EngineHost(); engine != d.Hosts.Admin {
		hosts = append(hosts, engine)
	}
	if d.Hosts.Build != "" {
		hosts = append(hosts, d.Hosts.Build)
	}
	return append(hosts, d.Relays()...)
}

// lastFleet is what was expanded last, of a document with many hosts: their names are asked for a dozen times.
var lastFleet atomic.Pointer[struct{ names, hosts []string }]

func expandAll(names []string) []string {
	const many = 100
	if last := lastFleet.Load(); last != nil && slices.Equal(last.names, names) {
		return slices.Clone(last.hosts)
	}
	hosts := expandEach(names)
	if len(hosts) >= many {
		lastFleet.Store(&struct{ names, hosts []string }{slices.Clone(names), slices.Clone(hosts)})
	}
	return hosts
}

func expandEach(names []string) []string {
	var hosts []string
	for _, name := range names {
		if expanded, err := Expand(name); err == nil {
			hosts = append(hosts, expanded...)
		}
		if len(hosts) > MaxRelays { // no loaded document holds more
			return hosts[:MaxRelays]
		}
	}
	return hosts
}

var hostRange = form(`\[([0-9]{1,9})\.\.([0-9]{1,9})\]`)

// Expand turns a name with at most one range, relay-[01..12].contoso.example, into the names it stands for. Both ends
// belong to it. A first end with leading zeros gives its width to all. A range holds at most MaxRelays names.
func Expand(name string) ([]string, error) {
	m := hostRange().FindStringSubmatchIndex(name)
	if m == nil {
		return []string{name}, checkHostName(name)
	}
	first, last := name[m[2]:m[3]], name[m[4]:m[5]]
	from, _ := strconv.Atoi(first)
	to, _ := strconv.Atoi(last)
	padded := len(first) > 1 && first[0] == '0' || len(last) > 1 && last[0] == '0'
	switch {
	case to < from:
		return nil, fmt.Errorf("the range ends before it starts")
	case to-from >= MaxRelays:
		return nil, fmt.Errorf("the range holds more than %d hosts", MaxRelays)
	case padded && len(first) != len(last):
		return nil, fmt.Errorf("both ends of a range with leading zeros need the same number of digits")
	}
	width := 0
	if padded {
		width = len(first)
	}
	hosts := make([]string, 0, to-from+1)
	for i := from; i <= to; i++ {
		digits := strconv.Itoa(i)
		hosts = append(hosts, name[:m[0]]+strings.Repeat("0", max(0, width-len(digits)))+digits+name[m[1]:])
	}
	return hosts, checkHostName(hosts[len(hosts)-1])
}

var hostForm = form(`^[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*$`)

// inASCII says how DNS holds a name, or the host of an address, that has letters beyond ASCII (RFC 5891); "" for others. It
// is for a person to write: a name that is translated in silence is another one in certificates, in tickets and in logs.
func inASCII(address string) string {
	host, port, hasPort := strings.Cut(address, ":")
	ascii, err := idna.Lookup.ToASCII(host)
	if err != nil || strings.EqualFold(ascii, host) {
		return ""
	}
	if hasPort {
		ascii += ":" + port
	}
	return "write it as DNS holds it, " + ascii
}

// checkHostName allows DNS names (RFC 1123), IPv4 addresses, and the underscores that NetBIOS names may have.
func checkHostName(name string) error {
	switch {
	case strings.ContainsAny(name, "[]"):
		return fmt.Errorf("a range is two numbers: relay-[01..12].contoso.example, one range in a name")
	case strings.Contains(name, "/"):
		return fmt.Errorf("this is not a host name; a URL stands under connect.adminApi.url")
	case strings.Contains(name, ":"):
		return fmt.Errorf("this is not a host name; a port or an address stands under connect.hosts")
	case inASCII(name) != "":
		return fmt.Errorf("this name is not in ASCII: %s", inASCII(name))
	case len(name) > 253 || !hostForm().MatchString(name):
		return fmt.Errorf("this is not a host name")
	}
	return nil
}
