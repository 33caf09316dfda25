package mssql

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"meshrotate/providers/mssql/connstring"
)

// FromString makes of a product's connection string what is needed to sign in as the product does: to the same server and
// database, as the same login. The host on which the string stands is what "." and "localhost" mean.
//
// How much the connection is trusted is not the string's to say, and nothing is taken from it that weakens it; only TDS 8.0
// and a name for the certificate are taken over. An error says why a sign-in with this string cannot be tried from here.
func FromString(s connstring.String, host string, trust Trust) (Config, error) {
	for _, keyword := range s.Keywords() {
		if reason := uses[keyword].refuse(s.Shown(keyword)); reason != "" {
			return Config{}, fmt.Errorf("connection string: %s: %s", keyword, reason)
		}
	}
	c := Config{
		Database: s.Shown(connstring.InitialCatalog),
		User:     s.Shown(connstring.UserID), Password: s.Get(connstring.Password),
		MultiSubnetFailover: s.Shown(connstring.MultiSubnetFailover) == "True",
		Trust:               trust,
	}
	c.Trust.Strict = trust.Strict || s.Shown(connstring.Encrypt) == "Strict"
	if c.Trust.ServerName == "" {
		c.Trust.ServerName = s.Shown(connstring.HostNameInCertificate)
	}
	if err := c.server(s.Shown(connstring.DataSource), host); err != nil {
		return Config{}, fmt.Errorf("connection string: %s: %w", connstring.DataSource, err)
	}
	return c, c.check()
}

// use says what is done with a keyword's value: it is refused for a reason, or taken over, or does not matter here.
type use func(value string) (reason string)

func (u use) refuse(value string) string {
	if u == nil {
		return ""
	}
	return u(value)
}

// unless refuses every value but one.
func unless(harmless, reason string) use {
	return func(value string) string {
		if value == harmless {
			return ""
		}
		return reason
	}
}

// uses are the keywords that change whom or what a sign-in reaches. What is not named here is taken over by FromString or
// does not matter to a sign-in: pools, time limits, names for display, encryption of columns, and how little the product
// asks of the server's certificate.
var uses = map[string]use{
	connstring.IntegratedSecurity: unless("False", "Windows signs in; there is no password here"),
	connstring.Authentication:     unless("SqlPassword", "not a login with a password of SQL Server"),
	connstring.ApplicationIntent:  unless("ReadWrite", "a read-only intent may reach a secondary, where logins are others"),
	connstring.FailoverPartner:    unless("", "a mirror has logins of its own, and is not supported"),
	connstring.AttachDBFilename:   unless("", "a database attached by its file is not supported"),
	connstring.UserInstance:       unless("False", "a user instance is not supported"),
}

// server reads a Data Source: [tcp:]host[\instance][,port]. A port makes the instance's name meaningless.
func (c *Config) server(source, host string) error {
	name := strings.TrimSpace(source)
	if protocol, rest, ok := strings.Cut(name, ":"); ok && !strings.Contains(rest, ":") || ok && strings.EqualFold(protocol, "tcp") {
		switch strings.ToLower(strings.TrimSpace(protocol)) {
		case "tcp":
			name = strings.TrimSpace(rest)
		case "np":
			return fmt.Errorf("named pipes are not supported; the server must listen on TCP")
		case "lpc":
			return fmt.Errorf("shared memory reaches the product's own host only; the server must listen on TCP")
		case "admin":
			return fmt.Errorf("the dedicated administrator connection is not for a product")
		default:
			return fmt.Errorf("neither a protocol that is supported nor a host; a port stands after a comma")
		}
	}
	if strings.HasPrefix(strings.ToLower(name), "(localdb)") {
		return fmt.Errorf("LocalDB runs in a user's session, and is not supported")
	}
	name, port, hasPort := strings.Cut(name, ",")
	if hasPort {
		n, err := strconv.ParseUint(strings.TrimSpace(port), 10, 16)
		if err != nil || n == 0 {
			return fmt.Errorf("a port that is no number from 1 to 65535")
		}
		c.Port = uint16(n)
	}
	name, instance, named := strings.Cut(name, `\`)
	name, instance = strings.TrimSpace(name), strings.TrimSpace(instance)
	switch {
	case named && (instance == "" || strings.ContainsAny(instance, `\/ `)):
		return fmt.Errorf("a backslash, but no instance's name after it")
	case !hasPort && !strings.EqualFold(instance, "MSSQLSERVER"): // which is the default instance's
		c.Instance = instance
	}
	return c.host(name, host)
}

// host understands the names for the string's own machine.
func (c *Config) host(name, own string) error {
	if inner, ok := strings.CutPrefix(name, "["); ok && strings.HasSuffix(inner, "]") {
		name = strings.TrimSuffix(inner, "]")
	}
	_, err := netip.ParseAddr(name)
	switch {
	case name == "." || strings.EqualFold(name, "(local)") || loopback(name):
		if own == "" {
			return fmt.Errorf("the server is the machine on which the string stands, and that is not known")
		}
		name = own
	case name == "" || err != nil && strings.ContainsAny(name, "/:()[]|*? "):
		return fmt.Errorf("not a host")
	}
	c.Host = name
	return nil
}
