package live

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"meshrotate/providers/mssql"
	"meshrotate/providers/site"
	"meshrotate/reconciler"
)

// catalogue is what is asked of an instance, and its answers.
type catalogue struct {
	database string
	logins   []string
	now      func() time.Time

	instance site.InstanceSeen
	found    map[string]*site.LoginSeen
}

// catalogueBatch is one round trip for every table. A login's properties are variants, and numbers here.
const catalogueBatch = `SELECT @@SERVERNAME, SUSER_SNAME(), CAST(SERVERPROPERTY('EngineEdition') AS int), HAS_PERMS_BY_NAME(NULL, NULL, 'ALTER ANY LOGIN'), HAS_PERMS_BY_NAME(NULL, NULL, 'VIEW SERVER STATE');
SELECT containment, is_read_only, state_desc, CASE WHEN group_database_id IS NULL THEN 0 ELSE 1 END FROM sys.databases WHERE name = @p1;
SELECT r.replica_server_name FROM sys.availability_replicas AS r JOIN sys.availability_databases_cluster AS d ON d.group_id = r.group_id WHERE d.database_name = @p1 ORDER BY r.replica_server_name;
SELECT login_name, host_name, program_name, host_process_id, COUNT(*), DATEDIFF(second, MAX(login_time), GETDATE()) FROM sys.dm_exec_sessions WHERE is_user_process = 1 AND session_id <> @@SPID GROUP BY login_name, host_name, program_name, host_process_id ORDER BY login_name, host_name, program_name, host_process_id;
SELECT name, is_disabled, CAST(LOGINPROPERTY(name, 'PasswordLastSetTime') AS datetime), sid FROM sys.server_principals WHERE type = 'S' ORDER BY name`

const loginsBatch = `;
SELECT name, sid, type, is_disabled, default_database_name, CAST(LOGINPROPERTY(name, 'IsLocked') AS int), CAST(LOGINPROPERTY(name, 'IsExpired') AS int), CAST(LOGINPROPERTY(name, 'IsMustChange') AS int), CAST(LOGINPROPERTY(name, 'BadPasswordCount') AS int), DATEDIFF(minute, CAST(LOGINPROPERTY(name, 'BadPasswordTime') AS datetime), GETDATE()), CAST(LOGINPROPERTY(name, 'PasswordLastSetTime') AS datetime) FROM sys.server_principals WHERE type IN ('S', 'U') AND name IN (`

func (q *catalogue) read(ctx context.Context, s *mssql.Session) error {
	q.found = map[string]*site.LoginSeen{}
	q.instance = site.InstanceSeen{}
	batch, args := catalogueBatch, []any{q.database}
	if len(q.logins) > 0 {
		var marks []string
		for i, name := range q.logins {
			marks = append(marks, fmt.Sprintf("@p%d", i+2))
			args = append(args, name)
		}
		batch += loginsBatch + strings.Join(marks, ", ") + ")"
	}
	return s.Select(ctx, batch, args, q.row)
}

func (q *catalogue) row(result int, scan func(...any) error) error {
	i := &q.instance
	switch result {
	case 0:
		var edition, alter, view *int
		err := scan(&i.Name, &i.Login, &edition, &alter, &view)
		i.MayAlter, i.MayView = yes(alter), yes(view)
		if name := azure[*cmp.Or(edition, new(int))]; err == nil && name != "" {
			return reconciler.Hinted(fmt.Errorf("this is %s, on which meshrotate rotates no login", name), "change the login and both strings by hand, and take it out of the document")
		}
		return err
	case 1:
		var containment, grouped int
		err := scan(&containment, &i.Database.ReadOnly, &i.Database.State, &grouped)
		i.Database.Exists, i.Database.Contained, i.Database.Grouped = true, containment != 0, grouped != 0
		return err
	case 2:
		var name string
		err := scan(&name)
		i.Replicas = append(i.Replicas, name)
		return err
	case 3:
		var s site.SessionSeen
		var host, program *string
		var process *int
		var age int
		err := scan(&s.Login, &host, &program, &process, &s.Count, &age)
		s.Host, s.Program, s.Process, s.Newest = deref(host), deref(program), *cmp.Or(process, new(int)), q.now().Add(-time.Duration(age)*time.Second)
		i.Sessions = append(i.Sessions, s)
		return err
	case 4:
		l := site.LoginSeen{Exists: true}
		var set *time.Time
		var sid []byte
		err := scan(&l.Name, &l.Disabled, &set, &sid)
		l.PasswordSet, l.SID = stamp(set), fmt.Sprintf("%X", sid)
		i.Logins = append(i.Logins, l)
		return err
	}
	l := &site.LoginSeen{Exists: true}
	var sid []byte
	var kind, database *string
	var disabled bool
	var locked, expired, change, failures, quiet *int
	var set *time.Time
	if err := scan(&l.Name, &sid, &kind, &disabled, &database, &locked, &expired, &change, &failures, &quiet, &set); err != nil {
		return err
	}
	l.PasswordSet = stamp(set)
	l.SID, l.Windows, l.Disabled, l.Database = fmt.Sprintf("%X", sid), deref(kind) == "U", disabled, deref(database)
	l.Locked, l.Expired, l.MustChange = yes(locked), yes(expired), yes(change)
	if failures != nil && !(quiet != nil && time.Duration(*quiet)*time.Minute > failuresAge) {
		l.Failures = *failures
	}
	q.found[strings.ToLower(l.Name)] = l
	return nil
}

// azure are the editions of the engine, as EngineEdition numbers them, that lack what is asked for here, or keep logins in other ways.
var azure = map[int]string{5: "Azure SQL Database", 6: "Azure Synapse Analytics", 8: "Azure SQL Managed Instance", 9: "Azure SQL Edge", 11: "Azure Synapse serverless"}

// usersBatch asks a contained database about its own users. It is sent there.
const usersBatch = `SELECT HAS_PERMS_BY_NAME(DB_NAME(), 'DATABASE', 'ALTER ANY USER');
SELECT name, sid FROM sys.database_principals WHERE authentication_type = 2 ORDER BY name`

// readUsers looks for the users of the database that have a password of their own: one comes before a login of its name at a sign-in there.
func (q *catalogue) readUsers(ctx context.Context, s *mssql.Session) error {
	return s.Select(ctx, usersBatch, nil, func(result int, scan func(...any) error) error {
		if result == 0 {
			var may *int
			err := scan(&may)
			q.instance.Database.MayAlterUsers = yes(may)
			return err
		}
		u := &site.LoginSeen{Exists: true, Contained: true, Database: q.database}
		var sid []byte
		err := scan(&u.Name, &sid)
		u.SID = fmt.Sprintf("%X", sid)
		q.instance.Database.Users = append(q.instance.Database.Users, u.Name)
		if slices.ContainsFunc(q.logins, func(name string) bool { return strings.EqualFold(name, u.Name) }) {
			q.found[strings.ToLower(u.Name)] = u
		}
		return err
	})
}

// login is what was found of one, and that it is not there.
func (q *catalogue) login(name string) *site.LoginSeen {
	if l := q.found[strings.ToLower(name)]; l != nil {
		return l
	}
	return &site.LoginSeen{Name: name}
}

// failures are the wrong passwords of a login that was asked about.
func (q *catalogue) failures(login string) int { return q.login(login).Failures }

func yes(n *int) bool { return n != nil && *n == 1 }

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
