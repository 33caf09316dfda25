package wsman_test

import (
	"crypto/tls"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/masterzen/winrm"

	"meshrotate/providers/lab/webauth"
	"meshrotate/providers/lab/wsman"
)

func TestHTTPS(t *testing.T) {
	creds := newCredentials(t)
	addr := secure(t, creds, nil)
	create := winrm.NewOpenShellRequest("https://host:5986/wsman", params("PT60S")).String()
	basic := func(user, password string) string {
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
	}
	stranger := newCredentials(t).client
	cases := []struct {
		reason, authorization string
		certificate           *tls.Certificate
		status                int
	}{
		{"Basic", basic(testUser, testPassword), nil, 200},
		{"Basic with a domain", basic(`CORP\`+testUser, testPassword), nil, 200},
		{"Basic, wrong password", basic(testUser, "wrong"), nil, 401},
		{"a client certificate", webauth.MutualTLS, &creds.client, 200},
		{"the header without a certificate", webauth.MutualTLS, nil, 401},
		{"a certificate without the header is no login", "", &creds.client, 401},
	}
	for _, tc := range cases {
		t.Run(tc.reason, func(t *testing.T) {
			config := &tls.Config{RootCAs: creds.pool, ServerName: "localhost"}
			if tc.certificate != nil {
				config.Certificates = []tls.Certificate{*tc.certificate}
			}
			c := dial(t, addr, config)
			for range 2 { // on one connection, each request for itself
				if a, err := c.clear(tc.authorization, create); err != nil || a.status != tc.status {
					t.Fatalf("%v, %v", a, err)
				}
			}
		})
	}
	c := dial(t, addr, &tls.Config{RootCAs: creds.pool, ServerName: "localhost", Certificates: []tls.Certificate{stranger}})
	if _, err := c.clear(webauth.MutualTLS, create); err == nil {
		t.Error("a certificate of another CA was accepted")
	}
	c = dial(t, addr, &tls.Config{RootCAs: creds.pool, ServerName: "localhost"})
	if status, err := c.login(testUser, testPassword); err != nil || status != http.StatusUnauthorized {
		t.Errorf("NTLM without channel bindings where they are required: %d, %v", status, err)
	}
}

func TestIdleConnection(t *testing.T) {
	t.Parallel() // it waits; a busy machine must not take as long between two requests as a connection may be idle
	addr := start(t, &wsman.Server{Limits: wsman.Limits{ConnIdle: 2 * time.Second}})
	c := loggedIn(t, addr)
	shell := c.create()
	id := c.command(shell, "wait")
	if a := c.receive(shell, id, "PT2.5S"); a.code() != 2150858793 {
		t.Errorf("a connection that waits for its answer is not idle: %d", a.code())
	}
	_ = c.conn.SetReadDeadline(time.Now().Add(time.Minute))
	if _, err := c.in.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("the connection is still open: %v", err)
	}
	if a := loggedIn(t, addr).delete(shell); a.code() != 0 {
		t.Errorf("the shell did not survive: %s", a.text)
	}
}
