package ntlm

import (
	"encoding/asn1"
	"strings"
	"testing"

	"github.com/bodgit/ntlmssp"
	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"
)

// initToken is a NegTokenInit as a client makes it.
func initToken(token []byte, mechs ...asn1.ObjectIdentifier) []byte {
	var b cryptobyte.Builder
	b.AddASN1(der.Tag(0x60), func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oidSPNEGO())
		b.AddASN1(tag(0), func(b *cryptobyte.Builder) {
			b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1(tag(0), func(b *cryptobyte.Builder) {
					b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
						for _, m := range mechs {
							b.AddASN1ObjectIdentifier(m)
						}
					})
				})
				if token != nil {
					b.AddASN1(tag(2), func(b *cryptobyte.Builder) { b.AddASN1OctetString(token) })
				}
			})
		})
	})
	return b.BytesOrPanic()
}

// TestSPNEGO has no client of its own that signs mechListMIC: .NET's does that in the tests of webauth.
func TestSPNEGO(t *testing.T) {
	cases := []struct {
		reason string
		mechs  []asn1.ObjectIdentifier
		mic    []byte
		fails  string
	}{
		{"NTLM first needs no mechListMIC", []asn1.ObjectIdentifier{oidNTLM()}, nil, ""},
		{"NTLM second needs one", []asn1.ObjectIdentifier{oidKerberos(), oidNTLM()}, nil, "no mechListMIC"},
		{"a wrong one is refused", []asn1.ObjectIdentifier{oidNTLM()}, make([]byte, 16), "mechListMIC"},
		{"NTLM must be offered", []asn1.ObjectIdentifier{oidKerberos()}, nil, "not among"},
	}
	for _, tc := range cases {
		t.Run(tc.reason, func(t *testing.T) {
			client, err := ntlmssp.NewClient(ntlmssp.SetUserInfo("svc", password), ntlmssp.SetVersion(ntlmssp.DefaultVersion()))
			if err != nil {
				t.Fatal(err)
			}
			negotiate, err := client.Authenticate(nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			l := &Login{Server: server()}
			c, err := negotiateInside(l, client, negotiate, tc.mechs, tc.mic)
			if tc.fails == "" && (err != nil || c == nil || c.User != "svc") ||
				tc.fails != "" && (err == nil || !strings.Contains(err.Error(), tc.fails)) {
				t.Errorf("%+v, %v", c, err)
			}
		})
	}
}

func negotiateInside(l *Login, client *ntlmssp.Client, negotiate []byte, mechs []asn1.ObjectIdentifier, mic []byte) (*Context, error) {
	first := negotiate
	if !mechs[0].Equal(oidNTLM()) {
		first = []byte("a token for another mechanism")
	}
	reply, _, err := l.Step(initToken(first, mechs...))
	if err != nil {
		return nil, err
	}
	challenge, _, err := parseResponse(reply)
	if err == nil && challenge == nil {
		if reply, _, err = l.Step(response(acceptIncomplete, false, negotiate, nil)); err == nil {
			challenge, _, err = parseResponse(reply)
		}
	}
	if err != nil {
		return nil, err
	}
	authenticate, err := client.Authenticate(challenge, nil)
	if err != nil {
		return nil, err
	}
	_, c, err := l.Step(response(acceptIncomplete, false, authenticate, mic))
	return c, err
}

func TestOffersKerberos(t *testing.T) {
	for _, tc := range []struct {
		reason string
		token  []byte
		want   bool
	}{
		{"Kerberos first, with a ticket", initToken([]byte("t"), oidKerberos(), oidNTLM()), true},
		{"Windows' old name for it", initToken([]byte("t"), oidMSKerberos(), oidKerberos()), true},
		{"no ticket", initToken(nil, oidKerberos()), false},
		{"NTLM first", initToken([]byte("t"), oidNTLM(), oidKerberos()), false},
		{"raw NTLM", []byte(signature), false},
	} {
		if got := OffersKerberos(tc.token); got != tc.want {
			t.Errorf("%s: %v", tc.reason, got)
		}
	}
}
