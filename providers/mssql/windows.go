package mssql

import (
	"context"
	"net"
	"strconv"

	mssql "github.com/microsoft/go-mssqldb"
	"github.com/microsoft/go-mssqldb/integratedauth"
	_ "github.com/microsoft/go-mssqldb/integratedauth/ntlm" // which makes "ntlm" known
	"github.com/microsoft/go-mssqldb/msdsn"

	"meshrotate/reconciler/secret"
)

// Tickets gives tokens of Kerberos for a service, inside SPNEGO. Each is used once.
type Tickets interface {
	Token(ctx context.Context, spn string) ([]byte, error)
}

// Tokens gives tokens of Entra for SQL Server.
type Tokens interface {
	Token(ctx context.Context) (secret.Value, error)
}

// As is the same server for a login of SQL Server, whoever signed in before.
func (c Config) As(login string, password secret.Value) Config {
	c.User, c.Password, c.NTLM, c.Tickets, c.Tokens = login, password, false, nil, nil
	return c
}

// spn is the service's name, as SQL Server registers it: with its port, or the instance's name where the port is not known.
func (c Config) spn() string {
	at := strconv.Itoa(int(c.Port))
	switch {
	case c.Port == 0 && c.Instance != "":
		at = c.Instance
	case c.Port == 0:
		at = "1433"
	}
	return "MSSQLSvc/" + net.JoinHostPort(c.Host, at)
}

// ticket asks for one where the account signs in with Kerberos; nil where it does not.
func (c Config) ticket(ctx context.Context) ([]byte, error) {
	if c.Tickets == nil {
		return nil, nil
	}
	return c.Tickets.Token(ctx, c.spn())
}

// connector is the driver's for this Config. A token is got before anything is dialled.
func (c Config) connector(ctx context.Context, proven func()) (*mssql.Connector, error) {
	ticket, err := c.ticket(ctx)
	if err != nil {
		return nil, err
	}
	if c.Tokens == nil {
		return mssql.NewConnectorConfig(c.driver(ticket, proven)), nil
	}
	token, err := c.Tokens.Token(ctx)
	if err != nil {
		return nil, err
	}
	return mssql.NewSecurityTokenConnector(c.driver(nil, proven), func(context.Context) (string, error) { return string(token.Expose()), nil })
}

// authenticator names who signs in, in the driver's words. Without a name the driver falls back to the platform's: NTLM for a
// user with a backslash, and on Windows the account of this very process.
func (c Config) authenticator(ticket []byte) map[string]string {
	switch {
	case c.Tickets != nil:
		return map[string]string{"authenticator": withTicket, "ticket": string(ticket)}
	case c.NTLM:
		return map[string]string{"authenticator": "ntlm"}
	}
	return map[string]string{"authenticator": withPassword}
}

const withPassword, withTicket = "password", "ticket"

// Our authenticators are made known to the driver before anybody uses it: its list is no place for two goroutines.
func init() {
	for name, p := range map[string]integratedauth.ProviderFunc{
		withPassword: func(msdsn.Config) (integratedauth.IntegratedAuthenticator, error) { return nil, nil }, // user and password do
		withTicket: func(c msdsn.Config) (integratedauth.IntegratedAuthenticator, error) {
			return ticketed(c.Parameters["ticket"]), nil
		},
	} {
		if err := integratedauth.SetIntegratedAuthenticationProvider(name, p); err != nil {
			panic(err) // only for a nil provider or an empty name
		}
	}
}

// ticketed sends a ticket. That the server is the right one is known by its certificate, so its own proof is not asked for.
type ticketed string

func (t ticketed) InitialBytes() ([]byte, error)    { return []byte(t), nil }
func (t ticketed) NextBytes([]byte) ([]byte, error) { return nil, nil }
func (t ticketed) Free()                            {}
