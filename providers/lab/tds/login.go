package tds

import (
	"errors"

	"meshrotate/providers/lab/sqlserver"
)

// login is a LOGIN7 (MS-TDS 2.2.6.4).
type login struct {
	version, packet    uint32
	host, user, pass   string
	program, iface     string
	database, change   string
	processID          uint32
	sspi               []byte
	integrated         bool
	readOnly, extended bool
	features           []byte // their numbers
	token              string // of federated sign-in
}

// Offsets in LOGIN7 of what is fixed.
const (
	loginFixed  = 94
	flagSSPI    = 0x80 // in OptionFlags2
	flagRead    = 0x20 // in TypeFlags
	flagExtends = 0x10 // in OptionFlags3
	version72   = 0x72090002
	version73B  = 0x730B0003
	version80   = 0x08000000
)

// parseLogin takes LOGIN7 apart.
func parseLogin(b []byte) (*login, error) {
	if len(b) < loginFixed {
		return nil, errShort
	}
	r := &reader{b: b}
	r.u32() // length
	l := &login{version: r.u32(), packet: r.u32()}
	r.u32() // the program's version
	l.processID = r.u32()
	r.u32() // connection
	r.u8()
	flags2, kind, flags3 := r.u8(), r.u8(), r.u8()
	l.integrated, l.readOnly, l.extended = flags2&flagSSPI != 0, kind&flagRead != 0, flags3&flagExtends != 0
	r.bytes(8) // time zone, locale
	var failed error
	field := func(unit int) []byte {
		at, n := r.u16(), r.u16()*unit
		if at+n > len(b) || n == 0 {
			if n != 0 {
				failed = errShort
			}
			return nil
		}
		return b[at : at+n]
	}
	l.host, l.user, l.pass = fromUTF16(field(2)), fromUTF16(field(2)), unmangle(field(2))
	l.program = fromUTF16(field(2))
	field(2) // server
	extension := field(1)
	l.iface = fromUTF16(field(2))
	field(2) // language
	l.database = fromUTF16(field(2))
	r.bytes(6) // MAC
	l.sspi = field(1)
	field(2) // a file to attach
	l.change = unmangle(field(2))
	if r.err != nil || failed != nil {
		return nil, errors.Join(r.err, failed)
	}
	var err error
	if l.extended && len(extension) >= 4 {
		at := int((&reader{b: extension}).u32())
		if at > len(b) {
			return nil, errShort
		}
		for f := (&reader{b: b[at:]}); f.more() && f.peek() != 0xff; {
			l.features = append(l.features, f.u8())
			data := f.bytes(int(f.u32()))
			if f.err != nil {
				return nil, f.err
			}
			if l.features[len(l.features)-1] == featureFedAuth {
				if l.token, err = securityToken(data); err != nil {
					return nil, err
				}
			}
		}
	}
	return l, nil
}

// featureFedAuth is the extension with a token (MS-TDS 2.2.6.4), of which the library is above the lowest bit.
const featureFedAuth, librarySecurityToken = 2, 1

// securityToken is the token in that extension.
func securityToken(data []byte) (string, error) {
	r := &reader{b: data}
	library := r.u8() >> 1
	token := fromUTF16(r.bytes(int(r.u32())))
	if r.err == nil && library != librarySecurityToken {
		return "", errors.New("no token in the login")
	}
	return token, r.err
}

// unmangle is the way back from how passwords are hidden in LOGIN7.
func unmangle(b []byte) string {
	plain := make([]byte, len(b))
	for i, c := range b {
		c ^= 0xa5
		plain[i] = c<<4 | c>>4
	}
	return fromUTF16(plain)
}

// client is who logs in, for the model.
func (l *login) client(address string, encrypted bool) sqlserver.Client {
	return sqlserver.Client{User: l.user, Password: l.pass, NewPassword: l.change, Database: l.database, Host: l.host, Program: l.program,
		Address: address, ProcessID: int(l.processID), Interface: l.iface, ReadOnly: l.readOnly, Encrypted: encrypted}
}
