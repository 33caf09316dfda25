package sqlserver_test

import (
	"testing"

	"meshrotate/providers/lab/sqlserver"
)

// BenchmarkInstance is what an instance costs: made and logged in to, and the first statement, which opens SQLite.
func BenchmarkInstance(b *testing.B) {
	for _, c := range []struct{ name, text string }{{"login", ""}, {"a statement", "SELECT SUSER_SNAME()"}, {"tables", tables}} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				s := sqlserver.New(sqlserver.Config{})
				setUp(s)
				x, err := s.Login(sqlserver.Client{User: "dba", Password: "Very-Secret-3", Database: "IdentityMesh"})
				if err != nil {
					b.Fatal(err)
				}
				if c.text != "" {
					must(b, x, c.text)
				}
				s.Close()
				s.Data().Close()
			}
		})
	}
}

// BenchmarkTenThousandRows reads as many secrets as a plan may have to.
func BenchmarkTenThousandRows(b *testing.B) {
	x := login(b, newServer(b, sqlserver.Config{}), "dba", "Very-Secret-3")
	must(b, x, tables+"; WITH n AS (SELECT 0 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 9999) INSERT INTO IM_Secrets (SecretRef) SELECT N'secret://' + CAST(i AS nvarchar(9)) FROM n")
	for b.Loop() {
		if r := must(b, x, "SELECT SecretRef, UpdatedOn FROM IM_Secrets ORDER BY UpdatedOn"); len(r.rows) < 10_000 {
			b.Fatalf("%d rows", len(r.rows))
		}
	}
}
