package appsettings

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// testdata/hosting.jsonl and hosting-net8.jsonl hold what real hosts of .NET 10 and 8 said is in force, on Linux, where names
// of files have a case: with base, file-NAME and user-secret in appsettings.json, appsettings.NAME.json and the user secrets.
type hostedCase struct {
	ID, Kind, Builder, Exception string
	Env                          [][2]string
	Args                         []string
	EnvironmentName              string  `json:"environment_name"`
	RelayAPIKey                  *string `json:"relay_api_key"`
	OnlyHere                     *string `json:"OnlyHere"`
	From                         string
	Variables                    []string
	Providers                    []provider `json:"providers_first_to_last"`
}

type provider struct {
	Type, Path string
	Prefix     *string
	Chained    []provider
}

func hosted(t *testing.T, file string) []hostedCase {
	t.Helper()
	f, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	var all []hostedCase
	for s := bufio.NewScanner(bytes.NewReader(f)); s.Scan(); {
		var c hostedCase
		if err := json.Unmarshal(s.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	return all
}

// hosts are the builders of the recorded cases.
func hosts(version int) map[string]Host {
	all := map[string]Host{
		"Host.CreateDefaultBuilder":                            Generic,
		"Host.CreateDefaultBuilder + UseWindowsService":        Generic, // it does nothing outside of Windows
		"Host.CreateDefaultBuilder + ConfigureWebHostDefaults": WebDefaults,
		"Host.CreateApplicationBuilder":                        Generic,
		"Host.CreateApplicationBuilder + AddWindowsService":    Generic,
		"Host.CreateEmptyApplicationBuilder":                   empty,
		"WebApplication.CreateBuilder":                         WebApplication,
		"WebApplication.CreateSlimBuilder":                     SlimWebApplication,
		"WebApplication.CreateEmptyBuilder + UseKestrelCore":   empty,
	}
	if version < 10 {
		for name, h := range all {
			h.named = false
			all[name] = h
		}
	}
	return all
}

// TestHostsAsDotnet compares with every recorded case but those of a file that changes while its service runs: services
// are restarted here.
func TestHostsAsDotnet(t *testing.T) {
	for file, version := range map[string]int{"hosting.jsonl": 10, "hosting-net8.jsonl": 8} {
		counts := map[string]int{}
		for _, c := range hosted(t, file) {
			h, known := hosts(version)[c.Builder]
			if c.Builder != "" && !known {
				t.Fatalf("%s %s: no host for %s", file, c.ID, c.Builder)
			}
			counts[c.Kind]++
			p := Process{Args: c.Args, Env: map[string]string{}, Base: `C:\app`, Name: "Hosting", Secrets: []string{`C:\secrets.json`}}
			for _, v := range c.Env {
				if version >= 10 || v[1] != "" { // there a variable cannot be set to nothing: the setter removes it
					p.Env[v[0]] = v[1]
				}
			}
			switch c.Kind {
			case "environment", "precedence", "environment-in-file":
				compareHosted(t, file, h, p, c)
			case "providers":
				compareProviders(t, file, h, p, c)
			case "env-collision":
				env := map[string]string{c.Variables[0]: "a", c.Variables[1]: "b"}
				key := "Relay:ApiKey"
				if strings.Contains(c.Variables[0], "CONN") {
					key = "ConnectionStrings:Mesh"
				}
				if _, _, err := Effective([]Layer{{Name: "env", Env: env}}, key); err == nil {
					t.Errorf("%s %s: either of %v may win, and nothing is said", file, c.ID, c.Variables)
				}
			}
		}
		t.Logf("%s: %v", file, counts)
	}
}

func compareHosted(t *testing.T, file string, h Host, p Process, c hostedCase) {
	t.Helper()
	layers, err := h.Layers(p, "appsettings.json", func(path string) Layer {
		said := map[string]string{
			`C:\app\appsettings.json`: "base", `C:\app\appsettings.Production.json`: "file-Production", `C:\app\appsettings.Staging.json`: "file-Staging",
			`C:\app\appsettings.Development.json`: "file-Development", `C:\app\appsettings.Custom.json`: "file-Custom", `C:\secrets.json`: "user-secret",
		}[path]
		if said == "" {
			return Layer{Missing: true}
		}
		return Layer{Data: []byte(`{"environment":"Staging","Relay":{"ApiKey":"` + said + `"}}`)}
	})
	if (err != nil) != (c.Exception != "") {
		t.Errorf("%s %s: %v, .NET says %q", file, c.ID, err, c.Exception)
	}
	if err != nil {
		return
	}
	if name, err := h.Environment(p); err != nil || name != c.EnvironmentName {
		t.Errorf("%s %s: environment %q, .NET says %q", file, c.ID, name, c.EnvironmentName)
	}
	key, at, err := Effective(layers, "Relay:ApiKey")
	if err != nil || key.Found != (c.RelayAPIKey != nil) || key.Found && string(key.Value.Expose()) != *c.RelayAPIKey {
		t.Errorf("%s %s: %s %v %v: %q %v, .NET says %v from %s", file, c.ID, h.Name, c.Env, c.Args, key.Value.Expose(), err, c.RelayAPIKey, c.From)
	}
	if at >= 0 && kindOf(layers[at]) != strings.SplitN(c.From, "Configuration", 2)[0] {
		t.Errorf("%s %s: from %s, .NET says %s", file, c.ID, layers[at].Name, c.From)
	}
	if c.OnlyHere != nil {
		if s, _, err := Effective(layers, "OnlyHere"); err != nil || string(s.Value.Expose()) != *c.OnlyHere {
			t.Errorf("%s %s: %q, .NET says %q", file, c.ID, s.Value.Expose(), *c.OnlyHere)
		}
	}
}

func kindOf(l Layer) string {
	switch {
	case l.Env != nil:
		return "EnvironmentVariables"
	case l.Args != nil:
		return "CommandLine"
	}
	return "Json"
}

// compareProviders compares the order of all layers.
func compareProviders(t *testing.T, file string, h Host, p Process, c hostedCase) {
	t.Helper()
	layers, err := h.Layers(p, "appsettings.json", func(string) Layer { return Layer{Missing: true} })
	if err != nil {
		t.Fatal(err)
	}
	var have []string
	for _, l := range layers {
		text := kindOf(l)
		switch text {
		case "Json":
			_, text = Split(l.Name)
		case "EnvironmentVariables":
			text += " " + l.Prefix
		}
		have = append(have, text)
	}
	var want []string
	var walk func([]provider)
	walk = func(all []provider) {
		for _, one := range all {
			text := strings.TrimSuffix(one.Type, "ConfigurationProvider")
			switch text {
			case "Chained":
				walk(one.Chained)
				continue
			case "Memory":
				continue // what the builder itself says, of no key of a product
			case "Json":
				text = one.Path
			case "EnvironmentVariables":
				text += " " + *one.Prefix
			}
			want = append(want, text)
		}
	}
	walk(c.Providers)
	if !slices.Equal(have, want) {
		t.Errorf("%s %s: %s\nhave %v\nwant %v", file, c.ID, c.Builder, have, want)
	}
}

func TestContentRoot(t *testing.T) {
	cases := []struct {
		reason string
		args   []string
		env    map[string]string
		want   [5]string // as ServiceHosts
	}{
		{"the program's folder, since a service's working folder is System32", nil, nil, [5]string{`C:\p`, `C:\p`, `C:\p`, `C:\p`, `C:\p`}},
		{"UseWindowsService comes after the arguments", []string{"--contentRoot", `D:\x\`}, nil, [5]string{`D:\x`, `C:\p`, `D:\x`, `C:\p`, `D:\x`}},
		{"below the program's folder", []string{`/contentroot=..\conf`}, nil, [5]string{`C:\conf`, `C:\p`, `C:\conf`, `C:\p`, `C:\conf`}},
		{"only web hosts read these variables", nil, map[string]string{"aspnetcore_contentroot": `D:\x`}, [5]string{`C:\p`, `C:\p`, `D:\x`, `C:\p`, `D:\x`}},
		{"the two prefixes", nil, map[string]string{"ASPNETCORE_CONTENTROOT": `D:\x`, "DOTNET_CONTENTROOT": `D:\y`}, [5]string{`D:\y`, `C:\p`, `D:\x`, `C:\p`, `D:\y`}},
	}
	for _, c := range cases {
		for i, h := range ServiceHosts() {
			if root, err := h.ContentRoot(Process{Base: `C:\p`, Args: c.args, Env: c.env}); err != nil || root != c.want[i] {
				t.Errorf("%s: %s: %s %v, want %s", c.reason, h.Name, root, err, c.want[i])
			}
		}
	}
}

func TestProgram(t *testing.T) {
	cases := []struct {
		line, program string
		args          []string
	}{
		{`"C:\Program Files\X\x.exe" --environment Staging`, `C:\Program Files\X\x.exe`, []string{"--environment", "Staging"}},
		{`C:\Program Files\X\x.exe /Relay:ApiKey v`, `C:\Program Files\X\x.exe`, []string{`Files\X\x.exe`, "/Relay:ApiKey", "v"}},
		{`C:\svc\x.exe`, `C:\svc\x.exe`, []string{}},
		{`C:\svc\x`, `C:\svc\x`, []string{}},
		{`"C:\Program Files\dotnet\dotnet.exe" "C:\my app\x.dll" --a=b`, `C:\my app\x.dll`, []string{"--a=b"}},
		{`x.exe "--Relay:ApiKey=a b" "c""d" \"e\" f\\"g h" "i\\" j\k`, `x.exe`, []string{"--Relay:ApiKey=a b", `c"d`, `"e"`, `f\g h`, `i\`, `j\k`}},
		{`x.exe "" a`, `x.exe`, []string{"", "a"}},
		{"", "", nil},
	}
	for _, c := range cases {
		program, args := Program(c.line)
		if program != c.program || !slices.Equal(args, c.args) {
			t.Errorf("%s: %q %q", c.line, program, args)
		}
	}
}

func TestPrefixesOfTheProgram(t *testing.T) {
	p := Process{Env: map[string]string{"IM_Relay__ApiKey": "prefixed", "Relay__ApiKey": "bare"}, Args: []string{"--Relay:ApiKey=argument"}, Base: `C:\p`}
	for _, c := range []struct {
		prefixes []string
		want     string
	}{{nil, "argument"}, {[]string{"im_"}, "prefixed"}} {
		p.Prefixes = c.prefixes
		layers, err := Generic.Layers(p, "appsettings.json", func(string) Layer { return Layer{Missing: true} })
		if err != nil {
			t.Fatal(err)
		}
		if s, _, err := Effective(layers, "relay:apikey"); err != nil || string(s.Value.Expose()) != c.want {
			t.Errorf("%v: %q %v", c.prefixes, s.Value.Expose(), err)
		}
	}
}

func TestAnArgumentsValueIsNeverShown(t *testing.T) {
	_, err := Generic.Environment(Process{Args: []string{"-Relay:ApiKey=canary-c0ffee"}})
	if err == nil || strings.Contains(err.Error(), "canary") || !strings.Contains(err.Error(), "Relay:ApiKey") {
		t.Error(err)
	}
}
