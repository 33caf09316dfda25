package live

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/encoding/unicode"

	"meshrotate/providers/winhost"
	"meshrotate/reconciler/secret"
)

// What WinSW starts is in an XML file beside it; an XML file of the same name that .NET's compiler wrote says nothing.
func TestWhatWinSWStarts(t *testing.T) {
	const winsw = `<service>
  <id>svc</id><executable>%BASE%\app\App.exe</executable>
  <arguments>--environment Staging</arguments><workingdirectory>data</workingdirectory>
  <env name="Relay__ApiKey" value="` + canary + `"/><env name="DOTNET_CONTENTROOT" value="%BASE%\root"/>
</service>`
	for _, c := range []struct {
		name, described, content string
		line, folder             string
		names                    []string
		unread                   bool
	}{
		{"WinSW", `C:\svc\svc.xml`, winsw, `"C:\svc\app\App.exe" --environment Staging`, `C:\svc\data`, []string{"Relay__ApiKey", "DOTNET_CONTENTROOT"}, false},
		{"another folder by itself", `C:\svc\svc.xml`, `<service><executable>app.exe</executable></service>`, `"C:\svc\app.exe"`, `C:\svc`, nil, false},
		{"the compiler", `C:\svc\svc.xml`, `<?xml version="1.0"?><doc><assembly><name>svc</name></assembly></doc>`, `"C:\svc\svc.exe"`, "", nil, false},
		{"no XML", `C:\svc\svc.xml`, `{}`, `"C:\svc\svc.exe"`, "", nil, true},
		{"a service of another spelling", `C:\svc\svc.xml`, `<service><Executable>app.exe</Executable></service>`, `"C:\svc\svc.exe"`, "", nil, true},
		{"none", "", winsw, `"C:\svc\svc.exe"`, "", nil, false},
	} {
		env := &winhost.Environment{Described: c.described, CommandLine: secret.NewString(`"C:\svc\svc.exe"`)}
		got, unread, err := unwrapped(env, func(ops []winhost.Op) ([]winhost.Result, error) {
			if ops[0].Object() != c.described {
				return []winhost.Result{{Code: winhost.OK, File: &winhost.File{Exists: strings.HasSuffix(ops[0].Object(), `App.exe`)}}, {Code: winhost.OK, Environment: &winhost.Environment{}}}, nil
			}
			return []winhost.Result{{Code: winhost.OK, File: &winhost.File{Exists: true, Content: secret.NewString(c.content)}}}, nil
		})
		if err != nil || (unread != "") != c.unread || string(got.CommandLine.Expose()) != c.line || got.Folder != c.folder || !slices.Equal(got.Service.Names, c.names) {
			t.Errorf("%s: %+v, %s, %v", c.name, got, got.CommandLine.Expose(), err)
		}
		if c.names != nil && got.Service.Hosting["DOTNET_CONTENTROOT"] != `C:\svc\root` {
			t.Errorf("%s: %+v", c.name, got.Service)
		}
		if len(env.Service.Names) > 0 {
			t.Errorf("%s: what was seen was changed", c.name)
		}
	}
}

// A key among the arguments is found however the file is encoded and the arguments are written; what cannot be read is told.
func TestArgumentsOfWinSW(t *testing.T) {
	document := func(declared, arguments string) string {
		return declared + `<service><executable>C:\im\App.exe</executable>` + arguments + `</service>`
	}
	const one = `<arguments>--Relay:ApiKey=` + canary + `</arguments>`
	wide := func(order unicode.Endianness, mark unicode.BOMPolicy) string {
		text, err := unicode.UTF16(order, mark).NewEncoder().String(document(`<?xml version="1.0" encoding="utf-16"?>`, one))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	for name, c := range map[string]struct {
		content string
		code    winhost.Code
		unread  bool
	}{
		"startargument":           {content: document("", `<startargument>--environment=Test</startargument><startargument>--Relay:ApiKey=`+canary+`</startargument>`)},
		"argument":                {content: document("", `<argument>--Relay:ApiKey=`+canary+`</argument>`)},
		"arguments on lines":      {content: document("", "<arguments>\n  --x=1\n  --Relay:ApiKey="+canary+"\n</arguments>")},
		"another root":            {content: `<configuration><executable>App.exe</executable>` + one + `</configuration>`},
		"UTF-16":                  {content: wide(unicode.LittleEndian, unicode.UseBOM)},
		"UTF-16 without a mark":   {content: wide(unicode.LittleEndian, unicode.IgnoreBOM)},
		"UTF-16, the great first": {content: wide(unicode.BigEndian, unicode.UseBOM)},
		"great, without a mark":   {content: wide(unicode.BigEndian, unicode.IgnoreBOM)},
		"UTF-16 in word only":     {content: document(`<?xml version="1.0" encoding="utf-16"?>`, one)},
		"a mark of UTF-8":         {content: "\ufeff" + document(`<?xml version="1.0" encoding="utf-8"?>`, one)},
		"Windows-1252":            {content: document(`<?xml version="1.0" encoding="Windows-1252"?>`, "<name>B\xfcro</name>"+one)},
		"an unknown encoding":     {content: document(`<?xml version="1.0" encoding="x-none"?>`, one), unread: true},
		"an unknown entity":       {content: document("", `<arguments>--Relay:ApiKey=&`+canary+`;</arguments>`), unread: true},
		"cut short":               {content: `<service><executable>App.exe</exec`, unread: true},
		"kept from us":            {code: winhost.Denied, unread: true},
	} {
		env := &winhost.Environment{Path: `C:\im\appsettings.json`, Described: `C:\im\svc.xml`, CommandLine: secret.NewString(`"C:\im\svc.exe"`)}
		f, err := judged("Svc", "Relay:ApiKey", false, env, func(ops []winhost.Op) ([]winhost.Result, error) {
			var results []winhost.Result
			for _, op := range ops {
				result := winhost.Result{Code: winhost.OK, File: &winhost.File{}}
				if op.Object() == env.Described {
					result = winhost.Result{Code: winhost.OK, File: &winhost.File{Exists: true, Content: secret.NewString(c.content)}}
					if c.code != "" {
						result = winhost.Result{Code: c.code}
					}
				}
				results = append(results, result)
			}
			return results, nil
		})
		doubts := strings.Join(f.doubts, "\n")
		if err != nil || len(f.overrides) == 0 == !c.unread || strings.Contains(doubts, `C:\im\svc.xml`) != c.unread {
			t.Errorf("%s: %q, %q, %v", name, f.overrides, f.doubts, err)
		}
		if strings.Contains(doubts, canary) {
			t.Errorf("%s: a value is shown: %s", name, doubts)
		}
	}
}
