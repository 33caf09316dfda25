package winhosttest

import (
	"slices"
	"strings"
	"time"

	"meshrotate/providers/winhost"
)

var exposureCases = []testCase{
	{
		name:   "what is left beside a file",
		reason: "an old copy of a secret is a secret: it is named, and its content stays where it is",
		run: func(w *world) {
			left := []string{"a.json.bak", "a.json.old", "a - Copy.json", "a.json.20260102", "a.tmp", "a.json~"}
			for _, name := range append([]string{"a.json", "b.json", "a.dll", "abc.json", "a.json.meshrotate-old", "b.json.bak"}, left...) {
				w.Write(w.file(name), Content(name))
			}
			transcript := "PowerShell_transcript.HOST." + w.file("x.txt")
			w.Write(transcript, Content("x"))
			e := w.one(winhost.OK, &winhost.Exposure{Path: w.path("a.json")}).Exposed
			var names []string
			for _, l := range e.Left {
				names = append(names, l.Name)
				if age := time.Since(l.Changed); age < -time.Minute || age > time.Hour || l.UsersCanRead == "" {
					w.Errorf("%+v", l)
				}
			}
			for _, name := range left {
				if !slices.Contains(names, w.file(name)) {
					w.Errorf("no %s among %q", name, names)
				}
			}
			if e.Readable != winhost.Yes && e.Readable != winhost.No {
				w.Errorf("who may read it: %q", e.Readable)
			}
			if len(names) != len(left)+1 || !slices.Contains(names, transcript) {
				w.Errorf("%q", names)
			}
		},
	}, {
		name:   "the program of a service",
		reason: "a path with a blank and no quotes lets Windows start another program; whoever may change the program is the service",
		run: func(w *world) {
			for service, want := range map[string]winhost.Exposed{
				QuickService: {Program: `C:\svc\service.exe`, Unquoted: winhost.No},
				BlankService: {Program: `C:\svc\mr blank\service.exe`, Unquoted: winhost.Yes},
				"mr-none":    {Unquoted: winhost.No},
			} {
				e := w.one(winhost.OK, &winhost.Exposure{Service: service}).Exposed
				if !strings.HasSuffix(e.Program, want.Program) || e.Unquoted != want.Unquoted || len(e.Left) > 0 || len(e.Unknown) > 0 {
					w.Errorf("%s: %+v", service, e)
				}
				for _, a := range []winhost.Answer{e.Scripts, e.Modules, e.Transcripts, e.CommandLines, e.Sysmon} {
					if a != winhost.Yes && a != winhost.No {
						w.Errorf("%s: %+v", service, e)
					}
				}
			}
		},
	}, {
		name:   "exposure where little is",
		reason: "no file and no folder is an answer, and half a path is none",
		run: func(w *world) {
			e := w.one(winhost.OK, &winhost.Exposure{Path: w.path("none.json")}).Exposed
			if slices.ContainsFunc(e.Left, func(l winhost.OldCopy) bool { return strings.HasPrefix(l.Name, w.file("none")) }) || len(e.Unknown) > 0 || e.Readable != "" {
				w.Errorf("%+v", e)
			}
			if r := w.one(winhost.Failed, &winhost.Exposure{Path: "appsettings.json"}); r.Win32 != 161 {
				w.Errorf("%+v", r)
			}
		},
	},
}
