package mssql

import (
	"fmt"
	"strings"
)

// What is sent. Names in braces are the tables'.
const (
	readHead   = `SELECT version, salt, entries, chain FROM {state} WHERE id = 1`
	findTables = `SELECT OBJECT_ID(N'{state name}'), OBJECT_ID(N'{ledger name}'), OBJECT_ID(N'{kept name}')`
	mayCreate  = `SELECT HAS_PERMS_BY_NAME(DB_NAME(), N'DATABASE', N'CREATE SCHEMA'), HAS_PERMS_BY_NAME(DB_NAME(), N'DATABASE', N'CREATE ROLE'), HAS_PERMS_BY_NAME(DB_NAME(), N'DATABASE', N'CREATE TABLE')`
	makeSalt   = `UPDATE {state} SET salt = @p1 WHERE id = 1 AND salt IS NULL`

	begin  = `SET XACT_ABORT ON; BEGIN TRANSACTION`
	commit = `COMMIT TRANSACTION`
	// lockSchema holds whoever makes the tables until the other has made them.
	lockSchema = `DECLARE @r int; EXEC @r = sp_getapplock @Resource = @p1, @LockMode = N'Exclusive', @LockOwner = N'Transaction', @LockTimeout = 5000; SELECT @r`

	// readRows tells the head before and after, so that what was appended meanwhile is known.
	readRows = `SELECT n, entry FROM {ledger} WHERE n > @p1 ORDER BY n; ` + readHead

	readLease = `SELECT fence, beats, token, holder, DATEDIFF(second, heartbeat, SYSUTCDATETIME()), ttl,
	APPLOCK_TEST(N'public', CONCAT(@p1, fence), N'Exclusive', N'Session'), (SELECT MAX(fence) FROM {ledger})
FROM {state} WHERE id = 1`
	takeLease = `UPDATE {state} SET fence = @p1, token = @p2, holder = @p3, ttl = @p4, heartbeat = SYSUTCDATETIME(), beats = beats + 1
WHERE id = 1 AND beats = @p5; SELECT @@ROWCOUNT`
	renewLease = `UPDATE {state} SET holder = @p1, heartbeat = SYSUTCDATETIME(), beats = beats + 1
WHERE id = 1 AND fence = @p2 AND token = @p3; SELECT @@ROWCOUNT`
	dropLease = `UPDATE {state} SET token = NULL, holder = NULL, heartbeat = NULL, beats = beats + 1
WHERE id = 1 AND fence = @p1 AND token = @p2; SELECT @@ROWCOUNT`
	breakLease = `UPDATE {state} SET token = NULL, holder = NULL, heartbeat = NULL, beats = beats + 1
WHERE id = 1 AND beats = @p1; SELECT @@ROWCOUNT`
	lockLease = `DECLARE @r int; EXEC @r = sp_getapplock @Resource = @p1, @LockMode = N'Exclusive', @LockOwner = N'Session', @LockTimeout = 0; SELECT @r`

	createKept = `INSERT {kept} (folder, name, content) VALUES (@p1, @p2, @p3)`
	// rehearse writes and takes back. No value can be named like this one.
	rehearse = `SET XACT_ABORT ON; BEGIN TRANSACTION; INSERT {kept} (folder, name, content) VALUES ('', '', @p1); ROLLBACK TRANSACTION`
	readKept = `SELECT content FROM {kept} WHERE folder = @p1 AND name = @p2`
	dropKept = `DELETE FROM {kept} WHERE folder = @p1 AND name = @p2`
	listKept = `SELECT name FROM {kept} WHERE folder = @p1`

	listFolders = `SELECT DISTINCT folder FROM {kept}`
)

func setVersion(n int) string { return fmt.Sprintf("UPDATE {state} SET version = %d WHERE id = 1", n) }

// appendRows moves the head and inserts so many rows of the ledger, or gives 0 when somebody else has moved the head. It is one
// batch: who is cut off from the server leaves no transaction open there.
func appendRows(n int) string {
	var b strings.Builder
	b.WriteString(`SET XACT_ABORT ON; BEGIN TRANSACTION;
UPDATE {state} SET entries = @p1, chain = @p2 WHERE id = 1 AND entries = @p3 AND chain = @p4;
IF @@ROWCOUNT = 1
BEGIN
	INSERT {ledger} (n, chain, time, run, secret, version, step, outcome, fence, entry) VALUES`)
	for i := range n {
		if i > 0 {
			b.WriteString(",")
		}
		for j := range rowColumns {
			fmt.Fprintf(&b, "%s@p%d", map[bool]string{true: " (", false: ", "}[j == 0], 4+i*rowColumns+j+1)
		}
		b.WriteString(")")
	}
	b.WriteString(`;
	COMMIT TRANSACTION;
	SELECT 1;
END
ELSE
BEGIN
	ROLLBACK TRANSACTION;
	SELECT 0;
END`)
	return b.String()
}

// A statement takes 2100 parameters at most.
const rowColumns, rowsAtOnce = 10, 200
