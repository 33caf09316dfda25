package winhosttest

import (
	"net"
	"reflect"
	"slices"
	"strings"
	"time"

	"meshrotate/providers/winhost"
	"meshrotate/reconciler/secret"
)

// What a Host under test must have, beside an empty folder.
const (
	QuickService     = "mr-quick"     // starts and stops at once; its own environment holds Environment
	ChildService     = "mr-child"     // as QuickService, which it needs
	SlowService      = "mr-slow"      // takes 1.2 s to start, and to stop
	RefusesService   = "mr-refuses"   // its start call fails with 1053
	DisabledService  = "mr-disabled"  // its start mode is disabled
	BlankService     = "mr-blank"     // has a blank in the path of its program, and no quotes around it; it is never started
	DiesService      = "mr-dies"      // runs for 30 ms, then ends with 1067
	DescribedService = "mr-described" // its program has an XML file of its name beside it, as WinSW has; it is never started
	WrappedService   = "mr-wrapped"   // starts "C:\app\app.exe" --one "two three" in C:\app\data, as NSSM does; it is never started
)

// MachineEnvironment, ServiceEnvironment and WrappedEnvironment are variables that the machine, QuickService, and what WrappedService
// starts have. Those with a Canary
// for their value must not show it. No product reads them: where the machine is a real one, others may be using it.
var (
	MachineEnvironment = map[string]string{
		"MRTEST__apikey": Canary, "ASPNETCORE_MrTest__ApiKey": Canary, "SQLCONNSTR_MrTest": Canary, "MrTestApiKey": Canary,
	}
	ServiceEnvironment = map[string]string{
		"MrTest__ApiKey": Canary, "ASPNETCORE_ENVIRONMENT": "Production", "dotnet_environment": "Staging", "Other": "x", "ConfigFile": `D:\conf\relay.json`,
	}
	WrappedEnvironment = map[string]string{"MrTest__ApiKey": Canary, "DOTNET_ENVIRONMENT": "Staging"}
)

// Description is that file.
const Description = "<service><id>mr</id><executable>app.exe</executable></service>\n"

var hostCases = []testCase{
	{
		name:   "identity",
		reason: "the ledger and the DPAPI guard must know which machine this is, and how far its clock is off",
		run: func(w *world) {
			m := w.one(winhost.OK, &winhost.MachineIdentity{}).Machine
			if m.ComputerName == "" || m.MachineGUID == "" || m.OSVersion == "" || m.PSVersion == "" || m.LanguageMode != "FullLanguage" {
				w.Errorf("identity %+v", m)
			}
			if m.Installed.IsZero() || m.Installed.After(m.Now) {
				w.Errorf("Windows was installed at %v", m.Installed)
			}
			if skew := time.Since(m.Now); skew < -time.Minute || skew > time.Minute {
				w.Errorf("the clock is %v off", skew)
			}
		},
	}, {
		name:   "access rules",
		reason: "a secret that Users may read is reported; what cannot be known is not called fine",
		run: func(w *world) {
			w.Write(w.file("a.json"), Content("a"))
			f := w.one(winhost.OK, &winhost.FileRead{Path: w.path("a.json"), HashOnly: true}).File
			if f.UsersCanRead != winhost.Yes && f.UsersCanRead != winhost.No || f.Owner == "" {
				w.Errorf("owner %q, users can read: %q", f.Owner, f.UsersCanRead)
			}
		},
	}, {
		name:   "environment",
		reason: "a variable wins over the file that we edit: name it, and keep its value on the host",
		run: func(w *world) {
			w.Write(w.file("a.json"), Content("a"))
			w.Write(w.file("b.json"), Content("b"))
			for _, name := range []string{"c.exe.config", "d.JSON5", "e.txt", "f.ini", "g.yml", "h.env"} {
				w.Write(w.file(name), Content("b"))
			}
			e := w.one(winhost.OK, &winhost.EnvironmentRead{Service: QuickService, Path: w.path("a.json")}).Environment
			if m := e.Machine; m.Known != winhost.Yes || len(m.Hosting) > 0 {
				w.Errorf("machine: %+v", m)
			}
			for name := range MachineEnvironment {
				if !slices.ContainsFunc(e.Machine.Names, func(n string) bool { return strings.EqualFold(n, name) }) {
					w.Errorf("machine: no %s among %v", name, e.Machine.Names)
				}
			}
			want := winhost.Variables{Known: winhost.Yes, Names: []string{"ASPNETCORE_ENVIRONMENT", "ConfigFile", "MrTest__ApiKey", "Other", "dotnet_environment"},
				Hosting: map[string]string{"ASPNETCORE_ENVIRONMENT": "Production", "dotnet_environment": "Staging"}, Files: map[string]string{"ConfigFile": `D:\conf\relay.json`}}
			if !reflect.DeepEqual(e.Service, want) {
				w.Errorf("service: %+v", e.Service)
			}
			if e.User.Known == "" || e.Account != "LocalSystem" || !strings.HasPrefix(string(e.CommandLine.Expose()), `C:\svc\service.exe mr-quick`) {
				w.Errorf("user %+v of %s, %s", e.User, e.Account, e.CommandLine.Expose())
			}
			if !strings.HasSuffix(e.Path, w.path("a.json")) || !slices.Contains(e.Beside, w.file("a.json")) || !slices.Contains(e.Beside, w.file("b.json")) ||
				!slices.Contains(e.Beside, w.file("c.exe.config")) || !slices.Contains(e.Beside, w.file("d.JSON5")) || slices.Contains(e.Beside, w.file("e.txt")) ||
				!slices.Contains(e.Beside, w.file("f.ini")) || !slices.Contains(e.Beside, w.file("g.yml")) || !slices.Contains(e.Beside, w.file("h.env")) {
				w.Errorf("path %s, beside it %v", e.Path, e.Beside)
			}
			if age := time.Since(e.Changed); w.Kind == Wine && (e.Booted.IsZero() || e.Booted.After(time.Now()) || age < -time.Minute || age > time.Hour) {
				w.Errorf("booted %v, the environment changed %v", e.Booted, e.Changed)
			}
			if e.Missing != "" || len(e.Needs) > 0 || w.Kind != Linux && (e.Registered.IsZero() || e.Registered.After(time.Now().Add(time.Minute))) {
				w.Errorf("%s is missing, it needs %v, registered %v", e.Missing, e.Needs, e.Registered)
			}
			// Wine's sc.exe ends its list of them with whatever lies behind it.
			if e = w.one(winhost.OK, &winhost.EnvironmentRead{Service: ChildService}).Environment; w.Kind != Linux && (len(e.Needs) == 0 || e.Needs[0].Name != QuickService || !e.Needs[0].Installed || e.Needs[0].StartMode != "manual") {
				w.Errorf("it needs %+v", e.Needs)
			}
			if e = w.one(winhost.OK, &winhost.EnvironmentRead{Service: BlankService}).Environment; w.Kind != Linux && e.Missing != `C:\svc\mr blank\service.exe` {
				w.Errorf("missing: %q", e.Missing)
			}
			e = w.one(winhost.OK, &winhost.EnvironmentRead{Service: "mr-none"}).Environment
			if !e.CommandLine.IsZero() || e.Account != "" || len(e.Service.Names) > 0 {
				w.Errorf("a service that is not there: %+v", e)
			}
		},
	}, {
		name:   "the files of a program",
		reason: "a process that runs says nothing of a program that was replaced since: whoever stops it must know",
		run: func(w *world) {
			for _, name := range []string{"a.exe", "a.runtimeconfig.json", "a.json"} {
				w.Write(w.file(name), Content("a"))
			}
			for line, dotnet := range map[string]bool{`"` + w.path("a.exe") + `" --one`: false, `"C:\Program Files\dotnet\dotnet.exe" "` + w.path("a.dll") + `" --one`: true} {
				all := w.one(winhost.OK, &winhost.EnvironmentRead{Program: line}).Environment.Programs
				if len(all) != 2 || !strings.HasSuffix(all[0].Path, "a.exe") || !strings.HasSuffix(all[1].Path, "a.runtimeconfig.json") {
					w.Fatalf("dotnet %v: %+v", dotnet, all)
				}
				for _, f := range all {
					if age := time.Since(f.Written); age < -time.Minute || age > time.Minute || w.Kind != Model && f.Changed.IsZero() {
						w.Errorf("%+v", f)
					}
				}
			}
			if all := w.one(winhost.OK, &winhost.EnvironmentRead{Service: "mr-none"}).Environment.Programs; len(all) > 0 {
				w.Errorf("no service: %+v", all)
			}
		},
	}, {
		name:   "a service that starts another program",
		reason: "what NSSM starts, where, and with which variables decides what is in force, and not NSSM's own command line",
		run: func(w *world) {
			e := w.one(winhost.OK, &winhost.EnvironmentRead{Service: WrappedService}).Environment
			if !e.Wrapped || e.Folder != `C:\app\data` || string(e.CommandLine.Expose()) != `"C:\app\app.exe" --one "two three"` {
				w.Errorf("%+v, %s", e, e.CommandLine.Expose())
			}
			if want := []string{"DOTNET_ENVIRONMENT", "MrTest__ApiKey"}; !slices.Equal(e.Service.Names, want) || e.Service.Hosting["DOTNET_ENVIRONMENT"] != "Staging" {
				w.Errorf("service: %+v", e.Service)
			}
			if e = w.one(winhost.OK, &winhost.EnvironmentRead{Service: QuickService}).Environment; e.Wrapped || e.Folder != "" || e.Described != "" {
				w.Errorf("a service that starts nothing: %+v", e)
			}
		},
	}, {
		name:   "a service whose program has a file of its name beside it",
		reason: "what WinSW starts stands there: it is found, and read as any file",
		not:    map[Kind]string{Linux: "its services' programs are on another machine's disk"},
		run: func(w *world) {
			e := w.one(winhost.OK, &winhost.EnvironmentRead{Service: DescribedService}).Environment
			if e.Wrapped || !strings.HasSuffix(e.Described, `\winsw.xml`) || !strings.Contains(string(e.CommandLine.Expose()), "winsw.exe") {
				w.Fatalf("%+v, %s", e, e.CommandLine.Expose())
			}
			if f := w.one(winhost.OK, &winhost.FileRead{Path: e.Described}).File; string(f.Content.Expose()) != Description {
				w.Errorf("%s holds %q", e.Described, f.Content.Expose())
			}
		},
	}, {
		name:   "sign-in to SQL Server",
		reason: "without a client there is no answer, and with one a server that is not there is none; the string stays out of the logs",
		run: func(w *world) {
			// Nothing listens there, and the PowerShell engines of these tests have no client of SQL Server.
			text := "Server=127.0.0.1,1;User ID=sa;Password=" + Canary + ";Encrypt=True"
			r := w.do(&winhost.SQLSignIn{Text: secret.NewString(text), TimeoutSeconds: 5})[0]
			if r.Code != winhost.Unsupported && (r.Code != winhost.OK || r.SQL == nil || r.SQL.Accepted || len(r.SQL.Numbers) == 0) {
				w.Errorf("%+v, %+v", r, r.SQL)
			}
		},
	}, {
		name:   "way to SQL Server",
		reason: "whether a sign-in from there could come about is known without one",
		run: func(w *world) {
			reach := func(port uint16) winhost.Reached {
				return *w.one(winhost.OK, &winhost.SQLReach{Server: "127.0.0.1", Port: port, TimeoutSeconds: 20}).Reached
			}
			if r := reach(1); r.Error != 10061 || r.Client {
				w.Errorf("nobody listens: %+v", r)
			}
			if w.Kind == Model {
				return
			}
			somebody, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				w.Fatal(err)
			}
			defer somebody.Close()
			if r := reach(uint16(somebody.Addr().(*net.TCPAddr).Port)); r.Error != 0 {
				w.Errorf("somebody listens: %+v", r)
			}
		},
	}, {
		name:   "log",
		reason: "a service's own word that it loaded a key must be newer than its restart",
		run: func(w *world) {
			const loaded = "2026-11-23 02:00:01.250 +00:00 [INF] key loaded\r\n"
			log := "2026-11-22 02:00:00 [INF] key loaded\r\n" + strings.Repeat("filler "+Canary+"\r\n", 100)
			w.Write(w.file("a.log"), []byte(log))
			mark := w.one(winhost.OK, &winhost.LogMark{Path: w.path("a.log")}).Log
			if !mark.Exists || mark.Offset != int64(len(log)) || mark.Identity == "" {
				w.Fatalf("mark %+v", mark)
			}
			find := func() winhost.Log {
				return *w.one(winhost.OK, &winhost.LogMatch{Path: w.path("a.log"), Identity: mark.Identity, Offset: mark.Offset, Pattern: `\bkey loaded$`}).Log
			}
			if l := find(); l.Matched || l.Rotated {
				w.Errorf("before: %+v", l)
			}
			w.Write(w.file("a.log"), []byte(log+loaded))
			if l := find(); !l.Matched || l.Rotated || l.Time != "2026-11-23 02:00:01.250 +00:00" {
				w.Errorf("after: %+v", l)
			}
			for _, other := range []string{loaded, "another head " + log} {
				w.Write(w.file("a.log"), []byte(other))
				if l := find(); !l.Matched || !l.Rotated {
					w.Errorf("rotated: %+v", l)
				}
			}
		},
	}, {
		name:   "log that begins later",
		reason: "a first start makes its own log",
		run: func(w *world) {
			mark := w.one(winhost.OK, &winhost.LogMark{Path: w.path("a.log")}).Log
			if mark.Exists || mark.Offset != 0 || mark.Identity != "" {
				w.Fatalf("mark %+v", mark)
			}
			match := &winhost.LogMatch{Path: w.path("a.log"), Pattern: "ready"}
			if l := w.one(winhost.OK, match).Log; l.Matched || l.Rotated || l.Exists {
				w.Errorf("before: %+v", l)
			}
			w.Write(w.file("a.log"), []byte("ready\n"))
			if l := w.one(winhost.OK, match).Log; !l.Matched || l.Rotated || l.Time != "" {
				w.Errorf("after: %+v", l)
			}
			w.one(winhost.Failed, &winhost.LogMatch{Path: w.path("a.log"), Pattern: "("})
		},
	},
}

var serviceCases = []testCase{
	{
		name:   "service that is not there",
		reason: "a host without the product is an answer to a look, and an error to an order",
		run: func(w *world) {
			if s := w.one(winhost.OK, &winhost.ServiceQuery{Service: "mr-none"}).Service; s.Installed || s.State != "" {
				w.Errorf("%+v", s)
			}
			for _, op := range []winhost.Op{&winhost.ServiceStop{Service: "mr-none"}, &winhost.ServiceStart{Service: "mr-none"}} {
				if r := w.one(winhost.NotFound, op); r.Win32 != 1060 {
					w.Errorf("%s: %+v", op.Name(), r)
				}
			}
		},
	}, {
		name:   "start, look, stop",
		reason: "the everyday restart, each order twice: the second finds it done",
		run: func(w *world) {
			start := &winhost.ServiceStart{Service: QuickService, TimeoutSeconds: 10, StableSeconds: 1}
			r := w.one(winhost.OK, start)
			if s := r.Service; s.State != winhost.Running || s.PID == 0 || s.StartedAt.IsZero() || s.Took() < 900*time.Millisecond {
				w.Errorf("started: %+v, took %v", s, s.Took())
			}
			if again := w.one(winhost.Unchanged, start).Service; again.PID != r.Service.PID {
				w.Errorf("another process: %d, %d", again.PID, r.Service.PID)
			}
			s := w.one(winhost.OK, &winhost.ServiceQuery{Service: QuickService}).Service
			if !s.Installed || s.State != winhost.Running || s.PID != r.Service.PID || s.Account != "LocalSystem" || s.StartMode != "manual" {
				w.Errorf("query: %+v", s)
			}
			slices.Sort(s.Environment)
			if !slices.Equal(s.Environment, []string{"ASPNETCORE_ENVIRONMENT", "ConfigFile", "MrTest__ApiKey", "Other", "dotnet_environment"}) {
				w.Errorf("environment %q", s.Environment)
			}
			stop := &winhost.ServiceStop{Service: QuickService, TimeoutSeconds: 10}
			if s := w.one(winhost.OK, stop).Service; s.State != winhost.Stopped || s.PID != 0 || s.Took() <= 0 {
				w.Errorf("stopped: %+v", s)
			}
			w.one(winhost.Unchanged, stop)
		},
	}, {
		name:   "slow service",
		reason: "a stop is asynchronous: the answer comes when the service has stopped, or says that it has not",
		run: func(w *world) {
			if s := w.one(winhost.OK, &winhost.ServiceStart{Service: SlowService, TimeoutSeconds: 20}).Service; s.State != winhost.Running || s.Took() < time.Second {
				w.Errorf("started: %+v, took %v", s, s.Took())
			}
			if s := w.one(winhost.Timeout, &winhost.ServiceStop{Service: SlowService, TimeoutSeconds: 1}).Service; s.State != winhost.StopPending {
				w.Errorf("after the timeout: %+v", s)
			}
			w.one(winhost.OK, &winhost.ServiceStop{Service: SlowService, TimeoutSeconds: 20})
		},
	}, {
		name:   "dependents",
		reason: "what needs the service stops before it, is remembered, and starts again after it",
		not:    map[Kind]string{Wine: "its service manager names no dependents"},
		run: func(w *world) {
			w.one(winhost.OK, &winhost.ServiceStart{Service: QuickService, Dependents: []string{ChildService}})
			r := w.one(winhost.OK, &winhost.ServiceStop{Service: QuickService})
			if !slices.Equal(r.Service.Dependents, []string{ChildService}) {
				w.Errorf("remembered %q", r.Service.Dependents)
			}
			if s := w.one(winhost.OK, &winhost.ServiceQuery{Service: ChildService}).Service; s.State != winhost.Stopped {
				w.Errorf("child %+v", s)
			}
			w.one(winhost.OK, &winhost.ServiceStart{Service: QuickService, Dependents: r.Service.Dependents})
			if s := w.one(winhost.OK, &winhost.ServiceQuery{Service: ChildService}).Service; s.State != winhost.Running {
				w.Errorf("child %+v", s)
			}
			w.one(winhost.OK, &winhost.ServiceStop{Service: QuickService})
		},
	}, {
		name:   "start that is refused",
		reason: "settings that .NET does not read fail the start call itself; a disabled service has its own number",
		run: func(w *world) {
			if r := w.one(winhost.Failed, &winhost.ServiceStart{Service: RefusesService, TimeoutSeconds: 40}); r.Win32 != 1053 {
				w.Errorf("%+v", r)
			}
			if r := w.one(winhost.Failed, &winhost.ServiceStart{Service: DisabledService}); r.Win32 != 1058 {
				w.Errorf("%+v", r)
			}
		},
	}, {
		name:   "service that dies",
		reason: "RUNNING proves nothing: an empty key lets the start succeed, and kills the process at once",
		not:    map[Kind]string{Wine: "it has no service that ends by itself"},
		run: func(w *world) {
			r := w.one(winhost.Failed, &winhost.ServiceStart{Service: DiesService, StableSeconds: 2})
			if r.Win32 != 1067 || r.Service.State != winhost.Stopped || r.Service.ExitCode != 1067 {
				w.Errorf("%+v, %+v", r, r.Service)
			}
		},
	},
}
