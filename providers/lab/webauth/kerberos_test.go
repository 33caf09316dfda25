package webauth_test

import (
	"encoding/base64"
	"net/http"
	"testing"
	"time"

	"github.com/jcmturner/gokrb5/v8/client"
	"github.com/jcmturner/gokrb5/v8/config"
	"github.com/jcmturner/gokrb5/v8/iana/etypeID"
	"github.com/jcmturner/gokrb5/v8/iana/nametype"
	"github.com/jcmturner/gokrb5/v8/keytab"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/spnego"
	"github.com/jcmturner/gokrb5/v8/types"

	"meshrotate/providers/lab/ntlm"
	"meshrotate/providers/lab/webauth"
)

const realm = "LAB.TEST"

func newKeytab(t *testing.T, password string) *keytab.Keytab {
	t.Helper()
	kt := keytab.New()
	if err := kt.AddEntry("HTTP/admin.lab.test", realm, password, time.Now(), 1, etypeID.AES256_CTS_HMAC_SHA1_96); err != nil {
		t.Fatal(err)
	}
	return kt
}

// ticket makes the token of a client that has a service ticket: the part of a KDC is played by the keytab.
func ticket(t *testing.T, kt *keytab.Keytab, user string, from time.Time, life time.Duration) string {
	t.Helper()
	cname := types.NewPrincipalName(nametype.KRB_NT_PRINCIPAL, user)
	sname := types.NewPrincipalName(nametype.KRB_NT_SRV_INST, "HTTP/admin.lab.test")
	tkt, key, err := messages.NewTicket(cname, realm, sname, realm, types.NewKrbFlags(), kt, etypeID.AES256_CTS_HMAC_SHA1_96, 1,
		from, from, from.Add(life), from.Add(life))
	if err != nil {
		t.Fatal(err)
	}
	init, err := spnego.NewNegTokenInitKRB5(client.NewWithPassword(user, realm, "unused", config.New()), tkt, key)
	if err != nil {
		t.Fatal(err)
	}
	token := spnego.SPNEGOToken{Init: true, NegTokenInit: init}
	b, err := token.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return "Negotiate " + base64.StdEncoding.EncodeToString(b)
}

func TestKerberos(t *testing.T) {
	kt := newKeytab(t, "service password")
	now := time.Now().UTC()
	cases := []struct {
		reason string
		token  string
		status int
	}{
		{"a good ticket", ticket(t, kt, "svc", now, time.Hour), http.StatusOK},
		{"a ticket under another key", ticket(t, newKeytab(t, "other"), "svc", now, time.Hour), http.StatusUnauthorized},
		{"an expired ticket", ticket(t, kt, "svc", now.Add(-3*time.Hour), time.Hour), http.StatusUnauthorized},
	}
	rules := &webauth.Rules{Negotiate: true, Kerberos: &webauth.Kerberos{Keytab: kt}, NTLM: ntlm.Server{Host: "ADMIN01"}}
	for _, tc := range cases {
		t.Run(tc.reason, func(t *testing.T) {
			url, client := serve(t, rules, false), ownClient(t)
			status, header, body := get(t, client, url, tc.token)
			if status != tc.status {
				t.Fatalf("status %d", status)
			}
			if tc.status != http.StatusOK {
				return
			}
			if body != "svc: " || header.Get("WWW-Authenticate") == "" {
				t.Errorf("%q, %q", body, header)
			}
			if status, _, _ := get(t, client, url, ""); status != http.StatusOK {
				t.Errorf("the login does not stay with the connection: %d", status)
			}
			if status, _, _ := get(t, ownClient(t), url, tc.token); status != http.StatusUnauthorized {
				t.Errorf("a replay: %d", status)
			}
		})
	}
	if status, _, _ := get(t, ownClient(t), serve(t, &webauth.Rules{Negotiate: true}, false), ticket(t, kt, "svc", now, time.Hour)); status != http.StatusUnauthorized {
		t.Errorf("without a keytab: %d", status)
	}
}
