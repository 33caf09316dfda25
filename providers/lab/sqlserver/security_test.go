package sqlserver_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/lab/sqlserver"
)

func TestAlterLogin(t *testing.T) {
	clock := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s := newServer(t, sqlserver.Config{Now: func() time.Time { return clock }})
	s.SetLogin(`we]ird '"; --`, func(l *sqlserver.Login) { l.Password = "x" })
	s.SetLogin("loose", func(l *sqlserver.Login) { l.Password, l.NoPolicy = "x", true })
	r, app, root := login(t, s, rotator, rotatorPass), login(t, s, appLogin, appPassword), login(t, s, "dba", "Very-Secret-3")
	cases := []struct {
		reason string
		as     *sqlserver.Session
		text   string
		want   int
	}{
		{"too short", r, "ALTER LOGIN im_app WITH PASSWORD = N'Ab1-'", 15116},
		{"not complex", r, "ALTER LOGIN im_app WITH PASSWORD = N'abcdefghijkl'", 15118},
		{"the login's name in it", r, "ALTER LOGIN im_app WITH PASSWORD = N'xx-IM_APP-99'", 15118},
		{"too long", r, "ALTER LOGIN im_app WITH PASSWORD = N'" + strings.Repeat("Ab1-", 40) + "'", 15117},
		{"the present one again", r, "ALTER LOGIN im_app WITH PASSWORD = N'" + appPassword + "'", 15115},
		{"no policy", r, "ALTER LOGIN loose WITH PASSWORD = N'y'", 0},
		{"a new one", r, "ALTER LOGIN [im_app] WITH PASSWORD = N'Next-Horse-2'", 0},
		{"an old one again", r, "ALTER LOGIN [im_app] WITH PASSWORD = N'" + appPassword + "'", 15115},
		{"a nasty name and password", r, `ALTER LOGIN [we]]ird '"; --] WITH PASSWORD = N'It''s-9; DROP'`, 0},
		{"nobody", r, "ALTER LOGIN nobody WITH PASSWORD = N'Next-Horse-2'", 15151},
		{"an administrator's", r, "ALTER LOGIN dba WITH PASSWORD = N'Next-Horse-2'", 15151},
		{"the own without the old", app, "ALTER LOGIN im_app WITH PASSWORD = N'Next-Horse-3'", 15151},
		{"the own with a wrong one", app, "ALTER LOGIN im_app WITH PASSWORD = N'Next-Horse-3' OLD_PASSWORD = N'wrong'", 15151},
		{"the own", app, "ALTER LOGIN im_app WITH PASSWORD = N'Next-Horse-3' OLD_PASSWORD = N'Next-Horse-2'", 0},
		{"no permission", app, "ALTER LOGIN im_rotator DISABLE", 15151},
		{"a password from a variable", r, "DECLARE @p nvarchar(9) = N'x' ALTER LOGIN im_app WITH PASSWORD = @p", 102},
		{"in a transaction it is not modelled", r, "BEGIN TRAN ALTER LOGIN im_app WITH PASSWORD = N'Next-Horse-4' ROLLBACK", 102},
		{"half a statement", r, "ALTER LOGIN im_app WITH", 102},
		{"a new login", root, "CREATE LOGIN im_c WITH PASSWORD = N'Third-Horse-1', SID = 0x00112233445566778899AABBCCDDEEFF, DEFAULT_DATABASE = IdentityMesh, CHECK_POLICY = ON", 0},
		{"the same again", root, "CREATE LOGIN im_c WITH PASSWORD = N'Third-Horse-1'", 15025},
	}
	for _, tc := range cases {
		t.Run(tc.reason, func(t *testing.T) {
			got := run(tc.as, tc.text).numbers()
			if tc.want == 0 && len(got) > 0 || tc.want != 0 && !slices.Contains(got, tc.want) {
				t.Errorf("%v, want %d", got, tc.want)
			}
		})
	}
	if l, _, _ := s.LookLogin("im_app"); l.Password != "Next-Horse-3" {
		t.Error("the password is another one than was set last")
	}
	if l, _, _ := s.LookLogin(`we]ird '"; --`); l.Password != "It's-9; DROP" {
		t.Error("the nasty login's password is another one")
	}
}

func TestLockout(t *testing.T) {
	clock := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s := newServer(t, sqlserver.Config{Now: func() time.Time { return clock }, Policy: sqlserver.Policy{Attempts: 3}})
	try := func(password string) []int {
		_, err := s.Login(sqlserver.Client{User: appLogin, Password: password})
		return numbersOf(err)
	}
	for range 3 {
		try("wrong")
	}
	if got := try(appPassword); !slices.Equal(got, []int{18486}) {
		t.Errorf("after three failures: %v", got)
	}
	must(t, login(t, s, rotator, rotatorPass), "ALTER LOGIN im_app WITH PASSWORD = N'Next-Horse-2' UNLOCK")
	if got := try("Next-Horse-2"); got != nil {
		t.Errorf("unlocked: %v", got)
	}
	for range 3 {
		try("wrong")
	}
	admin := login(t, s, rotator, rotatorPass) // by the policy, without another password; its history is forgotten
	must(t, admin, "ALTER LOGIN im_app WITH CHECK_POLICY = OFF")
	must(t, admin, "ALTER LOGIN im_app WITH CHECK_POLICY = ON, CHECK_EXPIRATION = OFF")
	if l, _, _ := s.LookLogin(appLogin); l.NoPolicy || l.Expires {
		t.Errorf("%+v", l)
	}
	if got := try("Next-Horse-2"); got != nil {
		t.Errorf("its policy was off and on: %v", got)
	}
	must(t, admin, "ALTER LOGIN im_app WITH PASSWORD = N'"+appPassword+"'")
	must(t, admin, "ALTER LOGIN im_app WITH CHECK_POLICY = OFF")
	must(t, admin, "ALTER LOGIN im_app WITH CHECK_POLICY = ON, CHECK_EXPIRATION = OFF")
	must(t, admin, "ALTER LOGIN im_app WITH PASSWORD = N'Next-Horse-2'")
	if got := try("Next-Horse-2"); got != nil {
		t.Errorf("its history was forgotten: %v", got)
	}
	for range 3 {
		try("wrong")
	}
	clock = clock.Add(11 * time.Minute)
	if got := try("Next-Horse-2"); got != nil {
		t.Errorf("when the time has passed: %v", got)
	}
	s.Age(appLogin, 91*24*time.Hour)
	s.SetLogin(appLogin, func(l *sqlserver.Login) { l.Expires = true })
	if got := try("Next-Horse-2"); !slices.Equal(got, []int{18487}) {
		t.Errorf("expired: %v", got)
	}
	if _, err := s.Login(sqlserver.Client{User: appLogin, Password: "Next-Horse-2", NewPassword: "Third-Horse-3"}); err != nil {
		t.Errorf("a login that changes the password: %v", err)
	}
}

// An append-only table, as a ledger wants one, and what the catalogue shows to whom.
func TestPermissions(t *testing.T) {
	s := newServer(t, sqlserver.Config{})
	root, app, r := login(t, s, "dba", "Very-Secret-3"), login(t, s, appLogin, appPassword), login(t, s, rotator, rotatorPass)
	must(t, root, "CREATE TABLE dbo.Ledger (Id bigint IDENTITY(1,1) NOT NULL CONSTRAINT PK_Ledger PRIMARY KEY, Line nvarchar(max) NOT NULL); DENY UPDATE, DELETE ON dbo.Ledger TO im_app; GRANT SELECT ON OBJECT::dbo.Ledger TO [im_rotator]")
	if got := must(t, app, "INSERT dbo.Ledger (Line) VALUES (N'a'), (N'b'); SELECT SCOPE_IDENTITY()").text(); got != "2" {
		t.Errorf("identity %s", got)
	}
	cases := []struct {
		reason string
		as     *sqlserver.Session
		text   string
		want   int
	}{
		{"append only", app, "UPDATE Ledger SET Line = N'x'", 229},
		{"append only", app, "DELETE FROM Ledger", 229},
		{"not even empty it", app, "TRUNCATE TABLE Ledger", 1088},
		{"a reader reads", r, "SELECT * FROM Ledger", 0},
		{"a reader does not write", r, "INSERT Ledger (Line) VALUES (N'x')", 229},
		{"no right to make tables", r, "CREATE TABLE t (a int)", 262},
		{"no right to give rights", app, "GRANT UPDATE ON Ledger TO im_app", 15151},
		{"no right to kill", app, "KILL 51", 6102},
	}
	for _, tc := range cases {
		t.Run(tc.reason+": "+tc.text, func(t *testing.T) {
			got := run(tc.as, tc.text).numbers()
			if tc.want == 0 && len(got) > 0 || tc.want != 0 && !slices.Equal(got, []int{tc.want}) {
				t.Errorf("%v, want %d", got, tc.want)
			}
		})
	}
	for who, want := range map[*sqlserver.Session]string{root: "4", r: "4", app: "2"} {
		if got := must(t, who, "SELECT COUNT(*) FROM sys.sql_logins").text(); got != want {
			t.Errorf("%s sees %s logins, want %s", who.Client().User, got, want)
		}
	}
	if got := must(t, app, "SELECT COUNT(*) FROM sys.dm_exec_sessions").text(); got != "1" {
		t.Errorf("without VIEW SERVER STATE it sees %s sessions", got)
	}
	if got := must(t, r, "SELECT login_name, host_name, program_name, DB_NAME(database_id) FROM sys.dm_exec_sessions WHERE is_user_process = 1 AND login_name = N'im_app'").text(); got != "im_app|BOX|test|IdentityMesh" {
		t.Errorf("the application's session: %s", got)
	}
	must(t, r, "KILL 52")
	select {
	case <-app.Done():
	default:
		t.Error("the killed session lives")
	}
}

func TestWhatCannotBeWritten(t *testing.T) {
	x := seeded(t)
	d := x.Server().Data()
	for number, set := range map[int]func(*sqlserver.Database, bool){9002: func(b *sqlserver.Database, on bool) { b.LogFull = on }, 3906: func(b *sqlserver.Database, on bool) { b.ReadOnly = on }} {
		d.SetDatabase("IdentityMesh", func(b *sqlserver.Database) { set(b, true) })
		for _, text := range []string{"UPDATE IM_Secrets SET Tries = 1", "INSERT IM_Connectors VALUES (NEWID(), N'x', NULL)", "DELETE FROM IM_Secrets", "CREATE TABLE t (a int)"} {
			if got := run(x, text).numbers(); !slices.Equal(got, []int{number}) {
				t.Errorf("%s: %v, want %d", text, got, number)
			}
		}
		must(t, x, "SELECT COUNT(*) FROM IM_Secrets")
		d.SetDatabase("IdentityMesh", func(b *sqlserver.Database) { set(b, false) })
	}
	d.SetDatabase("master", func(b *sqlserver.Database) { b.LogFull = true })
	if got := run(x, "ALTER LOGIN im_app WITH PASSWORD = N'Next-Horse-2'").numbers(); !slices.Equal(got, []int{9002}) {
		t.Errorf("a full log of master: %v", got)
	}
}

func TestTransactionsRollBackTheCatalogueToo(t *testing.T) {
	x := seeded(t)
	must(t, x, "BEGIN TRAN; CREATE TABLE later (a int); DENY SELECT ON later TO im_app; INSERT later VALUES (1); ROLLBACK")
	if got := run(x, "SELECT * FROM later").numbers(); !slices.Equal(got, []int{208}) {
		t.Errorf("%v", got)
	}
	must(t, x, "CREATE TABLE later (a int)")
	if got := must(t, x, "SELECT COUNT(*) FROM sys.database_permissions WHERE state = 'D'").text(); got != "0" {
		t.Errorf("%s denials are left", got)
	}
	// XACT_ABORT rolls all back; without it the batch goes on after a second key.
	run(x, "SET XACT_ABORT ON; BEGIN TRAN; INSERT later VALUES (1); INSERT IM_Secrets (SecretRef) VALUES ('secret://ad/x'); COMMIT")
	if got := must(t, x, "SELECT COUNT(*), @@TRANCOUNT FROM later").text(); got != "0|0" {
		t.Errorf("after XACT_ABORT: %s", got)
	}
}

func TestContainedUsers(t *testing.T) {
	s := newServer(t, sqlserver.Config{})
	s.Data().SetDatabase("IdentityMesh", func(b *sqlserver.Database) { b.Contained = true })
	root := login(t, s, "dba", "Very-Secret-3")
	must(t, root, "CREATE USER inner_app WITH PASSWORD = N'Inside-Horse-1'; ALTER ROLE db_datareader ADD MEMBER inner_app")
	own := login(t, s, "inner_app", "Inside-Horse-1")
	if got := must(t, own, "SELECT SUSER_SNAME(), USER_NAME(), DB_NAME()").text(); got != "inner_app|inner_app|IdentityMesh" {
		t.Errorf("%s", got)
	}
	if got := must(t, root, "SELECT authentication_type_desc FROM sys.database_principals WHERE name = N'inner_app'").text(); got != "DATABASE" {
		t.Errorf("%s", got)
	}
	if got := run(own, "ALTER USER inner_app WITH PASSWORD = N'Inside-Horse-2' OLD_PASSWORD = N'wrong'").numbers(); !slices.Equal(got, []int{15151}) {
		t.Errorf("%v", got)
	}
	must(t, own, "ALTER USER inner_app WITH PASSWORD = N'Inside-Horse-2' OLD_PASSWORD = N'Inside-Horse-1'")
	must(t, root, "ALTER USER inner_app WITH PASSWORD = N'Inside-Horse-3'")
	login(t, s, "inner_app", "Inside-Horse-3")
	if _, err := s.Login(sqlserver.Client{User: "inner_app", Password: "Inside-Horse-3"}); numbersOf(err)[0] != 18456 {
		t.Errorf("without its database: %v", err)
	}
}

func TestAvailabilityGroup(t *testing.T) {
	data := sqlserver.NewData()
	first, second := sqlserver.New(sqlserver.Config{Name: "SQL01", Data: data}), sqlserver.New(sqlserver.Config{Name: "SQL02", Data: data})
	t.Cleanup(data.Close)
	setUp(first)
	for _, l := range []string{appLogin, "dba"} {
		same, _, _ := first.LookLogin(l)
		second.SetLogin(l, func(o *sqlserver.Login) { o.SID, o.Password, o.Roles = same.SID, same.Password, same.Roles })
	}
	g := sqlserver.NewGroup("ag", []string{"IdentityMesh"}, first, second)
	x := login(t, first, "dba", "Very-Secret-3")
	must(t, x, tables)
	if got := must(t, x, "SELECT r.replica_server_name, s.role_desc FROM sys.availability_replicas r JOIN sys.dm_hadr_availability_replica_states s ON s.replica_id = r.replica_id ORDER BY 1").text(); got != "SQL01|PRIMARY\nSQL02|SECONDARY" {
		t.Errorf("%s", got)
	}
	g.Readable = true
	reader := login(t, second, appLogin, appPassword)
	if got := must(t, reader, "SELECT COUNT(*) FROM IM_Secrets").text(); got != "2" {
		t.Errorf("a readable secondary: %s", got)
	}
	if got := run(reader, "DELETE FROM IM_Secrets").numbers(); !slices.Equal(got, []int{3906}) {
		t.Errorf("a write to a secondary: %v", got)
	}
	if got := must(t, reader, "SELECT sys.fn_hadr_is_primary_replica('IdentityMesh'), DATABASEPROPERTYEX('IdentityMesh', 'Updateability')").text(); got != "0|READ_ONLY" {
		t.Errorf("%s", got)
	}
	g.Failover(second)
	must(t, login(t, second, appLogin, appPassword), "DELETE FROM IM_Secrets")
}
