package winhost

import (
	"encoding/binary"
	"errors"
	"time"
	"unicode/utf16"

	"meshrotate/reconciler/secret"
)

// ServiceLogon sets the account that a service runs as from its next start on, and the password that the service manager
// keeps for it. A process that runs goes on as it is. Windows does not try the password here: a wrong one fails the next
// start, with 1069. Without a password it answers Unchanged when the account is set already.
//
// Errors of Windows that are likely: 5 access denied, 87 a name that is none, 1057 an account that does not exist, 1072 a
// service that is about to be deleted.
type ServiceLogon struct {
	Service string `json:"name"`
	// Account is CONTOSO\name, name@contoso.example, .\name, LocalSystem, NT AUTHORITY\NAME or NT SERVICE\NAME.
	Account string `json:"account"`
	// Password is zero for an account that takes none: a managed, a virtual or a built-in one. It travels as a blob.
	Password secret.Value `json:"-"`
}

// LogonTry logs an account on as a service, as the service manager does at a start, and off again: no service is touched. A
// wrong password counts against the account. Windows' refusals: 1326 a wrong name or password, 1385 no right to log on as a
// service, 1909 locked out, 1331 disabled, 1330 and 1907 an expired password, 1311 no domain controller.
type LogonTry struct {
	Account  string       `json:"account"`
	Password secret.Value `json:"-"`
}

// LogonRead looks at how a service logs on, and at whether an account may; "" is the one that it is set to. It tries no password.
type LogonRead struct {
	Service string `json:"name"`
	Account string `json:"account"`
}

// Logon is what a host says of an account and of a service. What cannot be known is "".
type Logon struct {
	// Exists says that the host finds the account.
	Exists Answer `json:"exists"`
	// Right says that it may log on as a service here, by itself or by a group.
	Right Answer `json:"right"`
	// Locked says that it is locked out, or disabled. A host knows this of its own accounts; of a domain's it asks the domain, which says
	// yes or nothing.
	Locked Answer `json:"locked"`
	// Configured says that the service is to run as it, Running that the service's process does.
	Configured Answer `json:"configured"`
	Running    Answer `json:"running"`
	// PasswordSet is when the account got its password, by the clock of who keeps it: this host, or a domain controller. Zero: not known.
	PasswordSet time.Time `json:"passwordSet,omitzero"`
}

func (o ServiceLogon) Name() string   { return "service.logon" }
func (o ServiceLogon) Object() string { return o.Service }
func (o ServiceLogon) Looks() bool    { return false }
func (o LogonTry) Name() string       { return "logon.try" }
func (o LogonTry) Object() string     { return o.Account }
func (o LogonTry) Looks() bool        { return false }
func (o LogonRead) Name() string      { return "logon.read" }
func (o LogonRead) Object() string    { return o.Service }
func (o LogonRead) Looks() bool       { return true }

func (o ServiceLogon) blob() (secret.Value, bool)          { return wide(o.Password) }
func (o LogonTry) blob() (secret.Value, bool)              { return wide(o.Password) }
func (o *ServiceLogon) take(v secret.Value, ok bool) error { return narrow(&o.Password, v, ok) }
func (o *LogonTry) take(v secret.Value, ok bool) error     { return narrow(&o.Password, v, ok) }

// wide is a password as Windows takes it: UTF-16, ended by a zero. So the host need not make another copy of it.
func wide(password secret.Value) (secret.Value, bool) {
	if password.IsZero() {
		return secret.Value{}, false
	}
	var b []byte
	for _, u := range utf16.Encode([]rune(string(password.Expose()))) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return secret.New(append(b, 0, 0)), true
}

// narrow is the reverse. An account may have none.
func narrow(password *secret.Value, v secret.Value, ok bool) error {
	if !ok {
		return nil
	}
	wide := v.Expose()
	if len(wide) < 2 || len(wide)%2 != 0 || wide[len(wide)-1] != 0 || wide[len(wide)-2] != 0 {
		return errors.New("a password that is not UTF-16")
	}
	units := make([]uint16, len(wide)/2-1)
	for i := range units {
		units[i] = binary.LittleEndian.Uint16(wide[2*i:])
	}
	*password = secret.NewString(string(utf16.Decode(units)))
	return nil
}
