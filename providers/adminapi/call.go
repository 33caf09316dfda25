package adminapi

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"

	"meshrotate/providers/textform"
)

// Answer is what every answer tells beside its content.
type Answer struct {
	Status int
	// ServerTime is the server's clock when it answered, from the Date header: whole seconds, UTC. Zero: unknown.
	ServerTime time.Time
	// Age is for how long something between here and the server has had the answer (RFC 9111, section 5.1). Its time is as old then.
	Age time.Duration
	// Sent and Received are the local clock around the request that was answered, its sign-in left out.
	Sent, Received time.Time
	// Unwell says, of Ready, that it is 200 and says in words that it is not well.
	Unwell bool
	// Unready is, of WaitReady, when it was seen last that the service was not ready; zero when it was at once, or nothing was seen.
	Unready time.Time
}

// Skew is how far the server's clock is ahead of ours, and whether that is known. The Date header has whole seconds,
// so it is right to half a second and half the round trip.
func (a Answer) Skew() (time.Duration, bool) {
	if a.ServerTime.IsZero() {
		return 0, false
	}
	middle := a.Sent.Add(a.Received.Sub(a.Sent) / 2)
	return a.ServerTime.Add(500 * time.Millisecond).Sub(middle), true
}

// read is a GET, repeated while that is useful. check decides about the status and body of each answer.
func (c *Client) read(ctx context.Context, path, permission string, check func(http.Header, int, []byte) error) (Answer, error) {
	return c.repeat(ctx, http.MethodGet, path, permission, check)
}

// repeat sends a request of a method that changes nothing, as GET and OPTIONS (RFC 9110, 9.2.1).
func (c *Client) repeat(ctx context.Context, method, path, permission string, check func(http.Header, int, []byte) error) (Answer, error) {
	var last error
	attempt := func() (Answer, error) {
		a, err := c.once(ctx, method, path, permission, check)
		if err != nil && (ctx.Err() == nil || KindOf(err) == Slow) {
			last = c.named(err, method, path)
		}
		if err != nil && (!passing(err) || c.retry.For < 0) {
			return a, backoff.Permanent(err)
		}
		return a, err
	}
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = c.retry.First, c.retry.Most
	pause.RandomizationFactor = 0 // it keeps many clients apart, and there is one
	a, err := backoff.Retry(ctx, attempt, backoff.WithBackOff(pause), backoff.WithMaxElapsedTime(max(c.retry.For, 0)))
	if err != nil && ctx.Err() != nil {
		err = ended(ctx, last)
	}
	return a, c.named(err, method, path)
}

// ended says why a call or a wait was given up, and what was last seen.
func ended(ctx context.Context, last error) error {
	cause := context.Cause(ctx)
	if last == nil {
		return cause
	}
	return fmt.Errorf("%w; last seen: %w", cause, last)
}

// once is one attempt.
func (c *Client) once(ctx context.Context, method, path, permission string, check func(http.Header, int, []byte) error) (Answer, error) {
	endpoint := method + " " + path
	if err := c.past.refusing(ctx, endpoint); err != nil {
		return Answer{}, err
	}
	a, err := c.attempt(ctx, method, path, permission, check)
	c.past.note(endpoint, a.Status, err)
	return a, err
}

func (c *Client) attempt(ctx context.Context, method, path, permission string, check func(http.Header, int, []byte) error) (Answer, error) {
	attempt, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	sent := c.now()
	// A sign-in may take several requests; what counts is the last one. net/http calls GotConn on this goroutine.
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { sent = c.now() }}
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(attempt, trace), method, c.base+path, nil)
	if err != nil {
		return Answer{}, &Error{Kind: BadConfig, Detail: "the path is not a URL path"}
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "meshrotate")
	req.Header.Set("Cache-Control", "no-cache") // a cache in between is to ask the server (RFC 9111, section 5.2.1.4)

	resp, body, err := c.exchange(req)
	if err != nil {
		return Answer{}, c.failure(ctx, method, err)
	}
	a := Answer{Status: resp.StatusCode, Sent: sent, Received: c.now()}
	if t, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		a.ServerTime = t.UTC()
	}
	if n, err := strconv.ParseUint(strings.TrimSpace(resp.Header.Get("Age")), 10, 31); err == nil {
		a.Age = time.Duration(n) * time.Second
	}
	if err := check(resp.Header, resp.StatusCode, body); err != nil {
		var e *Error
		if errors.As(err, &e) && e.Kind == Denied {
			e.Permission = permission
		}
		return a, err
	}
	return a, nil
}

// exchange sends the request and reads the whole answer, so that its connection can be used again.
func (c *Client) exchange(req *http.Request) (*http.Response, []byte, error) {
	resp, err := c.auth.do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	began := time.Now()
	body, err := io.ReadAll(io.LimitReader(resp.Body, c.maxBody+1))
	if errors.Is(err, context.DeadlineExceeded) {
		return nil, nil, &Error{Kind: Slow, Status: resp.StatusCode, Detail: fmt.Sprintf("%d bytes of its answer came in %s, and not the end", len(body), time.Since(began).Round(100*time.Millisecond)), Err: err}
	}
	if err != nil {
		return nil, nil, err
	}
	if int64(len(body)) > c.maxBody {
		return nil, nil, &Error{Kind: WrongContent, Status: resp.StatusCode, Detail: fmt.Sprintf("the answer is longer than %d MiB", c.maxBody>>20), begun: true}
	}
	if encoding := resp.Header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") && resp.StatusCode < 300 {
		return nil, nil, &Error{Kind: WrongContent, Status: resp.StatusCode, Detail: "the answer is encoded (" + plain(encoding) + "), which was not asked for"}
	}
	return resp, textform.UTF8(body), nil // JSON may come in another form, with or without a mark (RFC 4627, section 3)
}

// failure explains why there was no answer. The caller's own cancellation stays what it is.
func (c *Client) failure(ctx context.Context, method string, err error) error {
	var e *Error
	known := errors.As(err, &e)
	if cause := context.Cause(ctx); cause != nil && !(known && e.Kind == Slow) { // which says more than that the time is over
		return cause
	}
	if known && e.Kind == Slow && method == http.MethodPost {
		e.Kind = Lost
	}
	if known {
		return e
	}
	e = broken(err)
	e.asked = c.asked.Load()
	plainAnswer := errors.As(err, new(tls.RecordHeaderError)) // nobody got as far as the request
	if method == http.MethodPost && (e.Kind == Unreachable || e.Kind == Local || e.Kind == TLS) && !plainAnswer && !neverSent(err) {
		e.Kind = Lost
	}
	return e
}

// named adds the host and the endpoint to an error.
func (c *Client) named(err error, method, path string) error {
	if err == nil {
		return nil
	}
	op := method + " " + path
	if e, ok := err.(*Error); ok { // not errors.As: a wrapping context error must stay outermost
		e.Host, e.Op, e.key = c.host, op, c.paths.key(path)
		return e
	}
	return fmt.Errorf("%s: %s: %w", plain(c.host), op, err)
}

// wantJSON accepts a 2xx answer that is JSON, whatever it says of itself but that it is a web page.
func wantJSON(h http.Header, status int, body []byte) error {
	if err := wantOK(h, status, body); err != nil {
		return err
	}
	if len(body) == 0 {
		return &Error{Kind: WrongContent, Status: status, Detail: "the answer has no content", otherwise: true}
	}
	kind, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err == nil && (kind == "application/json" || strings.HasSuffix(kind, "+json")) {
		return nil
	}
	if startsWith(body, '{') || startsWith(body, '[') {
		if json.Valid(body) {
			return nil
		}
		return &Error{Kind: WrongContent, Status: status, Detail: "expected JSON, got " + contentName(kind) + ", which begins as JSON, and is cut short or damaged", begun: true}
	}
	return &Error{Kind: WrongContent, Status: status, Detail: "expected JSON, got " + contentName(kind)}
}

// wantOK accepts a 2xx answer that is not a web page.
func wantOK(h http.Header, status int, _ []byte) error {
	e := &Error{Status: status}
	switch {
	case status == http.StatusUnauthorized:
		e.Kind = Credential
	case status == http.StatusForbidden:
		e.Kind = Denied
	case status == http.StatusNotFound:
		e.Kind = NotFound
	case status == http.StatusNotModified:
		e.Kind, e.Detail = WrongContent, "not modified, though nothing was asked to be compared: a cache answers"
	case status == http.StatusTooManyRequests:
		e.Kind, e.Detail = Limited, untilAgain(h.Get("Retry-After"))
	case status >= 300 && status < 400:
		e.Kind, e.Detail = Redirected, "to "+target(h.Get("Location"))
	case status == http.StatusMethodNotAllowed:
		e.Kind = Method
	case status >= 400 && status < 500:
		e.Kind = Refused
	case status < 200 || status > 299:
		e.Kind = Server
	default:
		kind, _, _ := mime.ParseMediaType(h.Get("Content-Type"))
		if kind != "text/html" && kind != "application/xhtml+xml" {
			return nil
		}
		e.Kind, e.Detail = WrongContent, "got a web page"
	}
	return e
}

// untilAgain is what Retry-After says in seconds. Its other form, a time, is left out.
func untilAgain(after string) string {
	n, err := strconv.ParseUint(after, 10, 32)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("it asks to wait for %d s", n)
}

// target names where a redirect leads, without its query, which may hold a token.
func target(location string) string {
	u, err := url.Parse(location)
	if err != nil || location == "" {
		return "an unreadable place"
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return plain(u.String())
}

func contentName(kind string) string {
	if kind == "" {
		return "content without a type"
	}
	return plain(kind)
}
