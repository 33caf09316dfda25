// Package mssql talks to SQL Server: it signs in, asks whether a login and its password are good, and sends statements
// that carry a password.
//
// The driver is github.com/microsoft/go-mssqldb, and it never sees a connection string: its reading of one is not the
// product's. FromString makes a Config of what package connstring has read.
//
//   - A connection is encrypted and the server's certificate verified, by a chain or by a pin. Without that a login
//     packet goes to whoever answers, and an ALTER LOGIN in clear text. Loopback alone may do without.
//   - A deadline holds from the first packet on. The driver itself waits for ever for a server that takes a connection
//     and then says nothing.
//   - Nothing is pooled and nothing tried twice: a Session is one connection and one login.
//   - A Probe has three answers, and unknown is none of the other two. A Guard bounds how often a login is refused, so
//     that it is never locked out by us.
//
// What the driver could log is not logged, and no error holds a statement or a password.
package mssql

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/microsoft/go-mssqldb/msdsn"

	"meshrotate/reconciler/secret"
)

// Config says where to sign in and as whom. It may be shown: the password is a secret.Value.
type Config struct {
	Host     string
	Port     uint16 // 0 is 1433, or the port that SQL Server Browser names where there is an Instance
	Instance string
	Database string // empty is the login's own

	User     string // a login of SQL Server, or a contained user; with NTLM DOMAIN\user
	Password secret.Value
	NTLM     bool    // an account of Windows signs in, with its password
	Tickets  Tickets // an account of Windows signs in, with Kerberos; nil is none
	Tokens   Tokens  // an application of Entra signs in, which User names for people; nil is none

	MultiSubnetFailover bool // dial all addresses of a listener at once

	Trust Trust

	// Dial opens a connection in place of net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Trust says which server is the right one, and what the connection must be. The zero Trust wants encryption and a
// certificate that the system's roots vouch for.
type Trust struct {
	Roots      *x509.CertPool    // nil is the system's
	Pin        *x509.Certificate // this certificate and no other; no chain is asked for then
	ServerName string            // the name in the certificate, if it is not the Host
	Strict     bool              // TLS before the first packet (TDS 8.0, SQL Server 2022)

	// Unverified takes any certificate, and a server without encryption. It is refused anywhere but on loopback.
	Unverified bool
}

// check refuses what must not be sent.
func (c Config) check() error {
	switch {
	case c.Host == "":
		return errors.New("no server is named")
	case c.User == "" && c.Tickets == nil && c.Tokens == nil:
		return errors.New("no login is named")
	case c.NTLM && !strings.Contains(c.User, `\`):
		return fmt.Errorf("%q: NTLM needs the account as DOMAIN\\user", c.User)
	case c.Password.IsZero() && c.Tickets == nil && c.Tokens == nil:
		return fmt.Errorf("no password is known for %q", c.User)
	case c.Trust.Unverified && !loopback(c.Host):
		return fmt.Errorf("%s: %w", c.Host, errExposed)
	case !sendable([]byte(c.Database)):
		return fmt.Errorf("database %q: %w", c.Database, errUnsendable)
	case c.plain() && !sendable([]byte(c.User)):
		return fmt.Errorf("login %q: %w", c.User, errUnsendable)
	case c.plain() && !sendable(c.Password.Expose()):
		return fmt.Errorf("the password of %q: %w", c.User, errUnsendable)
	}
	return nil
}

// plain says that user and password go to the server as they are, in UTF-16.
func (c Config) plain() bool { return !c.NTLM && c.Tickets == nil && c.Tokens == nil }

// errUnsendable is what the driver would send cut short: it counts characters where LOGIN7 has UTF-16 units (MS-TDS 2.2.6.4).
var errUnsendable = errors.New("it has a character beyond U+FFFF, such as an emoji, which meshrotate cannot send to SQL Server")

func sendable(text []byte) bool {
	return !bytes.ContainsFunc(text, func(r rune) bool { return r > 0xFFFF })
}

var errExposed = errors.New("not on loopback: the connection must be encrypted and its certificate verified")

func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback() || strings.EqualFold(host, "localhost")
}

// driver is the Config in the driver's words. It holds the password as text and is never kept or shown. When the server
// has proven itself, and before the login is sent, proven is called. The ticket is Tickets' own.
func (c Config) driver(ticket []byte, proven func()) msdsn.Config {
	d := msdsn.Config{
		Host: c.Host, Port: uint64(c.Port), Instance: c.Instance, Database: c.Database,
		User: c.User, Password: string(c.Password.Expose()),
		AppName:    "meshrotate",
		Protocols:  []string{"tcp"},
		Parameters: c.authenticator(ticket), EpaEnabled: true,

		Encryption: msdsn.EncryptionRequired, TLSConfig: c.Trust.tls(c.Host, proven),
		HostInCertificateProvided: c.Trust.ServerName != "",

		DialTimeout:         -1, // the context decides
		DisableRetry:        true,
		MultiSubnetFailover: c.MultiSubnetFailover,
	}
	if c.Tokens != nil {
		d.User = "" // the token says it
	}
	switch {
	case c.Trust.Strict:
		d.Encryption = msdsn.EncryptionStrict
	case c.Trust.Unverified:
		d.Encryption = msdsn.EncryptionOff
	}
	return d
}

func (t Trust) tls(host string, proven func()) *tls.Config {
	config := &tls.Config{RootCAs: t.Roots, ServerName: host, MinVersion: tls.VersionTLS12, DynamicRecordSizingDisabled: true}
	if !t.Strict {
		config.MaxVersion = tls.VersionTLS12 // within PRELOGIN there is no later one: to offer it costs keys, and a hello three times as long
	}
	if t.ServerName != "" {
		config.ServerName = t.ServerName
	}
	config.InsecureSkipVerify = t.Pin != nil || t.Unverified // for a pin is stricter; Unverified is for loopback alone
	config.VerifyConnection = func(state tls.ConnectionState) error {
		if t.Pin != nil && !bytes.Equal(state.PeerCertificates[0].Raw, t.Pin.Raw) {
			return errors.New(certificateTrouble + ": it is not the pinned one")
		}
		proven()
		return nil
	}
	return config
}

// certificateTrouble is how crypto/tls says it, too. The driver keeps only the text of a failed handshake.
const certificateTrouble = "tls: failed to verify certificate"
