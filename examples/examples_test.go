// Package examples_test plans every example against a lab that looks like it, and reads what the documentation shows.
package examples_test

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"meshrotate/providers"
	"meshrotate/providers/connect"
	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/reconciler/cli"
	"meshrotate/specs"
	"meshrotate/state"
)

var update = flag.Bool("update", false, "write the plans instead of comparing them")

// quick is a lab that hardly waits.
var quick = lab.Timing{PowerShell: time.Millisecond, AdminReady: 50 * time.Millisecond, AdminStop: 20 * time.Millisecond,
	RelayConnect: 30 * time.Millisecond, RelayStop: 20 * time.Millisecond, Heartbeat: 20 * time.Millisecond}

// variants are what is special about the deployment that an example meets.
var variants = map[string]struct {
	reason string
	change func(*lab.Lab)
}{
	"relaykey": {"the document tolerates a relay that is away: it is away", func(l *lab.Lab) { l.Relays[4].Unplug(true) }},
	"serviceaccount": {"the domain is the document's, and the services run as its account", func(l *lab.Lab) {
		const account = `CONTOSO\svc-im`
		_, next := l.AccountPasswords()
		l.Directory().Set(account, next)
		for _, h := range l.Hosts() {
			h.Machine.Allow(account, true)
			for _, service := range []string{lab.AdminService, lab.EngineService} {
				_ = h.Machine.Was(service, func(s *machine.Service) { s.Account, s.Password = account, "" }) // there is one of them
			}
		}
	}},
}

// examples are the folders with a document.
func examples(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("*/meshrotate.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no example was found: %v", err)
	}
	var names []string
	for _, f := range files {
		names = append(names, filepath.Dir(f))
	}
	return names
}

// TestEveryKindHasAnExample demands a folder for each kind of secret, named after its package.
func TestEveryKindHasAnExample(t *testing.T) {
	for _, k := range providers.Kinds() {
		d, err := specs.LoadFile(filepath.Join(k.Name, "meshrotate.yaml"), providers.Sections())
		if err != nil {
			t.Errorf("%s: every kind of secret has an example: %v", k.Name, err)
			continue
		}
		if _, declared := d.Secrets[k.Section.Key]; !declared || len(d.Secrets) != 1 {
			t.Errorf("%s: its example declares secrets.%s and nothing else", k.Name, k.Section.Key)
		}
	}
}

// TestPlans plans every example as an operator does, and compares what is printed.
func TestPlans(t *testing.T) {
	for _, name := range examples(t) {
		t.Run(name, func(t *testing.T) {
			folder, err := filepath.Abs(name)
			if err != nil {
				t.Fatal(err)
			}
			app := deploy(t, folder, variants[name].change)
			for _, o := range []struct{ file, format string }{{"plan.txt", "text"}, {"plan.md", "markdown"}} {
				var out, errs bytes.Buffer
				code := cli.Main(t.Context(), []string{"plan", "-o", o.format}, cli.Stdio{Out: &out, Err: &errs}, app)
				if code != cli.ExitPending {
					t.Fatalf("plan -o %s ended with %d instead of %d\n%s%s", o.format, code, cli.ExitPending, out.Bytes(), errs.Bytes())
				}
				golden(t, filepath.Join(folder, o.file), steady(out.String()))
			}
		})
	}
}

// deploy starts a lab that looks like the deployment of an example, with last year's secrets. It moves the test into
// a copy of the example, so that reports name the document as an operator would.
func deploy(t *testing.T, folder string, change func(*lab.Lab)) cli.App {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, "meshrotate.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	d, err := specs.LoadFile(filepath.Join(folder, "meshrotate.yaml"), providers.Sections())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	login := ""
	if _, declared := d.Secrets["sqlLogin"]; declared {
		login = "alternating"
	}
	account := ""
	if _, declared := d.Secrets["serviceAccounts"]; declared {
		account = "now"
	}
	connectors := 0
	if _, declared := d.Secrets["connectors"]; declared {
		connectors = 2
	}
	l, err := lab.Start(lab.Config{Deployment: d.Name, Relays: len(d.Relays()), Dir: dir, Time: quick, Login: login, Account: account, Connectors: connectors, Build: d.Hosts.Build != ""})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	t.Chdir(t.TempDir())
	write(t, "meshrotate.yaml", text)
	supply(t, l, dir)
	await(t, "everything runs, and all relays are connected", func() bool { return l.Connected() == len(l.Relays) && running(l) })
	if change != nil {
		change(l)
	}
	return app(t, l, dir)
}

// supply puts the files beside the document that it refers to.
func supply(t *testing.T, l *lab.Lab, dir string) {
	t.Helper()
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	license := "licenses/" + lab.NewLicense + ".key"
	write(t, license, read(license))
	for _, key := range []string{"keys/license-vendor.pem", "keys/sql-server.pem"} {
		write(t, key, read(key))
	}
	identity, err := age.ParseX25519Identity(strings.TrimSpace(l.Identity))
	if err != nil {
		t.Fatal(err)
	}
	seal := func(name string, content []byte) {
		var sealed bytes.Buffer
		w, err := age.Encrypt(&sealed, identity.Recipient())
		if err == nil {
			_, err = w.Write(content)
		}
		if err == nil {
			err = w.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		write(t, name, sealed.Bytes())
	}
	seal(license+".age", read(license))
	if l.BuildHost != nil {
		file, _, err := l.PFX()
		if err != nil {
			t.Fatal(err)
		}
		write(t, "signing/2026.pfx", file)
	}
	for i, name := range []string{"ad", "hr-source"} {
		_, next := l.ConnectorSecrets(l.Refs()[i])
		seal("secrets/"+name+".age", []byte(next))
	}
}

// app is the program, with the example's hosts reached where the lab has them and the state where the lab keeps it.
func app(t *testing.T, l *lab.Lab, dir string) cli.App {
	t.Helper()
	there, err := specs.LoadFile(filepath.Join(dir, "meshrotate.yaml"), providers.Sections())
	if err != nil {
		t.Fatal(err)
	}
	on := func(d *specs.Deployment) *specs.Deployment {
		moved := *d
		moved.State.Dir = filepath.Join(dir, there.State.Dir)
		moved.Connect = there.Connect
		if moved.Connect.SQL.Server = d.Connect.SQL.Server; moved.Connect.SQL.Server != "" {
			moved.Connect.SQL.CertificateName = lab.SQLServer
			moved.Connect.SQL.Addresses = map[string]string{lab.SQLServer: l.SQLAddress(), d.Connect.SQL.Server: l.SQLAddress()}
		}
		moved.Connect.Hosts = map[string]specs.HostConnect{}
		for i, h := range d.AllHosts() {
			moved.Connect.Hosts[h] = specs.HostConnect{Address: l.Hosts()[i].Address}
		}
		return &moved
	}
	return cli.App{
		Kinds: providers.Kinds(),
		Open: func(ctx context.Context, d *specs.Deployment, need cli.Need) (*cli.Live, error) {
			d = on(d)
			remembered, err := connect.State(d)
			if err != nil {
				return nil, err
			}
			site, err := connect.Open(ctx, providers.Kinds(), d, connect.Options{Stay: need.Steps, Bound: need.Bound, LookupEnv: environment(l), State: &remembered})
			return &cli.Live{Site: site, State: remembered}, err
		},
		OpenState: func(_ context.Context, d *specs.Deployment) (state.State, error) { return connect.State(on(d)) },
	}
}

// environment is the lab's, where an example has a name of its own for a password.
func environment(l *lab.Lab) func(string) (string, bool) {
	return func(name string) (string, bool) {
		if name == "SVC_IM_PASSWORD" {
			name = "IM_LAB_ACCOUNT_PASSWORD"
		}
		if name == "CODESIGN_PFX_PASSWORD" {
			name = "IM_LAB_PFX_PASSWORD"
		}
		return l.Env(name)
	}
}

// steady takes out of a report what differs from run to run.
func steady(report string) string {
	for _, r := range []struct{ is, becomes, reason string }{
		{`in [0-9.]+ m?s\b`, "in 1.9 s", "how long the look took"},
		{"([Pp]lan `?)[0-9a-f]{8}", "${1}9c1f04d2", "the digest is salted for each deployment"},
		{`expires on 20\d\d-\d\d-\d\d`, "expires on 2026-12-16", "the lab's license is one for some weeks"},
		{`20\d\d-\d\d-\d\d \d\d:\d\d UTC`, "2026-11-24 02:00 UTC", "a saved plan expires a day after it was made"},
		{`(?s)cannot be reached: .*?\[target-unreachable\]`, "cannot be reached: connection refused  [target-unreachable]", "the system's words"},
		{`expires on 20\d\d-\d\d-\d\d`, "expires on 2026-12-16", "the lab's old license lasts for some days from now"},
		{`expires 20\d\d-\d\d-\d\d`, "expires 2027-11-30", "the lab's license lasts for about a year from now"},
	} {
		report = regexp.MustCompile(r.is).ReplaceAllString(report, r.becomes)
	}
	return report
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		write(t, path, []byte(got))
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (go test ./examples -update writes it)", err)
	}
	// A checkout on Windows may have made CRLF of it.
	if text := strings.ReplaceAll(string(want), "\r\n", "\n"); text != got {
		t.Errorf("%s is not what is printed now (go test ./examples -update writes it)\nwant:\n%s\ngot:\n%s", filepath.Base(path), text, got)
	}
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

// running says that Admin and Engine are up.
func running(l *lab.Lab) bool {
	return l.Admin.Machine.Service(lab.AdminService).State == "running" &&
		l.EngineHost.Machine.Service(lab.EngineService).State == "running" && l.Served() != nil
}

func await(t *testing.T, what string, is func() bool) {
	t.Helper()
	for range 1000 {
		if is() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("never: %s", what)
}
