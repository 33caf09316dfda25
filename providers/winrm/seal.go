package winrm

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
)

// The form of a sealed message (MS-WSMV 2.2.9.1). Part headers start with a tab and are case-sensitive.
const (
	sealProtocol  = "application/HTTP-SPNEGO-session-encrypted"
	sealBoundary  = "Encrypted Boundary"
	sealMedia     = "multipart/encrypted"
	sealType      = sealMedia + `;protocol="` + sealProtocol + `";boundary="` + sealBoundary + `"`
	sealHead      = "--" + sealBoundary + "\r\n\tContent-Type: " + sealProtocol + "\r\n\tOriginalContent: type=application/soap+xml;charset="
	sealLength    = ";Length="
	sealMiddle    = "\r\n--" + sealBoundary + "\r\n\tContent-Type: application/octet-stream\r\n"
	sealEnd       = "--" + sealBoundary + "--\r\n"
	signatureSize = 16
)

// A sealer seals and opens the messages of one connection. The keys move on with every message: what was sealed on one
// connection can be opened on no other.
type sealer struct{ keys *keys }

// wrap seals the envelope behind message's first at bytes where it is, with its head in these, and returns where that begins.
func (s *sealer) wrap(message []byte, at int) (sealed []byte, begins int, err error) {
	if s == nil || s.keys == nil {
		return nil, 0, fmt.Errorf("there is no key")
	}
	envelope := message[at:]
	signature := s.keys.out.seal(envelope)
	head := append(message[:0:at], sealHead+"UTF-8"+sealLength...)
	head = strconv.AppendInt(head, int64(len(envelope)), 10)
	head = append(head, sealMiddle...)
	head = binary.LittleEndian.AppendUint32(head, signatureSize)
	head = append(head, signature[:]...)
	begins = at - len(head)
	if begins < 0 {
		return nil, 0, fmt.Errorf("there is no room before the message")
	}
	copy(message[begins:], head)
	return append(message, sealEnd...), begins, nil
}

// unwrap opens an answer. Whatever is not sealed with the keys of this connection, in its turn, is an error.
func (s *sealer) unwrap(params map[string]string, body []byte) ([]byte, error) {
	if params["protocol"] != sealProtocol || params["boundary"] != sealBoundary {
		return nil, violation("the answer is sealed in another way than the message")
	}
	signature, sealed, err := decodeSealed(body)
	if err != nil {
		return nil, err
	}
	if err := s.keys.in.open(sealed, signature); err != nil {
		return nil, violation("the answer's signature is wrong: %v", err)
	}
	return sealed, nil
}

var errSealed = violation("the sealed answer is malformed")

// decodeSealed cuts a sealed answer into its signature and its sealed bytes.
func decodeSealed(body []byte) (signature, sealed []byte, err error) {
	rest, ok := bytes.CutPrefix(body, []byte(sealHead))
	line, rest, found := bytes.Cut(rest, []byte(sealMiddle))
	if !ok || !found {
		return nil, nil, errSealed
	}
	charset, length, found := strings.Cut(string(line), sealLength)
	n, err := strconv.ParseUint(length, 10, 31)
	if !found || !isUTF8(charset) || err != nil {
		return nil, nil, errSealed
	}
	rest, ok = bytes.CutSuffix(rest, []byte(sealEnd))
	if !ok || uint64(len(rest)) != 4+signatureSize+n || binary.LittleEndian.Uint32(rest) != signatureSize {
		return nil, nil, errSealed
	}
	signature = rest[4 : 4+signatureSize]
	if binary.LittleEndian.Uint32(signature) != 1 { // its version
		return nil, nil, errSealed
	}
	return signature, rest[4+signatureSize:], nil
}

func isUTF8(charset string) bool { return strings.EqualFold(charset, "UTF-8") }

// What a challenge must grant (MS-NLMP 2.2.2.5): Unicode, signing, sealing, extended session security, target
// information, 128 bits and key exchange. Windows has granted them all since Vista; less is a downgrade.
const challengeFlags = 0x1 | 0x10 | 0x20 | 0x80000 | 0x800000 | 0x20000000 | 0x40000000

// checkChallenge refuses a CHALLENGE_MESSAGE (MS-NLMP 2.2.1.2) that would weaken the session. The NTLM client takes
// the flags as they come, so it would send clear text if told to, and it trusts lengths.
func checkChallenge(b []byte) error {
	const fixed = 56
	if len(b) < fixed || string(b[:12]) != "NTLMSSP\x00\x02\x00\x00\x00" {
		return violation("the host's token is no NTLM challenge")
	}
	if flags := binary.LittleEndian.Uint32(b[20:]); flags&challengeFlags != challengeFlags {
		return violation("the challenge grants %#08x, without sealing of 128 bits", flags)
	}
	if _, ok := field(b, 12); !ok {
		return violation("the challenge is malformed")
	}
	info, ok := field(b, 40)
	for pairs := 0; ok; pairs++ {
		if len(info) < 4 {
			break
		}
		id, n := binary.LittleEndian.Uint16(info), int(binary.LittleEndian.Uint16(info[2:]))
		if id == 0 && n == 0 && pairs > 0 {
			return nil
		}
		const flags, timestamp = 6, 7
		if len(info) < 4+n || id == 0 || id == flags && n != 4 || id == timestamp && n != 8 {
			break
		}
		info = info[4+n:]
	}
	return violation("the challenge's target information is malformed")
}

// field is the payload that the length and the offset at b[at:] describe.
func field(b []byte, at int) ([]byte, bool) {
	n, offset := uint64(binary.LittleEndian.Uint16(b[at:])), uint64(binary.LittleEndian.Uint32(b[at+4:]))
	if offset+n > uint64(len(b)) {
		return nil, false
	}
	return b[offset : offset+n], true
}

func isFirstNTLM(token []byte) bool { return bytes.HasPrefix(token, []byte("NTLMSSP\x00\x01")) }
