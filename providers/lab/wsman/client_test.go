package wsman_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bodgit/ntlmssp"
)

// client speaks to the server with other people's code where there is any: bodgit's NTLM, masterzen's messages.
type client struct {
	t    testing.TB
	conn net.Conn
	in   *bufio.Reader
	ntlm *ntlmssp.Client
	// first is a message for the last leg of the login to carry; its answer is in opened.
	first, opened string
}

func dial(t testing.TB, addr string, config *tls.Config) *client {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	if config != nil {
		conn = tls.Client(conn, config)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &client{t: t, conn: conn, in: bufio.NewReader(conn)}
}

// raw sends one request and reads the answer. Its patience is for a server that hangs, not for a slow one.
func (c *client) raw(contentType, authorization string, body []byte) (*http.Response, []byte, error) {
	req, err := http.NewRequest(http.MethodPost, "http://host/wsman", bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	_ = c.conn.SetDeadline(time.Now().Add(time.Minute))
	if err := req.Write(c.conn); err != nil {
		return nil, nil, err
	}
	resp, err := http.ReadResponse(c.in, req)
	if err != nil {
		return nil, nil, err
	}
	answer, err := io.ReadAll(resp.Body)
	return resp, answer, err
}

// login runs the NTLM handshake and returns the last answer's status.
func (c *client) login(user, password string) (int, error) {
	c.t.Helper()
	var err error
	if c.ntlm, err = ntlmssp.NewClient(ntlmssp.SetUserInfo(user, password), ntlmssp.SetDomain("CORP"), ntlmssp.SetVersion(ntlmssp.DefaultVersion())); err != nil {
		return 0, err
	}
	token, err := c.ntlm.Authenticate(nil, nil)
	if err != nil {
		return 0, err
	}
	resp, _, err := c.raw("", "Negotiate "+base64.StdEncoding.EncodeToString(token), nil)
	if err != nil {
		return 0, err
	}
	challenge, ok := strings.CutPrefix(resp.Header.Get("WWW-Authenticate"), "Negotiate ")
	if !ok || resp.StatusCode != http.StatusUnauthorized {
		return resp.StatusCode, nil
	}
	in, err := base64.StdEncoding.DecodeString(challenge)
	if err != nil {
		return 0, err
	}
	if token, err = c.ntlm.Authenticate(in, nil); err != nil {
		return 0, err
	}
	var kind string
	var body []byte
	if c.first != "" {
		kind, body = sealedType, c.seal(c.first)
	}
	resp, body, err = c.raw(kind, "Negotiate "+base64.StdEncoding.EncodeToString(token), body)
	if err != nil {
		return 0, err
	}
	if c.first != "" && resp.StatusCode == http.StatusOK {
		c.opened, err = c.unseal(body)
	}
	return resp.StatusCode, err
}

// loggedIn dials and logs in over HTTP.
func loggedIn(t testing.TB, addr string) *client {
	t.Helper()
	c := dial(t, addr, nil)
	if status, err := c.login(testUser, testPassword); err != nil || status != http.StatusOK {
		t.Fatalf("login: status %d, %v", status, err)
	}
	return c
}

const (
	boundary   = "--Encrypted Boundary"
	sealedType = `multipart/encrypted;protocol="application/HTTP-SPNEGO-session-encrypted";boundary="Encrypted Boundary"`
)

func (c *client) seal(message string) []byte {
	data, signature, err := c.ntlm.SecuritySession().Wrap([]byte(message))
	if err != nil {
		c.t.Fatal(err)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s\r\n\tContent-Type: application/HTTP-SPNEGO-session-encrypted\r\n", boundary)
	fmt.Fprintf(&b, "\tOriginalContent: type=application/soap+xml;charset=UTF-8;Length=%d\r\n", len(message))
	fmt.Fprintf(&b, "%s\r\n\tContent-Type: application/octet-stream\r\n", boundary)
	_ = binary.Write(&b, binary.LittleEndian, uint32(len(signature)))
	b.Write(signature)
	b.Write(data)
	b.WriteString(boundary + "--\r\n")
	return b.Bytes()
}

func (c *client) unseal(in []byte) (string, error) {
	_, rest, ok := bytes.Cut(in, []byte("octet-stream\r\n"))
	rest, end := bytes.CutSuffix(rest, []byte(boundary+"--\r\n"))
	if !ok || !end || len(rest) < 20 {
		return "", fmt.Errorf("not a sealed answer: %q", in)
	}
	clear, err := c.ntlm.SecuritySession().Unwrap(rest[20:], rest[4:20])
	return string(clear), err
}
