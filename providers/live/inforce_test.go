package live

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/winhost"
	"meshrotate/reconciler/secret"
)

const canary = "c4n4ry-of-the-layers"

// place is what a service is started with, in a test: the files by path, each of which holds the key.
type place struct {
	path, line             string // the settings file, and the command line
	machine, user, service map[string]string
	files                  []string
	secrets                []string
	booted, changed        time.Time
	account                string
	unloaded               bool
	broken                 string // a file that .NET does not read
}

func variablesOf(env map[string]string) winhost.Variables {
	v := winhost.Variables{Known: winhost.Yes, Names: slices.Sorted(maps.Keys(env)), Hosting: map[string]string{}, Files: map[string]string{}}
	for name, value := range env {
		if winhost.IsSettingsPath(value) {
			v.Files[name] = value
		}
		if winhost.IsHosting(name) {
			v.Hosting[name] = value
		}
	}
	return v
}

// judge asks for the key of the case in its settings file.
func (p place) judge(t *testing.T, key string) force {
	t.Helper()
	folder := p.path[:strings.LastIndexByte(p.path, '\\')]
	env := &winhost.Environment{Path: p.path, CommandLine: secret.NewString(p.line), Account: p.account, Secrets: p.secrets,
		Machine: variablesOf(p.machine), User: variablesOf(p.user), Service: variablesOf(p.service), Booted: p.booted, Changed: p.changed}
	if p.unloaded {
		env.User = winhost.Variables{Known: winhost.No}
	}
	for _, f := range p.files {
		if i := strings.LastIndexByte(f, '\\'); strings.EqualFold(f[:i], folder) {
			env.Beside = append(env.Beside, f[i+1:])
		} else if within, below := strings.CutPrefix(f, folder+`\conf\`); below {
			env.Beside = append(env.Beside, `conf\`+within)
		}
	}
	slices.Sort(env.Beside)
	f, err := judged("Svc", key, false, env, func(ops []winhost.Op) ([]winhost.Result, error) {
		var results []winhost.Result
		for _, op := range ops {
			there := slices.ContainsFunc(p.files, func(f string) bool { return strings.EqualFold(f, op.Object()) })
			file := &winhost.File{Exists: there}
			switch {
			case there && strings.Contains(p.broken, op.Object()) && p.broken != "":
				file.Content = secret.NewString("{ " + canary)
			case there:
				file.Content = secret.NewString(fmt.Sprintf(`{%q:%q}`, key, canary))
			}
			results = append(results, winhost.Result{Code: winhost.OK, File: file})
		}
		return results, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if text := fmt.Sprint(f.force); strings.Contains(text, canary) {
		t.Errorf("a value is shown: %s", text)
	}
	return f.force
}

func TestInForce(t *testing.T) {
	const base, exe = `C:\im\appsettings.json`, `"C:\im\Svc.exe"`
	day := func(n int) time.Time { return time.Date(2026, 11, n, 2, 0, 0, 0, time.UTC) }
	for _, c := range []struct {
		name   string
		place  place
		key    string
		wins   []string // what is said of each override
		doubts []string
	}{
		{"nothing else", place{path: base, line: exe}, "", nil, nil},
		{"the file of the environment in force", place{path: base, line: exe, files: []string{`C:\im\appsettings.production.json`}}, "", []string{"appsettings.Production.json"}, nil},
		{"a file of another environment", place{path: base, line: exe, service: map[string]string{"DOTNET_ENVIRONMENT": "Staging"}, files: []string{`C:\im\appsettings.Production.json`}}, "", nil, nil},
		{"a file that only web programs read", place{path: base, line: exe, machine: map[string]string{"ASPNETCORE_ENVIRONMENT": "Staging"}, files: []string{`C:\im\appsettings.Staging.json`}}, "",
			[]string{"appsettings.Staging.json (if the program is a generic host with web defaults or a web application)"}, nil},
		{"the service's variables win over the machine's", place{path: base, line: exe, machine: map[string]string{"DOTNET_ENVIRONMENT": "Production"}, service: map[string]string{"dotnet_environment": "Staging"},
			files: []string{`C:\im\appsettings.Staging.json`}}, "", []string{"appsettings.Staging.json"}, nil},
		{"an argument in other letters", place{path: base, line: exe + ` /RELAY:apikey "` + canary + `"`}, "", []string{"the command line of service Svc (Relay:ApiKey)"}, nil},
		{"an argument with two underscores is another key", place{path: base, line: exe + " --Relay__ApiKey=" + canary}, "", nil, nil},
		{"a short switch, which .NET may read", place{path: base, line: exe + " -port=443 --Relay:ApiKey=" + canary}, "",
			[]string{"the command line of service Svc (Relay:ApiKey)"}, []string{"has a short switch"}},
		{"a short switch alone", place{path: base, line: exe + " -v=1"}, "", nil, []string{"has a short switch"}},
		{"a short switch for the key", place{path: base, line: exe + " -k=" + canary}, "", []string{"a short switch in the command line of service Svc, if it stands for Relay:ApiKey"}, []string{"has a short switch"}},
		{"a short switch beside the environment", place{path: base, line: exe + " --environment Staging -v=1", files: []string{`C:\im\appsettings.Staging.json`}}, "",
			[]string{"appsettings.Staging.json"}, []string{"has a short switch"}},
		{"a settings file that the command line names", place{path: base, line: exe + ` --settings D:\im\relay.json`}, "", nil, []string{`names D:\im\relay.json: what that holds is not looked at`}},
		{"one that is looked at", place{path: base, line: exe + ` --config=C:\im\appsettings.json --other appsettings.json`}, "", nil, nil},
		{"a shell with a variable", place{path: base, line: `cmd.exe /c "set Relay__ApiKey=` + canary + `&& C:\im\Svc.exe"`}, "",
			[]string{"the command line of service Svc, which names Relay:ApiKey"}, []string{"started through cmd.exe"}},
		{"another shell", place{path: base, line: `powershell.exe -NoProfile -Command "$env:Relay__ApiKey='` + canary + `'; & 'C:\im\Svc.exe'"`}, "",
			[]string{"the command line of service Svc, which names Relay:ApiKey"}, []string{"started through powershell.exe"}},
		{"a script that names the key", place{path: base, line: `cmd /c "C:\im\run.cmd"`, files: []string{`C:\im\run.cmd`}}, "",
			[]string{`C:\im\run.cmd, which service Svc runs and which names Relay:ApiKey`}, []string{"started through cmd"}},
		{"a script that cannot be read", place{path: base, line: `"C:\im\run.cmd"`}, "", nil, []string{"started through run.cmd"}},
		{"a wrapper with a variable", place{path: base, line: `"C:\shawl\shawl.exe" run --env Relay__ApiKey=` + canary + ` -- C:\im\Svc.exe`}, "",
			[]string{"the command line of service Svc, which names Relay:ApiKey"}, []string{"started through shawl.exe"}},
		{"variables that files win over", place{path: base, line: exe, service: map[string]string{"DOTNET_Relay__ApiKey": canary, "ASPNETCORE_Relay__ApiKey": canary}}, "", nil, nil},
		{"an empty variable", place{path: base, line: exe, user: map[string]string{"RELAY:APIKEY": ""}, account: `CORP\svc`}, "", []string{`the account's (CORP\svc) environment variable RELAY:APIKEY`}, nil},
		{"a prefix of the program's own", place{path: base, line: exe, machine: map[string]string{"IM_Relay__ApiKey": canary}}, "",
			[]string{"the machine's environment variable IM_Relay__ApiKey, if the program reads variables behind IM_"}, nil},
		{"a section that ends with the key", place{path: base, line: exe, machine: map[string]string{"Other__Relay__ApiKey": canary}}, "", nil, []string{"behind Other__"}},
		{"a prefix without a mark behind it", place{path: base, line: exe, machine: map[string]string{"IMRelay__ApiKey": canary}}, "", nil, []string{"behind IM"}},
		{"what .NET takes for a setting of the host", place{path: base, line: exe, machine: map[string]string{"DOTNET_Relay__ApiKey": canary}}, "", nil, nil},
		{"two at once are both said", place{path: base, line: exe + " --Relay:ApiKey=" + canary, files: []string{`C:\im\Svc.settings.json`}}, "",
			[]string{"Svc.settings.json", "the command line of service Svc (Relay:ApiKey)"}, nil},
		{"a new machine variable is not seen by the service before the host restarts", place{path: base, line: exe, machine: map[string]string{"DOTNET_ENVIRONMENT": "Staging"}, booted: day(1), changed: day(2),
			files: []string{`C:\im\appsettings.Production.json`}}, "", []string{"appsettings.Production.json"}, nil},
		{"another content root", place{path: base, line: exe + ` --contentRoot D:\conf`, files: []string{`D:\conf\appsettings.json`}}, "", []string{`D:\conf\appsettings.json`}, nil},
		{"a program of another folder", place{path: base, line: `C:\im\2.0\Svc.exe`, files: []string{`C:\im\2.0\appsettings.json`}}, "", []string{`C:\im\2.0\appsettings.json`}, nil},
		{"a program of another folder without settings", place{path: base, line: `C:\im\2.0\Svc.exe`}, "", nil, []string{`looks for its settings in C:\im\2.0`}},
		{"a library that dotnet.exe hosts", place{path: base, line: `"C:\Program Files\dotnet\dotnet.exe" C:\im\Svc.dll`, files: []string{`C:\im\Svc.settings.Production.json`}}, "", []string{"Svc.settings.Production.json"}, nil},
		{"user secrets in development", place{path: base, line: exe + " --environment Development", secrets: []string{`C:\u\secrets.json`}, files: []string{`C:\u\secrets.json`}}, "", []string{`the user secrets C:\u\secrets.json`}, nil},
		{"user secrets elsewhere", place{path: base, line: exe, secrets: []string{`C:\u\secrets.json`}, files: []string{`C:\u\secrets.json`}}, "", nil, nil},
		{"files that the program may read", place{path: base, line: exe, files: []string{`C:\im\custom.json`, `C:\im\secrets.json`, `C:\im\Svc.deps.json`, `C:\im\Svc.runtimeconfig.json`}}, "", nil,
			[]string{"custom.json beside appsettings.json", "secrets.json beside appsettings.json"}},
		{"files of other formats", place{path: base, line: exe, files: []string{`C:\im\relay.yml`, `C:\im\conf\relay.toml`, `C:\im\.env`}}, "", nil,
			[]string{".env beside appsettings.json", `conf\relay.toml beside appsettings.json`, "relay.yml beside appsettings.json"}},
		{"a variable that names a file", place{path: base, line: exe, machine: map[string]string{"IM_CONFIG": `D:\conf\relay.json`, "Other": `D:\conf\none.json`, "PATH": `C:\a.json;D:\conf\relay.json`}, files: []string{`D:\conf\relay.json`}}, "", nil,
			[]string{`the machine's environment variable IM_CONFIG names D:\conf\relay.json, which holds Relay:ApiKey`}},
		{"an account whose variables are not loaded", place{path: base, line: exe, unloaded: true, account: `CORP\svc`}, "", nil, []string{`variables of CORP\svc cannot be read`}},
		{"a declared file that the environment leaves unread", place{path: `C:\im\appsettings.Production.json`, line: exe + " --environment=Staging"}, "",
			[]string{`the name of the environment, "Staging", in which appsettings.Production.json is not read`}, nil},
		{"a declared file of the environment", place{path: `C:\im\appsettings.Production.json`, line: exe, files: []string{base}}, "", nil, nil},
		{"a file with a name of its own", place{path: `C:\im\relay.json`, line: exe, files: []string{`C:\im\relay.Production.json`}}, "", []string{"relay.Production.json"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			key := c.key
			if key == "" {
				key = "Relay:ApiKey"
			}
			f := c.place.judge(t, key)
			if !slices.Equal(f.overrides, c.wins) || f.refused != "" || len(f.mends) != len(c.wins) {
				t.Errorf("%q, %q, %q, want %q", f.overrides, f.refused, f.mends, c.wins)
			}
			if f.changed != !c.place.changed.IsZero() {
				t.Errorf("changed since the host started: %v", f.changed)
			}
			if len(f.doubts) != len(c.doubts) {
				t.Fatalf("doubts %q, want %q", f.doubts, c.doubts)
			}
			for i, words := range c.doubts {
				if !strings.Contains(f.doubts[i], words) {
					t.Errorf("doubt %q, want %q", f.doubts[i], words)
				}
			}
		})
	}
	for _, kind := range []string{"CUSTOM", "SQL", "SQLAZURE", "MYSQL", "POSTGRESQL", "APIHUB", "DOCDB", "EVENTHUB", "NOTIFICATIONHUB", "REDISCACHE", "SERVICEBUS"} {
		name := kind + "CONNSTR_mesh"
		f := place{path: base, line: exe, machine: map[string]string{name: canary}}.judge(t, "ConnectionStrings:Mesh")
		if want := []string{"the machine's environment variable " + name}; !slices.Equal(f.overrides, want) || !strings.Contains(f.mends[0], "restart the host") {
			t.Errorf("%q, %q", f.overrides, f.mends)
		}
	}
}

// The settings file under another name is no override of itself; where that cannot be told, nobody is led to take the key out of it.
func TestTheSameFileUnderAnotherName(t *testing.T) {
	const base = `C:\Program Files\IM\appsettings.json`
	for _, line := range []string{`"\\?\C:\Program Files\IM\Svc.exe"`, `"C:/Program Files/IM/Svc.exe"`, `"C:\Program Files\x\..\IM\.\Svc.exe"`, `"c:\program files\im\svc.exe"`} {
		folder := line[1:strings.LastIndexAny(line, `\/`)]
		f := place{path: base, line: line, files: []string{base, folder + `\appsettings.json`}}.judge(t, "Relay:ApiKey")
		if len(f.overrides) > 0 || len(f.doubts) > 0 {
			t.Errorf("%s: %q, %q", line, f.overrides, f.doubts)
		}
	}
	share := place{path: `\\nas\im\appsettings.json`, line: `"\\?\UNC\nas\im\Svc.exe"`}.judge(t, "Relay:ApiKey")
	if len(share.overrides) > 0 || len(share.doubts) > 0 {
		t.Errorf("a share: %q, %q", share.overrides, share.doubts)
	}
	for _, folder := range []string{`C:\PROGRA~1\IM`, `C:\Program Files\current`} {
		f := place{path: base, line: `"` + folder + `\Svc.exe"`, files: []string{folder + `\appsettings.json`}}.judge(t, "Relay:ApiKey")
		if len(f.mends) != 1 || !strings.Contains(f.mends[0], "take nothing out of it") || strings.Contains(f.mends[0], "take the key out") {
			t.Errorf("%s: %q, %q", folder, f.overrides, f.mends)
		}
	}
	// So it is for every file that is read where the declared one is not: it may lie beside the declared one, and be the weaker.
	for reason, p := range map[string]place{
		"a weaker file in a folder by its short name": {path: `C:\Program Files\IM\appsettings.Production.json`, line: `"C:\PROGRA~1\IM\Svc.exe"`, files: []string{`C:\PROGRA~1\IM\appsettings.json`}},
		"a stronger one":          {path: base, line: `"C:\PROGRA~1\IM\Svc.exe"`, files: []string{`C:\PROGRA~1\IM\appsettings.Production.json`}},
		"a folder that is a link": {path: base, line: `"C:\Program Files\IM\Svc.exe" --contentRoot D:\conf`, files: []string{`D:\conf\appsettings.Production.json`}},
	} {
		f := p.judge(t, "Relay:ApiKey")
		if len(f.mends) != 1 || !strings.Contains(f.mends[0], "take nothing out of it") || !strings.Contains(f.mends[0], "under product") || strings.Contains(f.mends[0], "take the key out") {
			t.Errorf("%s: %q, %q", reason, f.overrides, f.mends)
		}
	}
	f := place{path: base, line: `"C:\Program Files\IM\Svc.exe"`, files: []string{`C:\Program Files\IM\appsettings.Production.json`}}.judge(t, "Relay:ApiKey")
	if len(f.mends) != 1 || !strings.Contains(f.mends[0], "take the key out of that file") {
		t.Errorf("a stronger file beside the declared one: %q", f.mends)
	}
}

// .NET reads all files of a service or none: one that it refuses keeps the service down, be it a weaker one.
func TestABrokenFileBesideIt(t *testing.T) {
	for _, c := range []struct {
		name string
		p    place
		want bool
	}{
		{"a weaker file", place{path: `C:\im\appsettings.Production.json`, broken: `C:\im\appsettings.json`}, true},
		{"a stronger file", place{path: `C:\im\appsettings.json`, broken: `C:\im\appsettings.Production.json`}, true},
		{"a file that is not read", place{path: `C:\im\appsettings.json`, broken: `C:\im\appsettings.Staging.json`}, false},
		{"a file that .NET does not know", place{path: `C:\im\appsettings.json`, broken: `C:\im\custom.json`}, false},
	} {
		c.p.line, c.p.files = `C:\im\Svc.exe`, []string{c.p.broken}
		if f := c.p.judge(t, "Relay:ApiKey"); (f.refused != "") != c.want || len(f.overrides) > 0 {
			t.Errorf("%s: %q %q", c.name, f.refused, f.overrides)
		}
	}
}

// TestInForceAsDotnet takes every recorded case of real hosts: the file of the default environment is called the one in force
// if, and only if, every way of building a service reads the key there.
func TestInForceAsDotnet(t *testing.T) {
	for _, version := range []string{"hosting", "hosting-net8"} {
		f, err := os.Open("../appsettings/testdata/" + version + ".jsonl")
		if err != nil {
			t.Fatal(err)
		}
		type hosted struct {
			Kind, Builder, Exception string
			Env                      [][2]string
			Args                     []string
			RelayAPIKey              string `json:"relay_api_key"`
		}
		cases, order := map[string][]hosted{}, []string{}
		for s := bufio.NewScanner(f); s.Scan(); {
			var c hosted
			if err := json.Unmarshal(s.Bytes(), &c); err != nil {
				t.Fatal(err)
			}
			if c.Kind != "environment" && c.Kind != "precedence" || strings.Contains(c.Builder, "Empty") {
				continue // a program that begins with an empty host reads nothing that can be foreseen
			}
			id := fmt.Sprint(c.Kind, c.Env, c.Args)
			if cases[id] == nil {
				order = append(order, id)
			}
			cases[id] = append(cases[id], c)
		}
		_ = f.Close()
		files := []string{`C:\im\appsettings.json`, `C:\u\secrets.json`}
		for _, name := range []string{"Production", "Staging", "Development", "Custom"} {
			files = append(files, `C:\im\appsettings.`+name+`.json`)
		}
		for _, id := range order {
			all := cases[id]
			p := place{path: `C:\im\appsettings.Production.json`, line: `C:\im\Svc.exe "` + strings.Join(all[0].Args, `" "`) + `"`, files: files,
				secrets: []string{`C:\u\secrets.json`}, service: map[string]string{}}
			for _, v := range all[0].Env {
				if version == "hosting" || v[1] != "" { // .NET 8's way to set a variable to nothing removes it
					p.service[v[0]] = v[1]
				}
			}
			refused := slices.ContainsFunc(all, func(c hosted) bool { return c.RelayAPIKey != "file-Production" })
			if all[0].Exception != "" {
				refused = false // the program would not run with these arguments, so it reads them by itself
			}
			if got := p.judge(t, "Relay:ApiKey"); (len(got.overrides) > 0) != refused || got.refused != "" {
				t.Errorf("%s: %v %v: %q, .NET says otherwise: %v", version, all[0].Env, all[0].Args, got.overrides, refused)
			}
		}
		t.Logf("%s: %d cases", version, len(order))
	}
}
