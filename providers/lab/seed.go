package lab

import (
	"cmp"
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"meshrotate/providers/lab/machine"
	"meshrotate/providers/licensefile"
	"meshrotate/providers/site"
	"meshrotate/providers/values"
	"meshrotate/reconciler/secret"
	"meshrotate/specs"
	"meshrotate/state"
	"meshrotate/state/file"
)

// The lab's secrets: what is live when it starts, and what its document asks for.
const (
	OldKey, NewKey         = "6", "7"
	OldLicense, NewLicense = "2025-11", "2026-11"
	OldLogin, NewLogin     = "11", "12"
	Customer, Tier         = "Contoso Ltd", "Enterprise"
)

// Name is the deployment's, unless another is given.
const Name = "lab"

func (l *Lab) deployment() string { return cmp.Or(l.config.Deployment, Name) }

// SeedRun is the run that the lab's ledger begins with.
const SeedRun = "lab-seed"

// seed writes the product's files and the operator's folder.
func (l *Lab) seed() error {
	key := random(32)
	shape := cmp.Or(l.config.License, LicenseShapes[0])
	old, err := l.LicenseAs(shape, licensefile.License{Customer: Customer, Tier: Tier, Expires: day(20)})
	if err != nil {
		return err
	}
	next, err := l.LicenseAs(shape, licensefile.License{Customer: Customer, Tier: Tier, Expires: day(372)})
	if err != nil {
		return err
	}
	l.install(key, old)
	identity, _, err := values.NewIdentity()
	if err != nil {
		return err
	}
	l.Identity = string(identity.Expose())
	if l.config.Dir == "" {
		return nil
	}
	return l.operator(key, old, next)
}

func day(n int) time.Time {
	return time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, n)
}

// install puts the services and their files on the machines.
func (l *Lab) install(key string, license []byte) {
	program := func(h *Host, settings, service string) string {
		line := programOf(settings, service)
		if path := strings.Trim(line, `"`); h.Machine.Missing(line) != "" {
			_ = h.Machine.FS.Create(path, aProgram, "")
			if m, ok := h.Machine.FS.(*machine.Memory); ok { // it was there before any process, also by a clock that is wrong
				_ = m.Set(path, func(i *machine.Info) { i.Modified, i.Created = day(-400), day(-400) })
			}
		}
		return line
	}
	put := func(h *Host, path, text string) {
		_ = h.Machine.FS.Remove(path)
		_ = h.Machine.FS.Create(path, []byte(text), "")
		if m, ok := h.Machine.FS.(*machine.Memory); ok {
			_ = m.Set(path, func(i *machine.Info) { i.UsersCanRead = false })
		}
	}
	stop := func(d time.Duration) machine.Timing { return machine.Timing{Stop: d} }
	put(l.Admin, AdminSettings, adminSettings(key, l.database.text))
	put(l.Admin, LicenseFile, string(license))
	l.Admin.Machine.Install(machine.Service{Name: AdminService, ImagePath: program(l.Admin, AdminSettings, AdminService), Account: Account, Password: l.domain.old, Program: adminProgram{l}, Timing: stop(l.timing.AdminStop)})
	put(l.EngineHost, EngineSettings, engineSettings(l.database.text))
	put(l.EngineHost, LicenseFile, string(license))
	l.EngineHost.Machine.Install(machine.Service{Name: EngineService, ImagePath: program(l.EngineHost, EngineSettings, EngineService), Account: Account, Password: l.domain.old, Program: engineProgram{l}, Timing: stop(l.timing.AdminStop)})
	l.EngineHost.Machine.AuditsCommandLines = l.config.Connectors > 0
	l.SetCLI(CLI{Stdin: true})
	old, _ := Certificates()
	text, connector := relaySettings(key, old.SHA1), string(Connector("1", old))
	l.installBuild(put)
	for _, h := range l.Relays {
		put(h, RelaySettings, text)
		for _, name := range RelayConnectors() {
			put(h, ConnectorFolder+`\`+name, connector)
		}
		h.Machine.Install(machine.Service{Name: RelayService, ImagePath: program(h, RelaySettings, RelayService), Program: relayProgram{l, h}, Timing: stop(l.timing.RelayStop)})
	}
}

// The settings are as people leave them: comments, a byte order mark, CRLF, trailing commas, keys beside ours.
func adminSettings(key, sql string) string {
	return strings.ReplaceAll("\ufeff{\n  // Admin. Change control: CHG-2031\n  \"Logging\": { \"LogLevel\": { \"Default\": \"Information\" } },\n"+
		"  \"IdentityMesh\": {\n    \"Name\": \"contoso-prod\",\n    \"SqlConnectionString\": "+quote(sql)+",\n  },\n"+
		"  \"Relay\": { \"ApiKey\": "+quote(key)+" /* one value for all relays */ },\n  \"Kestrel\": { \"Endpoints\": { \"Https\": { \"Url\": \"https://+:443\" } } },\n}\n", "\n", "\r\n")
}

func engineSettings(sql string) string {
	return "{\r\n  \"IdentityMesh\": {\r\n    \"SqlConnectionString\": " + quote(sql) + "\r\n  }\r\n}\r\n"
}

func relaySettings(key, thumbprint string) string {
	return "{\n\t\"Relay\": {\n\t\t\"AdminUrl\": \"https://im-admin.lab.example\",\n\t\t\"ApiKey\": " + quote(key) + ",\n\t\t\"AcceptedThumbprints\": [\n\t\t\t" +
		quote(thumbprint) + " // until 2027\n\t\t]\n\t}\n}\n"
}

func quote(s string) string {
	b, _ := json.Marshal(s) // a string always marshals
	return string(b)
}

// operator writes what the operator's repository and machine hold: the document, the licenses, the ledger, the kept
// values of what is live.
func (l *Lab) operator(key string, old, next []byte) error {
	dir := l.config.Dir
	public, err := x509.MarshalPKIXPublicKey(&l.license.PublicKey)
	if err != nil {
		return err
	}
	files := map[string]string{
		"meshrotate.yaml":         l.Document(),
		"licenses/2025-11.key":    string(old),
		"licenses/2026-11.key":    string(next),
		"keys/license-vendor.pem": string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})),
		"env":                     l.environment(),
		"keys/sql-server.pem":     string(l.SQLAuthority()),
		".gitignore":              "/env\n/.meshrotate/\n/control.json\n",
	}
	if l.BuildHost != nil {
		file, _, err := l.PFX()
		if err != nil {
			return err
		}
		files[pfxFile] = string(file)
	}
	if l.config.HTTPS {
		files["keys/hosts.pem"] = string(l.hostAuthority.PEM())
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return err
		}
	}
	return l.history(filepath.Join(dir, ".meshrotate"), key, old)
}

// history is the state of an operator who has used meshrotate before.
func (l *Lab) history(dir, key string, old []byte) error {
	ctx := context.Background()
	var err error
	if l.Seal, err = values.SealFrom(nil, values.Config{LookupEnv: func(string) (string, bool) { return l.Identity, true }, Deployment: l.deployment()}); err != nil {
		return err
	}
	store, err := file.Open(dir)
	if err != nil {
		return err
	}
	keep := values.NewKeep(store, l.Seal)
	if err := keep.Put(ctx, secret.Ref{Name: "relaykey", Version: OldKey}, secret.NewString(key)); err != nil {
		return err
	}
	if err := keep.Put(ctx, secret.Ref{Name: "license", Version: OldLicense}, secret.New(old)); err != nil {
		return err
	}
	var entries []state.Entry
	done := func(days int, name, before, version string) {
		e := state.Entry{Time: time.Now().UTC().AddDate(0, 0, -days), Run: SeedRun, By: "lab", Secret: name, Version: version,
			Before: before, Outcome: state.Started, Detail: "seeded by the lab"}
		entries = append(entries, e)
		e.Time, e.Outcome = e.Time.Add(time.Minute), state.Proven
		entries = append(entries, e)
	}
	done(345, "license", "2024-11", OldLicense)
	if l.config.Login != "" {
		c, err := clientOf(l.SQL())
		if err != nil {
			return err
		}
		if err := keep.Put(ctx, secret.Ref{Name: "sqllogin", Version: OldLogin}, secret.NewString(c.Password)); err != nil {
			return err
		}
		done(95, "sqllogin", "10", OldLogin)
	}
	if l.config.Account != "" {
		if err := keep.Put(ctx, secret.Ref{Name: AccountSecret, Version: OldAccount}, secret.NewString(l.domain.old)); err != nil {
			return err
		}
		done(94, AccountSecret, "1", OldAccount)
		e := &entries[len(entries)-1]
		e.Facts = append(e.Facts, site.StoredLogon{Version: OldAccount}.Fact(l.Admin.Name, AdminService), site.StoredLogon{Version: OldAccount}.Fact(l.EngineHost.Name, EngineService))
	}
	if l.config.Connectors > 0 {
		for _, c := range l.connectors {
			name := "connector:" + c.ref
			if err := keep.Put(ctx, secret.Ref{Name: name, Version: OldConnector}, secret.NewString(c.old)); err != nil {
				return err
			}
			done(100, name, "2", OldConnector)
		}
	}
	done(93, "relaykey", "5", OldKey)
	for _, h := range l.Hosts() {
		if service := h.service(); service != "" && h.manager == nil {
			e := &entries[len(entries)-1]
			e.Facts = append(e.Facts, site.StartedWith(h.Name, service, h.Machine.Registration(service))...)
		}
	}
	return store.Append(ctx, entries...)
}

func (l *Lab) environment() string {
	text := fmt.Sprintf("export IM_LAB_PASSWORD='%s'\nexport %s='%s'\n", l.Password, values.DefaultIdentity, secretLine(l.Identity))
	if p, ok := l.Env("IM_LAB_ACCOUNT_PASSWORD"); ok {
		text += fmt.Sprintf("export IM_LAB_ACCOUNT_PASSWORD='%s'\n", p)
	}
	if p, ok := l.Env(pfxEnv); ok {
		text += fmt.Sprintf("export %s='%s'\n", pfxEnv, p)
	}
	for i := range l.config.Connectors {
		text += fmt.Sprintf("export %s%d='%s'\n", connectorEnv, i+1, l.connectors[i].next)
	}
	return text
}

// secretLine is the identity without the comments of its file.
func secretLine(identity string) string {
	for line := range strings.Lines(identity) {
		if s := strings.TrimSpace(line); strings.HasPrefix(s, "AGE-SECRET-KEY-") {
			return s
		}
	}
	return identity
}

// Env looks up what the document reads from the environment.
func (l *Lab) Env(name string) (string, bool) {
	switch name {
	case "IM_LAB_PASSWORD":
		return l.Password, true
	case "IM_LAB_ACCOUNT_PASSWORD":
		return l.domain.next, l.config.Account != ""
	case "IM_LAB_SQL_PASSWORD":
		return l.database.spare, l.config.Login == "external"
	case pfxEnv:
		return l.pfxPassword, l.BuildHost != nil
	case values.DefaultIdentity:
		return secretLine(l.Identity), true
	}
	if n, err := strconv.Atoi(strings.TrimPrefix(name, connectorEnv)); err == nil && strings.HasPrefix(name, connectorEnv) && n > 0 && n <= len(l.connectors) {
		return l.connectors[n-1].next, true
	}
	return "", false
}

// Document is the lab's desired state.
func (l *Lab) Document() string {
	key, license := NewKey, NewLicense
	if l.config.Converged {
		key, license = OldKey, OldLicense
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# A deployment on loopback, made by `meshrotate lab`.\napiVersion: %s\nkind: Deployment\nname: %s\n\nhosts:\n  admin: %s\n  engine: %s\n",
		specs.APIVersion, l.deployment(), l.Admin.Name, l.EngineHost.Name)
	if l.BuildHost != nil {
		fmt.Fprintf(&b, "  build: %s\n", l.BuildHost.Name)
	}
	if n := len(l.Relays); n > 0 {
		first, last := label(RelayName(1, n)), label(RelayName(n, n))
		fmt.Fprintf(&b, "  relays: [\"relay-[%s..%s].lab.example\"]\n", strings.TrimPrefix(first, "relay-"), strings.TrimPrefix(last, "relay-"))
	}
	fmt.Fprintf(&b, "\nsecrets:\n  license:\n    version: \"%s\"\n    from: {file: licenses/%s.key}\n    every: 1y\n", license, license)
	switch l.config.License { // whose signature nobody but the product can check, or which nobody else can read
	case "opaque":
		fmt.Fprintf(&b, "    customer: %s\n    tier: %s\n    expires: \"%s\"\n", Customer, Tier, day(372).Format(time.DateOnly))
	case "json", "xml", "rhino":
	default:
		b.WriteString("    publicKey: keys/license-vendor.pem\n")
	}
	if l.Admin.manager != nil {
		fmt.Fprintf(&b, "    path: '%s'\n", l.Admin.manager.License())
	}
	fmt.Fprintf(&b, "  relayKey:\n    version: %s\n    from: generated\n    every: 90d\n", key)
	b.WriteString(l.loginSection())
	b.WriteString(l.connectorsSection())
	b.WriteString(l.accountSection())
	b.WriteString(l.signingSection())
	if l.Admin.manager != nil {
		b.WriteString("\n" + l.Admin.manager.Product())
		license := l.Admin.manager.License()
		fmt.Fprintf(&b, "\nstate:\n  marker: '%smeshrotate.run.json'\n", license[:strings.LastIndexAny(license, `\/`)+1])
	}
	transport := "http"
	if l.config.HTTPS {
		transport = "https, caFile: keys/hosts.pem"
	}
	fmt.Fprintf(&b, "\nconnect:\n  winrm: {auth: ntlm, transport: %s, user: '%s\\%s',\n          password: {env: IM_LAB_PASSWORD}}\n  adminApi: {url: \"%s\"}\n", transport, Domain, User, l.URL())
	if l.config.Login != "" || l.config.Connectors > 0 {
		b.WriteString(l.sqlSection())
	}
	if l.config.Memory {
		return b.String() // its hosts have no address
	}
	b.WriteString("  hosts:\n")
	for _, h := range l.Hosts() {
		fmt.Fprintf(&b, "    %s: {address: \"%s\"}\n", h.Name, h.Address)
	}
	return b.String()
}

// loginSection is what the document says of the SQL login.
func (l *Lab) loginSection() string {
	version, from, logins := NewLogin, "generated", "login: "+SQLLogin
	switch l.config.Login {
	case "":
		return ""
	case "alternating":
		logins = fmt.Sprintf("logins: [%s, %s]", SQLLogin, SQLSpare)
	case "external":
		from, logins = "{env: IM_LAB_SQL_PASSWORD}", "login: "+SQLSpare
	}
	if l.config.Converged {
		version = OldLogin
	}
	return fmt.Sprintf("  sqlLogin:\n    mode: %s\n    %s\n    version: %s\n    from: %s\n    every: 90d\n", l.config.Login, logins, version, from)
}

func label(name string) string {
	first, _, _ := strings.Cut(name, ".")
	return first
}

func upper(s string) string { return strings.ToUpper(s) }

// installed is when Windows was installed on the lab's machines.
var installed = time.Date(2025, 3, 4, 9, 21, 0, 0, time.UTC)

// guid is a stable machine identity.
func guid(name string) string {
	f := fnv.New64a()
	_, _ = f.Write([]byte(name))
	return fmt.Sprintf("%08x-1ab0-4000-8000-%012x", uint32(f.Sum64()), f.Sum64()>>16)
}
