package winrm

import (
	"crypto/md5"
	"crypto/rand"
	"crypto/rc4"
	"encoding/binary"
	"strings"
	"time"
	"unicode/utf16"

	//lint:ignore SA1019 NTLM is defined on MD4 (MS-NLMP 3.3.2)
	"golang.org/x/crypto/md4"
)

// An ntlmLogin makes the client's two messages of NTLMv2 (MS-NLMP 3.1.5.1, connection-oriented). They are those of
// bodgit/ntlmssp, byte for byte, which the tests hold. That library copies by encoding/gob, and each message five times to seal it,
// which was a third of what a host cost; and it is anonymous where a host asks for that.
type ntlmLogin struct {
	domain, user string
	password     []byte
	bound        []byte // what ties the login to a TLS connection (RFC 5929), nil without one
	hello        []byte // the first message
}

// nonces are what is new in each login.
type nonces struct {
	client   [8]byte
	exported [16]byte // the session's key
	now      uint64   // a FILETIME
}

func newNonces() (n nonces) {
	_, _ = rand.Read(n.client[:]) // never fails: see crypto/rand
	_, _ = rand.Read(n.exported[:])
	n.now = uint64(time.Now().UnixNano()/100 + 116444736000000000)
	return n
}

// Flags of a message (MS-NLMP 2.2.2.5).
const (
	flagOEM, flagAnonymous, flagDomain, flagAlwaysSign, flagVersion, flag56 = 0x2, 0x800, 0x1000, 0x8000, 0x2000000, 0x80000000

	helloFlags = challengeFlags | flagAlwaysSign | flag56
)

const ntlmMagic = "NTLMSSP\x00"

// negotiate is the first message (MS-NLMP 2.2.1.1). Its names are never Unicode.
func (l *ntlmLogin) negotiate() []byte {
	const fixed = 40
	flags := uint32(helloFlags)
	if l.domain != "" {
		flags |= flagDomain
	}
	b := append([]byte(ntlmMagic), 1, 0, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, flags)
	b = appendField(b, len(l.domain), fixed)
	b = appendField(b, 0, fixed+len(l.domain)) // the workstation
	b = append(b, make([]byte, 8)...)          // no version
	l.hello = append(b, l.domain...)
	return l.hello
}

// authenticate answers a challenge that checkChallenge has let through (MS-NLMP 2.2.1.3).
func (l *ntlmLogin) authenticate(challenge []byte, n nonces) []byte {
	info, stamp, mic := l.targetInfo(challenge)
	server := challenge[24:32]
	owf := l.owf()
	temp := append([]byte{1, 1, 0, 0, 0, 0, 0, 0}, stamp...)
	if stamp == nil {
		temp = binary.LittleEndian.AppendUint64(temp, n.now)
	}
	temp = append(append(append(append(temp, n.client[:]...), 0, 0, 0, 0), info...), 0, 0, 0, 0)
	proof := sum(owf, server, temp)
	lm := make([]byte, 24)
	if stamp == nil {
		lm = append(sum(owf, server, n.client[:]), n.client[:]...)
	}
	key := make([]byte, len(n.exported))
	cipher, _ := rc4.NewCipher(sum(owf, proof)) // fails for keys of other lengths
	cipher.XORKeyStream(key, n.exported[:])

	parts := [][]byte{lm, append(proof, temp...), utf16LE(l.domain), utf16LE(l.user), nil, key} // the workstation is nobody's business
	at, micAt := 72, 72
	if mic {
		at += md5.Size
	}
	// The names are first behind the fixed part, as the specification's own examples have it.
	var places [6]int
	for _, i := range [...]int{2, 3, 4, 0, 1, 5} {
		places[i] = at
		at += len(parts[i])
	}
	b := append(make([]byte, 0, at), ntlmMagic+"\x03\x00\x00\x00"...)
	for i, part := range parts {
		b = appendField(b, len(part), places[i])
	}
	b = binary.LittleEndian.AppendUint32(b, binary.LittleEndian.Uint32(challenge[20:])&^(flagOEM|flagVersion|flagAnonymous)) // whatever a host says, nobody is anonymous here
	b = append(b, make([]byte, places[2]-len(b))...)                                                                         // no version, and the code that covers all three messages
	for _, i := range [...]int{2, 3, 4, 0, 1, 5} {
		b = append(b, parts[i]...)
	}
	if mic {
		copy(b[micAt:], sum(n.exported[:], l.hello, challenge, b))
	}
	return b
}

// targetInfo is what the host said of itself, with what the client adds (MS-NLMP 3.1.5.1.2): where the host tells its time, that
// there is a code over all messages; and what ties the login to TLS. It also returns that time, nil without one.
func (l *ntlmLogin) targetInfo(challenge []byte) (info, stamp []byte, mic bool) {
	const avFlags, avTime, avBindings, micProvided = 6, 7, 10, 2
	told, _ := field(challenge, 40)
	pairs := func(do func(id uint16, value []byte)) {
		for rest := told; len(rest) >= 4; {
			id, n := binary.LittleEndian.Uint16(rest), int(binary.LittleEndian.Uint16(rest[2:]))
			if id == 0 || len(rest) < 4+n {
				return
			}
			do(id, rest[4:4+n])
			rest = rest[4+n:]
		}
	}
	var flags uint32
	hasFlags, hasBindings := false, false
	pairs(func(id uint16, value []byte) {
		switch id {
		case avTime:
			stamp = value
		case avFlags:
			hasFlags, flags = true, binary.LittleEndian.Uint32(value)
		case avBindings:
			hasBindings = true
		}
	})
	if stamp != nil {
		flags |= micProvided
	}
	add := func(id uint16, value []byte) {
		info = binary.LittleEndian.AppendUint16(info, id)
		info = binary.LittleEndian.AppendUint16(info, uint16(len(value)))
		info = append(info, value...)
	}
	own := binary.LittleEndian.AppendUint32(nil, flags)
	bound := l.bindings()
	pairs(func(id uint16, value []byte) {
		switch {
		case id == avFlags:
			value = own
		case id == avBindings && bound != nil:
			value = bound
		}
		add(id, value)
	})
	if stamp != nil && !hasFlags {
		add(avFlags, own)
	}
	if bound != nil && !hasBindings {
		add(avBindings, bound)
	}
	return append(info, 0, 0, 0, 0), stamp, flags&micProvided != 0
}

// bindings are the MD5 of the structure of RFC 2744, section 3.11, without addresses.
func (l *ntlmLogin) bindings() []byte {
	if l.bound == nil {
		return nil
	}
	h := md5.New()
	h.Write(make([]byte, 16))
	h.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(l.bound))))
	h.Write(l.bound)
	return h.Sum(nil)
}

// owf is NTOWFv2 (MS-NLMP 3.3.2).
func (l *ntlmLogin) owf() []byte {
	h := md4.New()
	h.Write(utf16LE(string(l.password)))
	return sum(h.Sum(nil), utf16LE(strings.ToUpper(l.user)+l.domain))
}

// sum is HMAC-MD5 (RFC 2104) by a key of 16 bytes, as all of NTLM's are.
func sum(key []byte, messages ...[]byte) []byte {
	d := hashes.Get().(*digest)
	defer hashes.Put(d)
	d.padded([md5.Size]byte(key), 0x36)
	for _, m := range messages {
		d.Write(m)
	}
	d.Sum(d.sum[:0])
	d.padded([md5.Size]byte(key), 0x5c)
	d.Write(d.sum[:])
	clear(d.pad[:])
	return d.Sum(nil)
}

// appendField is a length, the same again, and where that is.
func appendField(b []byte, n, at int) []byte {
	b = binary.LittleEndian.AppendUint16(b, uint16(n))
	b = binary.LittleEndian.AppendUint16(b, uint16(n))
	return binary.LittleEndian.AppendUint32(b, uint32(at))
}

func utf16LE(s string) []byte {
	b := make([]byte, 0, 2*len(s))
	for _, r := range s {
		var units [2]uint16
		for _, u := range utf16.AppendRune(units[:0], r) {
			b = binary.LittleEndian.AppendUint16(b, u)
		}
	}
	return b
}
