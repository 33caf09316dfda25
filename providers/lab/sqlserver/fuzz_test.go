package sqlserver_test

import (
	"context"
	"testing"
	"time"

	"meshrotate/providers/lab/sqlserver"
)

// Whatever a batch says, it is carried out or refused; it never ends the lab.
func FuzzBatch(f *testing.F) {
	for _, s := range []string{tables, "SELECT TOP (1) a.name FROM sys.databases AS a WITH (NOLOCK) ORDER BY 1", "ALTER LOGIN [x] WITH PASSWORD = N'y' OLD_PASSWORD = N'z'",
		"DECLARE @r int; EXEC @r = sp_getapplock @Resource = 'x', @LockMode = 'Exclusive'; IF @r < 0 THROW 50001, 'x', 1", "GRANT SELECT, INSERT ON dbo.t TO u", "UPDATE t SET a = 1 OUTPUT inserted.a WHERE b = 2",
		"BEGIN TRY SELECT CONVERT(nvarchar(9), GETDATE(), 121) END TRY BEGIN CATCH THROW END CATCH", "WITH a (b) AS (SELECT 1) SELECT * FROM a", "RAISERROR ('x', 16, 1) WITH NOWAIT", "CREATE UNIQUE INDEX i ON t (a DESC) INCLUDE (b) WHERE a > 1",
		"CREATE TABLE t (a int CHECK (a > 1), CONSTRAINT c FOREIGN KEY (a) REFERENCES t (a) ON DELETE SET NULL)", "SELECT DATEADD(day, 1, CAST('x' AS date)) OFFSET 1 ROWS"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s := newServer(t, sqlserver.Config{})
		x := login(t, s, "dba", "Very-Secret-3")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		x.Request(ctx, func(ctx context.Context) { x.Batch(ctx, text, nil, &results{}) })
	})
}
