package specs

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // Windows has no database of its own
)

// checkProduct checks what the document overrides, field by field.
func (r *reader) checkProduct(p *Product) {
	for _, c := range []struct {
		key string
		Component
	}{{"admin", p.Admin}, {"engine", p.Engine}, {"relay", p.Relay}} {
		if strings.ContainsAny(c.Service, `/\`) { // CreateService, lpServiceName (Microsoft Learn)
			r.at([]string{"product", c.key, "service"}, "a service's name holds no slash", "")
		}
		r.checkHostPath(c.Settings, "product", c.key, "settings")
		r.checkKeys(c.Keys, "product", c.key, "keys")
		r.checkWait(c.StopTimeout, "product", c.key, "stopTimeout")
		r.checkWait(c.StartTimeout, "product", c.key, "startTimeout")
		r.checkPatience(c.Stable, "product", c.key, "stable")
	}
	r.checkWait(p.API.ReadyTimeout, "product", "api", "readyTimeout")
	r.checkWait(p.API.ConnectedTimeout, "product", "api", "connectedTimeout")
	for _, e := range []struct{ key, path string }{
		{"ready", p.API.Ready}, {"relays", p.API.Relays}, {"dashboard", p.API.Dashboard},
	} {
		CheckEndpoint(e.path, e.key, func(key, problem, hint string) { r.at([]string{"product", "api", key}, problem, hint) })
	}
	if n := len(strings.Join([]string{p.API.Paging.Page, p.API.Paging.Offset, p.API.Paging.Token}, "")); n > 0 && n != max(len(p.API.Paging.Page), len(p.API.Paging.Offset), len(p.API.Paging.Token)) {
		r.at([]string{"product", "api", "paging"}, "a page is asked for in one way", "name page, offset or token, and leave out the others")
	}
	CheckZone(p.API.Fields.Zone, "zone", func(key, problem, hint string) { r.at([]string{"product", "api", "fields", key}, problem, hint) })
}

// checkWait wants a wait that a healthy product can meet: with a shorter one each rotation stops services, and is put back. "" is left
// to the default.
func (r *reader) checkWait(d Duration, path ...string) {
	const least = 10 * time.Second
	if !d.IsZero() && d.Of() < least {
		r.at(path, fmt.Sprintf("%s is too short: a service under load takes longer, and every change would be put back", d), fmt.Sprintf("write at least %s", least))
	}
	r.checkPatience(d, path...)
}

// checkPatience wants a wait that ends while somebody still looks: with a longer one a run with services down goes on for ever.
func (r *reader) checkPatience(d Duration, path ...string) {
	if d.Of() > 24*time.Hour {
		r.at(path, fmt.Sprintf("%s is too long: a run would wait that long with services down", d), "write at most 24h")
	}
}

// checkComponentHosts checks what single hosts do differently, and gives the keys the spelling of the hosts.
func (r *reader) checkComponentHosts(key string, c *Component, on []string, hosts map[string]role) {
	if c.Hosts == nil || r.isBroken("product", key, "hosts") {
		return
	}
	spelled := make(map[string]HostComponent, len(c.Hosts))
	for _, name := range sortedKeys(c.Hosts) {
		path := []string{"product", key, "hosts", name}
		declared := hosts[strings.ToLower(name)].name
		if declared == "" || !slices.Contains(on, declared) {
			r.at(path, "this component is not on this host", "the key is a name as it stands under hosts; ranges are not expanded here")
			continue
		}
		if _, twice := spelled[declared]; twice {
			r.at(path, "this host stands here twice", "names do not differ by capital letters")
		}
		own := c.Hosts[name]
		if own.Settings == "" && len(own.Keys) == 0 {
			r.at(path, "says nothing", "write settings: PATH, or keys: {KEY: PATH}")
		}
		r.checkHostPath(own.Settings, slices.Concat(path, []string{"settings"})...)
		r.checkKeys(own.Keys, slices.Concat(path, []string{"keys"})...)
		spelled[declared] = c.Hosts[name]
	}
	c.Hosts = spelled
}

// checkKeys checks which settings lie in other files.
func (r *reader) checkKeys(keys map[string]string, path ...string) {
	spelled := map[string]bool{}
	for _, key := range sortedKeys(keys) {
		at := slices.Concat(path, []string{key})
		switch folded := strings.ToLower(key); {
		case slices.Contains(strings.Split(key, ":"), ""):
			r.at(at, "every part between colons needs a name", "the key is a setting as .NET names it: Section:Name")
		case spelled[folded]:
			r.at(at, "this setting stands here twice", ".NET does not tell capital letters apart")
		case keys[key] == "":
			r.at(at, "needs the path of a file", "the full path on the host of the settings file that it lies in")
		default:
			spelled[folded] = true
		}
		r.checkHostPath(keys[key], at...)
	}
}

// CheckEndpoint wants the path of an endpoint of the Admin API. "" is left to the default.
func CheckEndpoint(path, key string, report Report) {
	if path != "" && (!strings.HasPrefix(path, "/") || strings.ContainsAny(path, "# \\")) {
		report(key, "must be a path that starts with /", "the host stands under connect.adminApi.url")
	}
}

// CheckZone wants the name of a time zone. "" is left to the default.
func CheckZone(zone, key string, report Report) {
	if _, err := time.LoadLocation(zone); err != nil || zone == "Local" {
		report(key, fmt.Sprintf("there is no time zone %q", zone), "name one as IANA does: Europe/Berlin, America/New_York, UTC")
	}
}

var fullPath = form(`^(%[A-Za-z0-9_()]+%[\\/]|[A-Za-z]:[\\/]|\\\\|/)`)

func (r *reader) checkHostPath(file string, path ...string) {
	CheckHostPath(file, "", func(_, problem, hint string) { r.at(path, problem, hint) })
}

// CheckHostPath wants a full path of a file on a host: what a relative one means depends on who asks. "" is left to the
// default.
func CheckHostPath(file, key string, report Report) {
	parts := strings.FieldsFunc(file, func(c rune) bool { return c == '/' || c == '\\' })
	switch {
	case file == "":
	case !fullPath().MatchString(file):
		report(key, "must be a full path on the host", `C:\…, %ProgramFiles%\… or %ProgramData%\…`)
	case slices.Contains(parts, ".."):
		report(key, "must not hold ..", "")
	}
}

// checkSeal checks the recipients' form. A private key pasted there is refused without being repeated.
func (r *reader) checkSeal(s *Seal) {
	if s == nil || r.isBroken("state", "seal") {
		return
	}
	for i, recipient := range s.Recipients {
		path := []string{"state", "seal", "recipients", strconv.Itoa(i)}
		switch {
		case strings.HasPrefix(strings.ToUpper(recipient), "AGE-SECRET-KEY-"):
			r.at(path, "a private key stands here where only a public key may stand", "if it was a real one, it is in this file's history: replace it. A public key starts with age1")
		case !strings.HasPrefix(recipient, "age1"):
			r.at(path, "must be an age public key", "it starts with age1")
		}
	}
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
