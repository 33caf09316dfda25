// Package machine is a test double: one Windows machine, as far as a session of meshrotate sees it.
//
// It models a disk with case-insensitive paths, read-only files, open handles and a size; services with the states,
// times and exit codes that Windows gives them, and the logons that they start with; environments; an identity and a clock; and a PowerShell that takes its
// time to start and then answers the frames of package winhost as host.ps1 does. The same table of cases runs against
// it and against the real script. Of access rules it knows whether users may read a file, and whether a session may change a
// file or control a service. It does not model the registry, or anything that PowerShell does by itself.
//
// What a service does when it runs is a Program, which the lab supplies. Faults are data: see Hook.
package machine

import (
	"strings"
	"sync"
	"time"

	"meshrotate/providers/winhost"
)

// Machine is one Windows machine. Set the exported fields before its first use.
type Machine struct {
	// Name is the computer's name. Domain is its DNS domain, "" outside one.
	Name, Domain string
	// GUID is the registry's MachineGuid. Installed is when Windows was installed, zero when that is not known.
	GUID      string
	Installed time.Time
	// FS is the disk.
	FS FS
	// Directory has the accounts that services log on with; nil lets any logon in.
	Directory *Directory
	// Now is the machine's clock, nil means time.Now. Waiting is always real.
	Now func() time.Time
	// PowerShellStart is how long powershell.exe takes before it reads its input.
	PowerShellStart time.Duration
	// SQL signs in to SQL Server from this machine with a connection string; nil: it has no client for that.
	SQL func(text string) winhost.SQLAnswer
	// Port is the number of the error that a connection from this machine to a port of a server meets, 0 for none; nil: nobody listens.
	Port func(server string, port uint16) uint32
	// Hook injects faults, nil injects none. It is called from several goroutines at a time.
	Hook func(Point) Action
	// Record is told what Windows would keep of what happens here, nil keeps nothing. Kind is "4688" for a command
	// line, "4104" for the text of a script, "4103" for what module logging shows of a request, "stderr" for what a
	// process wrote there, "4625" for a logon that was refused. The constant texts are the same string on every machine, so keeping them costs little.
	Record func(kind, text string)

	// AuditsCommandLines lets process auditing record the arguments of programs, Sysmon says that Sysmon is installed.
	AuditsCommandLines, Sysmon bool

	files turns // the script's Global\ mutex

	mu       sync.Mutex
	confined bool // PowerShell is in Constrained Language Mode
	// noStores, noEnvironment: the session may not add to stores of certificates, or change the machine's environment.
	noStores, noEnvironment bool

	barred   map[string]bool              // services that the session may look at, and not control; by lower-case name
	services map[string]*service          // by lower-case name
	rights   map[string]bool              // who may log on as a service, by lower-case name
	machine  map[string]string            // the machine's environment, by the name as it was set
	boot     map[string]string            // what it was at the last boot: services see this one
	accounts map[string]map[string]string // the environments of accounts, by lower-case name
	users    map[string]time.Time         // when they were last changed
	// booted is the last boot, changed the last change of the machine's environment; zero when it is not known.
	booted, changed time.Time
	lastPID         uint32
	scripts         int               // how many were started
	loose           map[string]bool   // files and folders that ordinary users may change, by lower-case path
	records         Records           // of PowerShell
	tools           map[string]placed // by lower-case path
	valued          int               // files with a value that were made for one of them
	programs        map[string]Script // by lower-case path
	builds          turns             // of scripts
	// stores are those of certificates, by lower-case name, and by thumbprint.
	stores map[string]map[string]winhost.StoredCertificate
}

// New is a machine of this name with an empty disk in memory.
func New(name string) *Machine {
	m := &Machine{Name: name}
	m.FS = &Memory{Now: m.now}
	return m
}

func (m *Machine) now() time.Time {
	if m.Now != nil {
		return m.Now()
	}
	return time.Now()
}

func (m *Machine) record(kind, text string) {
	if m.Record != nil {
		m.Record(kind, text)
	}
}

// SetEnvironment changes the machine's environment. A new process sees it at once; services see it after Reboot, for
// they inherit what the service manager read when the machine started. An empty value removes the variable.
func (m *Machine) SetEnvironment(name, value string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.machine, m.changed = with(m.machine, name, value), m.now()
}

// SetAccountEnvironment changes the environment of an account's user, which its services see from their next start on. An empty
// value removes the variable.
func (m *Machine) SetAccountEnvironment(account, name, value string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.accounts == nil {
		m.accounts, m.users = map[string]map[string]string{}, map[string]time.Time{}
	}
	account = strings.ToLower(account)
	m.users[account] = m.now()
	m.accounts[account] = with(m.accounts[account], name, value)
}

// Become makes it another machine, or the same one installed anew: its name and its disk stay.
func (m *Machine) Become(guid string, installed time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.GUID, m.Installed = guid, installed
}

// Whose is its MachineGuid, and when Windows was installed on it.
func (m *Machine) Whose() (guid string, installed time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.GUID, m.Installed
}

// Booted says that the machine has started just now, as it is.
func (m *Machine) Booted() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.boot, m.booted = m.machine, m.now()
}

// Confine puts PowerShell in Constrained Language Mode from its next start on, or out of it.
func (m *Machine) Confine(on bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.confined = on
}

// with is a changed copy: a map that somebody else holds stays as it is.
func with(env map[string]string, name, value string) map[string]string {
	changed := map[string]string{}
	for k, v := range env {
		if !strings.EqualFold(k, name) {
			changed[k] = v
		}
	}
	if value != "" {
		changed[name] = value
	}
	return changed
}

// Expand replaces %NAME% by the machine's variables, and by the folders that Windows sets itself. A name that is not
// set stays as it is, as Windows leaves it.
func (m *Machine) Expand(path string) string {
	var b strings.Builder
	for {
		begin := strings.IndexByte(path, '%')
		if begin < 0 {
			return b.String() + path
		}
		end := strings.IndexByte(path[begin+1:], '%')
		if end < 0 {
			return b.String() + path
		}
		name := path[begin+1 : begin+1+end]
		value, ok := m.variable(name)
		if !ok {
			b.WriteString(path[:begin+1])
			path = path[begin+1:]
			continue
		}
		b.WriteString(path[:begin] + value)
		path = path[begin+end+2:]
	}
}

func (m *Machine) variable(name string) (string, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for k, v := range m.machine {
		if strings.EqualFold(k, name) {
			return v, true
		}
	}
	switch strings.ToLower(name) {
	case "programfiles":
		return `C:\Program Files`, true
	case "programdata", "commonapplicationdata", "allusersprofile":
		return `C:\ProgramData`, true
	case "systemroot", "windir":
		return `C:\Windows`, true
	case "systemdrive":
		return `C:`, true
	case "computername":
		return m.Name, true
	}
	return "", false
}
