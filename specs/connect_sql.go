package specs

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
)

// SQL is how the product's SQL Server is reached, and as whom.
type SQL struct {
	// Server is the instance, or the listener of an availability group, as the product's connection strings name it: host,
	// host\\instance or host,port. Left out: there is no access to SQL Server.
	Server string `json:"server,omitempty" jsonschema:"minLength=1,example=sql01.contoso.example" trust:"host"`
	// Database is the product's.
	Database string `json:"database,omitempty" jsonschema:"minLength=1,default=IdentityMesh" trust:"signIn"`
	// Auth is how meshrotate proves who it is: sql is a login of the server with a password, ntlm and kerberos an account of
	// Windows, entra an application of Microsoft Entra (SQL Server 2022, connected to Azure).
	Auth string `json:"auth,omitempty" jsonschema:"enum=sql,enum=ntlm,enum=kerberos,enum=entra,default=sql" trust:"signIn"`
	// User is meshrotate's own login, with ALTER ANY LOGIN, VIEW SERVER STATE and, in an availability group, VIEW
	// ANY DEFINITION: never the product's. For auth: ntlm it is DOMAIN\\user, for kerberos also user@realm.
	User string `json:"user,omitempty" jsonschema:"minLength=1" trust:"signIn"`
	// Password says where User's password comes from.
	Password *Source `json:"password,omitempty" trust:"credential"`
	// Kerberos says where tickets come from, for auth: kerberos. Left out: as for WinRM.
	Kerberos *Kerberos `json:"kerberos,omitempty"`
	// Entra says as which application, for auth: entra.
	Entra *Entra `json:"entra,omitempty"`
	// CAFile is a PEM file with the certificate authorities to trust instead of the system's.
	CAFile string `json:"caFile,omitempty" jsonschema:"minLength=1" trust:"file"`
	// PinFile is a PEM file with the server's certificate: this one and no other is trusted.
	PinFile string `json:"pinFile,omitempty" jsonschema:"minLength=1" trust:"file"`
	// CertificateName is the name in the server's certificate. Left out: the server's.
	CertificateName string `json:"certificateName,omitempty" jsonschema:"minLength=1" trust:"signIn"`
	// Strict demands TDS 8.0 (SQL Server 2022), which encrypts from the first byte on.
	Strict bool `json:"strict,omitempty" trust:"signIn"`
	// Replicas are the instances of the availability group, written as the server is. Each has logins of its own.
	Replicas []string `json:"replicas,omitempty" jsonschema:"minLength=1" trust:"host"`
	// AlsoAt are other instances with the same logins, such as the secondary of log shipping or a distributor.
	AlsoAt []string `json:"alsoAt,omitempty" jsonschema:"minLength=1" trust:"host"`
	// Addresses are where to dial instead of a server's name, by the host in it: host or host:port. With a port, the product's
	// connection strings must name the server as it is named here: the hosts dial what those say.
	Addresses map[string]string `json:"addresses,omitempty" trust:"host"`
}

// SQLServers are the server, its replicas, and the other instances with the same logins.
func (d *Deployment) SQLServers() []string {
	if d.Connect.SQL.Server == "" {
		return nil
	}
	return slices.Concat([]string{d.Connect.SQL.Server}, d.Connect.SQL.Replicas, d.Connect.SQL.AlsoAt)
}

// SQLHost cuts a server's name into its host, instance and port, 0 where it names none.
func SQLHost(server string) (host, instance string, port int, err error) {
	name, text, hasPort := strings.Cut(server, ",")
	if hasPort {
		if port, err = strconv.Atoi(strings.TrimSpace(text)); err != nil || port < 1 || port > 65535 {
			return "", "", 0, fmt.Errorf("what follows the comma must be a port")
		}
	}
	host, instance, named := strings.Cut(strings.TrimSpace(name), `\`)
	if h, p, err := net.SplitHostPort(host); err == nil {
		return "", "", 0, fmt.Errorf("SQL Server's port stands after a comma: %s,%s; another way to dial it stands under connect.sql.addresses", h, p)
	}
	if !addressForm(host) || named && (instance == "" || strings.ContainsAny(instance, `\/ `)) {
		if ascii := inASCII(host); ascii != "" {
			return "", "", 0, fmt.Errorf("is not in ASCII: %s", ascii)
		}
		return "", "", 0, fmt.Errorf("must be host, host\\instance or host,port")
	}
	return host, instance, port, nil
}

// checkSQL looks at connect.sql as it was written.
func (r *reader) checkSQL(c *Connect) {
	path := []string{"connect", "sql"}
	if r.isBroken(path...) {
		return
	}
	q := c.SQL
	if q.Server == "" {
		if q.Database != "" || q.User != "" || q.Password != nil || len(q.Replicas)+len(q.AlsoAt) > 0 {
			r.at(append(path, "server"), "is missing", "without it there is no access to SQL Server; then leave sql out")
		}
		return
	}
	r.checkSQLServer(q, path)
}

// checkSQLServer looks at a server that is named, and at how it is signed in to.
func (r *reader) checkSQLServer(q SQL, path []string) {
	if _, _, _, err := SQLHost(q.Server); err != nil {
		r.at(append(path, "server"), err.Error(), "sql01.contoso.example")
	}
	seen := map[string]bool{}
	for i, name := range slices.Concat(q.Replicas, q.AlsoAt) {
		at := append(slices.Clone(path), "replicas", strconv.Itoa(i))
		if n := len(q.Replicas); i >= n {
			at = append(slices.Clone(path), "alsoAt", strconv.Itoa(i-n))
		}
		if _, _, _, err := SQLHost(name); err != nil {
			r.at(at, err.Error(), "sql02.contoso.example")
		} else if key := strings.ToLower(name); seen[key] || strings.EqualFold(name, q.Server) {
			r.at(at, "is named twice", "")
		} else {
			seen[key] = true
		}
	}
	for _, host := range sortedKeys(q.Addresses) {
		if !addressForm(q.Addresses[host]) {
			r.at(append(slices.Clone(path), "addresses", host), "must be a host or host:port", inASCII(q.Addresses[host]))
		}
	}
	r.checkEntra(q, slices.Clone(path))
	switch {
	case q.Auth == "entra" && q.Entra != nil && (q.User != "" || q.Password != nil):
		r.at(path, "an application of Entra signs in without user and password", "leave them out")
	case q.Auth != "kerberos" && q.Kerberos != nil:
		r.at(append(path, "kerberos"), "is for auth: kerberos", "write auth: kerberos, or leave it out")
	case q.Auth != "kerberos" && q.Auth != "entra" && (q.User == "" || q.Password == nil):
		r.at(path, "user and password are needed", "write user: NAME and password: {env: NAME}")
	case q.Auth == "ntlm" && !strings.Contains(q.User, `\`):
		r.at(append(path, "user"), "must name its domain", `CONTOSO\rotator`)
	case (q.Auth == "ntlm" || q.Auth == "kerberos") && q.User != "" && accountWrong(q.User):
		text, hint := AccountProblem(q.User)
		r.at(append(path, "user"), text, hint)
	case q.CAFile != "" && q.PinFile != "":
		r.at(append(path, "pinFile"), "a pinned certificate needs no authority", "leave out caFile or pinFile")
	}
}

// Moved is the port that an address gives for a host, 0 where none does.
func (q SQL) Moved(host string) uint16 {
	_, port, _ := net.SplitHostPort(q.Address("tcp", net.JoinHostPort(host, "0")))
	n, _ := strconv.ParseUint(port, 10, 16)
	return uint16(n)
}

// Address is where to dial for host:port, or the same. A port that is given for the host is the server's own: over udp, where
// SQL Server Browser is asked, it does not count.
func (q SQL) Address(network, address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	for name, to := range q.Addresses {
		if !strings.EqualFold(name, host) {
			continue
		}
		own, _, err := net.SplitHostPort(to)
		switch {
		case err != nil:
			own = strings.Trim(to, "[]")
		case network == "tcp":
			return to
		}
		return net.JoinHostPort(own, port)
	}
	return address
}
