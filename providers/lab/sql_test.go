package lab_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"meshrotate/providers/adminapi"
	"meshrotate/providers/appsettings"
	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/providers/lab/sqlserver"
	"meshrotate/providers/lab/tds"
	"meshrotate/providers/lab/wsman"
	"meshrotate/providers/mssql"
	"meshrotate/providers/mssql/tsql"
	"meshrotate/reconciler/secret"
)

// signIn is how the rotator reaches the lab's SQL Server without a wire.
func signIn(l *lab.Lab, c *lab.Client, user, password string) mssql.Config {
	return mssql.Config{Host: lab.SQLServer, Database: lab.Database, User: user, Password: secret.NewString(password), Trust: mssql.Trust{Roots: l.SQLRoots()}, Dial: c.DialSQL}
}

// who are the sessions that an instance has, without their numbers.
func who(l *lab.Lab) string {
	var all []string
	for _, s := range l.SQLInstance().Live() {
		all = append(all, s.Login+"@"+s.Host+" "+s.Program)
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

const bothServices = "im_app@IM-ADMIN IdentityMeshAdmin, im_app@IM-ENGINE IdentityMeshEngine"

func ready(t *testing.T, c *lab.Client) bool {
	t.Helper()
	a, err := adminapi.New(c.API())
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	ok, _, err := a.Ready(t.Context())
	return ok && err == nil
}

// sqlString puts a connection string into a host's settings.
func sqlString(t *testing.T, h *lab.Host, text string) {
	t.Helper()
	disk := h.Machine.FS.(*machine.Memory)
	b, _, err := disk.Read(h.Settings())
	if err != nil {
		t.Fatal(err)
	}
	if b, err = appsettings.Set(bytes.Clone(b), "IdentityMesh:SqlConnectionString", secret.NewString(text)); err != nil {
		t.Fatal(err)
	}
	disk.Write(h.Settings(), b)
}

func passwordOf(text string) string {
	_, rest, _ := strings.Cut(text, "Password=")
	password, _, _ := strings.Cut(rest, ";")
	return password
}

// eachWay runs a test with services that ask the model, and with those that sign in by the driver, over TDS.
func eachWay(t *testing.T, run func(t *testing.T, drivers bool)) {
	vendor()
	for _, drivers := range []bool{false, true} {
		t.Run(fmt.Sprintf("by the driver %v", drivers), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { run(t, drivers) })
		})
	}
}

// The services and secretscli sign in by the driver, in memory and on a wire, with the string in their file.
func TestServicesSignInByTheDriver(t *testing.T) {
	vendor()
	for _, memory := range []bool{false, true} {
		t.Run(fmt.Sprintf("in memory %v", memory), func(t *testing.T) {
			l := begin(t, lab.Config{Vendor: vendor(), Memory: memory, Drivers: memory, Connectors: 2})
			for _, s := range l.SQLInstance().Live() {
				if s.Interface != "go-mssqldb" {
					t.Errorf("%s is signed in by %q", s.Program, s.Interface)
				}
			}
			if got := who(l); got != bothServices {
				t.Errorf("sessions %s", got)
			}
			ref, wrong := l.Refs()[0], l.Refs()[1]
			set := func(ref string) uint32 {
				_, next := l.ConnectorSecrets(ref)
				return l.EngineHost.Machine.Tool(lab.SecretsCLI)(t.Context(), []string{"set", ref, next}, nil, io.Discard)
			}
			if exit := set(ref); exit != 0 {
				t.Errorf("secretscli ends with %d", exit)
			}
			_, next := l.ConnectorSecrets(ref)
			if got, _, ok := l.Stored(ref); !ok || got != next {
				t.Error("the secret is not stored")
			}
			l.SQLInstance().SetLogin(lab.SQLLogin, func(o *sqlserver.Login) { o.Password = "another" })
			if exit := set(wrong); exit == 0 {
				t.Error("secretscli stores with a login that is refused")
			}
		})
	}
}

func TestServicesLogIn(t *testing.T) {
	eachWay(t, func(t *testing.T, drivers bool) {
		l := begin(t, lab.Config{Vendor: vendor(), Memory: true, Drivers: drivers})
		c := l.Client()
		time.Sleep(2 * time.Second)
		if got := who(l); got != bothServices || !ready(t, c) {
			t.Fatalf("sessions %s", got)
		}

		// The password is changed and nobody was told: the pooled connection is reset, and its login fails.
		old := l.SQL()
		next := strings.Replace(old, passwordOf(old), "A-New-Horse-1", 1)
		s, err := mssql.Open(t.Context(), signIn(l, c, lab.User, l.Password))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		change, err := tsql.SetPassword(lab.SQLLogin, secret.NewString("A-New-Horse-1"))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Exec(t.Context(), change); err != nil {
			t.Fatal(err)
		}
		if ready(t, c) {
			t.Error("Admin is ready with the old password")
		}

		// The file is right again, and the pool of the old process is still blocked: a new process is needed, and works.
		sqlString(t, l.Admin, next)
		time.Sleep(3 * time.Minute)
		if ready(t, c) {
			t.Error("a running process reads the file")
		}
		bounce(t, l.Admin, lab.AdminService)
		time.Sleep(2 * time.Second)
		if !ready(t, c) {
			t.Errorf("Admin is not ready with the new password: %v", l.SQLInstance().Refusals())
		}
		// Engine works on, in its session, until it is reset or starts again; then it is refused, and says nothing.
		bounce(t, l.EngineHost, lab.EngineService)
		time.Sleep(time.Second)
		if got := who(l); strings.Contains(got, "im_app@IM-ENGINE") {
			t.Errorf("Engine has a session: %s", got)
		}
	})
}

// What .NET's pool does keeps a login from being locked by services that are refused: they ask 5, 10, 20, 40, 60 seconds
// apart.
func TestRefusedServicesAskSeldom(t *testing.T) {
	eachWay(t, func(t *testing.T, drivers bool) {
		l := begin(t, lab.Config{Vendor: vendor(), Memory: true, Drivers: drivers})
		c := l.Client()
		time.Sleep(2 * time.Second)
		sqlString(t, l.Admin, strings.Replace(l.SQL(), passwordOf(l.SQL()), "wrong", 1))
		bounce(t, l.Admin, lab.AdminService)
		from := len(l.SQLInstance().Refusals())
		for range 60 {
			time.Sleep(time.Second)
			if ready(t, c) {
				t.Fatal("ready with a wrong password")
			}
		}
		if n := len(l.SQLInstance().Refusals()) - from; n < 2 || n > 4 {
			t.Errorf("%d more attempts within a minute", n)
		}
	})
}

func TestServicesConnectAgain(t *testing.T) {
	eachWay(t, func(t *testing.T, drivers bool) {
		l := begin(t, lab.Config{Vendor: vendor(), Memory: true, Drivers: drivers})
		l.SQLInstance().Down(true)
		time.Sleep(time.Second)
		if got := who(l); got != "" {
			t.Errorf("sessions on a server that is down: %s", got)
		}
		l.SQLInstance().Down(false)
		time.Sleep(time.Minute)
		if got := who(l); got != bothServices {
			t.Errorf("after it came back: %q", got)
		}
		l.SQLInstance().Drop(nil)
		synctest.Wait()
		if got := who(l); got != bothServices {
			t.Errorf("after the connections were dropped: %q", got)
		}
	})
}

// The rotator's own client, in memory: probes, a lost reply to an ALTER LOGIN, the product's tables, and nothing secret in
// the server's trace.
func TestRotatorInMemory(t *testing.T) {
	vendor()
	synctest.Test(t, func(t *testing.T) {
		var traced []string
		l := begin(t, lab.Config{Vendor: vendor(), Memory: true, Record: func(_, kind, text string) {
			if kind == "sql" {
				traced = append(traced, text)
			}
		}})
		c := l.Client()
		probe := func(password string) mssql.Verdict {
			return mssql.Probe(t.Context(), signIn(l, c, lab.SQLSpare, password)).Verdict
		}
		s, err := mssql.Open(t.Context(), signIn(l, c, lab.User, l.Password))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		var refs, connectors int
		if err := s.Conn.QueryRowContext(t.Context(), "SELECT (SELECT COUNT(*) FROM IM_Secrets), (SELECT COUNT(*) FROM IM_Connectors)").Scan(&refs, &connectors); err != nil || refs != 3 || connectors != 3 {
			t.Errorf("%d secrets, %d connectors, %v", refs, connectors, err)
		}
		const canary = "A-Canary-Horse-1"
		l.WireSQL(func(e wsman.Event) wsman.Fault {
			if e.Action == tds.Batch && strings.Contains(e.CommandLine, "ALTER LOGIN") {
				return wsman.Fault{Kind: wsman.HangAfter}
			}
			return wsman.Fault{}
		})
		change, err := tsql.SetPassword(lab.SQLSpare, secret.NewString(canary))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := s.Exec(ctx, change); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a lost reply: %v", err)
		}
		if v := probe(canary); v != mssql.Accepted {
			t.Errorf("the new password: %v", v)
		}
		if v := probe("wrong"); v != mssql.Rejected {
			t.Errorf("a wrong password: %v", v)
		}
		l.SQLInstance().Down(true)
		if v := probe(canary); v != mssql.Unknown {
			t.Errorf("nobody listens: %v", v)
		}
		if all := strings.Join(traced, "\n"); strings.Contains(all, canary) || !strings.Contains(all, "--*ALTER LOGIN") {
			t.Errorf("the trace: %s", all)
		}
	})
}

// A killed rotator's session ends, and its locks with it.
func TestKilledClientOfSQL(t *testing.T) {
	vendor()
	synctest.Test(t, func(t *testing.T) {
		l := begin(t, lab.Config{Vendor: vendor(), Memory: true})
		c := l.Client()
		s, err := mssql.Open(t.Context(), signIn(l, c, lab.User, l.Password))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if !strings.Contains(who(l), lab.User) {
			t.Error("no session")
		}
		c.Kill()
		synctest.Wait()
		if got := who(l); got != bothServices {
			t.Errorf("sessions %s", got)
		}
		if _, err := c.DialSQL(t.Context(), "tcp", ""); err == nil {
			t.Error("a dead client dials")
		}
	})
}

// On a wire: the string in the files leads to the server.
func TestSQLOnAWire(t *testing.T) {
	l := begin(t, lab.Config{Vendor: vendor()})
	host, port, _ := strings.Cut(l.SQLAddress(), ":")
	if !strings.Contains(l.SQL(), "Server="+host+","+port) {
		t.Errorf("the services' string leads elsewhere than to %s", l.SQLAddress())
	}
	var n uint16
	for _, d := range port {
		n = n*10 + uint16(d-'0')
	}
	c := mssql.Config{Host: host, Port: n, Database: lab.Database, User: lab.SQLLogin, Password: secret.NewString(passwordOf(l.SQL())), Trust: mssql.Trust{Roots: l.SQLRoots()}}
	if a := mssql.Probe(t.Context(), c); a.Verdict != mssql.Accepted {
		t.Errorf("%v", a)
	}
	l.SQLInstance().SetLogin(lab.SQLLogin, func(o *sqlserver.Login) { o.Disabled = true })
	if a := mssql.Probe(t.Context(), c); a.Why != mssql.Disabled {
		t.Errorf("%v", a)
	}
}

// A failover: the services go on with the other replica, whose logins are its own.
func TestFailoverOfTheServices(t *testing.T) {
	eachWay(t, func(t *testing.T, drivers bool) {
		l := begin(t, lab.Config{Vendor: vendor(), Memory: true, Drivers: drivers, Replicas: 2})
		c := l.Client()
		time.Sleep(2 * time.Second)
		change, err := tsql.SetPassword(lab.SQLSpare, secret.NewString("A-New-Horse-1"))
		if err != nil {
			t.Fatal(err)
		}
		s, err := mssql.Open(t.Context(), signIn(l, c, lab.User, l.Password))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		var replicas string
		if err := s.Conn.QueryRowContext(t.Context(), "SELECT STRING_AGG(replica_server_name, ',') FROM sys.availability_replicas").Scan(&replicas); err != nil || replicas != "SQL01,SQL02" {
			t.Errorf("%q, %v", replicas, err)
		}
		if err := s.Exec(t.Context(), change); err != nil {
			t.Fatal(err)
		}
		for host, want := range map[string]mssql.Verdict{"sql01.lab.example": mssql.Accepted, "sql02.lab.example": mssql.Rejected} {
			one := signIn(l, c, lab.SQLSpare, "A-New-Horse-1")
			one.Host, one.Database = host, "master"
			if a := mssql.Probe(t.Context(), one); a.Verdict != want {
				t.Errorf("%s: %v", host, a)
			}
		}
		l.SQLGroup().Failover(l.SQLReplicas()[1].Instance)
		time.Sleep(10 * time.Second)
		if got := who(l); got != bothServices || !ready(t, c) || l.SQLInstance().Name() != "SQL02" {
			t.Errorf("sessions on %s: %s", l.SQLInstance().Name(), got)
		}
		l.SQLGroup().Failover(nil)
		if ready(t, c) {
			t.Error("ready without a primary")
		}
	})
}
