package tds

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"unicode/utf16"
)

// Types of messages (MS-TDS 2.2.3.1.1).
const (
	packBatch     = 1
	packCall      = 3
	packReply     = 4
	packAttention = 6
	packTM        = 14
	packLogin     = 16
	packSSPI      = 17
	packPrelogin  = 18
)

// Bits of a packet's status.
const (
	statusEnd       = 1
	statusIgnore    = 2
	statusReset     = 8
	statusResetSkip = 16
)

const (
	headerSize    = 8
	defaultPacket = 4096
	maxPacket     = 32767
	maxMessage    = 64 << 20
)

// message is what a client sends, put together from its packets.
type message struct {
	kind   byte
	status byte // of the first packet
	body   []byte
}

// readMessage reads packets up to the end of a message.
func readMessage(r io.Reader) (message, error) {
	var m message
	for first := true; ; first = false {
		var h [headerSize]byte
		if _, err := io.ReadFull(r, h[:]); err != nil {
			return m, err
		}
		n := int(binary.BigEndian.Uint16(h[2:]))
		if n < headerSize {
			return m, fmt.Errorf("a packet of %d bytes", n)
		}
		if first {
			m.kind, m.status = h[0], h[1]
		} else if h[0] != m.kind {
			return m, fmt.Errorf("a packet of type %d in a message of type %d", h[0], m.kind)
		}
		at := len(m.body)
		if at+n > maxMessage {
			return m, errors.New("the message is too large")
		}
		m.body = append(m.body, make([]byte, n-headerSize)...)
		if _, err := io.ReadFull(r, m.body[at:]); err != nil {
			return m, err
		}
		if h[1]&statusEnd != 0 {
			if h[1]&statusIgnore != 0 {
				m.kind, m.body = 0, nil // the client took it back
			}
			return m, nil
		}
	}
}

// packets cuts a message.
func packets(kind byte, session int, size int, body []byte) []byte {
	room := size - headerSize
	out := make([]byte, 0, len(body)+(len(body)/room+1)*headerSize)
	for number := byte(1); ; number++ {
		n := min(room, len(body))
		status := byte(0)
		if n == len(body) {
			status = statusEnd
		}
		out = append(out, kind, status)
		out = binary.BigEndian.AppendUint16(out, uint16(n+headerSize))
		out = binary.BigEndian.AppendUint16(out, uint16(session))
		out = append(out, number, 0)
		out = append(out, body[:n]...)
		if body = body[n:]; len(body) == 0 {
			return out
		}
	}
}

// errShort says that a message ended too early.
var errShort = errors.New("the message is too short")

// reader takes a message apart. After an error it gives zeroes.
type reader struct {
	b   []byte
	err error
}

func (r *reader) bytes(n int) []byte {
	if r.err == nil && (n < 0 || n > len(r.b)) {
		r.err = errShort
	}
	if r.err != nil {
		return nil
	}
	out := r.b[:n:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) number(n int) uint64 {
	var v uint64
	for i, b := range r.bytes(n) {
		v |= uint64(b) << (8 * i)
	}
	return v
}

func (r *reader) u8() byte      { return byte(r.number(1)) }
func (r *reader) u16() int      { return int(r.number(2)) }
func (r *reader) u32() uint32   { return uint32(r.number(4)) }
func (r *reader) i64() int64    { return int64(r.number(8)) }
func (r *reader) more() bool    { return r.err == nil && len(r.b) > 0 }
func (r *reader) peek() byte    { return r.b[0] }
func (r *reader) text8() string { return fromUTF16(r.bytes(2 * int(r.u8()))) }

func fromUTF16(b []byte) string {
	u := make([]uint16, len(b)/2)
	for i := range u {
		u[i] = binary.LittleEndian.Uint16(b[2*i:])
	}
	return string(utf16.Decode(u))
}

func toUTF16(s string) []byte {
	b, units := make([]byte, 0, 2*len(s)), [2]uint16{}
	for _, r := range s {
		for _, u := range utf16.AppendRune(units[:0], r) {
			b = binary.LittleEndian.AppendUint16(b, u)
		}
	}
	return b
}
