package negotiate

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"meshrotate/reconciler/secret"
)

func TestOffers(t *testing.T) {
	for _, test := range []struct {
		reason string
		lines  []string
		want   map[string]string
	}{
		{"one line each", []string{"Negotiate", "NTLM"}, map[string]string{"negotiate": "", "ntlm": ""}},
		{"all in one line", []string{`Negotiate, Basic realm="a, b", NTLM`}, map[string]string{"negotiate": "", "ntlm": "", "basic": `realm="a, b"`}},
		{"a token", []string{"NTLM TlRM=="}, map[string]string{"ntlm": "TlRM=="}},
		{"another case", []string{"NEGOTIATE"}, map[string]string{"negotiate": ""}},
		{"parameters are no schemes", []string{`Bearer realm="x", error="invalid_token"`}, map[string]string{"bearer": `realm="x"`}},
		{"an escaped quote", []string{`Basic realm="a\", NTLM", Negotiate`}, map[string]string{"basic": `realm="a\", NTLM"`, "negotiate": ""}},
		{"nothing", []string{"", ",,"}, map[string]string{}},
	} {
		t.Run(test.reason, func(t *testing.T) {
			if d := cmp.Diff(test.want, offers(http.Header{"Www-Authenticate": test.lines})); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestNamesArePrintable(t *testing.T) {
	got := names(offers(http.Header{"Www-Authenticate": {"NTLM", "\x1b[2J", strings.Repeat("x", 1000), "Basic"}}))
	if d := cmp.Diff([]string{"basic", "ntlm"}, got); d != "" {
		t.Error(d)
	}
}

func TestSplit(t *testing.T) {
	for _, test := range []struct{ given, user, domain string }{
		{`CONTOSO\svc`, "svc", "CONTOSO"},
		{`svc@contoso.example`, "svc@contoso.example", ""},
		{`svc`, "svc", ""},
		{`.\svc`, "svc", "."},
	} {
		if user, domain := (Credential{User: test.given}).split(); user != test.user || domain != test.domain {
			t.Errorf("%s: %q, %q", test.given, user, domain)
		}
	}
}

// FuzzChallenge looks for a panic that is not caught, and for errors that quote the challenge.
func FuzzChallenge(f *testing.F) {
	f.Add([]byte("NTLMSSP\x00\x02\x00\x00\x00"))
	f.Add([]byte("NTLMSSP\x00\x02\x00\x00\x00\x00\x00\x00\x00\x38\x00\x00\x00\x15\x82\x89\xe2\x01\x23\x45\x67\x89\xab\xcd\xef\x00\x00\x00\x00\x00\x00\x00\x00\x04\x00\x04\x00\x38\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, challenge []byte) {
		h, err := newHandshake(Credential{User: `D\u`, Password: secret.NewString("p")})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.negotiate(); err != nil {
			t.Fatal(err)
		}
		if answer, err := h.authenticate(challenge, nil); (err == nil) == (answer == nil) {
			t.Errorf("%x, %v", answer, err)
		}
	})
}

// FuzzOffers looks for a panic.
func FuzzOffers(f *testing.F) {
	f.Add(`Negotiate, Basic realm="a\", b"`)
	f.Fuzz(func(_ *testing.T, line string) { names(offers(http.Header{"Www-Authenticate": {line}})) })
}

// Nobody signs in anonymously because a server asks for it.
func TestNobodyIsAnonymous(t *testing.T) {
	challenge := []byte("NTLMSSP\x00\x02\x00\x00\x00\x00\x00\x00\x00\x38\x00\x00\x00\x15\x82\x89\xe2\x01\x23\x45\x67\x89\xab\xcd\xef\x00\x00\x00\x00\x00\x00\x00\x00\x04\x00\x04\x00\x38\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00")
	for _, anonymous := range []bool{false, true} {
		if anonymous {
			challenge[21] |= 0x08
		}
		h, err := newHandshake(Credential{User: `D\u`, Password: secret.NewString("p")})
		if err == nil {
			_, err = h.negotiate()
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.authenticate(challenge, nil); (err != nil) != anonymous {
			t.Errorf("anonymous %v: %v", anonymous, err)
		}
	}
}
