package providers_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"meshrotate/reconciler"
)

// changedProgram is the finding about a program that was changed since its service started.
func changedProgram(p *reconciler.Plan, host string) (found []reconciler.Finding) {
	for _, c := range p.Changes {
		for _, f := range c.Findings {
			if f.Code == "service-changed" && slices.Contains(f.Hosts, host) && strings.Contains(f.Text, "program ") {
				found = append(found, f)
			}
		}
	}
	return found
}

// An upgrade that is half done: the files lie there, and the process that runs is of the version before. Nobody has tried a start.
func TestAProgramThatNobodyHasStarted(t *testing.T) {
	vendor()
	for name, c := range map[string]struct {
		wrap, file string // how it is started, and which of its files is new
		host       string
	}{
		"Admin's exe":          {"", ".exe", "im-admin"},
		"Engine's library":     {"", ".dll", "im-engine"},
		"a relay's runtime":    {"", ".runtimeconfig.json", "relay-01"},
		"a relay's libraries":  {"", ".deps.json", "relay-01"},
		"what NSSM starts":     {"nssm", ".exe", "relay-01"},
		"what WinSW starts":    {"winsw", ".dll", "im-engine"},
		"what WinSW starts, 2": {"winsw", ".exe", "relay-01"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 2, "relaykey", "license")
				h := w.lab.Host(c.host)
				if c.wrap != "" {
					w.do(map[string]string{"nssm": "wrapped-plain", "winsw": "winsw-plain"}[c.wrap], c.host)
					w.restarted(h)
				}
				time.Sleep(time.Minute)
				if found := changedProgram(w.planned(), h.Name); len(found) > 0 {
					t.Fatalf("before: %+v", found)
				}
				path := h.Settings()[:strings.LastIndexByte(h.Settings(), '\\')+1] + serviceOf(h) + c.file
				if err := h.Write(path, []byte("half an upgrade")); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Minute)
				before := w.starts()
				p, _ := w.run()
				found := changedProgram(p, h.Name)
				if !slices.ContainsFunc(found, func(f reconciler.Finding) bool {
					return f.Severity == reconciler.Error && strings.Contains(f.Text, path)
				}) {
					t.Errorf("%+v", found)
				}
				if !slices.Equal(before, w.starts()) {
					t.Error("a service was stopped for it")
				}
			})
		})
	}
}

// What keeps the time of its last write may be another program, or have other rights: that refuses nothing. Where the start then fails,
// the hint names it.
func TestAProgramThatWasTouched(t *testing.T) {
	vendor()
	for name, broken := range map[string]bool{"the same": false, "another": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 2, "relaykey", "license")
				time.Sleep(time.Minute)
				w.do("reprogram", "im-admin")
				path := `C:\Program Files\IdentityMesh\IdentityMeshAdmin.exe`
				if broken {
					if err := w.lab.Admin.Write(path, []byte("half an upgrade")); err != nil {
						t.Fatal(err)
					}
					if err := w.lab.Admin.Machine.FS.Touch(path, time.Now().Add(-90*24*time.Hour)); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(time.Minute)
				p, o := w.run()
				if found := changedProgram(p, w.lab.Admin.Name); len(found) == 0 || found[0].Severity != reconciler.Warning || !strings.Contains(found[0].Text, path) {
					t.Errorf("%+v", found)
				}
				if !broken {
					if o.Err != nil || len(o.Down) > 0 {
						t.Errorf("%v", o)
					}
					w.converged()
					return
				}
				if hint := reconciler.HintOf(o.Err); !strings.Contains(hint, path) {
					t.Errorf("%v: %s", o.Err, hint)
				}
				if err := w.lab.Admin.Write(path, []byte("MZ")); err != nil {
					t.Fatal(err)
				}
				w.do("start", "im-admin")
				time.Sleep(time.Minute)
				w.converged()
			})
		})
	}
}
