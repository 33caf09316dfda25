package connect

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"

	"meshrotate/providers/live"
	"meshrotate/providers/mssql"
	"meshrotate/providers/mssql/entra"
	"meshrotate/providers/values"
	"meshrotate/reconciler/secret"
	"meshrotate/specs"
)

// sql is how the document's instances of SQL Server are signed in to. It contacts none.
func (c *connector) sql(ctx context.Context, dial dialSQL) (live.SQL, error) {
	q := c.d.Connect.SQL
	if q.Server == "" {
		return live.SQL{}, nil
	}
	signIn, err := c.signIn(ctx, q, "connect.sql", dial)
	if err != nil {
		return live.SQL{}, err
	}
	s := live.SQL{Servers: map[string]mssql.Config{}, Dial: signIn.Dial, Trust: signIn.Trust, Moved: q.Moved}
	for _, name := range c.d.SQLServers() {
		one := signIn
		if err := at(&one, name); err != nil {
			return s, fmt.Errorf("connect.sql: %w", err)
		}
		one.Database = "master"
		s.Servers[name] = one
	}
	return s, nil
}

// signIn is how a server that the document names is signed in to, but for which it is.
func (c *connector) signIn(ctx context.Context, q specs.SQL, where string, dial dialSQL) (config mssql.Config, err error) {
	if dial == nil && len(q.Addresses) > 0 {
		dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, q.Address(network, address))
		}
	}
	config = mssql.Config{User: q.User, Database: q.Database, Dial: dial, NTLM: q.Auth == "ntlm"}
	if config.Trust, err = c.sqlTrust(q, where); err != nil {
		return config, err
	}
	if q.Auth == "entra" {
		config.User = q.Entra.Who()
		config.Tokens, err = c.entra(ctx, &q.Entra.Application, q.Entra.Scope, where+".entra")
		return config, err
	}
	if config.Password, err = c.value(ctx, q.Password, where+".password"); err != nil || q.Auth != "kerberos" {
		return config, err
	}
	k := q.Kerberos
	if k == nil {
		k = c.d.Connect.WinRM.Kerberos
	}
	t, err := c.tickets(k, q.User, config.Password)
	if err != nil {
		return config, fmt.Errorf("%s: %w", where, err)
	}
	config.Tickets = t
	return config, nil
}

// entra is where an application's tokens come from. It contacts nobody.
func (c *connector) entra(ctx context.Context, e *specs.Application, scope, where string) (*entra.Tokens, error) {
	config := entra.Config{Authority: e.Authority, Tenant: e.Tenant, ClientID: e.ClientID, Scope: scope, Managed: e.Managed, Where: where}
	var err error
	switch {
	case e.Secret != nil:
		config.Secret, err = c.value(ctx, e.Secret, where+".secret")
	case e.Certificate != nil:
		config.Certificate, err = c.value(ctx, e.Certificate, where+".certificate")
	case e.Assertion != nil:
		var source values.Source
		source, err = values.From(*e.Assertion, values.Text, c.credentials)
		config.Assertion = func(ctx context.Context) (secret.Value, error) { // its issuer replaces it
			return source.Get(ctx, secret.Ref{Name: where + ".assertion"})
		}
	}
	if err != nil {
		return nil, err
	}
	tokens, err := entra.New(config)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", where, err)
	}
	return tokens, nil
}

type dialSQL = func(ctx context.Context, network, address string) (net.Conn, error)

// at makes a config that of a server by its name.
func at(c *mssql.Config, name string) error {
	host, instance, port, err := specs.SQLHost(name)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	c.Host, c.Instance, c.Port = host, instance, uint16(port)
	return nil
}

func (c *connector) sqlTrust(q specs.SQL, where string) (mssql.Trust, error) {
	t := mssql.Trust{ServerName: q.CertificateName, Strict: q.Strict}
	if q.CAFile != "" {
		pool, err := c.pool(q.CAFile)
		if err != nil {
			return t, fmt.Errorf("%s: %w", where, err)
		}
		t.Roots = pool
	}
	if q.PinFile == "" {
		return t, nil
	}
	text, err := c.readFile(q.PinFile)
	if err != nil {
		return t, fmt.Errorf("%s.pinFile: %w", where, err)
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE" {
		return t, fmt.Errorf("%s.pinFile: no certificate in %s", where, q.PinFile)
	}
	if t.Pin, err = x509.ParseCertificate(block.Bytes); err != nil {
		return t, fmt.Errorf("%s.pinFile: %s: %w", where, q.PinFile, err)
	}
	return t, nil
}
