package negotiate

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
)

// session is one connection: an http.Transport that dials once. A second dial would leave the sign-in behind, and is
// errRedial instead; net/http dials again only where nothing of the request was sent, or where it is a read.
type session struct{ *http.Transport }

var errRedial = errors.New("the signed-in connection is gone")

func newSession(base *http.Transport) *session {
	s := httpOnly(base)
	dial := s.DialContext
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	var once sync.Once
	s.DialContext = func(ctx context.Context, network, addr string) (conn net.Conn, err error) {
		err = errRedial
		once.Do(func() { conn, err = dial(ctx, network, addr) })
		return conn, err
	}
	s.MaxConnsPerHost, s.MaxIdleConnsPerHost = 1, 1
	return &session{s}
}

// httpOnly clones a transport for HTTP/1.1 without a proxy: NTLM exists in HTTP/1.1 only (RFC 4559, section 5).
func httpOnly(base *http.Transport) *http.Transport {
	t := base.Clone()
	t.Proxy = nil
	t.ForceAttemptHTTP2 = false
	t.Protocols = new(http.Protocols)
	t.Protocols.SetHTTP1(true)
	return t
}

// with is a copy of the request with this body and token.
func with(req *http.Request, body []byte, scheme string, token []byte) *http.Request {
	r := req.Clone(req.Context())
	r.Body, r.GetBody, r.ContentLength = http.NoBody, nil, 0
	if len(body) > 0 {
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	}
	r.Header.Del("Authorization")
	if scheme != "" {
		r.Header.Set("Authorization", scheme+" "+base64.StdEncoding.EncodeToString(token))
	}
	return r
}

func wholeBody(req *http.Request) ([]byte, error) {
	if req.Body == nil {
		return nil, nil
	}
	defer req.Body.Close()
	return io.ReadAll(req.Body)
}

// drain reads a short body to its end, so that the connection stays; a long one costs the connection.
func drain(resp *http.Response) {
	_, _ = io.CopyN(io.Discard, resp.Body, 256<<10)
	_ = resp.Body.Close()
}

// lastBody gives the turn back when the body is closed.
type lastBody struct {
	io.ReadCloser
	once sync.Once
	done func()
}

func (b *lastBody) Close() error {
	err := b.ReadCloser.Close()
	b.once.Do(b.done)
	return err
}
