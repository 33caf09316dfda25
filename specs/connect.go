package specs

import (
	"cmp"
	"net"
	"strconv"
	"strings"
)

// Connect says how to reach what is managed.
type Connect struct {
	// WinRM is how hosts are reached.
	WinRM WinRM `json:"winrm,omitzero"`
	// Hosts is what single hosts do differently, by host name.
	Hosts map[string]HostConnect `json:"hosts,omitempty"`
	// AdminAPI is how the product's HTTP API is reached.
	AdminAPI AdminAPI `json:"adminApi,omitzero"`
	// SQL is how the product's SQL Server is reached, by meshrotate itself.
	SQL SQL `json:"sql,omitzero"`
	// Stores are where values may come from besides variables and files, by names of your own.
	Stores map[string]Store `json:"stores,omitempty"`
}

// WinRM is how hosts are reached.
type WinRM struct {
	// Auth is how meshrotate proves who it is. Over http only ntlm seals what it sends.
	Auth string `json:"auth,omitempty" jsonschema:"enum=ntlm,enum=kerberos,enum=basic,enum=certificate,default=kerberos" trust:"signIn"`
	// Transport is http or https.
	Transport string `json:"transport,omitempty" jsonschema:"enum=http,enum=https,default=https" trust:"signIn"`
	// Port is the TCP port. Left out: 5985 for http, 5986 for https.
	Port int `json:"port,omitempty" jsonschema:"minimum=1,maximum=65535" trust:"signIn"`
	// User is the account, as CONTOSO\name or name@contoso.example.
	User string `json:"user,omitempty" jsonschema:"minLength=1" trust:"signIn"`
	// Password says where User's password comes from.
	Password *Source `json:"password,omitempty" trust:"credential"`
	// CAFile is a PEM file with the certificate authorities to trust instead of the system's.
	CAFile string `json:"caFile,omitempty" jsonschema:"minLength=1" trust:"file"`
	// Certificate is the client certificate for auth: certificate.
	Certificate *Certificate `json:"certificate,omitempty"`
	// Kerberos says where tickets come from.
	Kerberos *Kerberos `json:"kerberos,omitempty"`
	// SPN is the service that a Kerberos ticket is for, where it is not HTTP: a class such as WSMAN or HOST, to which the host's
	// name is added, or, for one host, a whole name such as WSMAN/relay01.
	SPN string `json:"spn,omitempty" jsonschema:"minLength=1,example=WSMAN" trust:"signIn"`
	// PowerShell is the program that runs the host script: powershell.exe, pwsh.exe, or a full path to one of them on a drive.
	PowerShell string `json:"powershell,omitempty" jsonschema:"minLength=1,default=powershell.exe" trust:"program"`
}

// HostConnect is what one host does differently. Empty fields take WinRM's values; a user of its own needs a password
// of its own.
type HostConnect struct {
	// Address is a host or host:port to dial instead of the name.
	Address string `json:"address,omitempty" jsonschema:"minLength=1,example=10.1.2.3:5986" trust:"host"`
	WinRM   `json:",inline"`
}

// Certificate is a client certificate and its key.
type Certificate struct {
	// File is the certificate, in PEM.
	File string `json:"file" jsonschema:"required,minLength=1" trust:"file"`
	// Key says where the private key comes from, in PEM.
	Key *Source `json:"key" jsonschema:"required" trust:"credential"`
}

// Kerberos says where tickets come from: a credential cache, a keytab, or User and Password.
type Kerberos struct {
	// Config is the krb5.conf file.
	Config string `json:"config,omitempty" jsonschema:"minLength=1,default=/etc/krb5.conf" trust:"local"`
	// Realm is the account's realm. Left out: the one in User, else the default realm of Config.
	Realm string `json:"realm,omitempty" jsonschema:"minLength=1" trust:"signIn"`
	// Cache is a credential cache file, as kinit writes.
	Cache string `json:"cache,omitempty" jsonschema:"minLength=1" trust:"local"`
	// Keytab is a keytab file that holds User's keys.
	Keytab string `json:"keytab,omitempty" jsonschema:"minLength=1" trust:"local"`
}

// AdminAPI is the product's HTTP API.
type AdminAPI struct {
	// URL is the API's root, https. Left out: there is no access to the Admin API.
	URL string `json:"url,omitempty" jsonschema:"minLength=1,example=https://im-admin.contoso.example" trust:"url"`
	// Auth is how meshrotate proves who it is.
	Auth string `json:"auth,omitempty" jsonschema:"enum=negotiate,enum=ntlm,enum=kerberos,enum=bearer,enum=oauth2,default=negotiate" trust:"signIn"`
	// User is the account for negotiate, ntlm and kerberos. Left out: WinRM's.
	User string `json:"user,omitempty" jsonschema:"minLength=1" trust:"signIn"`
	// Password says where User's password comes from. Left out: WinRM's.
	Password *Source `json:"password,omitempty" trust:"credential"`
	// Token says where the token for auth: bearer comes from.
	Token *Source `json:"token,omitempty" trust:"credential"`
	// OAuth2 says how to get tokens for auth: oauth2.
	OAuth2 *OAuth2 `json:"oauth2,omitempty"`
	// SPN is the service that a Kerberos ticket is for, where it is not HTTP and the URL's host: a class, or a whole name.
	SPN string `json:"spn,omitempty" jsonschema:"minLength=1,example=HTTP/svc-im.contoso.example" trust:"signIn"`
	// Kerberos says where tickets come from. Left out: as for WinRM.
	Kerberos *Kerberos `json:"kerberos,omitempty"`
	// CAFile is a PEM file with the certificate authorities to trust instead of the system's.
	CAFile string `json:"caFile,omitempty" jsonschema:"minLength=1" trust:"file"`
}

// OAuth2 is the client credentials grant (RFC 6749, section 4.4).
type OAuth2 struct {
	// TokenURL is the token endpoint, https.
	TokenURL string `json:"tokenUrl" jsonschema:"required,minLength=1" trust:"url"`
	// ClientID is the client's name.
	ClientID string `json:"clientId" jsonschema:"required,minLength=1" trust:"signIn"`
	// ClientSecret says where the client's secret comes from.
	ClientSecret *Source `json:"clientSecret" jsonschema:"required" trust:"credential"`
	// Scopes are asked for with every token.
	Scopes []string `json:"scopes,omitempty" jsonschema:"minLength=1" trust:"signIn"`
}

// WinRMFor says how to reach one host: the host:port to dial, and WinRM's settings with the host's own laid over
// them. The port is the one in the host's address, else the host's, else WinRM's. A host that changes the transport
// and not the port gets the new transport's default port.
func (d *Deployment) WinRMFor(host string) (address string, w WinRM) {
	w, own := d.Connect.WinRM, d.Connect.Hosts[host]
	w.Auth = cmp.Or(own.Auth, w.Auth, "kerberos")
	if transport := cmp.Or(own.Transport, w.Transport, "https"); transport != w.Transport {
		w.Transport, w.Port = transport, 0
	}
	w.Port = cmp.Or(own.Port, w.Port, defaultPort(w.Transport))
	if own.User != "" { // a password belongs to its user
		w.User, w.Password = own.User, nil
	}
	w.Password = cmp.Or(own.Password, w.Password)
	w.CAFile = cmp.Or(own.CAFile, w.CAFile)
	w.Certificate = cmp.Or(own.Certificate, w.Certificate)
	w.Kerberos = cmp.Or(own.Kerberos, w.Kerberos)
	w.SPN = cmp.Or(own.SPN, w.SPN)
	w.PowerShell = cmp.Or(own.PowerShell, w.PowerShell, "powershell.exe")

	name := cmp.Or(own.Address, host)
	if h, p, err := net.SplitHostPort(name); err == nil {
		if port, err := strconv.Atoi(p); err == nil {
			name, w.Port = h, port
		}
	}
	return net.JoinHostPort(strings.Trim(name, "[]"), strconv.Itoa(w.Port)), w
}

func defaultPort(transport string) int {
	if transport == "http" {
		return 5985
	}
	return 5986
}
