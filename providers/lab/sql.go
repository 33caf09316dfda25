package lab

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"syscall"

	"meshrotate/providers/lab/ntlm"
	"meshrotate/providers/lab/sqlserver"
	"meshrotate/providers/lab/tds"
	"meshrotate/providers/lab/wsman"
	"meshrotate/providers/mssql/connstring"
	"meshrotate/reconciler/secret"
)

// The product's database. SQLServer is its name where there is no wire.
const (
	SQLServer = "sql01.lab.example"
	Database  = "IdentityMesh"
	// SQLLogin is the one that the services use, SQLSpare the one to alternate with.
	SQLLogin, SQLSpare = "im_app", "im_app_b"
)

// sqlSide is what the lab has of SQL Server.
type sqlSide struct {
	replicas []*Replica
	group    *sqlserver.Group // nil when there is one replica
	wire     *tds.Server      // the one instance's, or the group's listener
	address  string           // "" in memory
	ca       []byte
	text     string // the connection string that is in force
	spare    string // the spare login's password
	admin    databaseClient
	engine   databaseClient
}

// Replica is an instance of SQL Server.
type Replica struct {
	Instance *sqlserver.Server
	Name     string // as a host, "sql01.lab.example"
	Address  string // "" in memory

	wire *tds.Server
}

// startSQL makes the instance: the product's login and the spare one, with the same roles, and the rotator's own, which
// may alter logins and no more. The rotator signs in with the lab's password, or as the domain's user.
func (l *Lab) startSQL() error {
	q := &l.database
	data := sqlserver.NewData()
	data.SetDatabase(Database, nil)
	var all []*sqlserver.Server
	for i := range max(1, l.config.Replicas) {
		name := fmt.Sprintf("sql%02d", i+1)
		s := sqlserver.New(sqlserver.Config{Name: upper(name), Data: data, Record: l.recordSQL})
		all = append(all, s)
		q.replicas = append(q.replicas, &Replica{Instance: s, Name: name + ".lab.example"})
	}
	if len(all) > 1 {
		q.group = sqlserver.NewGroup("im-ag", []string{Database}, all...)
	}
	q.spare = random(18)
	password, roles := random(18), []string{"db_datareader", "db_datawriter"}
	add := func(name string, windows bool, password string, roles ...string) {
		var sid []byte // the same on all replicas
		for _, s := range all {
			s.SetLogin(name, func(o *sqlserver.Login) {
				if sid != nil {
					o.SID = sid
				}
				sid, o.Windows, o.Password, o.DefaultDatabase = o.SID, windows, password, Database
			})
		}
		data.SetUser(Database, name, sid, roles...)
	}
	add(SQLLogin, false, password, roles...)
	add(SQLSpare, false, q.spare, roles...)
	add(User, false, l.Password, "db_datareader")
	add(Domain+`\`+User, true, "", "db_datareader")
	for _, name := range []string{User, Domain + `\` + User} {
		for _, s := range all {
			s.GrantServer(name, "ALTER ANY LOGIN", "VIEW SERVER STATE", "VIEW ANY DEFINITION")
		}
	}
	all[0].Seed(Database, connectors...)
	server := SQLServer
	if err := l.serveSQL(); err != nil {
		return err
	}
	switch {
	case l.config.Login != "":
		server = l.sqlName()
	case q.address != "":
		host, port, _ := net.SplitHostPort(q.address)
		server = host + "," + port
	}
	q.text = fmt.Sprintf("Server=%s;Database=%s;User ID=%s;Password=%s;Encrypt=True", server, Database, SQLLogin, password)
	q.admin = databaseClient{lab: l, host: "IM-ADMIN", program: AdminService}
	q.engine = databaseClient{lab: l, host: "IM-ENGINE", program: EngineService}
	return nil
}

// SQLListener is the name of the group's listener, where there is a group.
// sqlName is the server's name in the document, and in the strings of a lab whose document has a login.
// sqlSection is how the document says that SQL Server is reached.
// issued are the server's certificate and its authority's: one for all labs of a process, as making one takes a moment.
var issued = sync.OnceValues(func() (c struct {
	server    tls.Certificate
	authority []byte
}, err error) {
	c.server, c.authority, err = tds.Issue("localhost", "*.lab.example")
	return c, err
})

// serveSQL puts the instance on loopback, or on pipes.
func (l *Lab) serveSQL() error {
	q := &l.database
	c, err := issued()
	if err != nil {
		return err
	}
	rules := ntlm.Server{Lenient: true, Domain: Domain, Host: "SQL01", Password: func(user string) (string, bool) { return l.Password, user == User }}
	serve := func(instance *sqlserver.Server, listener func() *sqlserver.Server) (s *tds.Server, address string, err error) {
		s = &tds.Server{Instance: instance, Listener: listener, Encryption: tds.Required, Certificate: c.server, NTLM: rules, Faults: l.sqlFault}
		if l.config.Memory {
			return s, "", nil
		}
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, "", fmt.Errorf("listen for SQL Server: %w", err)
		}
		go func() { _ = s.Serve(ln) }() // ends with Close
		return s, ln.Addr().String(), nil
	}
	q.ca = c.authority
	for _, r := range q.replicas {
		if r.wire, r.Address, err = serve(r.Instance, nil); err != nil {
			return err
		}
	}
	q.wire, q.address = q.replicas[0].wire, q.replicas[0].Address
	if q.group != nil {
		q.wire, q.address, err = serve(nil, q.group.Primary)
	}
	return err
}

// closeSQL ends the services' connections, then the server.
func (l *Lab) closeSQL() {
	q := &l.database
	if q.wire == nil {
		return
	}
	q.admin.stop(nil)
	q.engine.stop(nil)
	_ = q.wire.Close()
	for _, r := range q.replicas {
		_ = r.wire.Close()
		r.Instance.Close()
	}
	q.replicas[0].Instance.Data().Close()
}

// connectors is what the product keeps in its database: connectors, and their secrets, sealed for the Engine host. One
// secret is of a connector that is gone, and one connector has no secret.
var connectors = []string{
	`CREATE TABLE dbo.IM_Connectors (
		ConnectorId uniqueidentifier NOT NULL CONSTRAINT PK_IM_Connectors PRIMARY KEY,
		Name nvarchar(200) NOT NULL,
		Kind nvarchar(50) NOT NULL,
		IsEnabled bit NOT NULL DEFAULT 1)`,
	`CREATE TABLE dbo.IM_Secrets (
		SecretRef nvarchar(400) NOT NULL CONSTRAINT PK_IM_Secrets PRIMARY KEY,
		Value varbinary(max) NOT NULL,
		UpdatedOn datetime2(7) NOT NULL DEFAULT SYSUTCDATETIME())`,
	`INSERT dbo.IM_Connectors (ConnectorId, Name, Kind) VALUES
		('6F9619FF-8B86-4D01-B42D-00C04FC964F1', N'ad', N'Ldap'),
		('6F9619FF-8B86-4D01-B42D-00C04FC964F2', N'hr-source', N'Sql'),
		('6F9619FF-8B86-4D01-B42D-00C04FC964F3', N'crm', N'Rest')`,
	`INSERT dbo.IM_Secrets (SecretRef, Value, UpdatedOn) VALUES
		(N'secret://ad/svc-imadmin/password', 0x01000000D08C9DDF0115D1118C7A00C04FC297EB, DATEADD(day, -120, SYSUTCDATETIME())),
		(N'secret://sql/hr-source/password', 0x01000000D08C9DDF0115D1118C7A00C04FC297EB, DATEADD(day, -40, SYSUTCDATETIME())),
		(N'secret://hr/old/sftp', 0x01000000D08C9DDF0115D1118C7A00C04FC297EB, DATEADD(day, -900, SYSUTCDATETIME()))`,
}

func (l *Lab) recordSQL(s sqlserver.Statement) {
	l.mu.Lock()
	seen := l.statements
	l.mu.Unlock()
	if seen != nil {
		seen(s)
	}
	if r := l.config.Record; r != nil {
		r(SQLServer, "sql", s.Traced())
	}
}

// Statements tells of every statement that is sent to SQL Server, its password included: Config.Record is told what the
// server's own trace would show.
func (l *Lab) Statements(seen func(sqlserver.Statement)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.statements = seen
}

// SQLInstance is the model behind the wire: of several replicas, the primary; nil while there is none.
func (l *Lab) SQLInstance() *sqlserver.Server {
	if g := l.database.group; g != nil {
		return g.Primary()
	}
	return l.database.replicas[0].Instance
}

// SQLReplicas are all instances.
func (l *Lab) SQLReplicas() []*Replica { return l.database.replicas }

// SQLGroup is the availability group; nil when there is one instance only.
func (l *Lab) SQLGroup() *sqlserver.Group { return l.database.group }

// SQLAddress is where the instance, or the group's listener, can be reached; empty in memory.
func (l *Lab) SQLAddress() string { return l.database.address }

// SQLAuthority is the certificate, as PEM, of the authority that vouches for the server.
func (l *Lab) SQLAuthority() []byte { return l.database.ca }

// SQLRoots are the same for a client.
func (l *Lab) SQLRoots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(l.database.ca)
	return pool
}

// sqlNote says who is logged in.
// WireSQL injects faults into SQL Server's wire: nil injects none. The actions are those of package tds.
func (l *Lab) WireSQL(faults func(wsman.Event) wsman.Fault) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sqlFaults = faults
}

func (l *Lab) sqlFault(e wsman.Event) wsman.Fault {
	l.mu.Lock()
	faults := l.sqlFaults
	l.mu.Unlock()
	if faults == nil {
		return wsman.Fault{}
	}
	return faults(e)
}

// SQL is the connection string that the services were given, by seed or by SetSQL.
func (l *Lab) SQL() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.database.text
}

// Strings are the connection strings that running services have read, by host.
// SignedIn is the login that Admin and Engine both have sessions of; false when it is not one, or one of them has none.
// SQLPasswords are what nobody may see: of the services' login and of the spare one, as they were at the start.
// SetSQL changes it, and the login's password with it on every replica, as whoever rotates the login elsewhere does.
func (l *Lab) SetSQL(text string) {
	if c, err := clientOf(text); err == nil {
		for _, r := range l.database.replicas {
			r.Instance.SetLogin(c.User, func(o *sqlserver.Login) { o.Password = c.Password })
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.database.text = text
}

// clientOf is who logs in with a connection string.
func clientOf(text string) (sqlserver.Client, error) {
	s, err := connstring.Parse(secret.NewString(text))
	if err != nil {
		return sqlserver.Client{}, err
	}
	return sqlserver.Client{User: s.Shown(connstring.UserID), Password: string(s.Get(connstring.Password).Expose()), Windows: s.Integrated(),
		Database: s.Shown(connstring.InitialCatalog), Program: s.Shown(connstring.ApplicationName), Encrypted: true,
		ReadOnly: s.Shown(connstring.ApplicationIntent) == "ReadOnly", Interface: "Core Microsoft SqlClient Data Provider"}, nil
}

// DialSQL connects to the replica that the address names, or else to the instance or the group's listener. A Client that is killed loses the connection.
func (c *Client) DialSQL(ctx context.Context, network, address string) (net.Conn, error) {
	refused := &net.OpError{Op: "dial", Net: network, Addr: memoryAddr{}, Err: syscall.ECONNREFUSED}
	if c.life.Err() != nil {
		return nil, refused
	}
	wire := c.lab.database.wire
	if len(c.lab.database.replicas) > 1 {
		for _, r := range c.lab.database.replicas {
			if host, _, _ := net.SplitHostPort(address); host == r.Name {
				wire = r.wire
			}
		}
	}
	conn, err := wire.Dial(ctx)
	if err != nil {
		return nil, err
	}
	if c.life.Err() != nil {
		_ = conn.Close()
		return nil, refused
	}
	stop := context.AfterFunc(c.life, func() { _ = conn.Close() })
	return &memoryConn{Conn: conn, life: c.life, reset: new(atomic.Bool), stop: stop}, nil
}
