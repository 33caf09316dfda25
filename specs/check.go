package specs

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// check reports what the schema cannot express, on the document as written: before defaults are filled in. What builds
// on a part whose form is wrong is left out.
func (r *reader) check(d *Deployment) {
	hosts := r.checkHosts(d)
	r.checkSources(d)
	r.checkPowerShell(&d.Connect)
	r.checkAdminAPI(&d.Connect)
	r.checkSQL(&d.Connect)
	r.checkStores(&d.Connect)
	r.checkStateSQL(d)
	r.checkStateGit(d)
	r.checkProduct(&d.Product)
	r.checkHostPath(d.State.Marker, "state", "marker")
	r.checkSeal(d.State.Seal)
	r.checkSilence(d)
	r.checkWhen(d.Policy)
	r.checkWait(d.Policy.HostTimeout, "policy", "hostTimeout")
	r.checkPatience(d.Policy.Patience, "policy", "patience")
	if !r.isBroken("hosts") {
		r.checkTolerated(d)
		r.checkHostConnect(d, hosts)
		r.checkComponentHosts("admin", &d.Product.Admin, []string{d.Hosts.Admin}, hosts)
		r.checkComponentHosts("engine", &d.Product.Engine, []string{d.EngineHost()}, hosts)
		r.checkComponentHosts("relay", &d.Product.Relay, d.Relays(), hosts)
	}
	r.checkWinRM(d)
}

// role is where a host is named first.
type role struct {
	name string // as written
	path []string
}

// checkHosts returns every host by its name in small letters.
func (r *reader) checkHosts(d *Deployment) map[string]role {
	seen := map[string]role{}
	add := func(name string, path ...string) {
		key := strings.ToLower(name)
		if first, again := seen[key]; again {
			r.at(path, fmt.Sprintf("%s is named twice, first as %s", name, pathText(first.path)), "each host has one part; only the engine may share the Admin host")
			return
		}
		seen[key] = role{name: name, path: path}
	}
	single := func(name, key string) {
		if name == "" {
			return
		}
		path := []string{"hosts", key}
		if err := checkHostName(name); err != nil {
			r.refuseAt(path, err.Error(), "")
		} else if key != "engine" || !strings.EqualFold(name, d.Hosts.Admin) {
			add(name, path...)
		}
	}
	single(d.Hosts.Admin, "admin")
	single(d.Hosts.Engine, "engine")
	single(d.Hosts.Build, "build")
	if !r.isBroken("hosts", "relays") { // else positions in the list are not the document's
		r.checkRelays(d.Hosts.Relays, add)
	}
	return seen
}

func (r *reader) checkRelays(names []string, add func(name string, path ...string)) {
	total := 0
	for i, name := range names {
		path := []string{"hosts", "relays", strconv.Itoa(i)}
		expanded, err := Expand(name)
		if err != nil {
			r.refuseAt(path, err.Error(), "")
			continue
		}
		if total += len(expanded); total > MaxRelays {
			r.refuseAt(path, fmt.Sprintf("with this there are more than %d relays", MaxRelays), "split the deployment")
			return
		}
		for _, host := range expanded {
			add(host, path...)
		}
	}
}

// Loud says that a finding is not silenced: it is about what is remembered, or what is down.
func Loud(finding string) bool {
	return strings.HasPrefix(finding, "state-") || finding == "still-down"
}

// ByHost says that a finding is silenced of hosts by their names alone: what others know is, where it was left there, and such a host
// need not be declared any more.
func ByHost(finding string) bool { return finding == "secret-compromised" }

func (r *reader) checkSilence(d *Deployment) {
	if r.isBroken("policy", "silence") {
		return
	}
	known := map[string]bool{}
	for _, h := range slices.Concat(d.AllHosts(), d.SQLServers()) {
		known[strings.ToLower(h)] = true
	}
	for i, s := range d.Policy.Silence {
		path := []string{"policy", "silence", strconv.Itoa(i)}
		if Loud(s.Finding) {
			r.at(under(path, "finding"), "what is wrong with the record of the state, and what is down, cannot be silenced", "`meshrotate explain "+s.Finding+"` says what to do")
		}
		if ByHost(s.Finding) && s.Host == "" {
			r.at(under(path, "finding"), "what others know cannot be silenced, but for a host on which it was left", "name that host; `meshrotate explain "+s.Finding+"` says what to do")
		}
		if _, err := time.Parse(time.DateOnly, s.Until); err != nil {
			r.at(under(path, "until"), "there is no such day", "write it as 2026-12-31")
		}
		if s.Host == "" {
			continue
		}
		names, err := Expand(s.Host)
		if err != nil {
			r.at(under(path, "host"), err.Error(), "")
		}
		if i := slices.IndexFunc(names, func(n string) bool { return !known[strings.ToLower(n)] }); i >= 0 && !ByHost(s.Finding) && !r.isBroken("hosts") {
			r.at(under(path, "host"), names[i]+" is not one of the hosts", "name hosts as they stand under hosts, or take it out")
		}
	}
}

// checkWhen looks at when changes are allowed.
func (r *reader) checkWhen(p Policy) {
	if p.Window != nil && len(p.Window) == 0 && !r.isBroken("policy", "window") {
		r.at([]string{"policy", "window"}, "has no times in it: nothing could be applied, or all could at any time", "write one as Mon-Fri 22:00-04:00 Europe/Zurich, or leave it out")
	}
	for i, text := range p.Window {
		if _, err := ParseWindow(text); err != nil && !r.isBroken("policy", "window") {
			r.at([]string{"policy", "window", strconv.Itoa(i)}, err.Error(), "write it as Mon-Fri 22:00-04:00 Europe/Zurich")
		}
	}
	if p.Suspend == nil || r.isBroken("policy", "suspend") {
		return
	}
	if _, err := time.Parse(time.DateOnly, p.Suspend.Until); err != nil {
		r.at([]string{"policy", "suspend", "until"}, "there is no such day", "write it as 2026-12-31")
	}
}

func (r *reader) checkTolerated(d *Deployment) {
	if r.isBroken("policy", "unreachable", "tolerate") {
		return
	}
	relays := map[string]bool{}
	for _, name := range d.Relays() {
		relays[strings.ToLower(name)] = true
	}
	seen, total := map[string]bool{}, 0
	for i, name := range d.Policy.Unreachable.Tolerate {
		path := []string{"policy", "unreachable", "tolerate", strconv.Itoa(i)}
		expanded, err := Expand(name)
		if err != nil {
			r.at(path, err.Error(), "")
		}
		if total += len(expanded); total > MaxRelays {
			r.at(path, fmt.Sprintf("with this more than %d relays are tolerated", MaxRelays), "")
			return
		}
		for _, host := range expanded {
			key := strings.ToLower(host)
			switch {
			case err != nil:
			case !relays[key]:
				r.at(path, host+" is not one of the relays", "only relays can be tolerated; they stand under hosts.relays")
			case seen[key]:
				r.at(path, host+" is tolerated twice", "")
			}
			seen[key] = true
		}
	}
}
