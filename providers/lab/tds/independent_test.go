package tds_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/lab/sqlserver"
	"meshrotate/providers/lab/tds"
)

// need skips the test, or fails it under CI, when a program is missing.
func need(t *testing.T, missing string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is not there, and CI must have it", missing)
	}
	t.Skipf("%s is not there: this client is not tried", missing)
}

// oracle is Microsoft.Data.SqlClient, the driver that the product uses, behind a line of JSON in and a line of JSON out.
type oracle struct {
	in  io.WriteCloser
	out *bufio.Scanner
	pid int
}

type oracleAnswer struct {
	OK       bool
	Database string
	Message  string
	Results  []struct {
		Columns, Types []string
		Rows           [][]string
		Affected       int
	}
	Errors []struct{ Number, State, Class int }
}

// dotnet starts the driver; it trusts the lab's authority alone.
func dotnet(t *testing.T, ca string) *oracle {
	t.Helper()
	path, err := exec.LookPath("dotnet-oracle")
	if err != nil {
		need(t, "dotnet-oracle")
	}
	c := exec.Command(path)
	c.Env = append(os.Environ(), "SSL_CERT_FILE="+ca)
	in, err1 := c.StdinPipe()
	out, err2 := c.StdoutPipe()
	if err := c.Start(); err != nil || err1 != nil || err2 != nil {
		t.Fatal("dotnet-oracle does not start", err, err1, err2)
	}
	t.Cleanup(func() { _ = in.Close(); _ = c.Wait() })
	s := bufio.NewScanner(out)
	s.Buffer(nil, 16<<20)
	return &oracle{in, s, c.Process.Pid}
}

// login connects with a string, asks the queries, and keeps the pool.
func (o *oracle) login(t *testing.T, text string, queries ...string) oracleAnswer {
	t.Helper()
	b, err := json.Marshal(map[string]any{"op": "login", "connectionString": text, "queries": queries, "keepPool": true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.in.Write(append(b, '\n')); err != nil {
		t.Fatal(err)
	}
	var a oracleAnswer
	if !o.out.Scan() {
		t.Fatal("dotnet-oracle says nothing", o.out.Err())
	}
	if err := json.Unmarshal(o.out.Bytes(), &a); err != nil {
		t.Fatal(err)
	}
	return a
}

// numbers are those of its errors.
func (a oracleAnswer) numbers() string {
	var all []string
	for _, e := range a.Errors {
		all = append(all, fmt.Sprint(e.Number))
	}
	return strings.Join(all, " ")
}

// text is a connection string as the product has it.
func (w *world) text(user, password, more string) string {
	_, port, _ := net.SplitHostPort(w.addr)
	return fmt.Sprintf(`Server=tcp:127.0.0.1,%s;Database=%s;User ID=%s;Password="%s";Application Name=IdentityMesh;%s`, port, database, user, strings.ReplaceAll(password, `"`, `""`), more)
}

func TestSqlClient(t *testing.T) {
	w := start(t, tds.On)
	o := dotnet(t, w.ca)
	for mode, want := range map[string]string{"Encrypt=Optional": "FALSE", "Encrypt=Mandatory": "TRUE", "Encrypt=Mandatory;TrustServerCertificate=True": "TRUE", "Encrypt=Strict": "TRUE"} {
		a := o.login(t, w.text(dba, dbaPassword, mode), "SELECT encrypt_option FROM sys.dm_exec_connections WHERE session_id = @@SPID")
		if !a.OK || a.Results[0].Rows[0][0] != want || a.Database != database {
			t.Errorf("%s: %+v", mode, a)
		}
	}
	a := o.login(t, w.text(dba, dbaPassword, "Encrypt=Mandatory"), "CREATE TABLE t (s nvarchar(20), b varbinary(max), d datetime2(7), g uniqueidentifier, i int, l bigint, f bit)",
		"INSERT t VALUES (N'é', 0xCAFE, '2026-01-02 03:04:05.1234567', '014c7b9c-c407-4bc1-80be-ed88eadd52a8', 1, 2, 1), (NULL, NULL, NULL, NULL, NULL, NULL, NULL)", "SELECT * FROM t")
	if !a.OK || len(a.Results) != 3 {
		t.Fatalf("%+v", a)
	}
	if a.Results[1].Affected != 2 || strings.Join(a.Results[2].Types, " ") != "nvarchar varbinary datetime2 uniqueidentifier int bigint bit" ||
		strings.Join(a.Results[2].Rows[0], "|") != "é|CAFE|2026-01-02T03:04:05.1234567|014c7b9c-c407-4bc1-80be-ed88eadd52a8|1|2|True" {
		t.Errorf("%+v", a.Results)
	}
	// By its process a service is told from another one on its host.
	if a := o.login(t, w.text(dba, dbaPassword, ""), "SELECT host_process_id FROM sys.dm_exec_sessions WHERE session_id = @@SPID"); !a.OK || a.Results[0].Rows[0][0] != fmt.Sprint(o.pid) {
		t.Errorf("process %d says %+v", o.pid, a)
	}
	if live := w.model.Live(); len(live) == 0 || live[0].Program != "IdentityMesh" || live[0].Login != dba {
		t.Errorf("sessions %+v", live)
	}
}

func TestSqlClientErrors(t *testing.T) {
	w := start(t, tds.Required)
	o := dotnet(t, w.ca)
	set := func(f func(*sqlserver.Login)) func() { return func() { w.model.SetLogin(appLogin, f) } }
	cases := []struct {
		reason, text string
		before       func()
		query, want  string
	}{
		{"it works", w.text(appLogin, appPassword, ""), nil, "SELECT 1", ""},
		{"a statement", w.text(appLogin, appPassword, ""), nil, "SELECT * FROM IM_Nothing", "208"},
		{"no permission", w.text(appLogin, appPassword, ""), nil, "ALTER LOGIN dba WITH PASSWORD = N'Some-Thing-9'", "15151"},
		{"wrong password", w.text(appLogin, "wrong", ""), nil, "", "18456"},
		{"no such database", strings.Replace(w.text(appLogin, appPassword, "ConnectRetryCount=0"), database, "Elsewhere", 1), nil, "", "4060 18456"},
		{"must change", w.text(appLogin, appPassword, "Pooling=False"), set(func(l *sqlserver.Login) { l.MustChange = true }), "", "18488"},
		{"expired", w.text(appLogin, appPassword, "Pooling=False"), func() {
			w.model.SetLogin(appLogin, func(l *sqlserver.Login) { l.MustChange, l.Expires = false, true })
			w.model.Age(appLogin, 1000*24*time.Hour)
		}, "", "18487"},
		{"disabled", w.text(appLogin, appPassword, "Pooling=False"), set(func(l *sqlserver.Login) { l.Expires, l.Disabled = false, true }), "", "18470"},
		{"locked out", w.text(appLogin, appPassword, "Pooling=False"), func() {
			w.model.SetLogin(appLogin, func(l *sqlserver.Login) { l.Disabled = false })
			for range 10 {
				_, _ = w.model.Login(sqlserver.Client{User: appLogin, Password: "x"})
			}
		}, "", "18486"},
	}
	for _, tc := range cases {
		t.Run(tc.reason, func(t *testing.T) {
			if tc.before != nil {
				tc.before()
			}
			var queries []string
			if tc.query != "" {
				queries = []string{tc.query}
			}
			if a := o.login(t, tc.text, queries...); a.numbers() != tc.want || a.OK != (tc.want == "") {
				t.Errorf("%+v, want %s", a, tc.want)
			}
		})
	}
}

// The pool of the product's driver: what a rotated password does to a connection that is used again.
func TestSqlClientPool(t *testing.T) {
	for _, redo := range []bool{true, false} {
		t.Run(fmt.Sprint("redo=", redo), func(t *testing.T) {
			w := start(t, tds.On)
			w.model.RedoLogin(redo)
			o := dotnet(t, w.ca)
			text := w.text(appLogin, appPassword, "Encrypt=Mandatory")
			first := o.login(t, text, "SELECT @@SPID")
			second := o.login(t, text, "SELECT @@SPID")
			if !first.OK || !second.OK || first.Results[0].Rows[0][0] != second.Results[0].Rows[0][0] {
				t.Fatalf("the pool is not used: %+v, %+v", first, second)
			}
			w.model.SetLogin(appLogin, func(l *sqlserver.Login) { l.Password = "Another-Horse-2" })
			if a := o.login(t, text, "SELECT 1"); a.OK == redo {
				t.Errorf("after the change: %+v", a)
			}
		})
	}
}

func TestFreeTDS(t *testing.T) {
	path, err := exec.LookPath("tsql")
	if err != nil {
		need(t, "tsql (freetds-bin)")
	}
	for _, mode := range []tds.Encryption{tds.Off, tds.On} {
		w := start(t, mode)
		_, port, _ := net.SplitHostPort(w.addr)
		c := exec.Command(path, "-H", "127.0.0.1", "-p", port, "-U", dba, "-P", dbaPassword, "-D", database)
		c.Stdin = strings.NewReader("SELECT SUSER_SNAME() AS who, NULL AS nothing, 42 AS answer\ngo\nSELECT * FROM Nothing\ngo\nCREATE TABLE t (d datetime2(7), b varbinary(10))\nINSERT t VALUES ('2026-01-02 03:04:05', 0xCAFE)\ngo\nSELECT b FROM t\ngo\nexit\n")
		out, err := c.CombinedOutput()
		for _, want := range []string{"who\tnothing\tanswer", dba + "\tNULL\t42", "Msg 208", "(1 row affected)", "CAFE"} {
			if !strings.Contains(strings.ToUpper(string(out)), strings.ToUpper(want)) {
				t.Errorf("encryption %d: no %q (%v) in\n%s", mode, want, err, out)
			}
		}
	}
}

func TestPythonTDS(t *testing.T) {
	path := ""
	for _, name := range []string{"python3", "/usr/bin/python3"} {
		if p, err := exec.LookPath(name); err == nil && exec.Command(p, "-c", "import pytds").Run() == nil {
			path = p
		}
	}
	if path == "" {
		need(t, "python3-tds")
	}
	w := start(t, tds.On)
	host, port, _ := net.SplitHostPort(w.addr)
	c := exec.Command(path, "testdata/client.py", host, port, dba, dbaPassword, database)
	if out, err := c.CombinedOutput(); err != nil || strings.TrimSpace(string(out)) != "ok" {
		t.Errorf("%v\n%s", err, out)
	}
}
