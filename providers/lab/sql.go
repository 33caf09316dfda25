package lab

import (
	"crypto/x509"
	"fmt"
	"net"
	"slices"
	"strings"

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
	standbys []*Replica       // with the same logins, and outside the group
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
	data.SetDatabase(Database, func(d *sqlserver.Database) { d.Contained = l.config.Contained })
	var all []*sqlserver.Server
	for i := range max(1, l.config.Replicas) {
		name := fmt.Sprintf("sql%02d", i+1)
		s := sqlserver.New(sqlserver.Config{Name: upper(name), Data: data, Record: l.recordSQL})
		all = append(all, s)
		q.replicas = append(q.replicas, &Replica{Instance: s, Name: name + ".lab.example"})
	}
	for i := range l.config.Standbys {
		name := fmt.Sprintf("sqldr%02d", i+1)
		q.standbys = append(q.standbys, &Replica{Instance: sqlserver.New(sqlserver.Config{Name: upper(name), Record: l.recordSQL}), Name: name + ".lab.example"})
	}
	if len(all) > 1 {
		q.group = sqlserver.NewGroup("im-ag", []string{Database}, all...)
	}
	for _, r := range q.standbys {
		all = append(all, r.Instance)
	}
	q.spare = random(18)
	password, roles := random(18), []string{"db_datareader", "db_datawriter"}
	add := func(name string, windows bool, password string, roles ...string) {
		if l.config.Contained && (name == SQLLogin || name == SQLSpare) {
			data.SetContainedUser(Database, name, password, roles...)
			return
		}
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
	if l.config.Contained {
		data.Grant(Database, User, "", "ALTER ANY USER", "VIEW DEFINITION")
	}
	all[0].Seed(Database, l.connectorTables()...)
	server := SQLServer
	if err := l.serveSQL(); err != nil {
		return err
	}
	switch {
	case l.config.Login != "" || q.group != nil:
		server = l.sqlName()
	case q.address != "":
		host, port, _ := net.SplitHostPort(q.address)
		server = host + "," + port
	}
	q.text = fmt.Sprintf("Server=%s;Database=%s;User ID=%s;Password=%s;Encrypt=True", server, Database, SQLLogin, password)
	q.admin = databaseClient{lab: l, host: "IM-ADMIN", program: AdminService}
	q.engine = databaseClient{lab: l, host: "IM-ENGINE", program: EngineService}
	if l.config.OneHost {
		q.engine.host = q.admin.host
	}
	return nil
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

// SQLReplicas are the instances that have the database, SQLStandbys the others.
func (l *Lab) SQLReplicas() []*Replica { return l.database.replicas }

// SQLStandbys are those outside the group, with the same logins.
func (l *Lab) SQLStandbys() []*Replica { return l.database.standbys }

func (q *sqlSide) instances() []*Replica { return slices.Concat(q.replicas, q.standbys) }

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

// WireSQL injects faults into SQL Server's wire: nil injects none. The actions are those of package tds.
func (l *Lab) WireSQL(faults func(wsman.Event) wsman.Fault) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sqlFaults = faults
}

// sqlFault is the hook of a server.
func (l *Lab) sqlFault(server string) func(wsman.Event) wsman.Fault {
	return func(e wsman.Event) wsman.Fault {
		if e.Client == AdminService || e.Client == EngineService || e.Client == secretsProgram {
			return wsman.Fault{} // the product's own
		}
		l.mu.Lock()
		faults := l.sqlFaults
		l.mu.Unlock()
		if faults == nil {
			return wsman.Fault{}
		}
		e.Server = server
		return faults(e)
	}
}

// SQL is the connection string that the services were given, by seed or by SetSQL.
func (l *Lab) SQL() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.database.text
}

// SetSQL changes it, and the login's password with it on every replica, as whoever rotates the login elsewhere does.
func (l *Lab) SetSQL(text string) {
	if c, err := clientOf(text); err == nil {
		for _, r := range l.database.instances() {
			r.Instance.SetLogin(c.User, func(o *sqlserver.Login) { o.Password = c.Password })
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.database.text = text
}

// drivers says that services sign in by the driver.
func (l *Lab) drivers() bool { return l.config.Drivers || !l.config.Memory }

// serverOf is the host that a connection string names.
func serverOf(text string) string {
	s, err := connstring.Parse(secret.NewString(text))
	if err != nil {
		return ""
	}
	host, _, _ := strings.Cut(s.Shown(connstring.DataSource), ",")
	return strings.TrimPrefix(strings.TrimSpace(host), "tcp:")
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
