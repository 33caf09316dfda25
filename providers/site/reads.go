package site

import (
	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
)

// Setting asks for one key of a settings file, as .NET's configuration reads it, and which kept version of the secret
// it holds. Answer: *SettingSeen.
type Setting struct {
	Host, Path string
	// Setting is the configuration key: "Relay:ApiKey".
	Setting string
	// Secret is the secret's name, for matching the live value against kept versions, and the declared one first.
	Secret secret.Ref
	// Service is the service that reads the file: its environment can override it.
	Service string
}

func (r Setting) Target() reconciler.Target { return Host(r.Host) }
func (r Setting) Key() string               { return "setting " + r.Setting + " " + r.Path }

// File asks for a whole file that is a secret's value. Answer: *FileSeen.
type File struct {
	Host, Path string
	Secret     secret.Ref
	// License says that the file is a license, to be read as one.
	License bool
}

func (r File) Target() reconciler.Target { return Host(r.Host) }
func (r File) Key() string               { return "file " + r.Path }

// Service asks for a service's state. Answer: *ServiceSeen.
type Service struct{ Host, Name string }

func (r Service) Target() reconciler.Target { return Host(r.Host) }
func (r Service) Key() string               { return "service " + r.Name }

// Machine asks who the host is. Answer: *MachineSeen.
type Machine struct{ Host string }

func (r Machine) Target() reconciler.Target { return Host(r.Host) }
func (r Machine) Key() string               { return "machine" }

// Relays asks the Admin API for its relays. Answer: *RelaysSeen.
type Relays struct{}

func (Relays) Target() reconciler.Target { return API }
func (Relays) Key() string               { return "relays" }

// License asks the Admin API which license it serves. Answer: *LicenseSeen.
type License struct{}

func (License) Target() reconciler.Target { return API }
func (License) Key() string               { return "license" }

// Value asks the local store about the declared version. Answer: *ValueSeen.
type Value struct {
	Secret secret.Ref
	// License says that the value is a license file, to be read as one.
	License bool
	// PublicKey is the file with the key that signs licenses, "" when none is declared.
	PublicKey string
}

func (r Value) Target() reconciler.Target { return Values }
func (r Value) Key() string               { return "value " + r.Secret.String() }
