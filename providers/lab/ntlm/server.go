// Package ntlm is the server's side of NTLM version 2, for the lab.
//
// It is a test double: it exists to prove a client wrong, not to guard anything. It takes NTLMv2 only, with extended
// session security and 128-bit keys, and refuses what a hardened Windows server refuses: a response without a message
// integrity code, another time than the server's, an LMv2 response beside a timestamp, a challenge that was altered.
// Specification: MS-NLMP. The wrapping in SPNEGO is RFC 4178 with the changes of MS-SPNG.
//
// A Server is shared by all connections; an Exchange belongs to one login, a Context to one authenticated connection.
package ntlm

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"crypto/rand"
	"crypto/rc4"
	"errors"
	"fmt"
	"strings"
	"time"

	//lint:ignore SA1019 NTLM is defined on MD4 (MS-NLMP 3.3.1)
	"golang.org/x/crypto/md4"
)

// ErrLogon says that the user is unknown or that the password is wrong. Every other error is a malformed message.
var ErrLogon = errors.New("unknown user name or bad password")

// Server says who may log in, and how the machine calls itself.
type Server struct {
	// Domain is the NetBIOS name of the domain; empty means that Host stands alone.
	Domain string
	// Host is the NetBIOS name of the machine; empty means "LAB".
	Host string
	// Password returns a user's password. The name comes as the client sent it, without its domain. Nil knows nobody.
	Password func(user string) (string, bool)
	// Lenient takes what Windows takes from old clients, and SQL Server with it: NTLMv2 without an integrity code, with
	// another time or an LMv2 response, and without 128-bit keys.
	Lenient bool
	// Now is the clock for the challenge's timestamp; nil means time.Now.
	Now func() time.Time
}

// Exchange is one login between its challenge and its answer.
type Exchange struct {
	server    *Server
	negotiate []byte
	challenge []byte
	nonce     [8]byte
	info      []byte // target information as sent
	stamp     [8]byte
	flags     uint32
}

// Begin answers a NEGOTIATE_MESSAGE (MS-NLMP 2.2.1.1) with a CHALLENGE_MESSAGE (2.2.1.2).
func (s *Server) Begin(negotiate []byte) (challenge []byte, e *Exchange, err error) {
	offered, err := parseNegotiate(negotiate)
	if err != nil {
		return nil, nil, fmt.Errorf("NTLM negotiate: %w", err)
	}
	e = &Exchange{server: s, negotiate: bytes.Clone(negotiate)}
	if e.flags, err = choose(offered, s.Domain != "", s.Lenient); err != nil {
		return nil, nil, fmt.Errorf("NTLM negotiate: %w", err)
	}
	if _, err := rand.Read(e.nonce[:]); err != nil {
		return nil, nil, fmt.Errorf("NTLM challenge: %w", err)
	}
	now := time.Now
	if s.Now != nil {
		now = s.Now
	}
	e.stamp = filetime(now())
	host, domain := s.names()
	e.info = targetInfo(host, domain, e.stamp)
	e.challenge = buildChallenge(e.flags, e.nonce, domain, e.info)
	return e.challenge, e, nil
}

func (s *Server) names() (host, domain string) {
	host, domain = s.Host, s.Domain
	if host == "" {
		host = "LAB"
	}
	if domain == "" {
		domain = host
	}
	return host, domain
}

// Finish verifies an AUTHENTICATE_MESSAGE (MS-NLMP 2.2.1.3, 3.2.5.1.2). It returns ErrLogon, wrapped, when the message
// is sound and the proof is not.
func (e *Exchange) Finish(authenticate []byte) (*Context, error) {
	m, err := parseAuthenticate(authenticate, e.flags)
	if err != nil {
		return nil, fmt.Errorf("NTLM authenticate: %w", err)
	}
	pairs, err := e.verifyClaims(m)
	if err != nil {
		return nil, fmt.Errorf("NTLM authenticate, user %q: %w", m.user, err)
	}
	base, err := e.verifyProof(m)
	if err != nil {
		return nil, fmt.Errorf("NTLM authenticate, user %q: %w", m.user, err)
	}
	key := base
	if m.flags&flagKeyExchange != 0 {
		if len(m.sessionKey) != 16 {
			return nil, fmt.Errorf("NTLM authenticate, user %q: a session key of %d bytes, want 16", m.user, len(m.sessionKey))
		}
		key = rc4Once(base, m.sessionKey)
	}
	if err := e.verifyMIC(authenticate, m, key); err != nil {
		return nil, fmt.Errorf("NTLM authenticate, user %q: %w", m.user, err)
	}
	c := newContext(m.flags, key)
	c.User, c.Domain, c.Target = m.user, m.domain, fromUTF16(pairs[avTargetName])
	copy(c.ChannelBindings[:], pairs[avChannelBindings])
	return c, nil
}

// verifyClaims checks what a client must repeat or add when the challenge carries a timestamp (MS-NLMP 3.1.5.1.2).
func (e *Exchange) verifyClaims(m *authenticateMessage) (avPairs, error) {
	if e.server.Lenient && !announcesMIC(m) {
		return parsePairs(m.nt[16+28:])
	}
	if !bytes.Equal(m.lm, make([]byte, 24)) {
		return nil, errors.New("the LM response must be 24 zero bytes when the challenge has a timestamp")
	}
	blob := m.nt[16:]
	if blob[0] != 1 || blob[1] != 1 || !bytes.Equal(blob[2:8], make([]byte, 6)) {
		return nil, errors.New("the NTLMv2 response is not of version 1")
	}
	if !bytes.Equal(blob[8:16], e.stamp[:]) {
		return nil, errors.New("the response has another time than the challenge")
	}
	pairs, err := parsePairs(blob[28:])
	if err != nil {
		return nil, fmt.Errorf("the response's target information: %w", err)
	}
	sent, err := parsePairs(e.info)
	if err != nil {
		return nil, err
	}
	for id, value := range sent {
		if !bytes.Equal(pairs[id], value) {
			return nil, fmt.Errorf("the response changed or dropped attribute %d of the challenge", id)
		}
	}
	if f := pairs[avFlags]; len(f) != 4 || f[0]&avFlagMIC == 0 {
		return nil, errors.New("the response does not announce a message integrity code")
	}
	if b := pairs[avChannelBindings]; b != nil && len(b) != 16 {
		return nil, fmt.Errorf("channel bindings of %d bytes, want 16", len(b))
	}
	return pairs, nil
}

// announcesMIC says whether a client says that its message has an integrity code.
func announcesMIC(m *authenticateMessage) bool {
	pairs, err := parsePairs(m.nt[16+28:])
	return err == nil && len(pairs[avFlags]) == 4 && pairs[avFlags][0]&avFlagMIC != 0
}

// verifyProof checks the NTLMv2 response and returns the session base key (MS-NLMP 3.3.2).
func (e *Exchange) verifyProof(m *authenticateMessage) ([]byte, error) {
	if m.user == "" || m.flags&flagAnonymous != 0 {
		return nil, fmt.Errorf("anonymous login: %w", ErrLogon)
	}
	if e.server.Password == nil {
		return nil, ErrLogon
	}
	password, known := e.server.Password(m.user)
	if !known {
		return nil, ErrLogon
	}
	hash := md4.New()
	hash.Write(toUTF16(password))
	key := hmacMD5(hash.Sum(nil), toUTF16(strings.ToUpper(m.user)+m.domain))
	proof := hmacMD5(key, e.nonce[:], m.nt[16:])
	if !hmac.Equal(proof, m.nt[:16]) {
		return nil, ErrLogon
	}
	return hmacMD5(key, proof), nil
}

// verifyMIC checks the code over all three messages, its own field taken as zero (MS-NLMP 3.1.5.1.2).
func (e *Exchange) verifyMIC(authenticate []byte, m *authenticateMessage, key []byte) error {
	if e.server.Lenient && !announcesMIC(m) {
		return nil
	}
	if len(m.mic) != 16 {
		return errors.New("no message integrity code")
	}
	zeroed := bytes.Clone(authenticate)
	clear(zeroed[micOffset : micOffset+16])
	if !hmac.Equal(hmacMD5(key, e.negotiate, e.challenge, zeroed), m.mic) {
		return errors.New("wrong message integrity code")
	}
	return nil
}

func hmacMD5(key []byte, parts ...[]byte) []byte {
	h := hmac.New(md5.New, key)
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}

func rc4Once(key, in []byte) []byte {
	out := make([]byte, len(in))
	newRC4(key).XORKeyStream(out, in)
	return out
}

// newRC4 is for keys of 16 bytes, which crypto/rc4 never refuses.
func newRC4(key []byte) *rc4.Cipher {
	c, err := rc4.NewCipher(key)
	if err != nil {
		panic("ntlm: " + err.Error())
	}
	return c
}
