package winrm

import (
	"bytes"
	"crypto/rc4"
	"encoding/binary"
	"testing"

	"github.com/bodgit/ntlmssp"

	"meshrotate/providers/lab/ntlm"
)

// noncesOf finds in a message of the library's what was new in it.
func noncesOf(t *testing.T, l *ntlmLogin, message []byte) (n nonces) {
	t.Helper()
	response, known := field(message, 20)
	key, exchanged := field(message, 52)
	if !known || !exchanged || len(response) < 44 || len(key) != len(n.exported) {
		t.Fatalf("it is no answer: %x", message)
	}
	n.now = binary.LittleEndian.Uint64(response[24:])
	copy(n.client[:], response[32:])
	cipher, err := rc4.NewCipher(sum(l.owf(), response[:16]))
	if err != nil {
		t.Fatal(err)
	}
	cipher.XORKeyStream(n.exported[:], key)
	return n
}

// TestNTLMMessages compares the messages with those of a library, which Windows is known to take.
func TestNTLMMessages(t *testing.T) {
	full, _, err := (&ntlm.Server{Domain: "LAB", Host: "RELAY01"}).Begin((&ntlmLogin{}).negotiate())
	if err != nil {
		t.Fatal(err)
	}
	pair := func(id uint16, value string) string {
		return string(binary.LittleEndian.AppendUint16(binary.LittleEndian.AppendUint16(nil, id), uint16(len(value)))) + value
	}
	telling := func(info string) []byte {
		b := append(bytes.Clone(full[:56]), info+"\x00\x00\x00\x00"...)
		copy(b[12:], appendField(nil, 0, 56))
		copy(b[40:], appendField(nil, len(info)+4, 56))
		return b
	}
	name, stamp := pair(2, "L\x00A\x00B\x00"), pair(7, "\x01\x02\x03\x04\x05\x06\xdc\x01")
	for reason, challenge := range map[string][]byte{
		"the lab's":                full,
		"no time":                  telling(name),
		"a time":                   telling(name + stamp),
		"flags of its own":         telling(name + pair(6, "\x01\x00\x00\x00") + stamp),
		"flags and no time":        telling(name + pair(6, "\x02\x00\x00\x00")),
		"bindings":                 telling(name + pair(10, "0123456789abcdef") + stamp),
		"a name that nobody knows": telling(name + pair(99, "x") + stamp),
	} {
		for _, who := range []ntlmLogin{{domain: "LAB", user: "admin"}, {user: "müller@lab.example"}, {domain: "LAB", user: "admin", bound: []byte("tls-server-end-point:0123")}} {
			who.password = []byte("pässword")
			theirs, err := ntlmssp.NewClient(ntlmssp.SetDomain(who.domain), ntlmssp.SetUserInfo(who.user, string(who.password)))
			if err != nil {
				t.Fatal(err)
			}
			var bound *ntlmssp.ChannelBindings
			if who.bound != nil {
				bound = &ntlmssp.ChannelBindings{ApplicationData: who.bound}
			}
			first, err := theirs.Authenticate(nil, nil)
			if err != nil || !bytes.Equal(who.negotiate(), first) {
				t.Errorf("%s, %s: the first message is\n%x, want\n%x, %v", reason, who.user, who.hello, first, err)
			}
			want, err := theirs.Authenticate(challenge, bound)
			if err != nil {
				t.Fatal(reason, err)
			}
			if got := who.authenticate(challenge, noncesOf(t, &who, want)); !bytes.Equal(got, want) {
				t.Errorf("%s, %s: the second message is\n%x, want\n%x", reason, who.user, got, want)
			}
		}
	}
}
