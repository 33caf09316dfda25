package ntlm

import (
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"
)

// Login takes one client through NTLM, raw or inside SPNEGO, whichever the first token is. The zero Login with a
// Server is ready.
type Login struct {
	Server *Server

	exchange  *Exchange
	spnego    bool
	mechTypes []byte // DER of the client's list, which mechListMIC signs
	askMIC    bool   // the client preferred another mechanism: RFC 4178 5 demands mechListMIC
}

// negState of RFC 4178 4.2.2.
const (
	acceptCompleted  = 0
	acceptIncomplete = 1
	requestMIC       = 3
)

// Object identifiers: MS-SPNG 1.9; the second Kerberos is an old mistake of Windows that clients still offer.
func oidNTLM() asn1.ObjectIdentifier     { return asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 2, 2, 10} }
func oidSPNEGO() asn1.ObjectIdentifier   { return asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 2} }
func oidKerberos() asn1.ObjectIdentifier { return asn1.ObjectIdentifier{1, 2, 840, 113554, 1, 2, 2} }
func oidMSKerberos() asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{1, 2, 840, 48018, 1, 2, 2}
}

// Step takes the client's token. A nil Context and no error mean that reply must go out and another token come in;
// with a Context the login is done, and a reply that is not empty goes out with the answer.
func (l *Login) Step(token []byte) (reply []byte, c *Context, err error) {
	if l.exchange == nil && !l.spnego && len(token) >= 8 && string(token[:8]) == signature {
		reply, l.exchange, err = l.Server.Begin(token)
		return reply, nil, err
	}
	if l.exchange != nil && !l.spnego {
		c, err = l.exchange.Finish(token)
		return nil, c, err
	}
	if !l.spnego {
		return l.first(token)
	}
	return l.next(token)
}

// first takes a NegTokenInit.
func (l *Login) first(token []byte) ([]byte, *Context, error) {
	init, err := parseInit(token)
	if err != nil {
		return nil, nil, fmt.Errorf("SPNEGO: %w", err)
	}
	at := slices.IndexFunc(init.mechs, oidNTLM().Equal)
	if at < 0 {
		return nil, nil, errors.New("SPNEGO: NTLM is not among the client's mechanisms")
	}
	l.spnego, l.mechTypes = true, init.mechTypes
	if at > 0 {
		// The token, if any, is for a mechanism that is not spoken here.
		l.askMIC = true
		return response(requestMIC, true, nil, nil), nil, nil
	}
	if init.token == nil {
		return response(acceptIncomplete, true, nil, nil), nil, nil
	}
	challenge, e, err := l.Server.Begin(init.token)
	if err != nil {
		return nil, nil, err
	}
	l.exchange = e
	return response(acceptIncomplete, true, challenge, nil), nil, nil
}

// next takes a NegTokenResp.
func (l *Login) next(token []byte) ([]byte, *Context, error) {
	inner, mic, err := parseResponse(token)
	if err != nil {
		return nil, nil, fmt.Errorf("SPNEGO: %w", err)
	}
	if l.exchange == nil {
		challenge, e, err := l.Server.Begin(inner)
		if err != nil {
			return nil, nil, err
		}
		l.exchange = e
		return response(acceptIncomplete, true, challenge, nil), nil, nil
	}
	c, err := l.exchange.Finish(inner)
	if err != nil {
		return nil, nil, err
	}
	if mic == nil {
		if l.askMIC {
			return nil, nil, errors.New("SPNEGO: no mechListMIC, though NTLM was not the client's first choice")
		}
		return response(acceptCompleted, false, nil, nil), c, nil
	}
	if err := c.Verify(mic, l.mechTypes); err != nil {
		return nil, nil, fmt.Errorf("SPNEGO: mechListMIC: %w", err)
	}
	own := c.Sign(l.mechTypes)
	c.restart()
	return response(acceptCompleted, false, nil, own[:]), c, nil
}

// OffersKerberos says whether a first token asks for Kerberos before NTLM, so that another acceptor can take it.
func OffersKerberos(token []byte) bool {
	init, err := parseInit(token)
	return err == nil && len(init.mechs) > 0 && init.token != nil &&
		(init.mechs[0].Equal(oidKerberos()) || init.mechs[0].Equal(oidMSKerberos()))
}

type negTokenInit struct {
	mechTypes []byte
	mechs     []asn1.ObjectIdentifier
	token     []byte
}

func tag(n uint8) der.Tag { return der.Tag(n).ContextSpecific().Constructed() }

// parseInit reads the initial token: [APPLICATION 0] { OID, [0] NegTokenInit } (RFC 4178 4.2.1).
func parseInit(token []byte) (*negTokenInit, error) {
	outer := cryptobyte.String(token)
	var app, choice, seq, types, list cryptobyte.String
	var oid asn1.ObjectIdentifier
	if !outer.ReadASN1(&app, der.Tag(0x60)) || !outer.Empty() ||
		!app.ReadASN1ObjectIdentifier(&oid) || !oid.Equal(oidSPNEGO()) ||
		!app.ReadASN1(&choice, tag(0)) || !app.Empty() ||
		!choice.ReadASN1(&seq, der.SEQUENCE) || !choice.Empty() || !seq.ReadASN1(&types, tag(0)) {
		return nil, errors.New("not a NegTokenInit")
	}
	init := &negTokenInit{mechTypes: types}
	if !types.ReadASN1(&list, der.SEQUENCE) || !types.Empty() || list.Empty() {
		return nil, errors.New("bad list of mechanisms")
	}
	for !list.Empty() {
		if !list.ReadASN1ObjectIdentifier(&oid) {
			return nil, errors.New("bad list of mechanisms")
		}
		init.mechs = append(init.mechs, oid)
	}
	var ok bool
	if !seq.SkipOptionalASN1(tag(1)) {
		return nil, errors.New("bad request flags")
	}
	if init.token, ok = optionalOctets(&seq, 2); !ok {
		return nil, errors.New("bad mechanism token")
	}
	return init, nil
}

// parseResponse reads a NegTokenResp (RFC 4178 4.2.2).
func parseResponse(token []byte) (inner, mic []byte, err error) {
	outer := cryptobyte.String(token)
	var choice, seq cryptobyte.String
	if !outer.ReadASN1(&choice, tag(1)) || !outer.Empty() || !choice.ReadASN1(&seq, der.SEQUENCE) || !choice.Empty() {
		return nil, nil, errors.New("not a NegTokenResp")
	}
	if !seq.SkipOptionalASN1(tag(0)) || !seq.SkipOptionalASN1(tag(1)) {
		return nil, nil, errors.New("bad NegTokenResp")
	}
	var ok, ok2 bool
	inner, ok = optionalOctets(&seq, 2)
	mic, ok2 = optionalOctets(&seq, 3)
	if !ok || !ok2 || !seq.Empty() {
		return nil, nil, errors.New("bad NegTokenResp")
	}
	return inner, mic, nil
}

// optionalOctets reads [n] OCTET STRING; absent is nil.
func optionalOctets(s *cryptobyte.String, n uint8) ([]byte, bool) {
	var field, value cryptobyte.String
	var there bool
	if !s.ReadOptionalASN1(&field, &there, tag(n)) {
		return nil, false
	}
	if !there {
		return nil, true
	}
	if !field.ReadASN1(&value, der.OCTET_STRING) || !field.Empty() {
		return nil, false
	}
	return value, true
}

func response(state int64, mech bool, token, mic []byte) []byte {
	var b cryptobyte.Builder
	b.AddASN1(tag(1), func(b *cryptobyte.Builder) {
		b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(tag(0), func(b *cryptobyte.Builder) { b.AddASN1Enum(state) })
			if mech {
				b.AddASN1(tag(1), func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(oidNTLM()) })
			}
			for i, octets := range [][]byte{token, mic} {
				if octets != nil {
					b.AddASN1(tag(uint8(2+i)), func(b *cryptobyte.Builder) { b.AddASN1OctetString(octets) })
				}
			}
		})
	})
	return b.BytesOrPanic()
}
