package winhost_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"meshrotate/providers/winhost"
	"meshrotate/providers/winhost/process"
	"meshrotate/providers/winhost/winhosttest"
	"meshrotate/reconciler/secret"
)

// sqlClient stands in for .NET Framework's client, which no engine of these tests has: as much of it as the script uses.
const sqlClient = `Add-Type -TypeDefinition @'
using System; using System.Collections.Generic;
namespace System.Data.SqlClient {
  public class SqlError { public int Number { get; set; } }
  public class SqlException : Exception { public List<SqlError> Errors = new List<SqlError>(); public SqlException(params int[] numbers) : base("a text that may say too much") { foreach (int n in numbers) Errors.Add(new SqlError { Number = n }); } }
  public class SqlConnectionStringBuilder {
    readonly string text; string more = "";
    public SqlConnectionStringBuilder(string text) { if (text.StartsWith("Unknown")) throw new ArgumentException("Keyword not supported: " + text); this.text = text; }
    public object this[string key] { get { return null; } set { more += ";" + key + "=" + value; } }
    public override string ToString() { return text + more; }
  }
  public class SqlDataReader {
    readonly string[] row; bool read; public SqlDataReader(string[] row) { this.row = row; }
    public bool Read() { bool first = !read; read = true; return first; }
    public object this[int i] { get { return row[i]; } }
  }
  public class SqlCommand { public string CommandText { get; set; } public int CommandTimeout { get; set; } public SqlDataReader ExecuteReader() { return new SqlDataReader(new[] { "SQL01", "im_app", "im_user", CommandTimeout.ToString() }); } }
  public class SqlConnection : IDisposable {
    readonly string text; public SqlConnection(string text) { this.text = text; }
    public void Open() {
      if (!text.EndsWith(";Pooling=False;Connect Timeout=7")) throw new InvalidOperationException(text);
      if (text.Contains("refused")) throw new InvalidOperationException("outer", new SqlException(4060, 18456));
      if (text.Contains("away")) throw new SqlException(53);
    }
    public SqlCommand CreateCommand() { return new SqlCommand(); }
    public void Dispose() { }
  }
}
'@
`

// The script's sign-in to SQL Server, with a client that stands in for Windows's: what it answers, and that nothing is logged.
func TestSQLSignIn(t *testing.T) {
	pwsh := find(t, "pwsh")
	env, read := eventLog(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	s, err := winhost.Open(ctx, process.PowerShell(pwsh, sqlClient, env), winhost.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close(ctx) }()
	for _, c := range []struct {
		reason, text string
		code         winhost.Code
		want         winhost.SQLAnswer
	}{
		{"accepted", "Server=sql01;Password=" + winhosttest.Canary, winhost.OK, winhost.SQLAnswer{Accepted: true, Instance: "SQL01", Login: "im_app", User: "im_user", Database: "7"}},
		{"refused", "Server=refused;Password=" + winhosttest.Canary, winhost.OK, winhost.SQLAnswer{Numbers: []int32{4060, 18456}}},
		{"one number is a list too", "Server=away;Password=" + winhosttest.Canary, winhost.OK, winhost.SQLAnswer{Numbers: []int32{53}}},
		{"a keyword that the client does not know", "Unknown=x;Password=" + winhosttest.Canary, winhost.Failed, winhost.SQLAnswer{}},
	} {
		results, err := s.Do(ctx, []winhost.Op{&winhost.SQLSignIn{Text: secret.NewString(c.text), TimeoutSeconds: 7}})
		if err != nil {
			t.Fatalf("%s: %v", c.reason, err)
		}
		r := results[0]
		if r.SQL == nil {
			r.SQL = &winhost.SQLAnswer{}
		}
		got, want := *r.SQL, c.want
		if r.Code != c.code || !slices.Equal(got.Numbers, want.Numbers) || got.Accepted != want.Accepted || got.Instance != want.Instance || got.Login != want.Login ||
			got.User != want.User || got.Database != want.Database {
			t.Errorf("%s: %+v, %+v", c.reason, r, got)
		}
		if c.code == winhost.Failed && r.Message == "" {
			t.Errorf("%s: no message", c.reason)
		}
		if form, _ := winhosttest.Leak(r.Message); form != "" {
			t.Errorf("%s: the message holds the string", c.reason)
		}
	}
	results, err := s.Do(ctx, []winhost.Op{&winhost.SQLReach{Server: "127.0.0.1", Port: 1}})
	if err != nil || results[0].Reached == nil || !results[0].Reached.Client {
		t.Errorf("the client is not seen: %+v, %v", results, err)
	}
	if err := s.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if form, before := winhosttest.Leak(read()); form != "" {
		t.Errorf("the engine's log holds the string, after %q", before)
	}
}
