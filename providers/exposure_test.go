package providers_test

import (
	"strings"
	"testing"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
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

// Each kind of secret has the files looked at that hold it, and the programs that get it, whatever else the document declares.
func TestWhoElseMayReadOrWrite(t *testing.T) {
	read := func(m *machine.Machine, path string) error {
		return m.FS.(*machine.Memory).Set(path, func(i *machine.Info) { i.UsersCanRead = true })
	}
	write := func(m *machine.Machine, path string) error {
		m.Loosen(path, true)
		return nil
	}
	for _, c := range []struct {
		kind, host, path string
		open             func(m *machine.Machine, path string) error
		code             reconciler.FindingID
		says             string
	}{
		{"license", "im-admin", lab.LicenseFile, read, "file-readable", "which holds the license"},
		{"license", "im-engine", lab.LicenseFile, write, "file-writable", "what the product reads"},
		{"relaykey", "relay-01", lab.RelaySettings, read, "file-readable", "which holds the key"},
		{"relaykey", "im-admin", lab.AdminSettings, read, "file-readable", "which holds the key"},
		{"sqllogin", "im-engine", lab.EngineSettings, read, "file-readable", "which holds the connection string"},
		{"serviceaccount", "im-engine", `C:\Program Files\IdentityMesh.Service\IdentityMeshEngine.exe`, write, "program-writable", lab.EngineService},
		{"connector", "im-engine", lab.SecretsCLI, write, "program-writable", "the program of secretscli"},
		{"connector", "im-engine", lab.EngineSettings, write, "file-writable", "what the product reads"},
		{"connector", "im-engine", lab.EngineSettings, read, "file-readable", "which holds the connection string"},
		{"codesigning", "relay-01", lab.RelaySettings, write, "file-writable", "what the product reads"},
		{"codesigning/build", "im-build", lab.BuildScript, write, "program-writable", "the program of the build"},
	} {
		t.Run(c.kind+" "+string(c.code)+" on "+c.host, func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 1, c.kind)
				host := w.lab.Host(c.host)
				if f, ok := aboutHost(w.planned(), c.code, host.Name); ok {
					t.Fatalf("before it: %+v", f)
				}
				if err := c.open(host.Machine, c.path); err != nil {
					t.Fatal(err)
				}
				p := w.planned()
				if f, ok := aboutHost(p, c.code, host.Name); !ok || f.Severity != reconciler.Warning || !strings.Contains(f.Text, c.says) || f.Hint == "" {
					t.Errorf("%+v", p.Fleet)
				}
				if len(p.Blocked()) > 0 {
					t.Errorf("it refuses: %+v", p.Blocked())
				}
			})
		})
	}
}

// Each thing that a host records is told by its own name, and is told alone.
func TestWhatAHostRecords(t *testing.T) {
	for says, set := range map[string]func(m *machine.Machine){
		"command lines (event 4688)":                 func(m *machine.Machine) { m.AuditsCommandLines = true },
		"command lines (Sysmon)":                     func(m *machine.Machine) { m.Sysmon = true },
		"PowerShell's script blocks (event 4104)":    func(m *machine.Machine) { m.SetRecords(machine.Records{Scripts: true}) },
		"calls of PowerShell's modules (event 4103)": func(m *machine.Machine) { m.SetRecords(machine.Records{Modules: true}) },
		"PowerShell's sessions (transcripts)":        func(m *machine.Machine) { m.SetRecords(machine.Records{Transcripts: true}) },
	} {
		t.Run(says, func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 1, "relaykey")
				set(w.relay(1).Machine)
				f, ok := aboutHost(w.planned(), "host-records", w.relay(1).Name)
				if want := w.relay(1).Name + ": the host records " + says; !ok || f.Text != want {
					t.Errorf("%q, want %q", f.Text, want)
				}
			})
		})
	}
}
