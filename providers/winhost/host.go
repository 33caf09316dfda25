package winhost

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"meshrotate/reconciler/secret"
)

// MachineIdentity asks which machine this is.
type MachineIdentity struct{}

// Identity is what a host says about itself.
type Identity struct {
	ComputerName string `json:"computerName"`
	// Domain is the DNS domain, "" outside one.
	Domain string `json:"domain"`
	// MachineGUID is from the registry's 64-bit view. Clones share it: compare it with name and domain.
	MachineGUID string `json:"machineGuid"`
	OSVersion   string `json:"osVersion"`
	PSVersion   string `json:"psVersion"`
	// Installed is when Windows was installed, zero when that is not known. An upgrade in place moves it.
	Installed time.Time `json:"installed,omitzero"`
	// LanguageMode is PowerShell's, FullLanguage wherever a session could be opened.
	LanguageMode string `json:"languageMode"`
	// Now is the host's clock, UTC.
	Now time.Time `json:"utcNow,omitzero"`
}

// EnvironmentRead looks at what a service is started with, which may win over settings in a file.
type EnvironmentRead struct {
	Service string `json:"service"`
	// Path is that of the settings file, "" for none.
	Path string `json:"path"`
	// Program is a command line that the service's program is known to start, "" for none: WinSW's is in a file.
	Program string `json:"program"`
}

// Environment is what was found. Values of variables stay on the host, but for Hosting and Files.
//
// A variable in the machine's environment reaches a service when the host restarts, and a new process at once; one in
// the account's or in the service's environment reaches it at its next start.
type Environment struct {
	// Path is the path asked for, with its variables replaced.
	Path string `json:"path"`
	// Beside are the names of the files of settings (IsSettings) in its folder of at most 1 MB, and, behind that folder's name, in config,
	// conf and settings below it, sorted.
	Beside []string `json:"beside"`
	// CommandLine is how the service is started, with its variables replaced; zero when it is not installed. It may hold
	// a secret, and travels as a blob.
	CommandLine secret.Value `json:"-"`
	// Wrapped says that the service's own program starts another one, as NSSM and srvany do: CommandLine is then that one's, Service
	// has its variables too, and Folder is its working folder, "" for its program's. Described is an XML file of the name of the
	// service's program, beside it: WinSW keeps there what it starts, and .NET's compiler what a program's parts are for.
	Wrapped   bool   `json:"wrapped"`
	Folder    string `json:"folder"`
	Described string `json:"described"`
	// Account is the service's start name. Secrets are the paths of the user secrets that it has (.NET's, for development).
	Account string   `json:"account"`
	Secrets []string `json:"secrets"`
	// Machine is the machine's environment as it is now; User, the account's; Service, the service's own.
	Machine Variables `json:"machine"`
	User    Variables `json:"user"`
	Service Variables `json:"service"`
	// Booted is when the machine started, and Changed when its environment was last written, UTC by its clock. Zero: not known.
	Booted  time.Time `json:"booted,omitzero"`
	Changed time.Time `json:"changed,omitzero"`
	// Missing is a program that starting the service would look for and not find: its own, or the one that starts it; "" where it is
	// there, or nobody can tell.
	Missing string `json:"missing"`
	// Needs are the services without which Windows does not start this one.
	Needs []Need `json:"needs"`
	// Registered is when the service's registration was last written, with what a wrapper keeps there; UserChanged, the account's
	// environment. UTC by the host's clock. Zero: not known.
	Registered  time.Time `json:"registered,omitzero"`
	UserChanged time.Time `json:"userChanged,omitzero"`
	// Registration is a digest of that registration: command line, account, variables, needs, and what a wrapper keeps; "" where there
	// is none. A password is not in it.
	Registration string `json:"registration"`
	// Programs are the files of the service's program, of what a wrapper starts, and of the program that was asked about, as far as they
	// are there: NAME.exe, NAME.dll, NAME.runtimeconfig.json and NAME.deps.json.
	Programs []ProgramFile `json:"programs"`
}

// ProgramFile is a file that a start reads, UTC by the host's clock. Zero: not known.
type ProgramFile struct {
	Path string `json:"path"`
	// Written is when its content was written, or the file was made; Changed, when anything about it was changed, as in File.
	Written time.Time `json:"written,omitzero"`
	Changed time.Time `json:"changed,omitzero"`
}

// Need is a service that another one depends on, or a driver.
type Need struct {
	Name      string       `json:"name"`
	Installed bool         `json:"installed"`
	State     ServiceState `json:"state"`
	StartMode string       `json:"startMode"`
}

// Variables are those of one place.
type Variables struct {
	// Known is no where they cannot be read: an account's, while nothing runs as it.
	Known Answer `json:"known"`
	// Names are all names, sorted.
	Names []string `json:"names"`
	// Hosting are the variables with their values that tell .NET which files to read: ENVIRONMENT, CONTENTROOT and
	// APPLICATIONNAME behind DOTNET_ or ASPNETCORE_. Windows keeps no such variable twice.
	Hosting map[string]string `json:"hosting"`
	// Files are those whose value is the path of a file of settings, with that.
	Files map[string]string `json:"files"`
}

// SettingsFolders are those below a program's folder that are looked into for settings.
var SettingsFolders = []string{"config", "conf", "settings"}

// IsSettings says of a file's name that files of settings end so.
func IsSettings(name string) bool {
	dot := strings.LastIndexByte(name, '.')
	end := strings.ToLower(name[dot+1:])
	return dot >= 0 && slices.Contains([]string{"json", "jsonc", "json5", "config", "ini", "xml", "yaml", "yml", "toml", "env"}, end)
}

var rooted = regexp.MustCompile(`^([A-Za-z]:[\\/]|\\\\)[^<>"|?*;=:\x00-\x1f]{1,240}$`)

// IsSettingsPath says of a variable's value that it belongs into Variables.Files.
func IsSettingsPath(value string) bool { return rooted.MatchString(value) && IsSettings(value) }

var hosting = regexp.MustCompile(`(?i)^(DOTNET|ASPNETCORE)_(ENVIRONMENT|CONTENTROOT|APPLICATIONNAME)$`)

// IsHosting says that Variables.Hosting has a variable of this name.
func IsHosting(name string) bool { return hosting.MatchString(name) }

// LogMark remembers where a log ends now. A log that is not there yet begins at 0.
type LogMark struct {
	Path string `json:"path"`
}

// LogMatch looks for a pattern beyond a mark.
type LogMatch struct {
	Path string `json:"path"`
	// Identity and Offset are what LogMark answered.
	Identity string `json:"identity"`
	Offset   int64  `json:"offset"`
	// Pattern is a regular expression that .NET and Go read alike. It is shown in logs: no secret in it.
	Pattern string `json:"pattern"`
}

// Log is a place in a log, and whether the pattern is beyond it. Lines stay on the host.
type Log struct {
	Exists bool `json:"exists"`
	// Identity tells this file from the one after it: how many bytes of its head were taken, and their SHA-256.
	Identity string `json:"identity"`
	// Offset is the file's length, in bytes.
	Offset int64 `json:"offset"`
	// Rotated says that the file is not the one of the mark, and was searched from its beginning.
	Rotated bool `json:"rotated"`
	Matched bool `json:"matched"`
	// Time is the time at the beginning of the last matching line, as it is written there; "" when there is none.
	Time string `json:"time"`
}

func (o MachineIdentity) Name() string   { return "machine.identity" }
func (o MachineIdentity) Object() string { return "" }
func (o MachineIdentity) Looks() bool    { return true }
func (o EnvironmentRead) Name() string   { return "environment.read" }
func (o EnvironmentRead) Object() string { return o.Service }
func (o EnvironmentRead) Looks() bool    { return true }
func (o LogMark) Name() string           { return "log.mark" }
func (o LogMark) Object() string         { return o.Path }
func (o LogMark) Looks() bool            { return true }
func (o LogMatch) Name() string          { return "log.match" }
func (o LogMatch) Object() string        { return o.Path }
func (o LogMatch) Looks() bool           { return true }
