package specs

import (
	"cmp"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// checkHostConnect checks the keys and addresses of connect.hosts, and gives the keys the spelling of the hosts.
func (r *reader) checkHostConnect(d *Deployment, hosts map[string]role) {
	if r.isBroken("connect", "hosts") {
		return
	}
	spelled := make(map[string]HostConnect, len(d.Connect.Hosts))
	for _, name := range sortedKeys(d.Connect.Hosts) {
		own := d.Connect.Hosts[name]
		path := []string{"connect", "hosts", name}
		declared, ok := hosts[strings.ToLower(name)]
		if !ok {
			r.at(path, "this host is not declared", "the key is a name as it stands under hosts; ranges are not expanded here")
			continue
		}
		if _, twice := spelled[declared.name]; twice {
			r.at(path, "this host stands here twice", "names do not differ by capital letters")
		}
		if own.Address != "" && !addressForm(own.Address) {
			r.at(append(path, "address"), "must be a host or host:port", inASCII(own.Address))
		}
		spelled[declared.name] = own
	}
	if d.Connect.Hosts != nil {
		d.Connect.Hosts = spelled
	}
}

func addressForm(address string) bool {
	host := address
	if h, p, err := net.SplitHostPort(address); err == nil {
		if port, err := strconv.Atoi(p); err != nil || port < 1 || port > 65535 {
			return false
		}
		host = h
	}
	_, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil || checkHostName(host) == nil
}

// checkWinRM looks at every host's settings as they will be used. What WinRM's own block has wrong is said once.
func (r *reader) checkWinRM(d *Deployment) {
	if r.isBroken("connect", "hosts") || r.isBroken("connect", "winrm") {
		return
	}
	said := map[string]bool{}
	for _, host := range d.AllHosts() {
		address, w := d.WinRMFor(host)
		text, hint := winRMProblem(address, w)
		if text == "" {
			continue
		}
		path := []string{"connect", "winrm"}
		if _, own := d.Connect.Hosts[host]; own {
			path = []string{"connect", "hosts", host}
		}
		if key := pathText(path) + text; !said[key] {
			said[key] = true
			r.at(path, text, hint)
		}
	}
}

// winRMProblem says what cannot work, or would send a secret in clear. Over http only NTLM seals messages here.
func winRMProblem(address string, w WinRM) (text, hint string) {
	switch {
	case w.Transport == "http" && w.Auth == "certificate":
		return "certificate needs https", "write transport: https"
	case w.Transport == "http" && w.Auth != "ntlm" && !Loopback(address):
		return w.Auth + " over http would send secrets in clear", "write transport: https, or auth: ntlm, which seals its messages"
	case (w.Auth == "ntlm" || w.Auth == "basic") && (w.User == "" || w.Password == nil):
		return w.Auth + " needs user and password", "write user: NAME and password: {env: NAME}"
	case w.Auth == "certificate" && w.Certificate == nil:
		return "auth: certificate needs certificate", "write certificate: {file: PATH, key: {file: PATH}}"
	case w.User != "" && accountWrong(w.User):
		return AccountProblem(w.User)
	case w.Auth == "kerberos" && w.Password != nil && w.User == "":
		return "password needs user", "write user: NAME"
	case w.Auth == "kerberos" && w.Kerberos != nil && w.Kerberos.Keytab != "" && w.User == "":
		return "a keytab needs user", "write user: NAME"
	}
	return "", ""
}

// Loopback says whether host or host:port is this machine by its form alone: localhost, 127.0.0.0/8, ::1. Nothing is
// looked up.
func Loopback(address string) bool {
	host := address
	if h, _, err := net.SplitHostPort(address); err == nil {
		host = h
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && ip.IsLoopback() || strings.EqualFold(host, "localhost")
}

func (r *reader) checkAdminAPI(c *Connect) {
	if r.isBroken("connect", "adminApi") {
		return
	}
	a, path := c.AdminAPI, []string{"connect", "adminApi"}
	if a.URL == "" {
		if a != (AdminAPI{}) {
			r.at(append(path, "url"), "is missing", "without it there is no access to the Admin API; then leave adminApi out")
		}
		return
	}
	r.checkURL(a.URL, "connect", "adminApi", "url")
	if a.OAuth2 != nil {
		r.checkURL(a.OAuth2.TokenURL, "connect", "adminApi", "oauth2", "tokenUrl")
	}
	user, password := a.User, a.Password
	if user == "" && password == nil {
		user, password = c.WinRM.User, c.WinRM.Password
	}
	switch {
	case a.Password != nil && a.User == "":
		r.at(append(path, "password"), "password needs user", "write user: NAME")
	case a.User != "" && accountWrong(a.User):
		text, hint := AccountProblem(a.User)
		r.at(append(path, "user"), text, hint)
	case a.Auth == "bearer" && a.Token == nil:
		r.at(path, "auth: bearer needs token", "write token: {env: NAME}")
	case a.Auth == "oauth2" && a.OAuth2 == nil:
		r.at(path, "auth: oauth2 needs oauth2", "write oauth2: {tokenUrl: URL, clientId: ID, clientSecret: {env: NAME}}")
	case a.Auth == "ntlm" && (user == "" || password == nil):
		r.at(path, "ntlm needs user and password", "write user: NAME and password: {env: NAME}")
	case a.Token != nil && a.Auth != "bearer":
		r.at(append(path, "token"), "is not used with this auth", "write auth: bearer")
	case a.OAuth2 != nil && a.Auth != "oauth2":
		r.at(append(path, "oauth2"), "is not used with this auth", "write auth: oauth2")
	}
}

// checkURL never repeats the URL: it may hold a password.
func (r *reader) checkURL(text string, path ...string) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Opaque != "":
		r.at(path, "this is not a URL", "https://host.example")
	case u.User != nil:
		r.at(path, "a URL must not hold a user or a password", "write user: and password: {env: NAME} beside it")
	case u.RawQuery != "" || u.Fragment != "" || u.ForceQuery:
		r.at(path, "the URL must end with its path", "leave out what follows ? or #")
	case u.Scheme == "http" && !Loopback(u.Host):
		r.at(path, "http would send secrets in clear", "write https://")
	case u.Scheme != "http" && u.Scheme != "https":
		r.at(path, "the URL must start with https://", "")
	case !addressForm(u.Host):
		r.at(path, "the URL's host or port is not right", cmp.Or(inASCII(u.Host), "https://host.example:443"))
	}
}
