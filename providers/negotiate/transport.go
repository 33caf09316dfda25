package negotiate

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"time"
)

// Config says how a Transport connects and signs in to one server.
type Config struct {
	// Kerberos is tried first. Zero: no Kerberos.
	Kerberos TokenSource
	// SPN names the service for Kerberos: HTTP/host.example.
	SPN string
	// NTLM is used without Kerberos, or where Kerberos has no ticket for the service. Zero: no NTLM.
	NTLM *Credential
	// HTTP holds the TLS and dial settings. It is cloned for each connection. Zero: net/http's zero Transport.
	HTTP *http.Transport
	// Now is the clock between two tries of a credential that was taken before and is refused. Zero: time.Now.
	Now func() time.Time
}

// Transport is an http.RoundTripper for one server. NTLM signs in a connection, not a request, so it owns one
// connection and sends one request at a time: a response's body must be closed before the next request is sent.
type Transport struct {
	config Config
	turn   chan struct{} // holds one value while nobody sends

	// The rest belongs to whoever has the turn.
	plain    *http.Transport // for Kerberos, which signs in each request
	session  *session        // for NTLM; nil: none yet
	accepted bool            // the server has taken the credential
	rejected error           // set when the server refused the credential
	refusals int             // since it last took it
	last     time.Time       // of them
	closed   bool
}

// NewTransport contacts nothing.
func NewTransport(c Config) *Transport {
	if c.HTTP == nil {
		c.HTTP = &http.Transport{}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	t := &Transport{config: c, turn: make(chan struct{}, 1), plain: httpOnly(c.HTTP)}
	t.turn <- struct{}{}
	return t
}

// Close ends the connection when the request under way is done. The TokenSource is the caller's.
func (t *Transport) Close() {
	<-t.turn
	t.closed = true
	t.plain.CloseIdleConnections()
	t.drop()
	t.turn <- struct{}{}
}

// RoundTrip sends the request, signed in. A 401 after a sign-in is an error, not a response: a CredentialError, or a
// ServiceError where the server refuses a ticket.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := wholeBody(req)
	if err != nil {
		return nil, err
	}
	select {
	case <-t.turn:
	case <-req.Context().Done():
		return nil, context.Cause(req.Context())
	}
	resp, err := t.send(req, body)
	if err != nil {
		t.turn <- struct{}{}
		return nil, err
	}
	resp.Body = &lastBody{ReadCloser: resp.Body, done: func() { t.turn <- struct{}{} }}
	return resp, nil
}

func (t *Transport) send(req *http.Request, body []byte) (*http.Response, error) {
	switch {
	case t.closed:
		return nil, ErrClosed
	case t.rejected != nil && !t.again():
		return nil, t.rejected
	case t.config.Kerberos != nil:
		token, err := t.config.Kerberos.Token(req.Context(), t.config.SPN)
		if err == nil {
			return t.sendKerberos(req, body, token)
		}
		if t.config.NTLM == nil || req.Context().Err() != nil || errors.As(err, new(*CredentialError)) {
			return nil, err
		}
	}
	if t.config.NTLM == nil {
		return nil, errors.New("negotiate: no credential was configured")
	}
	return t.sendNTLM(req, body)
}

// sendKerberos signs in one request. The token goes first, unasked: it is of use to the named service only.
func (t *Transport) sendKerberos(req *http.Request, body, token []byte) (*http.Response, error) {
	resp, err := t.plain.RoundTrip(with(req, body, "Negotiate", token))
	if err != nil || resp.StatusCode != http.StatusUnauthorized {
		return resp, err
	}
	drain(resp)
	found := offers(resp.Header)
	if !has(found, "negotiate") {
		return nil, &OfferError{names(found)}
	}
	answer, _ := base64.StdEncoding.DecodeString(found["negotiate"]) // what cannot be read says nothing
	return nil, TicketRefused(t.config.SPN, answer, time.Now())
}

// sendNTLM uses the signed-in connection, or signs in on a new one.
func (t *Transport) sendNTLM(req *http.Request, body []byte) (*http.Response, error) {
	if t.session != nil {
		resp, err := t.session.RoundTrip(with(req, body, "", nil))
		switch {
		case errors.Is(err, errRedial): // the server closed the idle connection; nothing was sent
		case err != nil:
			t.drop()
			return nil, err
		case resp.StatusCode != http.StatusUnauthorized:
			return resp, nil
		default: // the server forgot the sign-in and did not process the request
			drain(resp)
		}
		t.drop()
	}
	t.session = newSession(t.config.HTTP)
	resp, err := t.signIn(req, body)
	if err != nil {
		t.drop()
		if errors.Is(err, errRedial) {
			err = signInLost{err}
		}
		return nil, err
	}
	return resp, nil
}

// signIn is one NTLM handshake on the new connection: the bare request, then the negotiate message, then the
// authenticate message together with the body. A server that does not ask for a sign-in is not given one, and no body.
func (t *Transport) signIn(req *http.Request, body []byte) (*http.Response, error) {
	resp, err := t.session.RoundTrip(with(req, nil, "", nil))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusUnauthorized {
		if len(body) == 0 {
			return resp, nil
		}
		drain(resp)
		return nil, errNoChallenge
	}
	drain(resp)
	found := offers(resp.Header)
	scheme := "Negotiate"
	if !has(found, "negotiate") {
		if scheme = "NTLM"; !has(found, "ntlm") {
			return nil, &OfferError{names(found)}
		}
	}
	return t.exchange(req, body, scheme)
}

// exchange is the second and third step of signIn.
func (t *Transport) exchange(req *http.Request, body []byte, scheme string) (*http.Response, error) {
	h, err := newHandshake(*t.config.NTLM)
	if err != nil {
		return nil, err
	}
	token, err := h.negotiate()
	if err != nil {
		return nil, errors.New("NTLM: the negotiate message cannot be made")
	}
	resp, err := t.session.RoundTrip(with(req, nil, scheme, token))
	if err != nil { // the server has asked for a sign-in, so this message was no request to it
		return nil, signInLost{err}
	}
	drain(resp)
	if resp.StatusCode != http.StatusUnauthorized {
		return nil, errChallenge
	}
	challenge, err := base64.StdEncoding.DecodeString(offers(resp.Header)[strings.ToLower(scheme)])
	if err != nil {
		return nil, errChallenge
	}
	if token, err = h.authenticate(challenge, channelBinding(resp.TLS)); err != nil {
		return nil, err
	}
	resp, err = t.session.RoundTrip(with(req, body, scheme, token))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusUnauthorized {
		t.accepted, t.rejected, t.refusals = true, nil, 0
		return resp, nil
	}
	drain(resp)
	t.rejected = &CredentialError{Mechanism: "NTLM", User: t.config.NTLM.User}
	t.refusals, t.last = t.refusals+1, t.config.Now()
	return nil, t.rejected
}

// A server that took the credential and refuses it now may have lost its domain controller for a moment. It is asked
// again so often, so long after its last refusal: four in a row are below the lockout thresholds in use, 5 to 10.
const (
	againTries = 3
	againPause = 10 * time.Second
)

// again says that a refused credential may be tried once more. One that was never taken is not.
func (t *Transport) again() bool {
	return t.accepted && t.refusals <= againTries && t.config.Now().Sub(t.last) >= againPause
}

func (t *Transport) drop() {
	if t.session != nil {
		t.session.CloseIdleConnections()
		t.session = nil
	}
}
