package providers_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/appsettings"
	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/providers/winhost"
	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
	"meshrotate/specs"
	"meshrotate/state"
)

// Whatever else gives a service its key, the plan says so before anything is stopped; and what only looks so stops no rotation.
// The lab's services read their configuration as .NET does, so each case also says what the service has after a restart.
func TestEveryLayer(t *testing.T) {
	vendor()
	for _, c := range []struct {
		mishap string
		wins   bool     // over the settings file, in one of the ways in which .NET puts a configuration together
		code   string   // of the finding, "" for none
		says   []string // in it
		hint   string
	}{
		{"argument", true, "setting-overridden", []string{"the command line of service IdentityMeshRelayAgent", "Relay:ApiKey"}, "sc.exe config"},
		{"staging", true, "setting-overridden", []string{"appsettings.Staging.json"}, "settings"},
		{"production", true, "setting-overridden", []string{"appsettings.Production.json"}, "settings"},
		{"unused", false, "", nil, ""},
		{"root", true, "setting-overridden", []string{`IdentityMesh Old\appsettings.json`}, "settings"},
		{"side", true, "setting-overridden", []string{`IdentityMesh Old\appsettings.json`}, "settings"},
		{"own-env", true, "setting-overridden", []string{"the service's environment variable Relay__ApiKey"}, "remove the variable"},
		{"user-env", true, "setting-overridden", []string{"(LocalSystem) environment variable Relay__ApiKey"}, "remove the variable"},
		{"prefix", true, "setting-overridden", []string{"IM_Relay__ApiKey", "behind IM_"}, "remove the variable"},
		{"named", true, "setting-overridden", []string{"IdentityMeshRelayAgent.settings.json"}, "settings"},
		{"secrets", true, "setting-overridden", []string{"the user secrets", "secrets.json"}, "settings"},
		{"wrapped", true, "setting-overridden", []string{"environment variable Relay__ApiKey"}, "remove the variable"},
		{"wrapped-in", true, "setting-overridden", []string{`IdentityMesh Old\appsettings.json`}, "settings"},
		{"winsw", true, "setting-overridden", []string{"environment variable Relay__ApiKey"}, "remove the variable"},
		{"winsw-in", true, "setting-overridden", []string{`IdentityMesh Old\appsettings.json`}, "settings"},
		{"root-env", true, "setting-overridden", []string{`IdentityMesh Old\appsettings.json`}, "settings"},
		{"named-env", true, "setting-overridden", []string{"IdentityMeshRelayAgent.settings.Production.json"}, "settings"},
		{"web-staging", true, "setting-overridden", []string{"appsettings.Staging.json"}, "settings"},
		{"web-root", true, "setting-overridden", []string{`IdentityMesh Old\appsettings.json`}, "settings"},
		{"both-staging", true, "setting-overridden", []string{"appsettings.Staging.json"}, "settings"},
		{"local", false, "setting-doubtful", []string{"appsettings.Local.json", "Relay:ApiKey"}, "before the rotation"},
		{"section", false, "setting-doubtful", []string{"MESH__Relay__ApiKey", "behind MESH__"}, "before the rotation"},
		{"jsonc", false, "setting-doubtful", []string{"appsettings.jsonc", "holds Relay:ApiKey"}, "before the rotation"},
		{"json5", false, "setting-doubtful", []string{"settings.json5", "names Relay:ApiKey"}, "before the rotation"},
		{"config", false, "setting-doubtful", []string{"IdentityMeshRelayAgent.exe.config", "names Relay:ApiKey"}, "before the rotation"},
		{"ini", false, "setting-doubtful", []string{"appsettings.ini", "names Relay:ApiKey"}, "before the rotation"},
		{"yaml", false, "setting-doubtful", []string{"appsettings.yaml", "names Relay:ApiKey"}, "before the rotation"},
		{"xml", false, "setting-doubtful", []string{"appsettings.xml", "names Relay:ApiKey"}, "before the rotation"},
		{"dotenv", false, "setting-doubtful", []string{".env beside", "names Relay:ApiKey"}, "before the rotation"},
		{"subfolder", false, "setting-doubtful", []string{`config\appsettings.json beside`, "holds Relay:ApiKey"}, "before the rotation"},
		{"config-env", false, "setting-doubtful", []string{`the service's environment variable IM_CONFIG names C:\Program Files\IdentityMesh Old\relay.json`, "holds Relay:ApiKey"}, "before the rotation"},
		{"sibling", false, "setting-doubtful", []string{"custom.json", "Relay:ApiKey"}, "before the rotation"},
	} {
		t.Run(c.mishap, func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 2, "relaykey", "license")
				h := w.relay(1)
				if strings.HasPrefix(c.mishap, "web-") || c.mishap == "both-staging" { // which a relay does not read
					h = w.lab.Admin
				}
				w.do(c.mishap, h.Name)
				if c.mishap == "unused" || c.mishap == "section" || c.mishap == "config-env" { // whoever changes how a service is started tries it before others rely on it
					if f, ok := finding(w.planned(), "service-changed"); !ok || f.Severity != reconciler.Error {
						t.Fatalf("%+v", f)
					}
					w.restart(1)
				}
				before := w.starts()
				p, o := w.run()
				f, found := finding(p, c.code)
				refused := found && f.Severity == reconciler.Error
				if found != (c.code != "") || refused != c.wins || len(p.Blocked()) > 0 != c.wins {
					t.Fatalf("%+v, %v", p.Changes, o)
				}
				for _, word := range c.says {
					if !strings.Contains(f.Text, word) || !slices.Contains(f.Hosts, h.Name) {
						t.Errorf("it does not name %q: %+v", word, f)
					}
				}
				if !strings.Contains(f.Hint, c.hint) {
					t.Errorf("hint %q", f.Hint)
				}
				if now := w.starts(); c.wins && !slices.Equal(before, now) {
					t.Errorf("a service was stopped for it: %v, %v", before, now)
				}
				if !c.wins {
					w.converged()
				}
				// Now what the service reads.
				w.restarted(h)
				reads := c.wins && c.mishap != "both-staging" // which wins in a generic host with web defaults, and the lab's Admin is a web application
				if own := w.lab.Keys()[h.Name] != w.lab.Keys()[w.relay(2).Name]; own != reads {
					t.Errorf("after a restart it has another key: %v", own)
				}
				w.do("plain", h.Name)
				w.restarted(h)
				w.converged()
			})
		})
	}
}

// The connection string is looked for in the same places.
func TestTheLayersOfTheConnectionString(t *testing.T) {
	vendor()
	for mishap, where := range map[string]string{"argument": "the command line of service IdentityMeshEngine", "production": "appsettings.Production.json",
		"user-env": "environment variable IdentityMesh__SqlConnectionString", "prefix": "behind IM_", "own-env": "the service's environment variable IdentityMesh__SqlConnectionString"} {
		t.Run(mishap, func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 1, "sqllogin")
				w.do(mishap, "im-engine")
				before := w.starts()
				p, _ := w.run()
				f, ok := finding(p, "setting-overridden")
				if !ok || len(p.Blocked()) == 0 || !strings.Contains(f.Text, where) || !strings.Contains(f.Text, "IdentityMesh:SqlConnectionString") {
					t.Errorf("%+v", p.Changes)
				}
				if now := w.starts(); !slices.Equal(before, now) {
					t.Error("a service was stopped for it")
				}
			})
		})
	}
}

// restart starts a relay's service again.
func (w *world) restart(n int) {
	w.t.Helper()
	w.restarted(w.relay(n))
}

// restarted is a host whose service somebody has restarted by hand.
func (w *world) restarted(h *lab.Host) {
	w.t.Helper()
	m := h.Machine
	for _, step := range []struct {
		do    func(string) error
		state string
	}{{m.Stop, "stopped"}, {m.Start, "running"}} {
		if err := step.do(serviceOf(h)); err != nil {
			w.t.Fatal(err)
		}
		if !m.Await(serviceOf(h), winhost.ServiceState(step.state), time.Minute) {
			w.t.Fatalf("it is not %s", step.state)
		}
	}
}

// A key that lives in a file of the environment is rotated there, on one host or on all.
func TestTheKeyIsRotatedInTheFileThatHasIt(t *testing.T) {
	vendor()
	const production = `C:\Program Files\IdentityMeshRelayAgent\appsettings.Production.json`
	for _, c := range []struct {
		name   string
		mishap string
		on     []int // the relays that have it there
		settle func(w *world)
	}{
		{"on one host", "production", []int{1}, func(w *world) {
			w.doc.Product.Relay.Hosts = map[string]specs.HostComponent{w.relay(1).Name: {Settings: production}}
		}},
		{"on every host", "production", []int{1, 2}, func(w *world) { w.doc.Product.Relay.Settings = production }},
		{"in the file of the program's name", "named", []int{1}, func(w *world) {
			w.doc.Product.Relay.Hosts = map[string]specs.HostComponent{w.relay(1).Name: {Settings: strings.ReplaceAll(production, "appsettings.Production", "IdentityMeshRelayAgent.settings")}}
		}},
		{"for a program that was moved", "side", []int{1}, func(w *world) {
			w.doc.Product.Relay.Hosts = map[string]specs.HostComponent{w.relay(1).Name: {Settings: `C:\Program Files\IdentityMesh Old\appsettings.json`}}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 2, "relaykey", "license")
				for _, n := range c.on {
					w.do(c.mishap, w.relay(n).Name[:len("relay-01")])
				}
				w.refused("setting-overridden", "relay-01")
				c.settle(w)
				if c.mishap == "side" { // whoever moves a program starts it
					w.refused("service-changed", "relay-01")
					w.restart(1)
				}
				base := content(t, w.relay(1), lab.RelaySettings)
				w.converged()
				if err := w.keyWorks(w.kept("relaykey", lab.NewKey), w.old); err != nil {
					t.Error(err)
				}
				if content(t, w.relay(1), lab.RelaySettings) != base {
					t.Error("another file than the declared one was edited")
				}
			})
		})
	}
}

func content(t testing.TB, h *lab.Host, path string) string {
	t.Helper()
	b, _, err := h.Machine.FS.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// The file that is declared must be the one that is read: the name of the environment says so.
func TestADeclaredFileThatIsNotRead(t *testing.T) {
	vendor()
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 2, "relaykey", "license")
		w.do("unused", "relay-01")
		w.doc.Product.Relay.Hosts = map[string]specs.HostComponent{w.relay(1).Name: {Settings: `C:\Program Files\IdentityMeshRelayAgent\appsettings.Production.json`}}
		before := w.starts()
		w.refused("setting-overridden", "relay-01", "appsettings.Production.json is not read", "Staging")
		if now := w.starts(); !slices.Equal(before, now) {
			t.Error("a service was stopped for it")
		}
	})
}

// A variable of the machine reaches services when the host restarts: it is refused before that, and when it has been removed the
// plan says that they may still see it.
func TestTheMachinesEnvironmentReachesServicesAfterARestart(t *testing.T) {
	vendor()
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 2, "relaykey", "license")
		reboot := func() {
			w.relay(1).Reboot(time.Minute)
			time.Sleep(2 * time.Minute)
		}
		look := func(code string) reconciler.Finding {
			s := w.process()
			defer s.close()
			f, _ := finding(s.look().Plan, code)
			return f
		}
		w.do("env", "relay-01")
		if f := look("setting-overridden"); !strings.Contains(f.Text, "the machine's environment variable Relay__ApiKey") || !strings.Contains(f.Hint, "restart the host") {
			t.Errorf("%+v", f)
		}
		w.restart(1)
		if keys := w.lab.Keys(); keys[w.relay(1).Name] != keys[w.relay(2).Name] {
			t.Error("a service saw it before the host was restarted")
		}
		reboot()
		if keys := w.lab.Keys(); keys[w.relay(1).Name] == keys[w.relay(2).Name] {
			t.Error("the host was restarted, and the service does not see it")
		}
		w.do("unenv", "relay-01")
		if f := look("setting-overridden"); f.Text != "" {
			t.Errorf("it is gone: %+v", f)
		}
		if f := look("environment-changed"); !strings.Contains(f.Text, "changed since the host started") || !strings.Contains(f.Hint, "restart the host") {
			t.Errorf("the service still sees it, and nothing is said: %+v", f)
		}
		reboot()
		if f := look("environment-changed"); f.Text != "" {
			t.Errorf("%+v", f)
		}
		w.converged()
	})
}

// Two keys of one service lie in two files: each is rotated in its own, and the service stops once for both.
func TestTwoKeysOfAServiceInTwoFiles(t *testing.T) {
	vendor()
	for _, mode := range []string{"alternating", "single"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w, text := twoFiles(t, mode)
				admin := stops(w.lab.Admin)
				_, o := w.run()
				if o.Err != nil || len(o.With(state.Proven)) != 3 {
					t.Fatal(o)
				}
				if admin.Load() != 1 {
					t.Errorf("Admin was stopped %d times", admin.Load())
				}
				if err := w.keyWorks(w.kept("relaykey", lab.NewKey), w.old); err != nil {
					t.Error(err)
				}
				if stringIn(t, w, adminProduction).Equal(text) || !stringIn(t, w, lab.AdminSettings).Equal(text) {
					t.Error("another file than the declared one was edited")
				}
				w.converged()
			})
		})
	}
}

// When one of the two files cannot be swapped, the other goes back with it.
func TestTwoFilesOfAServiceGoBackTogether(t *testing.T) {
	vendor()
	virtual(t, func(t *testing.T) {
		w, text := twoFiles(t, "alternating")
		var release func()
		when(w.lab.Admin, "service.stop", machine.After, func() {
			var err error
			if release, err = w.lab.Admin.Machine.FS.(*machine.Memory).Hold(adminProduction, machine.ShareRead); err != nil {
				t.Error(err)
			}
		})
		before := content(t, w.lab.Admin, lab.AdminSettings)
		_, o := w.run()
		says(t, o.Err, "appsettings.Production.json")
		if content(t, w.lab.Admin, lab.AdminSettings) != before || !stringIn(t, w, adminProduction).Equal(text) {
			t.Error("a file did not go back")
		}
		if err := w.keyWorks(w.old, ""); err != nil || o.Halted {
			t.Errorf("%v %v", err, o)
		}
		release()
		w.converged()
	})
}

const (
	adminProduction = `C:\Program Files\IdentityMesh\appsettings.Production.json`
	sqlString       = "IdentityMesh:SqlConnectionString"
)

func stringIn(t *testing.T, w *world, path string) secret.Value {
	t.Helper()
	s, err := appsettings.Get([]byte(content(t, w.lab.Admin, path)), sqlString)
	if err != nil || !s.Found {
		t.Fatal(path, err)
	}
	return s.Value
}

// twoFiles is a deployment whose Admin has its connection string in the file of the environment, and the relay key not. The string
// is there twice; the weaker one is read by nobody.
func twoFiles(t *testing.T, mode string) (*world, secret.Value) {
	w := newWorld(t, 2, "license", "relaykey", "sqllogin/"+mode)
	text := stringIn(t, w, lab.AdminSettings)
	file, err := appsettings.Set([]byte(`{"IdentityMesh":{"SqlConnectionString":""}}`), sqlString, text)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.lab.Admin.Machine.FS.Create(adminProduction, file, lab.AdminSettings); err != nil {
		t.Fatal(err)
	}
	w.refused("setting-overridden", "im-admin", "appsettings.Production.json")
	w.restarted(w.lab.Admin) // nobody relies on a file that was never read
	w.doc.Product.Admin.Keys = map[string]string{sqlString: adminProduction}
	return w, text
}
