package ntlm

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
	"unicode/utf16"
)

// Negotiate flags, MS-NLMP 2.2.2.5.
const (
	flagUnicode         = 1 << 0
	flagOEM             = 1 << 1
	flagRequestTarget   = 1 << 2
	flagSign            = 1 << 4
	flagSeal            = 1 << 5
	flagNTLM            = 1 << 9
	flagAnonymous       = 1 << 11
	flagAlwaysSign      = 1 << 15
	flagTargetDomain    = 1 << 16
	flagTargetServer    = 1 << 17
	flagExtendedSession = 1 << 19
	flagTargetInfo      = 1 << 23
	flagVersion         = 1 << 25
	flag128             = 1 << 29
	flagKeyExchange     = 1 << 30
	flag56              = 1 << 31
)

// Attribute ids, MS-NLMP 2.2.2.1.
const (
	avEOL             = 0
	avNetBIOSHost     = 1
	avNetBIOSDomain   = 2
	avDNSHost         = 3
	avDNSDomain       = 4
	avFlags           = 6
	avTimestamp       = 7
	avTargetName      = 9
	avChannelBindings = 10

	avFlagMIC = 2
)

const (
	headerSize       = 12 // signature and message type
	negotiateSize    = 32
	challengeSize    = 56
	micOffset        = 72
	authenticateSize = 88 // with version and integrity code
	maxMessage       = 16 << 10
)

// signature opens every message; version is Windows Server 2022, NTLM revision 15 (MS-NLMP 2.2.2.10).
const (
	signature = "NTLMSSP\x00"
	version   = "\x0a\x00\x7c\x4f\x00\x00\x00\x0f"
)

type avPairs map[uint16][]byte

type authenticateMessage struct {
	flags        uint32
	lm, nt       []byte
	domain, user string
	sessionKey   []byte
	mic          []byte
}

// choose settles the flags of the challenge (MS-NLMP 3.2.5.1.1).
func choose(offered uint32, inDomain, lenient bool) (uint32, error) {
	if offered&flagExtendedSession == 0 || offered&flag128 == 0 && !lenient {
		return 0, errors.New("extended session security and 128-bit keys are required")
	}
	const echoed = flagSign | flagSeal | flagAlwaysSign | flagKeyExchange | flag56 | flagVersion
	flags := offered&(echoed|flag128) | flagExtendedSession | flagNTLM | flagTargetInfo | flagRequestTarget
	switch {
	case offered&flagUnicode != 0:
		flags |= flagUnicode
	case offered&flagOEM != 0:
		flags |= flagOEM
	default:
		return 0, errors.New("no character set is offered")
	}
	if inDomain {
		return flags | flagTargetDomain, nil
	}
	return flags | flagTargetServer, nil
}

func checkHeader(b []byte, kind uint32, size int) error {
	switch {
	case len(b) < size || len(b) > maxMessage:
		return fmt.Errorf("a message of %d bytes", len(b))
	case string(b[:8]) != signature:
		return errors.New("not an NTLM message")
	case binary.LittleEndian.Uint32(b[8:]) != kind:
		return fmt.Errorf("message type %d, want %d", binary.LittleEndian.Uint32(b[8:]), kind)
	}
	return nil
}

// payload returns the bytes that the descriptor at offset at names: length, maximum length, offset.
func payload(b []byte, at int) ([]byte, error) {
	n, off := int(binary.LittleEndian.Uint16(b[at:])), int64(binary.LittleEndian.Uint32(b[at+4:]))
	if n == 0 {
		return nil, nil
	}
	if off < headerSize || off+int64(n) > int64(len(b)) {
		return nil, fmt.Errorf("field at %d points outside the message", at)
	}
	return b[off : off+int64(n)], nil
}

func parseNegotiate(b []byte) (flags uint32, err error) {
	// Old clients leave out the domain and workstation fields: sixteen bytes are the minimum.
	if err := checkHeader(b, 1, 16); err != nil {
		return 0, err
	}
	if len(b) >= negotiateSize {
		for _, at := range []int{16, 24} {
			if _, err := payload(b, at); err != nil {
				return 0, err
			}
		}
	}
	return binary.LittleEndian.Uint32(b[headerSize:]), nil
}

func buildChallenge(flags uint32, nonce [8]byte, target string, info []byte) []byte {
	name := []byte(target)
	if flags&flagUnicode != 0 {
		name = toUTF16(target)
	}
	b := make([]byte, challengeSize, challengeSize+len(name)+len(info))
	copy(b, signature)
	le := binary.LittleEndian
	le.PutUint32(b[8:], 2)
	descriptor := func(at, n, off int) {
		le.PutUint16(b[at:], uint16(n))
		le.PutUint16(b[at+2:], uint16(n))
		le.PutUint32(b[at+4:], uint32(off))
	}
	descriptor(12, len(name), challengeSize)
	le.PutUint32(b[20:], flags)
	copy(b[24:], nonce[:])
	descriptor(40, len(info), challengeSize+len(name))
	if flags&flagVersion != 0 {
		copy(b[48:], version)
	}
	return append(append(b, name...), info...)
}

// parseAuthenticate takes a message that fits the flags of the challenge: none of them added, none of ours dropped.
func parseAuthenticate(b []byte, offered uint32) (*authenticateMessage, error) {
	if err := checkHeader(b, 3, authenticateSize); err != nil {
		return nil, err
	}
	m := &authenticateMessage{flags: binary.LittleEndian.Uint32(b[60:]), mic: b[micOffset : micOffset+16]}
	const settled = flagUnicode | flagSign | flagSeal | flagExtendedSession | flag128 | flagKeyExchange
	if m.flags&settled != offered&settled {
		return nil, fmt.Errorf("flags %#x do not fit the challenge's %#x", m.flags, offered)
	}
	text := fromOEM
	if m.flags&flagUnicode != 0 {
		text = fromUTF16
	}
	var fields [6][]byte
	for i := range fields {
		f, err := payload(b, headerSize+8*i)
		if err != nil {
			return nil, err
		}
		fields[i] = f
	}
	m.lm, m.nt, m.sessionKey = fields[0], fields[1], fields[5]
	m.domain, m.user = text(fields[2]), text(fields[3])
	// Proof, version, reserved, time, nonce, reserved, and an empty list of attributes (MS-NLMP 2.2.2.8).
	if len(m.nt) < 16+28+4 {
		return nil, fmt.Errorf("an NT response of %d bytes is not NTLMv2", len(m.nt))
	}
	return m, nil
}

func targetInfo(host, domain string, stamp [8]byte) []byte {
	var b []byte
	add := func(id uint16, value []byte) {
		b = binary.LittleEndian.AppendUint16(b, id)
		b = binary.LittleEndian.AppendUint16(b, uint16(len(value)))
		b = append(b, value...)
	}
	add(avNetBIOSDomain, toUTF16(domain))
	add(avNetBIOSHost, toUTF16(host))
	add(avDNSDomain, toUTF16(domain))
	add(avDNSHost, toUTF16(host))
	add(avTimestamp, stamp[:])
	add(avEOL, nil)
	return b
}

// parsePairs reads attributes up to the end mark; what follows it is padding.
func parsePairs(b []byte) (avPairs, error) {
	pairs := avPairs{}
	for len(b) >= 4 {
		id, n := binary.LittleEndian.Uint16(b), int(binary.LittleEndian.Uint16(b[2:]))
		if id == avEOL {
			if n != 0 {
				return nil, errors.New("the end mark has a length")
			}
			return pairs, nil
		}
		if len(b) < 4+n {
			return nil, errors.New("an attribute is cut short")
		}
		if _, twice := pairs[id]; twice {
			return nil, fmt.Errorf("attribute %d comes twice", id)
		}
		pairs[id], b = b[4:4+n:4+n], b[4+n:]
	}
	return nil, errors.New("no end mark")
}

// filetime counts 100 ns from 1601 (MS-DTYP 2.3.3).
func filetime(t time.Time) (out [8]byte) {
	binary.LittleEndian.PutUint64(out[:], uint64(t.UnixNano()/100+116444736000000000))
	return out
}

func toUTF16(s string) []byte {
	units := utf16.Encode([]rune(s))
	b := make([]byte, 0, 2*len(units))
	for _, u := range units {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return b
}

func fromUTF16(b []byte) string {
	units := make([]uint16, len(b)/2)
	for i := range units {
		units[i] = binary.LittleEndian.Uint16(b[2*i:])
	}
	return string(utf16.Decode(units))
}

// fromOEM takes the code page to be ASCII; other bytes become U+FFFD.
func fromOEM(b []byte) string { return string(bytes.ToValidUTF8(b, []byte("\uFFFD"))) }
