package winhost

import "time"

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
	// LanguageMode is PowerShell's, FullLanguage wherever a session could be opened.
	LanguageMode string `json:"languageMode"`
	// Now is the host's clock, UTC.
	Now time.Time `json:"utcNow,omitzero"`
	// Elevated says whether the session has an administrator's full rights.
	Elevated Answer `json:"elevated"`
}

// EnvironmentRead looks for environment variables that win over settings in a file.
type EnvironmentRead struct {
	// Service adds the service's own environment, "" looks at the machine's only.
	Service string `json:"service"`
	// Keys are configuration keys as .NET writes them, such as "Some:Setting".
	Keys []string `json:"keys"`
}

// Environment is what was found. Values of the variables stay on the host.
//
// A variable in the machine's environment reaches a service when the host restarts, and a new process at once; one in
// the service's environment reaches it at its next start.
type Environment struct {
	Machine Variables `json:"machine"`
	Service Variables `json:"service"`
}

// Variables are those of one place.
type Variables struct {
	// Overrides are the names that win over a key asked for, in any case, with "__" or ":".
	Overrides []string `json:"overrides"`
	// Prefixed are such names behind DOTNET_ or ASPNETCORE_, which the host's own configuration reads.
	Prefixed []string `json:"prefixed"`
	// DotnetEnvironment and AspnetcoreEnvironment are the values of DOTNET_ENVIRONMENT and ASPNETCORE_ENVIRONMENT, ""
	// when they are not set. They choose appsettings.<environment>.json.
	DotnetEnvironment     string `json:"dotnetEnvironment"`
	AspnetcoreEnvironment string `json:"aspnetcoreEnvironment"`
}

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
