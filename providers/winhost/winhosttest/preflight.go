package winhosttest

import (
	"sync"
	"time"

	"meshrotate/providers/winhost"
)

var preflightCases = []testCase{
	{
		name:   "preflight",
		reason: "what a rotation needs is there: nothing objects, and nothing was changed by asking",
		run: func(w *world) {
			content := Content("a")
			w.Write(w.file("a.json"), content)
			before := w.one(winhost.OK, &winhost.FileRead{Path: w.path("a.json"), HashOnly: true}).File
			t := w.one(winhost.OK, &winhost.Preflight{Service: QuickService, Logon: true, Path: w.path("a.json")}).Trials
			if t.Service != 0 || t.File != 0 || t.Folder != 0 || t.ReadOnly || t.Size != int64(len(content)) || t.Free < 1 {
				w.Errorf("%+v", t)
			}
			after := w.one(winhost.OK, &winhost.FileRead{Path: w.path("a.json"), HashOnly: true}).File
			if !after.Modified.Equal(before.Modified) || !after.Changed.Equal(before.Changed) || after.Staged != nil {
				w.Errorf("it was %+v, and now is %+v", before, after)
			}
			if s := w.one(winhost.OK, &winhost.ServiceQuery{Service: QuickService}).Service; s.State != winhost.Stopped {
				w.Errorf("%+v", s)
			}
		},
	}, {
		name:   "preflight where little is",
		reason: "a service or a file that is not there is an answer",
		run: func(w *world) {
			t := w.one(winhost.OK, &winhost.Preflight{Service: "mr-none", Path: w.path("none.json")}).Trials
			if t.Service != 1060 || t.File != 0 || t.Folder != 0 || t.Size != 0 {
				w.Errorf("%+v", t)
			}
			if t := w.one(winhost.OK, &winhost.Preflight{Service: QuickService}).Trials; *t != (winhost.Trials{Free: -1}) {
				w.Errorf("%+v", t)
			}
			if r := w.one(winhost.Failed, &winhost.Preflight{Path: "appsettings.json"}); r.Win32 != 161 {
				w.Errorf("%+v", r)
			}
		},
	}, {
		name:   "preflight of a build",
		reason: "who may add to the store and change the environment is told so; a store that is not there would be made, and is not by asking",
		run: func(w *world) {
			for _, store := range []string{machineStore, `CurrentUser\MeshrotateNone`} {
				for range 2 {
					if t := w.one(winhost.OK, &winhost.Preflight{Store: store, Machine: true}).Trials; t.Store != 0 || t.Environment != 0 {
						w.Errorf("%s: %+v", store, t)
					}
				}
				if all := w.one(winhost.OK, &winhost.CertificatesRead{Store: store}).Certificates; store != machineStore && len(all) != 0 {
					w.Errorf("%+v", all)
				}
			}
		},
	}, {
		name:   "preflight without a folder",
		reason: "where the product is not installed nothing can be staged",
		not:    map[Kind]string{Model: "its disk has no folders"},
		run: func(w *world) {
			t := w.one(winhost.OK, &winhost.Preflight{Path: w.path("none") + sep(w) + "a.json"}).Trials
			if t.Folder != 2 && t.Folder != 3 || t.File != 0 {
				w.Errorf("%+v", t)
			}
		},
	}, {
		name:   "preflight of a read-only file",
		reason: "the attribute refuses the swap when the service is down already",
		run: func(w *world) {
			w.Write(w.file("a.json"), Content("a"))
			w.Lock(w.file("a.json"), true)
			defer w.Lock(w.file("a.json"), false)
			if t := w.one(winhost.OK, &winhost.Preflight{Path: w.path("a.json")}).Trials; !t.ReadOnly || t.File != 0 {
				w.Errorf("%+v", t)
			}
		},
	}, {
		name:   "preflight of a held file",
		reason: "it would be found when the service is down already",
		run: func(w *world) {
			w.Write(w.file("a.dll"), Content("a"))
			release := w.hold(w.file("a.dll"))
			if t := w.one(winhost.OK, &winhost.Preflight{Path: w.path("a.dll")}).Trials; t.File != 32 || t.Folder != 0 {
				w.Errorf("%+v", t)
			}
			release()
			if t := w.one(winhost.OK, &winhost.Preflight{Path: w.path("a.dll")}).Trials; t.File != 0 {
				w.Errorf("released: %+v", t)
			}
		},
	}, {
		name:   "read a file that somebody keeps for himself",
		reason: "it says who is in the way; for a moment's sake nothing fails",
		run: func(w *world) {
			if w.Keep == nil {
				w.Skip("nothing locks open files here")
			}
			content := Content("a")
			w.Write(w.file("a.json"), content)
			release := w.Keep(w.file("a.json"))
			if r := w.one(winhost.Sharing, &winhost.FileRead{Path: w.path("a.json")}); r.Win32 != 32 {
				w.Errorf("%+v", r)
			}
			release()
			code := winhost.Sharing
			for try := 0; code == winhost.Sharing && try < 5; try++ { // on a busy machine a moment may be too long
				release := w.Keep(w.file("a.json"))
				var released sync.WaitGroup
				released.Go(func() {
					time.Sleep(100 * time.Millisecond)
					release()
				})
				code = w.do(&winhost.FileRead{Path: w.path("a.json")})[0].Code
				released.Wait()
			}
			if code != winhost.OK {
				w.Errorf("code %q", code)
			}
		},
	},
}
