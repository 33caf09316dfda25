package specs

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
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
	}
	r.checkHostPath(p.License, "product", "license")
	if p.RelayKey != "" && slices.Contains(strings.Split(p.RelayKey, ":"), "") {
		r.at([]string{"product", "relayKey"}, "every part between colons needs a name", "Relay:ApiKey")
	}
	for _, e := range []struct{ key, path string }{
		{"ready", p.API.Ready}, {"license", p.API.License}, {"licenseReload", p.API.LicenseReload},
		{"relays", p.API.Relays}, {"dashboard", p.API.Dashboard},
	} {
		if e.path != "" && (!strings.HasPrefix(e.path, "/") || strings.ContainsAny(e.path, "?# \\")) {
			r.at([]string{"product", "api", e.key}, "must be a path that starts with /", "the host stands under connect.adminApi.url")
		}
	}
}

var fullPath = regexp.MustCompile(`^(%[A-Za-z0-9_()]+%[\\/]|[A-Za-z]:[\\/]|\\\\|/)`)

// checkHostPath wants a full path: what a relative one means depends on who asks.
func (r *reader) checkHostPath(file string, path ...string) {
	parts := strings.FieldsFunc(file, func(c rune) bool { return c == '/' || c == '\\' })
	switch {
	case file == "":
	case !fullPath.MatchString(file):
		r.at(path, "must be a full path on the host", `C:\…, %ProgramFiles%\… or %ProgramData%\…`)
	case slices.Contains(parts, ".."):
		r.at(path, "must not hold ..", "")
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
