package sqlserver_test

import (
	"slices"
	"strings"
	"testing"

	"meshrotate/providers/lab/sqlserver"
)

const tables = `
CREATE TABLE dbo.IM_Connectors (ConnectorId uniqueidentifier NOT NULL PRIMARY KEY, Name nvarchar(100) NOT NULL, Kind nvarchar(20) NULL);
CREATE TABLE [dbo].[IM_Secrets] (
	SecretRef nvarchar(200) NOT NULL CONSTRAINT PK_IM_Secrets PRIMARY KEY CLUSTERED,
	Value varbinary(max) NULL,
	UpdatedOn datetime2(7) NOT NULL DEFAULT (SYSUTCDATETIME()),
	Tries int NOT NULL DEFAULT 0,
	Live bit NOT NULL DEFAULT (1)
)
INSERT INTO IM_Connectors (ConnectorId, Name) VALUES ('11111111-0000-0000-0000-00000000000a', N'AD'), ('22222222-0000-0000-0000-00000000000B', N'HR')
INSERT dbo.IM_Secrets (SecretRef, Value, UpdatedOn) VALUES (N'secret://ad/x', 0xCAFE, '2026-01-02 03:04:05.1234567')
INSERT dbo.IM_Secrets (SecretRef, Value, UpdatedOn) VALUES (N'secret://11111111-0000-0000-0000-00000000000a/y', NULL, '2025-01-02')
`

// seeded is a session of the administrator, in a database with two tables.
func seeded(t testing.TB) *sqlserver.Session {
	x := login(t, newServer(t, sqlserver.Config{}), "dba", "Very-Secret-3")
	must(t, x, tables)
	return x
}

func TestQueries(t *testing.T) {
	x := seeded(t)
	cases := []struct{ reason, text, want string }{
		{"the runbook's question, made right", `SELECT s.SecretRef, c.Name AS ConnectorName, s.UpdatedOn
			FROM IM_Secrets s LEFT JOIN IM_Connectors c ON CAST(c.ConnectorId AS NVARCHAR(36)) = SUBSTRING(s.SecretRef, 10, 36) ORDER BY s.UpdatedOn ASC`,
			"secret://11111111-0000-0000-0000-00000000000a/y|AD|2025-01-02 00:00:00.0000000\nsecret://ad/x|NULL|2026-01-02 03:04:05.1234567"},
		{"the names of all parts", `SELECT COUNT(*) FROM [IdentityMesh].dbo.[IM_Secrets] WITH (NOLOCK)`, "2"},
		{"TOP in a query in a bracket", `SELECT (SELECT TOP (1) Name FROM IM_Connectors ORDER BY Name DESC), DATALENGTH(Value) FROM IM_Secrets WHERE Value IS NOT NULL`, "HR|2"},
		{"a comparison without case", `SELECT Name FROM dbo.IM_Connectors WHERE ConnectorId = '22222222-0000-0000-0000-00000000000b' AND name = 'hr'`, "HR"},
		{"texts are joined by a plus", `DECLARE @a nvarchar(10) = N'x' SELECT @a + N'-' + Name + '!' FROM IM_Connectors WHERE Name = 'AD'`, "x-AD!"},
		{"numbers are added", `DECLARE @n int = 40; SET @n = @n + 2; SELECT @n`, "42"},
		{"IF and a block without semicolons", `IF NOT EXISTS (SELECT 1 FROM IM_Secrets WHERE Tries > 5) BEGIN UPDATE IM_Secrets SET Tries = Tries + 7 WHERE SecretRef LIKE N'%/x' SELECT @@ROWCOUNT END ELSE SELECT 0`, "1"},
		{"a common table expression", `WITH a AS (SELECT Name FROM IM_Connectors) SELECT COUNT_BIG(*) FROM a`, "2"},
		{"a variable from a query", `DECLARE @n nvarchar(50); SELECT TOP 1 @n = Name FROM IM_Connectors ORDER BY Name; SELECT @n, LEN(@n)`, "AD|2"},
		{"TRY and CATCH", `BEGIN TRY INSERT IM_Secrets (SecretRef) VALUES ('secret://ad/x') END TRY BEGIN CATCH SELECT ERROR_NUMBER(), XACT_STATE() END CATCH`, "2627|0"},
		{"who it is", `SELECT SUSER_SNAME(), ORIGINAL_LOGIN(), DB_NAME(), HOST_NAME(), APP_NAME(), USER_NAME()`, "dba|dba|IdentityMesh|BOX|test|dbo"},
		{"what it may", `SELECT HAS_PERMS_BY_NAME(NULL, NULL, 'ALTER ANY LOGIN'), IS_SRVROLEMEMBER('sysadmin'), HAS_PERMS_BY_NAME('dbo.IM_Secrets', 'OBJECT', 'SELECT')`, "1|1|1"},
		{"the catalogue", `SELECT d.name, d.containment FROM sys.databases AS d WHERE d.name = N'IdentityMesh'`, "IdentityMesh|0"},
		{"an outer join of the catalogue", `SELECT l.name, l.is_disabled, s.session_id FROM sys.sql_logins l LEFT JOIN sys.dm_exec_sessions s ON s.login_name = l.name WHERE l.name = 'im_app'`, "im_app|0|NULL"},
		{"does a table exist", `IF OBJECT_ID(N'dbo.IM_Nothing', N'U') IS NULL SELECT 'no' ELSE SELECT 'yes'`, "no"},
		{"INFORMATION_SCHEMA", `SELECT COLUMN_NAME, DATA_TYPE FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_NAME = 'IM_Secrets' AND COLUMN_NAME = 'UpdatedOn'`, "UpdatedOn|datetime2"},
		{"OUTPUT", `UPDATE IM_Connectors SET Kind = N'ldap' OUTPUT inserted.Name, inserted.Kind WHERE Name = N'AD'`, "AD|ldap"},
		{"pages", `SELECT Name FROM IM_Connectors ORDER BY Name OFFSET 1 ROWS FETCH NEXT 1 ROWS ONLY`, "HR"},
		{"bytes as text", `SELECT CONVERT(nvarchar(20), Value, 1) FROM IM_Secrets WHERE Value = 0xcafe`, "0xCAFE"},
		{"dates", `SELECT DATEDIFF(day, UpdatedOn, '2026-01-04'), CONVERT(varchar(19), DATEADD(hour, 1, UpdatedOn), 120) FROM IM_Secrets WHERE SecretRef = 'secret://ad/x'`, "2|2026-01-02 04:04:05"},
		{"no replica", `SELECT replica_server_name FROM sys.availability_replicas`, ""},
		{"sp_executesql in a batch", `DECLARE @r int; EXEC @r = sp_getapplock @Resource = N'x', @LockMode = 'Exclusive', @LockOwner = 'Session', @LockTimeout = 0; SELECT @r, APPLOCK_MODE('public', 'x', 'Session')`, "0|Exclusive"},
		{"NULL is in no set", `SELECT ISNULL(Kind, N'-') FROM IM_Connectors WHERE Kind IN (NULL) OR Name = 'HR'`, "-"},
	}
	for _, tc := range cases {
		t.Run(tc.reason, func(t *testing.T) {
			if got := must(t, x, tc.text).text(); got != tc.want {
				t.Errorf("%s\n got %q\nwant %q", tc.text, got, tc.want)
			}
		})
	}
}

func TestTypes(t *testing.T) {
	x := seeded(t)
	r := must(t, x, `SELECT SecretRef, Value, UpdatedOn, Live, Tries, COUNT_BIG(*), 1, N'x' AS lit, CAST(NULL AS uniqueidentifier) AS g, SYSUTCDATETIME() AS now, @p
		FROM IM_Secrets GROUP BY SecretRef`, sqlserver.Param{Name: "@p", Type: sqlserver.Type{Kind: sqlserver.VarBinary, Size: 8}})
	var got []string
	for _, c := range r.columns {
		got = append(got, c.Name+" "+c.Type.String())
	}
	want := "SecretRef nvarchar(200),Value varbinary(max),UpdatedOn datetime2(7),Live bit,Tries int, bigint, int,lit nvarchar(4000),g uniqueidentifier,now datetime2(7), varbinary(8)"
	if s := strings.Join(got, ","); s != want {
		t.Errorf("got  %s\nwant %s", s, want)
	}
}

func TestErrors(t *testing.T) {
	x := seeded(t)
	cases := []struct {
		reason, text string
		want         []int
	}{
		{"no such table", "SELECT * FROM IM_Nothing", []int{208}},
		{"no such column", "SELECT Nothing FROM IM_Secrets", []int{207}},
		{"a column with a name that SQLite knows", "SELECT 1 AS Before, 2 AS [Index], Limits FROM IM_Secrets", []int{207}},
		{"no such column in a bracket", "SELECT [Nothing] FROM IM_Secrets", []int{207}},
		{"the catalogue cannot be written", "DELETE FROM sys.sql_logins", []int{259}},
		{"nonsense", "SELEC 1", []int{2812}}, // a procedure's name, as SQL Server takes it
		{"nonsense later", "SELECT 1 FROM", []int{102}},
		{"nothing is done of a batch that cannot be read", "DELETE FROM IM_Secrets; FROB 1", []int{102}},
		{"SQLite's words are not T-SQL", "SELECT * FROM IM_Secrets LIMIT 1", []int{102}},
		{"SQLite's functions are not T-SQL", "SELECT randomblob(4)", []int{195}},
		{"an open quote", "SELECT 'x", []int{105}},
		{"a variable that is not declared", "SELECT @x", []int{137}},
		{"a second key; the batch goes on", "INSERT IM_Secrets (SecretRef) VALUES ('secret://ad/x') INSERT IM_Secrets (SecretRef) VALUES (NULL)", []int{2627, 515}},
		{"a text too long", "INSERT IM_Secrets (SecretRef) VALUES (REPLACE('" + strings.Repeat("x", 300) + "', 'y', 'z'))", []int{2628}},
		{"a conversion", "SELECT CAST('abc' AS int)", []int{245}},
		{"what is not modelled", "MERGE INTO x USING y ON 1 = 1", []int{102}},
		{"COMMIT without BEGIN", "COMMIT", []int{3902}},
		{"a procedure that is not there", "EXEC dbo.sp_nothing @a = 1", []int{2812}},
		{"no such database", "USE Nothing", []int{911}},
		{"THROW", "THROW 50001, 'x', 3", []int{50001}},
		{"a table that is there", "CREATE TABLE IM_Secrets (a int)", []int{2714}},
	}
	for _, tc := range cases {
		t.Run(tc.reason, func(t *testing.T) {
			if got := run(x, tc.text).numbers(); !slices.Equal(got, tc.want) {
				t.Errorf("%s: %v, want %v: %v", tc.text, got, tc.want, run(x, tc.text).errs)
			}
		})
	}
	if got := must(t, x, "SELECT COUNT(*) FROM IM_Secrets").text(); got != "2" {
		t.Errorf("%s rows, want 2: something was done", got)
	}
}
