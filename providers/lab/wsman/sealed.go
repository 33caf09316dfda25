package wsman

import (
	"bytes"
	"encoding/binary"
	"errors"
	"mime"
	"strconv"
	"strings"

	"meshrotate/providers/lab/ntlm"
)

// A sealed message is a multipart of two parts: what it was, and the bytes (MS-WSMV 2.2.9.1). It looks like MIME but
// is not: its headers begin with a tab, no empty line ends them, and no line break precedes the last boundary.
const (
	sealedProtocol = "application/HTTP-SPNEGO-session-encrypted"
	sealedBoundary = "Encrypted Boundary"
	typeSealed     = `multipart/encrypted;protocol="` + sealedProtocol + `";boundary="` + sealedBoundary + `"`

	sealedHead = "--" + sealedBoundary + "\r\n" +
		"\tContent-Type: " + sealedProtocol + "\r\n" +
		"\tOriginalContent: type=application/soap+xml;charset=UTF-8;Length="
	sealedMiddle = "\r\n--" + sealedBoundary + "\r\n\tContent-Type: application/octet-stream\r\n"
	sealedTail   = "--" + sealedBoundary + "--\r\n"
)

// isSealed says whether a Content-Type announces a sealed message; the error is for one that announces it wrongly.
func isSealed(contentType string) (bool, error) {
	kind, params, err := mime.ParseMediaType(contentType)
	if !strings.HasPrefix(kind, "multipart/") {
		return false, nil
	}
	if err != nil || kind != "multipart/encrypted" || params["protocol"] != sealedProtocol || params["boundary"] != sealedBoundary {
		return true, errors.New("not a sealed message that this server knows")
	}
	return true, nil
}

// splitSealed takes a sealed message apart. The parts refer to in; length is the size of the clear text as announced.
func splitSealed(in []byte) (signature, data []byte, length int, err error) {
	rest, ok := bytes.CutPrefix(in, []byte(sealedHead))
	if !ok {
		return nil, nil, 0, errors.New("the first part's headers are not as MS-WSMV 2.2.9.1 says")
	}
	digits, rest, ok := bytes.Cut(rest, []byte(sealedMiddle))
	if !ok {
		return nil, nil, 0, errors.New("the second part's headers are not as MS-WSMV 2.2.9.1 says")
	}
	n, err := strconv.ParseUint(string(digits), 10, 31)
	if err != nil {
		return nil, nil, 0, errors.New("the announced length is not a number")
	}
	rest, ok = bytes.CutSuffix(rest, []byte(sealedTail))
	if !ok {
		return nil, nil, 0, errors.New("the last boundary is missing")
	}
	if len(rest) < 4+ntlm.SignatureSize || binary.LittleEndian.Uint32(rest) != ntlm.SignatureSize {
		return nil, nil, 0, errors.New("the signature's length is not 16")
	}
	rest = rest[4:]
	return rest[:ntlm.SignatureSize], rest[ntlm.SignatureSize:], int(n), nil
}

// unseal returns the clear text of a sealed message, which it decrypts in place.
func unseal(c *ntlm.Context, in []byte) ([]byte, error) {
	signature, data, length, err := splitSealed(in)
	if err != nil {
		return nil, err
	}
	if length != len(data) {
		return nil, errors.New("the announced length is not that of the clear text")
	}
	if err := c.Unseal(signature, data); err != nil {
		return nil, err
	}
	return data, nil
}

// appendSealed writes message as a sealed one, encrypting it in place.
func appendSealed(b []byte, c *ntlm.Context, message []byte, spoil bool) ([]byte, error) {
	signature, err := c.Seal(message)
	if err != nil {
		return nil, err
	}
	if spoil {
		signature[4] ^= 1
	}
	b = append(b, sealedHead...)
	b = strconv.AppendInt(b, int64(len(message)), 10)
	b = append(b, sealedMiddle...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(signature)))
	b = append(b, signature[:]...)
	b = append(b, message...)
	return append(b, sealedTail...), nil
}
