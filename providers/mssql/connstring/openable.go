package connstring

import (
	"strings"
	"unicode/utf16"
)

// openable says what a SqlConnection refuses beyond what the builder does.
func (c *content) openable() error {
	last := map[string]pair{}
	for _, p := range c.pairs {
		k := bySpelling[p.name]
		if k == nil {
			return c.refuse(p, unknown)
		}
		last[k.name] = p
	}
	for _, k := range keywords {
		p, there := last[k.name]
		switch {
		case !there:
		case p.absent && k.must:
			return c.refuse(p, "no value; a connection needs one where the keyword stands")
		case limited[k.name] && utf16Len(c.set[k.name]) > limit:
			return c.refuse(p, "a value of more than 128 characters")
		}
	}
	for _, rule := range together {
		if rule.broken(c, last) {
			return &Error{Keyword: rule.keyword, Reason: rule.reason}
		}
	}
	return nil
}

// limit is in UTF-16 units, as SQL Server counts.
const limit = 128

var limited = map[string]bool{
	DataSource: true, FailoverPartner: true, InitialCatalog: true, UserID: true, Password: true, ApplicationName: true, "Current Language": true, "Workstation ID": true,
}

func utf16Len(s string) int { return len(utf16.Encode([]rune(s))) }

// together are the settings that contradict one another.
var together = []struct {
	keyword, reason string
	broken          func(c *content, last map[string]pair) bool
}{
	{maxPoolSize, "less than Min Pool Size", func(c *content, _ map[string]pair) bool {
		low, high := c.or(minPoolSize, "0"), c.or(maxPoolSize, "100")
		return len(low) > len(high) || len(low) == len(high) && low > high
	}},
	{typeSystemVersion, "a version that is not supported", func(c *content, _ map[string]pair) bool {
		_, ok := oneOf("Latest", "SQL Server 2005", "SQL Server 2008", "SQL Server 2012")(c.or(typeSystemVersion, "Latest"))
		return !ok
	}},
	{transactionBinding, "neither Implicit Unbind nor Explicit Unbind", func(c *content, _ map[string]pair) bool {
		_, ok := oneOf("Implicit Unbind", "Explicit Unbind")(c.or(transactionBinding, "Implicit Unbind"))
		return !ok
	}},
	{AttachDBFilename, "a file in |DataDirectory|, which only a local server has", func(c *content, _ map[string]pair) bool {
		file := lower(c.set[AttachDBFilename])
		switch host, _, _ := strings.Cut(lower(c.set[DataSource]), `\`); host {
		case "", ".", "(local)":
			file = strings.TrimPrefix(file, "|datadirectory|")
		}
		return strings.Contains(file, "|")
	}},
	{FailoverPartner, "it needs an Initial Catalog, and bears neither Multi Subnet Failover nor a read-only intent nor a User Instance", func(c *content, _ map[string]pair) bool {
		return c.set[FailoverPartner] != "" && (c.set[InitialCatalog] == "" || c.set[MultiSubnetFailover] == "True" ||
			c.set[ApplicationIntent] == "ReadOnly" || c.set[UserInstance] == "True")
	}},
	{Authentication, "it does not go with Integrated Security", func(c *content, _ map[string]pair) bool {
		return c.set[Authentication] != "" && c.set[IntegratedSecurity] == "True"
	}},
	{Authentication, "this way to sign in takes no password", func(c *content, last map[string]pair) bool {
		_, password := last[Password]
		_, user := last[UserID]
		switch c.set[Authentication] {
		case "ActiveDirectoryDeviceCodeFlow":
			return password || user
		case "", "SqlPassword", "ActiveDirectoryPassword", "ActiveDirectoryServicePrincipal":
			return false
		}
		return password
	}},
}

func (c *content) or(name, otherwise string) string {
	if v, ok := c.set[name]; ok {
		return v
	}
	return otherwise
}
