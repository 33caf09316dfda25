package tds

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
)

// Options of PRELOGIN (MS-TDS 2.2.6.5).
const (
	optVersion    = 0
	optEncryption = 1
	optInstance   = 2
	optThread     = 3
	optMARS       = 4
	optFedAuth    = 6
	optEnd        = 0xff
)

// What PRELOGIN says of encryption.
const (
	encOff  = 0
	encOn   = 1
	encNone = 2
	encReq  = 3
)

// readPrelogin takes the options apart.
func readPrelogin(b []byte) (map[byte][]byte, error) {
	options := map[byte][]byte{}
	for at := 0; ; at += 5 {
		if at >= len(b) {
			return nil, errShort
		}
		if b[at] == optEnd {
			return options, nil
		}
		if at+5 > len(b) {
			return nil, errShort
		}
		from, n := int(binary.BigEndian.Uint16(b[at+1:])), int(binary.BigEndian.Uint16(b[at+3:]))
		if from+n > len(b) {
			return nil, errShort
		}
		options[b[at]] = b[from : from+n]
	}
}

// prelogin is the server's answer.
func prelogin(encryption byte, asked map[byte][]byte) []byte {
	type option struct {
		option byte
		value  []byte
	}
	values := []option{
		{optVersion, []byte{16, 0, 0x10, 0x27, 0, 0}}, // 16.0.4135: SQL Server 2022
		{optEncryption, []byte{encryption}},
		{optInstance, []byte{0}},
		{optThread, nil},
		{optMARS, []byte{0}},
	}
	if len(asked[optFedAuth]) > 0 {
		values = append(values, option{optFedAuth, []byte{1}})
	}
	var head, body []byte
	at := 5*len(values) + 1
	for _, v := range values {
		head = append(head, v.option)
		head = binary.BigEndian.AppendUint16(head, uint16(at+len(body)))
		head = binary.BigEndian.AppendUint16(head, uint16(len(v.value)))
		body = append(body, v.value...)
	}
	return append(append(head, optEnd), body...)
}

// errEncryption says that client and server do not agree.
var errEncryption = errors.New("client and server do not agree on encryption")

// negotiate answers what a client wants of encryption; all says that everything will be encrypted, some that at least
// the login will be.
func (s *Server) negotiate(wants byte) (answer byte, some, all bool, err error) {
	switch {
	case s.Encryption == Off && (wants == encOn || wants == encReq):
		return encNone, false, false, nil // the client goes
	case s.Encryption == Off:
		return encNone, false, false, nil
	case s.Encryption == Required && wants == encNone:
		return encReq, false, false, errEncryption
	case s.Encryption == Required && wants == encOff:
		return encReq, true, true, nil
	case wants == encOn || wants == encReq:
		return encOn, true, true, nil
	case wants == encNone:
		return encNone, false, false, nil
	}
	return encOff, true, false, nil
}

func (s *Server) tlsConfig(strict bool) *tls.Config {
	c := &tls.Config{Certificates: []tls.Certificate{s.Certificate}, MinVersion: tls.VersionTLS12, SessionTicketsDisabled: true,
		CurvePreferences: []tls.CurveID{tls.CurveP256}} // Windows has it too; X25519 takes twice as long, and tests sign in often
	if strict {
		c.NextProtos = []string{"tds/8.0"}
	} else {
		c.MaxVersion = tls.VersionTLS12
	}
	return c
}

// wrapped carries a TLS handshake in PRELOGIN packets; afterwards it carries what it is given.
type wrapped struct {
	net.Conn
	plain bool
	left  []byte // of a packet that was not read to its end
}

func (w *wrapped) Read(b []byte) (int, error) {
	if len(w.left) == 0 {
		if w.plain {
			return w.Conn.Read(b)
		}
		m, err := readMessage(w.Conn)
		if err != nil {
			return 0, err
		}
		if m.kind != packPrelogin {
			return 0, errors.New("no PRELOGIN packet inside the TLS handshake")
		}
		w.left = m.body
	}
	n := copy(b, w.left)
	w.left = w.left[n:]
	if n == 0 {
		return 0, io.ErrNoProgress
	}
	return n, nil
}

func (w *wrapped) Write(b []byte) (int, error) {
	if w.plain {
		return w.Conn.Write(b)
	}
	_, err := w.Conn.Write(packets(packPrelogin, 0, defaultPacket, b))
	return len(b), err
}

// ahead is a connection of which something was read already.
type ahead struct {
	net.Conn
	first []byte
}

func (a *ahead) Read(b []byte) (int, error) {
	if len(a.first) > 0 {
		n := copy(b, a.first)
		a.first = a.first[n:]
		return n, nil
	}
	return a.Conn.Read(b)
}
