package license_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/reconciler/rotationtest"
)

func TestWork(t *testing.T) {
	for _, c := range []struct {
		reason string
		scene  func() *scene
		status reconciler.Status
		yes    [][2]string
		no     [][2]string
	}{
		{"nothing to do", done, reconciler.AsDeclared, nil, nil},
		{"a new file: Admin reloads, Engine restarts", newScene, reconciler.Rotate,
			[][2]string{{"stage", admin}, {"swap", engine}, {"call /api/license/reload", ""}, {"stop IdentityMeshEngine", engine}, {"prove /api/license", ""}, {"prove file", admin}, {"prove process", engine}, {"discard", admin}},
			[][2]string{{"stop IdentityMeshAdmin", admin}}},
		{"no API: both restart", func() *scene { s := newScene(); s.doc.Connect.AdminAPI.URL = ""; return s }, reconciler.Rotate,
			[][2]string{{"stop IdentityMeshAdmin", admin}, {"start IdentityMeshAdmin", admin}, {"stop IdentityMeshEngine", engine}, {"prove process", admin}}, [][2]string{{"call /api/license/reload", ""}, {"await", ""}, {"prove /api/license", ""}}},
		{"Engine on the Admin host: one file, one swap", func() *scene { s := newScene(); s.doc.Hosts.Engine = admin; return s }, reconciler.Rotate,
			[][2]string{{"swap", admin}, {"stop IdentityMeshEngine", admin}}, [][2]string{{"swap", engine}}},
		{"no file yet", func() *scene {
			s := newScene()
			s.files[admin] = &site.FileSeen{Version: site.Absent}
			return s
		}, reconciler.Rotate, [][2]string{{"swap", admin}}, nil},
		{"an empty file", func() *scene {
			s := newScene()
			s.files[engine].Version, s.files[engine].Content = site.Empty, nil
			return s
		}, reconciler.Rotate, [][2]string{{"swap", engine}}, nil},
		{"only Engine has another file", func() *scene { s := done(); s.files[engine].Version = site.Unknown; return s }, reconciler.Rotate, [][2]string{{"swap", engine}}, [][2]string{{"swap", admin}}},
		{"Admin serves another license than its file", func() *scene { s := done(); s.served = until(20); return s }, reconciler.Rotate, [][2]string{{"call /api/license/reload", ""}}, [][2]string{{"swap", admin}, {"stop", engine}}},
		{"Admin's file is there, it serves the license before, and Engine's file is still to come", func() *scene {
			s := done()
			s.served, s.files[engine].Version, s.files[engine].Content = until(20), "2025-11", until(20)
			return s
		}, reconciler.Rotate, [][2]string{{"call /api/license/reload", ""}, {"swap", engine}}, [][2]string{{"swap", admin}}},
		{"Engine started before its file was written", func() *scene {
			s := done()
			s.service["IdentityMeshEngine"].StartedAt = written.Add(-time.Minute)
			return s
		}, reconciler.Rotate, [][2]string{{"stop", engine}, {"start", engine}}, [][2]string{{"swap", engine}}},
		{"Engine is stopped", func() *scene { s := done(); s.service["IdentityMeshEngine"].State = "stopped"; return s }, reconciler.Rotate, [][2]string{{"start", engine}}, nil},
		{"leftovers of an earlier run", func() *scene { s := done(); s.files[admin].Backup = true; return s }, reconciler.Rotate, [][2]string{{"discard", admin}}, [][2]string{{"stop", engine}}},
		{"a start without an outcome must be proven", func() *scene { s := done(); s.history = s.history[:1]; return s }, reconciler.Rotate, [][2]string{{"prove /api/license", ""}, {"prove process", engine}}, [][2]string{{"stop", engine}}},
	} {
		t.Run(c.reason, func(t *testing.T) {
			got := c.scene().plan(t)
			if got.Status != c.status {
				t.Fatalf("it is %s: %s %+v", got.Status, got.Reason, got.Findings)
			}
			has := func(k [2]string) bool {
				return slices.ContainsFunc(rotationtest.Steps(got), func(s reconciler.Step) bool {
					return strings.HasPrefix(s.Op.Key(), k[0]) && s.Op.Target().Name == k[1]
				})
			}
			for _, k := range c.yes {
				if !has(k) {
					t.Errorf("no step %q on %q", k[0], k[1])
				}
			}
			for _, k := range c.no {
				if has(k) {
					t.Errorf("a step %q on %q", k[0], k[1])
				}
			}
			if got.Reason == "" {
				t.Error("no reason")
			}
		})
	}
}
