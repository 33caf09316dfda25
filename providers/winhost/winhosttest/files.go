package winhosttest

import (
	"bytes"
	"strings"
	"time"

	"meshrotate/providers/winhost"
	"meshrotate/reconciler/secret"
)

var fileCases = []testCase{
	{
		name:   "read",
		reason: "the look at a file is the base of every plan: content, digest, size and time must all be right",
		run: func(w *world) {
			content := Content("read")
			w.Write(w.file("a.json"), content)
			f := w.one(winhost.OK, &winhost.FileRead{Path: w.path("a.json")}).File
			if !f.Exists || f.SHA256 != Sum(content) || f.Size != int64(len(content)) || !f.Content.Equal(secret.New(content)) {
				w.Errorf("read %+v", f)
			}
			if age := time.Since(f.Modified); age < -time.Minute || age > 10*time.Minute {
				w.Errorf("modified %v, %v ago", f.Modified, age)
			}
			if f.ReadOnly || f.Staged != nil || f.Backup != nil {
				w.Errorf("read %+v: nothing of this is so", f)
			}
		},
	}, {
		name:   "read a copy",
		reason: "a copy keeps the time of the file that it was made of: who started in between has not read it",
		run: func(w *world) {
			if w.Age == nil {
				w.Skip("nothing tells a copy here")
			}
			w.Write(w.file("a.json"), Content("one"))
			before := w.one(winhost.OK, &winhost.FileRead{Path: w.path("a.json"), HashOnly: true}).File
			time.Sleep(20 * time.Millisecond) // the grain of clocks
			old := time.Now().Add(-48 * time.Hour)
			w.Write(w.file("a.json"), Content("two"))
			w.Age(w.file("a.json"), old)
			f := w.one(winhost.OK, &winhost.FileRead{Path: w.path("a.json"), HashOnly: true}).File
			if f.Modified.Sub(old).Abs() > 2*time.Second || !f.Changed.After(before.Changed) || f.Changed.Before(before.Modified) {
				w.Errorf("before %v %v, now %v %v", before.Modified, before.Changed, f.Modified, f.Changed)
			}
		},
	}, {
		name:   "read the hash only",
		reason: "a drift run needs no content, so none travels",
		run: func(w *world) {
			content := Content("hash")
			w.Write(w.file("a.json"), content)
			f := w.one(winhost.OK, &winhost.FileRead{Path: w.path("a.json"), HashOnly: true}).File
			if f.SHA256 != Sum(content) || f.Size != int64(len(content)) || !f.Content.IsZero() {
				w.Errorf("read %+v", f)
			}
		},
	}, {
		name:   "read a little",
		reason: "a small file that somebody replaced by a huge one is told apart, and does not travel",
		run: func(w *world) {
			content := Content("little")
			w.Write(w.file("a.json"), content)
			size := int64(len(content))
			results := w.do(&winhost.FileRead{Path: w.path("a.json"), Most: size}, &winhost.FileRead{Path: w.path("a.json"), Most: size - 1})
			for i, travels := range []bool{true, false} {
				if f := results[i].File; !f.Exists || f.SHA256 != Sum(content) || f.Size != size || f.Content.IsZero() == travels {
					w.Errorf("%d: %+v", i, f)
				}
			}
		},
	}, {
		name:   "read what must be",
		reason: "before a service is stopped its file must be one that the run knows: what follows is not tried otherwise",
		run: func(w *world) {
			content := Content("known")
			w.Write(w.file("a.json"), content)
			path, none := w.path("a.json"), w.path("none.json")
			w.one(winhost.OK, &winhost.FileRead{Path: path, HashOnly: true, Any: []string{"", Sum(content)}})
			w.one(winhost.OK, &winhost.FileRead{Path: none, HashOnly: true, Any: []string{""}})
			w.one(winhost.Conflict, &winhost.FileRead{Path: none, HashOnly: true, Any: []string{Sum(content)}})
			w.one(winhost.Conflict, &winhost.FileRead{Path: path, HashOnly: true, Any: []string{}})
			results := w.do(&winhost.FileRead{Path: path, HashOnly: true, Any: []string{Sum(nil), ""}}, &winhost.FileDiscard{Path: path, Which: winhost.Staged})
			if results[0].Code != winhost.Conflict || results[0].File.SHA256 != Sum(content) || results[1].Code != winhost.Skipped {
				w.Errorf("%+v", results)
			}
		},
	}, {
		name:   "make, renew and remove",
		reason: "a small file is a lock: of two that write it in the place of the same one, one wins; and who removes it names it",
		run: func(w *world) {
			one, two, other := Content("one"), Content("two"), Content("other")
			put := func(want winhost.Code, before, after []byte) *winhost.File {
				results, err := w.session.Do(w.ctx(), []winhost.Op{stage(w.path("run.json"), before, after), swap(w.path("run.json"), before, after),
					&winhost.FileDiscard{Path: w.path("run.json"), Which: winhost.Backup}})
				if err != nil {
					w.Fatal(err)
				}
				got := results[2].Code
				if !results[0].Done() {
					got = results[0].Code
				}
				if got != want && !(want == winhost.OK && got == winhost.Unchanged) {
					w.Errorf("put: %+v", results)
				}
				return results[0].File
			}
			put(winhost.OK, nil, one)
			if f := put(winhost.Conflict, nil, other); f.SHA256 != Sum(one) {
				w.Errorf("it does not say what is there: %+v", f)
			}
			put(winhost.OK, one, two)
			put(winhost.Conflict, one, other)
			w.one(winhost.Conflict, &winhost.FileRestore{Path: w.path("run.json"), Expect: Sum(one)})
			w.wantFile("run.json", two)
			w.wantFile("run.json"+winhost.BackupSuffix, nil)
			age := w.do(&winhost.MachineIdentity{}, &winhost.FileRead{Path: w.path("run.json"), HashOnly: true})
			if d := age[0].Machine.Now.Sub(age[1].File.Modified); d < -time.Second || d > 10*time.Minute {
				w.Errorf("by the host's own clock it was written %v ago", d)
			}
			w.one(winhost.OK, &winhost.FileRestore{Path: w.path("run.json"), Expect: Sum(two)})
			w.wantFile("run.json", nil)
		},
	}, {
		name:   "read nothing",
		reason: "a missing file is an answer; an empty file is another one",
		run: func(w *world) {
			w.Write(w.file("empty"), []byte{})
			results := w.do(&winhost.FileRead{Path: w.path("missing")}, &winhost.FileRead{Path: w.path("empty")},
				&winhost.FileRead{Path: w.path("no-folder") + sep(w) + "x"})
			for i, exists := range []bool{false, true, false} {
				f := results[i].File
				if results[i].Code != winhost.OK || f.Exists != exists || f.Content.IsZero() == exists || f.Size != 0 {
					w.Errorf("%d: %+v, %+v", i, results[i], f)
				}
			}
			if results[0].File.SHA256 != "" || results[1].File.SHA256 != Sum(nil) {
				w.Errorf("digests %q and %q", results[0].File.SHA256, results[1].File.SHA256)
			}
		},
	}, {
		name:   "read what a crash left",
		reason: "an earlier run that died left its siblings; this run must find and resolve them",
		run: func(w *world) {
			staged, backup := Content("staged"), Content("the backup")
			w.Write(w.file("a.json"+winhost.StagedSuffix), staged)
			w.Write(w.file("a.json"+winhost.BackupSuffix), backup)
			f := w.one(winhost.OK, &winhost.FileRead{Path: w.path("a.json")}).File
			if f.Exists || f.Staged == nil || *f.Staged != (winhost.Sibling{SHA256: Sum(staged), Size: int64(len(staged))}) ||
				f.Backup == nil || *f.Backup != (winhost.Sibling{SHA256: Sum(backup), Size: int64(len(backup))}) {
				w.Errorf("read %+v", f)
			}
		},
	}, {
		name:   "relative path",
		reason: "a path whose variable is not set must not look like a missing file",
		run: func(w *world) {
			for _, path := range []string{"appsettings.json", `%NoSuchVariable%\appsettings.json`} {
				if r := w.one(winhost.Failed, &winhost.FileRead{Path: path}); r.Win32 != 161 || r.File != nil {
					w.Errorf("%s: %+v", path, r)
				}
			}
		},
	}, {
		name:   "variables in a path",
		reason: "the runbook writes %ProgramData%, and %CommonApplicationData%, which Windows does not know",
		not:    map[Kind]string{Linux: "the function that expands variables is replaced there"},
		run: func(w *world) {
			for _, path := range []string{"%ProgramData%", "%programdata%", "%CommonApplicationData%", "%ProgramFiles%"} {
				if f := w.one(winhost.OK, &winhost.FileRead{Path: path + `\meshrotate\none.key`}).File; f.Exists {
					w.Errorf("%s: %+v", path, f)
				}
			}
		},
	}, {
		name:   "stage",
		reason: "nothing live changes until the switch; staging twice is harmless",
		run: func(w *world) {
			old, content := Content("old"), Content("new")
			w.Write(w.file("a.json"), old)
			r := w.one(winhost.OK, stage(w.path("a.json"), old, content))
			if r.File.SHA256 != Sum(old) || r.File.Staged == nil || r.File.Staged.SHA256 != Sum(content) {
				w.Errorf("staged %+v", r.File)
			}
			w.wantFile("a.json", old)
			w.wantFile("a.json"+winhost.StagedSuffix, content)
			w.one(winhost.Unchanged, stage(w.path("a.json"), old, content))
			w.one(winhost.OK, stage(w.path("a.json"), old, Content("newer")))
			w.wantFile("a.json"+winhost.StagedSuffix, Content("newer"))
		},
	}, {
		name:   "stage where no file is",
		reason: "a first license has no file to replace",
		run: func(w *world) {
			content := Content("first")
			w.one(winhost.OK, stage(w.path("a.key"), nil, content))
			w.one(winhost.OK, swap(w.path("a.key"), nil, content))
			w.wantFile("a.key", content)
			w.wantFile("a.key"+winhost.StagedSuffix, nil)
			w.wantFile("a.key"+winhost.BackupSuffix, nil)
			w.one(winhost.OK, &winhost.FileRestore{Path: w.path("a.key"), Expect: Sum(content)})
			w.wantFile("a.key", nil)
			w.one(winhost.Unchanged, &winhost.FileRestore{Path: w.path("a.key"), Expect: Sum(content)})
		},
	}, {
		name:   "stage against another file",
		reason: "a file that changed since it was read is never overwritten: the plan is stale",
		run: func(w *world) {
			old, other := Content("old"), Content("by an operator")
			w.Write(w.file("a.json"), other)
			r := w.one(winhost.Conflict, stage(w.path("a.json"), old, Content("new")))
			if r.File == nil || r.File.SHA256 != Sum(other) || !r.File.Exists {
				w.Errorf("conflict without what is there: %+v", r.File)
			}
			w.one(winhost.Conflict, stage(w.path("a.json"), nil, Content("new")))
			w.one(winhost.Conflict, stage(w.path("missing.json"), old, Content("new")))
			w.wantFile("a.json"+winhost.StagedSuffix, nil)
			w.wantFile("missing.json"+winhost.StagedSuffix, nil)
		},
	}, {
		name:   "stage in a missing folder",
		reason: "a host without the product is found out before anything changes",
		not:    map[Kind]string{Model: "its disk has no folders"},
		run: func(w *world) {
			r := w.one(winhost.NotFound, stage(w.path("none")+sep(w)+"a.json", nil, Content("new")))
			if r.Win32 != 3 {
				w.Errorf("%+v", r)
			}
		},
	}, {
		name:   "read-only target",
		reason: "somebody set the attribute for a reason; it is refused before the first change",
		run: func(w *world) {
			old, content := Content("old"), Content("new")
			w.Write(w.file("a.json"), old)
			w.one(winhost.OK, stage(w.path("a.json"), old, content))
			w.Lock(w.file("a.json"), true)
			defer w.Lock(w.file("a.json"), false)
			for _, op := range []winhost.Op{
				swap(w.path("a.json"), old, content),
				stage(w.path("a.json"), old, Content("other")),
				&winhost.FileRestore{Path: w.path("a.json"), Expect: Sum(old), Backup: Sum(content)},
			} {
				if r := w.one(winhost.Denied, op); r.Win32 != 5 || !r.File.ReadOnly {
					w.Errorf("%s: %+v", op.Name(), r)
				}
			}
			w.wantFile("a.json", old)
			w.wantFile("a.json"+winhost.BackupSuffix, nil)
		},
	}, {
		name:   "five megabytes",
		reason: "a large file travels both ways without loss, and the two sides do not wait for each other",
		run: func(w *world) {
			content := bytes.Repeat([]byte("\x00\xff\r\n\x1a\xef\xbb\xbf"+Canary), 5<<20/31)
			w.one(winhost.OK, stage(w.path("big.bin"), nil, content))
			w.one(winhost.OK, swap(w.path("big.bin"), nil, content))
			f := w.one(winhost.OK, &winhost.FileRead{Path: w.path("big.bin")}).File
			if !f.Content.Equal(secret.New(content)) || f.SHA256 != Sum(content) {
				w.Errorf("%d bytes came back, not those that were sent", f.Content.Len())
			}
		},
	}, {
		name:   "unusual names",
		reason: "brackets are wildcards to cmdlets, and names are not ASCII everywhere",
		run: func(w *world) {
			content := Content("name")
			for _, name := range []string{"a[1].json", "a 'b' $(c).json", "schlüssel-鍵.json"} {
				w.one(winhost.OK, stage(w.path(name), nil, content))
				w.one(winhost.OK, swap(w.path(name), nil, content))
				w.wantFile(name, content)
			}
		},
	},
}

// sep is the host's path separator.
func sep(w *world) string {
	if strings.Contains(w.Dir, `\`) {
		return `\`
	}
	return "/"
}
