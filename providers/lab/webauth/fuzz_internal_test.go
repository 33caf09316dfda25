package webauth

import (
	"encoding/base64"
	"testing"

	"github.com/jcmturner/gokrb5/v8/keytab"

	"meshrotate/providers/lab/ntlm"
)

// FuzzAuthorization looks for panics, in the libraries too, and for logins that nobody earned.
func FuzzAuthorization(f *testing.F) {
	// A NegTokenInit with one mechanism, Kerberos, and the start of a ticket.
	f.Add([]byte("\x60\x2e\x06\x06\x2b\x06\x01\x05\x05\x02\xa0\x24\x30\x22\xa0\x0d\x30\x0b\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\xa2\x11\x04\x0f\x60\x0d\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\x01\x00"))
	f.Add([]byte("\x60\x0d\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\x01\x00"))
	f.Add([]byte("NTLMSSP\x00\x01\x00\x00\x00\x31\x82\x08\xa0"))
	rules := &Rules{Negotiate: true, Kerberos: &Kerberos{Keytab: keytab.New()},
		NTLM: ntlm.Server{Password: func(string) (string, bool) { return "secret", true }}}
	f.Fuzz(func(t *testing.T, token []byte) {
		c := rules.NewConn(nil)
		for range 3 {
			if a := c.Authenticate("Negotiate " + base64.StdEncoding.EncodeToString(token)); a.User != "" || a.Status != 401 {
				t.Errorf("%+v", a)
			}
		}
		_ = c.Authenticate(string(token))
	})
}
