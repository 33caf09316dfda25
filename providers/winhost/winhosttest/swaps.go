package winhosttest

import (
	"sync"
	"time"

	"meshrotate/providers/winhost"
)

var swapCases = []testCase{
	{
		name:   "swap",
		reason: "one step from the old to the new content, with the old one kept until the proof",
		run: func(w *world) {
			old, content := Content("old"), Content("new")
			w.Write(w.file("a.json"), old)
			before := time.Now().Add(-time.Minute)
			results := w.do(stage(w.path("a.json"), old, content), swap(w.path("a.json"), old, content))
			f := results[1].File
			if results[1].Code != winhost.OK || f.SHA256 != Sum(content) || f.Staged != nil || f.Backup == nil || f.Backup.SHA256 != Sum(old) {
				w.Fatalf("swap: %+v, %+v", results[1], f)
			}
			if f.Modified.Before(before) {
				w.Errorf("modified %v", f.Modified)
			}
			w.wantFile("a.json", content)
			w.wantFile("a.json"+winhost.BackupSuffix, old)
			w.wantFile("a.json"+winhost.StagedSuffix, nil)
		},
	}, {
		name:   "swap again",
		reason: "a run that died after its swap is run again: it is done, its leftovers are resolved, the backup is kept",
		run: func(w *world) {
			old, content := Content("old"), Content("new")
			w.Write(w.file("a.json"), content)
			w.Write(w.file("a.json"+winhost.BackupSuffix), old)
			w.Write(w.file("a.json"+winhost.StagedSuffix), content)
			r := w.one(winhost.Unchanged, swap(w.path("a.json"), old, content))
			if r.File.Staged != nil || r.File.Backup == nil {
				w.Errorf("left %+v", r.File)
			}
			w.one(winhost.Unchanged, swap(w.path("a.json"), old, content))
		},
	}, {
		name:   "swap over an older backup",
		reason: "the backup is that of the last swap, also when nobody discarded the one before",
		run: func(w *world) {
			one, two := Content("one"), Content("two")
			w.Write(w.file("a.json"), one)
			w.Write(w.file("a.json"+winhost.BackupSuffix), Content("zero"))
			w.do(stage(w.path("a.json"), one, two))
			w.one(winhost.OK, swap(w.path("a.json"), one, two))
			w.wantFile("a.json"+winhost.BackupSuffix, one)
		},
	}, {
		name:   "swap against another file",
		reason: "compare-and-swap: between staging and the switch somebody edited the file, or the staged file is not ours",
		run: func(w *world) {
			old, content, other := Content("old"), Content("new"), Content("other")
			w.Write(w.file("a.json"), old)
			w.one(winhost.OK, stage(w.path("a.json"), old, content))
			w.Write(w.file("a.json"), other)
			if r := w.one(winhost.Conflict, swap(w.path("a.json"), old, content)); r.File.SHA256 != Sum(other) {
				w.Errorf("conflict with %+v", r.File)
			}
			w.wantFile("a.json", other)
			w.one(winhost.Conflict, swap(w.path("a.json"), other, old))
			w.one(winhost.Conflict, swap(w.path("a.json"), nil, content))
			w.wantFile("a.json", other)
		},
	}, {
		name:   "swap without stage",
		reason: "a staged file that is gone is an error, never an empty file",
		run: func(w *world) {
			old := Content("old")
			w.Write(w.file("a.json"), old)
			if r := w.one(winhost.NotFound, swap(w.path("a.json"), old, Content("new"))); r.Win32 != 2 {
				w.Errorf("%+v", r)
			}
			w.wantFile("a.json", old)
		},
	}, {
		name:   "restore",
		reason: "undo until the proof has passed: the file as it was, and the new content gone",
		run: func(w *world) {
			old, content := Content("old"), Content("new")
			w.Write(w.file("a.json"), old)
			w.do(stage(w.path("a.json"), old, content), swap(w.path("a.json"), old, content))
			undo := &winhost.FileRestore{Path: w.path("a.json"), Expect: Sum(content), Backup: Sum(old)}
			w.one(winhost.OK, undo)
			w.wantFile("a.json", old)
			w.wantFile("a.json"+winhost.BackupSuffix, nil)
			w.wantFile("a.json"+winhost.StagedSuffix, nil)
			w.one(winhost.Unchanged, undo)
		},
	}, {
		name:   "restore a lost file",
		reason: "a replace that died half-way (1177) leaves the old content in the backup only",
		run: func(w *world) {
			old := Content("old")
			w.Write(w.file("a.json"+winhost.BackupSuffix), old)
			w.one(winhost.OK, &winhost.FileRestore{Path: w.path("a.json"), Backup: Sum(old)})
			w.wantFile("a.json", old)
			w.wantFile("a.json"+winhost.BackupSuffix, nil)
		},
	}, {
		name:   "restore against another file",
		reason: "undo, too, must not overwrite what somebody else wrote, nor restore what is not ours",
		run: func(w *world) {
			old, content, other := Content("old"), Content("new"), Content("other")
			w.Write(w.file("a.json"), other)
			w.Write(w.file("a.json"+winhost.BackupSuffix), old)
			w.one(winhost.Conflict, &winhost.FileRestore{Path: w.path("a.json"), Expect: Sum(content), Backup: Sum(old)})
			w.one(winhost.Conflict, &winhost.FileRestore{Path: w.path("a.json"), Expect: Sum(other), Backup: Sum(content)})
			w.one(winhost.NotFound, &winhost.FileRestore{Path: w.path("b.json"), Backup: Sum(old)})
			w.wantFile("a.json", other)
			w.wantFile("a.json"+winhost.BackupSuffix, old)
		},
	}, {
		name:   "restore what was never replaced",
		reason: "somebody edits the file before the swap, which is refused: there is nothing to put back, and their edit stays",
		run: func(w *world) {
			old, content, other := Content("old"), Content("new"), Content("other")
			w.Write(w.file("a.json"), old)
			w.do(stage(w.path("a.json"), old, content))
			w.Write(w.file("a.json"), other)
			w.one(winhost.Conflict, swap(w.path("a.json"), old, content))
			w.one(winhost.Unchanged, &winhost.FileRestore{Path: w.path("a.json"), Expect: Sum(content), Backup: Sum(old)})
			w.wantFile("a.json", other)
			w.wantFile("a.json"+winhost.StagedSuffix, content)
		},
	}, {
		name:   "discard",
		reason: "the backup holds the old secret: it goes after the proof, and only if it is the one we mean",
		run: func(w *world) {
			old, content := Content("old"), Content("new")
			w.Write(w.file("a.json"), content)
			w.Write(w.file("a.json"+winhost.BackupSuffix), old)
			w.Write(w.file("a.json"+winhost.StagedSuffix), content)
			w.one(winhost.Conflict, &winhost.FileDiscard{Path: w.path("a.json"), Which: winhost.Backup, SHA256: Sum(content)})
			w.wantFile("a.json"+winhost.BackupSuffix, old)
			w.one(winhost.OK, &winhost.FileDiscard{Path: w.path("a.json"), Which: winhost.Backup, SHA256: Sum(old)})
			w.one(winhost.Unchanged, &winhost.FileDiscard{Path: w.path("a.json"), Which: winhost.Backup, SHA256: Sum(old)})
			w.one(winhost.OK, &winhost.FileDiscard{Path: w.path("a.json"), Which: winhost.Staged})
			w.wantFile("a.json"+winhost.BackupSuffix, nil)
			w.wantFile("a.json"+winhost.StagedSuffix, nil)
			w.wantFile("a.json", content)
		},
	}, {
		name:   "held file",
		reason: "a loaded file cannot be replaced: the answer says sharing, and nothing is lost",
		run: func(w *world) {
			old, content := Content("old"), Content("new")
			w.Write(w.file("a.dll"), old)
			w.one(winhost.OK, stage(w.path("a.dll"), old, content))
			release := w.hold(w.file("a.dll"))
			r := w.one(winhost.Sharing, swap(w.path("a.dll"), old, content))
			if r.Win32 != 32 {
				w.Errorf("%+v", r)
			}
			release()
			w.wantFile("a.dll", old)
			w.wantFile("a.dll"+winhost.StagedSuffix, content)
			w.one(winhost.OK, swap(w.path("a.dll"), old, content))
		},
	}, {
		name:   "held for a moment",
		reason: "scanners and backups open files for a moment: a few tries are worth it",
		run: func(w *world) {
			old, content := Content("old"), Content("new")
			w.Write(w.file("a.dll"), old)
			w.one(winhost.OK, stage(w.path("a.dll"), old, content))
			code := winhost.Sharing
			for try := 0; code == winhost.Sharing && try < 5; try++ { // on a busy machine a moment may be too long
				release := w.hold(w.file("a.dll"))
				var released sync.WaitGroup
				released.Go(func() {
					time.Sleep(100 * time.Millisecond)
					release()
				})
				code = w.do(swap(w.path("a.dll"), old, content))[0].Code
				released.Wait()
			}
			if code != winhost.OK {
				w.Errorf("code %q", code)
			}
			w.wantFile("a.dll", content)
		},
	}, {
		name:   "two sessions",
		reason: "two runs on one host: the mutex makes one of them win, and the other see a conflict",
		run: func(w *world) {
			old := Content("old")
			w.Write(w.file("a.json"), old)
			contents := [][]byte{Content("first"), Content("second")}
			codes := make([]winhost.Code, 2)
			var wg sync.WaitGroup
			sessions := []*winhost.Session{w.session, w.open()}
			for i, s := range sessions {
				wg.Go(func() {
					for codes[i] != winhost.OK && codes[i] != winhost.Conflict {
						results, err := s.Do(w.ctx(), []winhost.Op{stage(w.path("a.json"), old, contents[i]), swap(w.path("a.json"), old, contents[i])})
						if err != nil {
							w.Errorf("session %d: %v", i, err)
							return
						}
						codes[i] = results[1].Code
						if results[1].Code == winhost.Conflict && results[1].File.SHA256 == Sum(old) || results[0].Code == winhost.Sharing {
							codes[i] = "" // the other's staged file is there: again
						} else if results[0].Code == winhost.Conflict {
							codes[i] = winhost.Conflict
						}
					}
				})
			}
			wg.Wait()
			if err := sessions[1].Close(w.ctx()); err != nil {
				w.Error(err)
			}
			winner := 0
			if codes[1] == winhost.OK {
				winner = 1
			}
			if codes[winner] != winhost.OK || codes[1-winner] != winhost.Conflict {
				w.Errorf("codes %q", codes)
			}
			w.wantFile("a.json", contents[winner])
			w.wantFile("a.json"+winhost.BackupSuffix, old)
		},
	},
}
