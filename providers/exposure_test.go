package providers_test

import (
	"strings"
	"testing"

	"meshrotate/providers/lab"
	"meshrotate/reconciler"
	"meshrotate/reconciler/rotationtest"
	"meshrotate/specs"
)

// By what others could come by a secret is told of each host once, whichever secrets are rotated there, and is in nobody's way. What
// is in the files is not told.
func TestExposures(t *testing.T) {
	for _, c := range []struct {
		does, undoes, host string
		code               reconciler.FindingID
		severity           reconciler.Severity
		says               string
	}{
		{"loosen", "tighten", "relay-01", "file-writable", reconciler.Warning, lab.RelaySettings},
		{"plant", "weed", "relay-01", "program-writable", reconciler.Warning, `IdentityMeshRelayAgent: C:\Program Files\IdentityMeshRelayAgent`},
		{"unquote", "quote", "im-admin", "path-unquoted", reconciler.Warning, `C:\Program Files\IdentityMesh\IdentityMeshAdmin.exe`},
		{"leave", "tidy", "im-admin", "file-left", reconciler.Warning, "appsettings.json.bak ("},
		{"record", "unrecord", "relay-02", "host-records", reconciler.Note, "event 4104), calls of PowerShell's modules (event 4103)"},
	} {
		t.Run(c.does, func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 2)
				w.converged()
				host := w.lab.Host(c.host).Name
				if f, ok := aboutHost(w.planned(), c.code, host); ok {
					t.Fatalf("before it: %+v", f)
				}
				w.do(c.does, c.host)
				p := w.planned()
				f, ok := aboutHost(p, c.code, host)
				if !ok || f.Severity != c.severity || !strings.Contains(f.Text, c.says) || f.Hint == "" || !p.Empty() || len(p.Blocked()) > 0 {
					t.Errorf("%+v, %d steps", p.Fleet, len(p.Steps()))
				}
				w.doc.Policy.Silence = []specs.Silence{{Finding: string(c.code), Host: host, Why: "it is known", Until: "2099-12-31"}}
				if f, ok := aboutHost(w.planned(), c.code, host); !ok || f.Severity != reconciler.Silenced {
					t.Errorf("silenced: %+v", f)
				}
				w.doc.Policy.Silence = nil
				w.do(c.undoes, c.host)
				if f, ok := aboutHost(w.planned(), c.code, host); ok {
					t.Errorf("after it: %+v", f)
				}
				rotationtest.Search(t, w.secrets(), w.said())
			})
		})
	}
}

// aboutHost is the one finding of a code about a host: two are none.
func aboutHost(p *reconciler.Plan, code reconciler.FindingID, host string) (found reconciler.Finding, ok bool) {
	for _, f := range p.Fleet {
		if f.Code == code && len(f.Hosts) == 1 && f.Hosts[0] == host {
			if ok {
				return reconciler.Finding{}, false
			}
			found, ok = f, true
		}
	}
	return found, ok
}
