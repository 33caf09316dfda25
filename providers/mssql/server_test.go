package mssql

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"io"
	"math/big"
	"net"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf16"
)

// server answers the first packets of TDS on loopback: enough for a login to be taken or refused, and no more.
type server struct {
	t      *testing.T
	cert   tls.Certificate
	plain  bool          // it has no encryption
	strict bool          // it speaks TDS 8.0: TLS comes first
	login  func() []byte // the tokens that answer a login; nil drops the connection
	batch  func() []byte // the tokens that answer a statement; nil drops the connection
	hello  atomic.Pointer[tls.ClientHelloInfo]
	logins atomic.Int32 // how many logins came in
	last   atomic.Pointer[[]byte]
	port   uint16
}

func (s *server) start(t *testing.T) *server {
	s.t = t
	if s.cert.Certificate == nil {
		s.cert = certificate(t, "127.0.0.1")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	s.port = uint16(l.Addr().(*net.TCPAddr).Port)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go s.serve(conn)
		}
	}()
	return s
}

// config signs in to the server and trusts its certificate.
func (s *server) config() Config {
	return Config{Host: "127.0.0.1", Port: s.port, User: "mesh_a", Password: canary, Trust: Trust{Roots: pool(s.cert)}}
}

func (s *server) serve(conn net.Conn) {
	defer conn.Close()
	wire := &handshakeConn{Conn: conn}
	config := &tls.Config{Certificates: []tls.Certificate{s.cert}, MaxVersion: tls.VersionTLS12, NextProtos: []string{"tds/8.0"},
		GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) { s.hello.Store(hello); return nil, nil }}
	rw := io.ReadWriter(conn)
	if s.strict {
		rw = tls.Server(conn, config)
	}
	if kind, _, err := readPacket(rw); err != nil || kind != 0x12 {
		return
	}
	encryption := byte(1) // on
	if s.plain {
		encryption = 2 // not supported
	}
	writePacket(rw, []byte{0, 0, 11, 0, 6, 1, 0, 17, 0, 1, 0xff, 16, 0, 0, 0, 0, 0, encryption})
	if !s.strict && !s.plain {
		secure := tls.Server(wire, config)
		wire.inside = true
		if secure.Handshake() != nil {
			return
		}
		wire.inside, rw = false, secure
	}
	kind, login, err := readPacket(rw)
	if err != nil || kind != 0x10 {
		return
	}
	s.logins.Add(1)
	s.last.Store(&login)
	if s.login == nil {
		return
	}
	writePacket(rw, s.login())
	for s.batch != nil {
		if _, _, err := readPacket(rw); err != nil {
			return
		}
		writePacket(rw, s.batch())
	}
}

// handshakeConn carries TLS inside TDS packets while inside is set.
type handshakeConn struct {
	net.Conn
	inside bool
	rest   []byte
}

func (c *handshakeConn) Read(b []byte) (int, error) {
	if !c.inside {
		return c.Conn.Read(b)
	}
	if len(c.rest) == 0 {
		_, body, err := readPacket(c.Conn)
		if err != nil {
			return 0, err
		}
		c.rest = body
	}
	n := copy(b, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

func (c *handshakeConn) Write(b []byte) (int, error) {
	if !c.inside {
		return c.Conn.Write(b)
	}
	writePacket(c.Conn, b)
	return len(b), nil
}

// readPacket reads one message, over as many packets as it takes.
func readPacket(r io.Reader) (kind byte, body []byte, err error) {
	for {
		var header [8]byte
		if _, err := io.ReadFull(r, header[:]); err != nil {
			return 0, nil, err
		}
		part := make([]byte, binary.BigEndian.Uint16(header[2:])-8)
		if _, err := io.ReadFull(r, part); err != nil {
			return 0, nil, err
		}
		if body = append(body, part...); header[1]&1 != 0 {
			return header[0], body, nil
		}
	}
}

func writePacket(w io.Writer, body []byte) {
	header := []byte{4, 1, 0, 0, 0, 0, 1, 0}
	binary.BigEndian.PutUint16(header[2:], uint16(len(body)+8))
	_, _ = w.Write(append(header, body...))
}

// The tokens of an answer.

func accepted() []byte {
	name := text16("test")
	body := append([]byte{1, 0x74, 0, 0, 4, byte(len(name) / 2)}, name...)
	body = append(body, 16, 0, 0, 0)
	return append(sized(0xad, body), done(0)...)
}

// refused is a group of errors, of which the last is followed by the end.
func refused(numbers ...int32) []byte {
	var out []byte
	for _, n := range numbers {
		body := binary.LittleEndian.AppendUint32(nil, uint32(n))
		body = append(body, 1, 14)
		message := text16("the server's own words")
		body = binary.LittleEndian.AppendUint16(body, uint16(len(message)/2))
		body = append(body, message...)
		body = append(body, 0, 0, 1, 0, 0, 0)
		out = append(out, sized(0xaa, body)...)
	}
	return append(out, done(2)...)
}

func sized(token byte, body []byte) []byte {
	return append(binary.LittleEndian.AppendUint16([]byte{token}, uint16(len(body))), body...)
}

func done(status byte) []byte {
	return []byte{0xfd, status, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
}

func text16(s string) []byte {
	var out []byte
	for _, u := range utf16.Encode([]rune(s)) {
		out = binary.LittleEndian.AppendUint16(out, u)
	}
	return out
}

func certificate(t *testing.T, ip string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "sql01"}, IPAddresses: []net.IP{net.ParseIP(ip)}, DNSNames: []string{"sql01.example.test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func pool(cert tls.Certificate) *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(cert.Leaf)
	return p
}
