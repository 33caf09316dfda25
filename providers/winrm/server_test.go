package winrm

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"meshrotate/providers/lab/ntlm"
	"meshrotate/reconciler/secret"
)

const testPassword = "canary-Pa55word"

// A trouble is what goes wrong with one request.
type trouble struct {
	cut      string        // "before" it is processed, "after", "mid" answer, "header": in the middle of the HTTP header
	hang     bool          // no answer ever
	status   int           // an answer with this status and no message
	code     uint32        // a fault
	effect   bool          // the request is processed before its fault is sent
	clear    bool          // the answer is not sealed
	forge    bool          // the signature is wrong
	html     bool          // a page instead of a message
	stale    bool          // the answer is to another message
	close    bool          // the connection ends after the answer
	delay    time.Duration // before the answer
	envelope func(string) string
}

// A server is WinRM as far as these tests need it: it echoes standard input, and does wrong what it is told to.
type server struct {
	t         testing.TB
	password  string
	offers    []string // WWW-Authenticate
	sealed    bool
	troubles  map[string]trouble // by action and count, as in "Receive 1"; "Receive" is every one
	exit      string             // what stands in ExitCode
	output    func(in []byte) []byte
	challenge func([]byte) []byte // changes the NTLM challenge
	wantToken string              // the Kerberos token
	hangs     func()              // called when a request came that is not answered

	mu        sync.Mutex
	counts    map[string]int
	envelopes []string
	logins    []*ntlm.Context
	stdin     map[string][]byte
	conns     map[net.Conn]bool
	wg        sync.WaitGroup
}

func (s *server) start(tlsConfig *tls.Config) string {
	s.t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	addr := ln.Addr().String()
	if tlsConfig != nil {
		ln = tls.NewListener(ln, tlsConfig)
	}
	s.counts, s.stdin, s.conns = map[string]int{}, map[string][]byte{}, map[net.Conn]bool{}
	if s.password == "" {
		s.password = testPassword
	}
	if s.offers == nil {
		s.offers = []string{"Negotiate", `Basic realm="WSMAN"`}
	}
	s.wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns[c] = true
			s.mu.Unlock()
			s.wg.Go(func() {
				s.serve(c)
				_ = c.Close()
				s.mu.Lock()
				delete(s.conns, c)
				s.mu.Unlock()
			})
		}
	})
	s.t.Cleanup(func() {
		_ = ln.Close()
		s.hangUp()
		s.wg.Wait()
	})
	return addr
}

// hangUp closes every connection, as Windows does with idle ones.
func (s *server) hangUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		_ = c.Close()
	}
}

func (s *server) count(what string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts[what]
}

// next counts a request and finds what goes wrong with it.
func (s *server) next(action string) trouble {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts[action]++
	if t, ok := s.troubles[fmt.Sprintf("%s %d", action, s.counts[action])]; ok {
		return t
	}
	return s.troubles[action]
}

// hang never answers.
func (s *server) hang(r *bufio.Reader) {
	if s.hangs != nil {
		s.hangs()
	}
	_, _ = r.ReadByte()
}

// serve is one connection, with its login.
func (s *server) serve(c net.Conn) {
	r := bufio.NewReader(c)
	login := &ntlm.Login{Server: &ntlm.Server{Domain: "LAB", Password: func(string) (string, bool) { return s.password, true }}}
	var keys *ntlm.Context
	in := false
	for {
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return
		}
		if scheme, text, _ := strings.Cut(req.Header.Get("Authorization"), " "); !in || scheme == "Negotiate" {
			var reply string
			in, reply = s.authenticate(scheme, text, login, &keys, len(body))
			t := s.next("Handshake")
			if t.hang {
				s.hang(r)
				return
			}
			if t.cut != "" {
				return
			}
			if t.status != 0 {
				in = false
				if !httpAnswer(c, t.status, "text/plain", nil, nil) {
					return
				}
				continue
			}
			if !in {
				offers := s.offers
				if reply != "" {
					offers = []string{reply}
				}
				if !httpAnswer(c, 401, "", nil, offers) {
					return
				}
				continue
			}
			if len(body) == 0 {
				if !httpAnswer(c, 200, "", nil, nil) {
					return
				}
				continue
			}
		}
		if !s.request(c, r, req, body, keys) {
			return
		}
	}
}

func (s *server) authenticate(scheme, text string, login *ntlm.Login, keys **ntlm.Context, bodySize int) (ok bool, reply string) {
	raw, _ := base64.StdEncoding.DecodeString(text)
	switch {
	case scheme == "Basic":
		return string(raw) == "admin:"+s.password, ""
	case scheme == schemeCertificate:
		return true, ""
	case scheme == "Negotiate" && s.wantToken != "":
		return string(raw) == s.wantToken, ""
	case scheme == "Negotiate":
		if bodySize > 0 {
			s.t.Error("a handshake carries a body")
		}
		next, context, err := login.Step(raw)
		if err != nil {
			return false, ""
		}
		if context != nil {
			s.mu.Lock()
			s.logins = append(s.logins, context)
			s.mu.Unlock()
			*keys = context
			return true, ""
		}
		if s.challenge != nil {
			next = s.challenge(next)
		}
		return false, "Negotiate " + base64.StdEncoding.EncodeToString(next)
	}
	return false, ""
}

// request answers one message. It returns false when the connection is to end.
func (s *server) request(c net.Conn, r *bufio.Reader, req *http.Request, body []byte, keys *ntlm.Context) bool {
	if s.sealed {
		if !strings.HasPrefix(req.Header.Get("Content-Type"), "multipart/encrypted") {
			s.t.Errorf("an unsealed message came: %.60s", body)
			return false
		}
		signature, clear, err := decodeSealed(body)
		if err == nil {
			err = keys.Unseal(signature, clear)
		}
		if err != nil {
			return httpAnswer(c, 400, "", nil, nil)
		}
		body = clear
	}
	envelope := string(body)
	action := find(`/(\w+)</a:Action>`, envelope)
	t := s.next(action)
	switch {
	case t.cut == "before":
		return false
	case t.hang:
		s.hang(r)
		return false
	case t.status != 0:
		return httpAnswer(c, t.status, "text/plain", []byte("no"), nil) && t.status != 401
	}
	status, answer := 200, ""
	if t.code == 0 || t.effect {
		answer = s.process(action, envelope)
	}
	if t.code != 0 {
		status, answer = 500, fault(envelope, t.code)
	}
	if t.envelope != nil {
		answer = t.envelope(answer)
	}
	if t.stale {
		answer = strings.Replace(answer, "<a:RelatesTo>uuid:", "<a:RelatesTo>uuid:0", 1)
	}
	time.Sleep(t.delay)
	if t.cut == "after" {
		return false
	}
	contentType, out := soapType, []byte(answer)
	if s.sealed && !t.clear {
		contentType, out = seal(keys, out, t.forge)
	}
	if t.html {
		contentType, out = "text/html", []byte("<html>proxy</html>")
	}
	return send(c, status, contentType, out, t)
}

// basic is a client of a clear server on loopback.
func basic(addr string) Config {
	return Config{Address: addr, Name: "relay01", Auth: Basic, User: "admin", Password: secret.NewString(testPassword)}
}

// sealing is a client that seals.
func sealing(addr string) Config {
	return Config{Address: addr, Name: "relay01", Auth: NTLM, User: `LAB\admin`, Password: secret.NewString(testPassword)}
}
