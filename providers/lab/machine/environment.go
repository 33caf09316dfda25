package machine

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"meshrotate/providers/appsettings"
	"meshrotate/providers/winhost"
	"meshrotate/reconciler/secret"
)

// Profile is the folder of an account's user.
func Profile(account string) string {
	if strings.EqualFold(account, "LocalSystem") {
		return `C:\Windows\System32\config\systemprofile`
	}
	return `C:\Users\` + account[strings.LastIndexByte(account, '\\')+1:]
}

// Environment is what the registry holds for a service, or for the machine when service is "". The second result is
// false for a service that is not installed.
func (m *Machine) Environment(service string) (map[string]string, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if service == "" {
		return maps.Clone(m.machine), true
	}
	s := m.services[strings.ToLower(service)]
	if s == nil {
		return nil, false
	}
	return maps.Clone(s.Environment), true
}

// AccountEnvironment is what the registry holds for an account.
func (m *Machine) AccountEnvironment(account string) map[string]string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.accounts[strings.ToLower(account)])
}

// Since says when the machine started, and when its environment was last changed; zero when that is not known.
func (m *Machine) Since() (booted, changed time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.booted, m.changed
}

// Registered is what the registry and the disk hold for a service beside its environment: its command line with the variables
// replaced, "" when it is not installed, and its account.
func (m *Machine) Registered(service string) (commandLine, account string) {
	m.mu.Lock()
	s := m.services[strings.ToLower(service)]
	if s != nil {
		commandLine, account = strings.TrimPrefix(s.ImagePath, kernels), s.Account
	}
	m.mu.Unlock()
	return m.Expand(commandLine), account
}

// kernels is how paths begin for Windows' kernel.
const kernels = `\??\`

// Missing is the program that a command line begins with, where the disk has no such file.
func (m *Machine) Missing(line string) string {
	program, _ := appsettings.Program(m.Expand(strings.TrimPrefix(line, kernels)))
	if !strings.Contains(program, `\`) {
		return ""
	}
	for _, path := range []string{program, program + ".exe"} {
		if _, _, err := m.FS.Read(path); err == nil || errors.Is(err, ErrSharing) {
			return ""
		}
	}
	return program
}

// programFiles are the files of the program that a command line begins with, as far as they are there.
func (m *Machine) programFiles(line string) []winhost.ProgramFile {
	all := []winhost.ProgramFile{}
	program, _ := appsettings.Program(m.Expand(line))
	if !strings.Contains(program, `\`) {
		return all
	}
	name := program
	if end := strings.ToLower(path.Ext(program)); end == ".exe" || end == ".dll" {
		name = program[:len(program)-len(end)]
	}
	for _, end := range []string{".exe", ".dll", ".runtimeconfig.json", ".deps.json"} {
		if _, info, err := m.FS.Read(name + end); err == nil {
			f := winhost.ProgramFile{Path: name + end, Written: info.Modified.UTC(), Changed: info.Changed.UTC()}
			if info.Created.After(info.Modified) {
				f.Written = info.Created.UTC()
			}
			all = append(all, f)
		}
	}
	return all
}

// needs are the services that must run before a service. The machine is locked.
func (m *Machine) needs(s *service) []winhost.Need {
	all := []winhost.Need{}
	for _, name := range s.DependsOn {
		need := winhost.Need{Name: name}
		if d := m.services[strings.ToLower(name)]; d != nil {
			need.Installed, need.State, need.StartMode = true, d.state, d.StartMode
		}
		all = append(all, need)
	}
	return all
}

// Registration is a digest of what the service manager, and a wrapper, keep of a service; "" where there is none.
func (m *Machine) Registration(service string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.services[strings.ToLower(service)]
	if s == nil {
		return ""
	}
	parts := []any{s.ImagePath, s.Account, s.DependsOn, s.Environment}
	if s.Wrapped != nil && !s.Wrapped.ByFile {
		parts = append(parts, *s.Wrapped)
	}
	return fmt.Sprintf("%x", sha256.Sum256(fmt.Append(nil, parts...)))[:12]
}

// Wrapped is what the registry holds of the program that a service's own one starts, nil when that is the program itself.
func (m *Machine) Wrapped(service string) *Wrapped {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s := m.services[strings.ToLower(service)]; s != nil {
		return s.Wrapped
	}
	return nil
}

func (m *Machine) environmentRead(o *winhost.EnvironmentRead) winhost.Result {
	line, account := m.Registered(o.Service)
	started := line
	own, _ := m.Environment(o.Service)
	missing := m.Missing(line)
	w, described := m.Wrapped(o.Service), m.described(line)
	if w != nil && w.ByFile {
		w = nil
	}
	if w != nil {
		if line = m.Expand(w.Line); missing == "" {
			missing = m.Missing(line)
		}
		for name, v := range w.Environment {
			own = with(own, name, v)
		}
	}
	m.mu.Lock()
	e := &winhost.Environment{Account: account, Machine: variables(m.machine), User: variables(m.accounts[strings.ToLower(account)]),
		Service: variables(own), Described: described, Booted: m.booted.UTC(), Changed: m.changed.UTC(), Secrets: []string{}, Beside: []string{}, Missing: missing, Needs: []winhost.Need{}}
	if s := m.services[strings.ToLower(o.Service)]; s != nil {
		e.Needs, e.Registered, e.UserChanged = m.needs(s), s.registered.UTC(), m.users[strings.ToLower(account)].UTC()
	}
	m.mu.Unlock()
	e.Registration = m.Registration(o.Service)
	e.Programs = slices.Concat(m.programFiles(started), m.programFiles(o.Program))
	if w != nil {
		e.Programs = append(e.Programs, m.programFiles(line)...)
		e.Wrapped, e.Folder = true, m.Expand(w.Folder)
	}
	if line != "" {
		e.CommandLine = secret.NewString(line)
	}
	if account != "" {
		e.Secrets = m.UserSecrets(account)
	}
	if o.Path != "" {
		e.Path = m.Expand(o.Path)
		folder := e.Path[:max(strings.LastIndexByte(e.Path, '\\'), 0)] + `\`
		for _, within := range append([]string{""}, winhost.SettingsFolders...) {
			if within != "" {
				within += `\`
			}
			for _, name := range m.FS.Names(strings.TrimSuffix(folder+within, `\`)) {
				if winhost.IsSettings(name) {
					e.Beside = append(e.Beside, within+name)
				}
			}
		}
		slices.Sort(e.Beside)
	}
	return winhost.Result{Code: winhost.OK, Environment: e}
}

// described is the XML file of the name of the program that a command line begins with, "" where there is none.
func (m *Machine) described(line string) string {
	at := strings.Index(strings.ToLower(line), ".exe")
	if at < 0 {
		return ""
	}
	path := strings.TrimPrefix(line[:at], `"`) + ".xml"
	if _, _, err := m.FS.Read(path); err != nil {
		return ""
	}
	return path
}

// UserSecrets are the paths of an account's user secrets, of which a machine has those of one program.
func (m *Machine) UserSecrets(account string) []string {
	path := UserSecretsOf(account)
	if _, _, err := m.FS.Read(path); err != nil {
		return []string{}
	}
	return []string{path}
}

// UserSecretsOf is where they would be.
func UserSecretsOf(account string) string { return Profile(account) + userSecrets }

const userSecrets = `\AppData\Roaming\Microsoft\UserSecrets\` + Secrets + `\secrets.json`

// Secrets names the user secrets of the programs here.
const Secrets = "identitymesh"

func variables(env map[string]string) winhost.Variables {
	v := winhost.Variables{Known: winhost.Yes, Names: slices.Sorted(maps.Keys(env)), Hosting: map[string]string{}, Files: map[string]string{}}
	for name, value := range env {
		if winhost.IsSettingsPath(value) {
			v.Files[name] = value
		}
		if winhost.IsHosting(name) {
			v.Hosting[name] = value
		}
	}
	return v
}
