package ntlm

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/bodgit/ntlmssp"
)

const password = "Pässw0rd!"

func server() *Server {
	return &Server{Domain: "CORP", Host: "RELAY01", Password: func(user string) (string, bool) { return password, user == "svc" }}
}

// login runs a whole exchange with bodgit's client; alter may change the last message.
func login(t *testing.T, s *Server, user, pass, domain string, alter func(message []byte)) (*ntlmssp.Client, *Context, error) {
	t.Helper()
	client, err := ntlmssp.NewClient(ntlmssp.SetUserInfo(user, pass), ntlmssp.SetDomain(domain), ntlmssp.SetVersion(ntlmssp.DefaultVersion()))
	if err != nil {
		t.Fatal(err)
	}
	negotiate, err := client.Authenticate(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	challenge, exchange, err := s.Begin(negotiate)
	if err != nil {
		t.Fatal(err)
	}
	authenticate, err := client.Authenticate(challenge, nil)
	if err != nil {
		t.Fatal(err)
	}
	if alter != nil {
		alter(authenticate)
	}
	c, err := exchange.Finish(authenticate)
	return client, c, err
}

func TestLogin(t *testing.T) {
	flip := func(at int) func([]byte) { return func(b []byte) { b[at] ^= 1 } }
	// field flips a byte of the payload that a descriptor names.
	field := func(descriptor, at int) func([]byte) {
		return func(b []byte) { b[int(binary.LittleEndian.Uint32(b[descriptor+4:]))+at] ^= 1 }
	}
	cases := []struct {
		reason, user, password, domain string
		alter                          func([]byte)
		fails                          string
	}{
		{"the right password", "svc", password, "CORP", nil, ""},
		{"a local name", "svc", password, "", nil, ""},
		{"any letters in the domain", "svc", password, "Corp", nil, ""},
		{"a wrong password", "svc", "wrong", "CORP", nil, ErrLogon.Error()},
		{"an unknown user", "nobody", password, "CORP", nil, ErrLogon.Error()},
		{"an LMv2 response beside a timestamp", "svc", password, "CORP", field(12, 0), "LM response"},
		{"another proof", "svc", password, "CORP", field(20, 0), ErrLogon.Error()},
		{"another time than the challenge's", "svc", password, "CORP", field(20, 24), "another time"},
		{"another client challenge breaks the proof", "svc", password, "CORP", field(20, 33), ErrLogon.Error()},
		{"a changed name of the target", "svc", password, "CORP", field(20, 16+28+4), "changed or dropped"},
		{"another integrity code", "svc", password, "CORP", flip(micOffset), "integrity code"},
		{"another workstation breaks the integrity code", "svc", password, "CORP", flip(64), "integrity code"},
		{"fewer flags than agreed: a downgrade", "svc", password, "CORP", flip(62), "do not fit"},
		{"another session key", "svc", password, "CORP", field(52, 3), "integrity code"},
		{"not an NTLM message", "svc", password, "CORP", flip(0), "not an NTLM message"},
	}
	for _, tc := range cases {
		t.Run(tc.reason, func(t *testing.T) {
			alter := tc.alter
			if tc.reason == "fewer flags than agreed: a downgrade" {
				alter = func(b []byte) { b[62] &^= 1 << 3 }
			}
			_, c, err := login(t, server(), tc.user, tc.password, tc.domain, alter)
			if tc.fails == "" {
				if err != nil || c.User != tc.user || c.Domain != tc.domain || !c.Seals() {
					t.Fatalf("%+v, %v", c, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tc.fails) {
				t.Fatalf("got %v, want %q", err, tc.fails)
			}
			if (tc.fails == ErrLogon.Error()) != errors.Is(err, ErrLogon) {
				t.Errorf("ErrLogon: %v", err)
			}
			if strings.Contains(err.Error(), password) {
				t.Error("the password is in the error")
			}
		})
	}
}

func TestBeginRefuses(t *testing.T) {
	message := func(flags uint32) []byte {
		b := make([]byte, negotiateSize)
		copy(b, signature)
		b[8] = 1
		binary.LittleEndian.PutUint32(b[12:], flags)
		return b
	}
	const good = flagUnicode | flagExtendedSession | flag128
	for reason, in := range map[string][]byte{
		"no extended session security":      message(good &^ flagExtendedSession),
		"40-bit keys":                       message(good &^ flag128),
		"no character set":                  message(good &^ flagUnicode),
		"nothing":                           nil,
		"a field that points outside":       append(message(good)[:16], 9, 0, 9, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
		"another message than the first":    append(message(good)[:8], append([]byte{3}, message(good)[9:]...)...),
		"a message that is much too long":   append(message(good), make([]byte, maxMessage)...),
		"a message that is a bit too short": message(good)[:15],
	} {
		if _, _, err := server().Begin(in); err == nil {
			t.Errorf("%s: accepted", reason)
		}
	}
	if _, _, err := server().Begin(message(good)); err != nil {
		t.Error(err)
	}
	if _, err := (&Exchange{server: &Server{}}).Finish(nil); err == nil {
		t.Error("an empty answer: accepted")
	}
}

func TestChallengeTime(t *testing.T) {
	s := server()
	s.Now = func() time.Time { return time.Date(1601, 1, 1, 0, 0, 1, 0, time.UTC).AddDate(400, 0, 0) }
	if _, _, err := login(t, s, "svc", password, "CORP", nil); err != nil {
		t.Error(err)
	}
	if got := filetime(time.Unix(0, 0)); binary.LittleEndian.Uint64(got[:]) != 116444736000000000 {
		t.Errorf("1970 is %d", got)
	}
}

func TestSealing(t *testing.T) {
	client, c, err := login(t, server(), "svc", password, "CORP", nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		text := bytes.Repeat([]byte("relay key "), 100*i+1)
		sealed, mark, err := client.SecuritySession().Wrap(text)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Unseal(mark, sealed); err != nil || !bytes.Equal(sealed, text) {
			t.Fatalf("message %d from the client: %v", i, err)
		}
		answer := bytes.Clone(text)
		own, err := c.Seal(answer)
		if err != nil || bytes.Equal(answer, text) {
			t.Fatalf("message %d is not sealed: %v", i, err)
		}
		if clear, err := client.SecuritySession().Unwrap(answer, own[:]); err != nil || !bytes.Equal(clear, text) {
			t.Fatalf("message %d to the client: %v", i, err)
		}
	}
	sealed, mark, _ := client.SecuritySession().Wrap([]byte("x"))
	replay, replayMark := bytes.Clone(sealed), bytes.Clone(mark)
	if err := c.Unseal(mark, sealed); err != nil {
		t.Fatal(err)
	}
	if err := c.Unseal(replayMark, replay); err == nil || !strings.Contains(err.Error(), "sequence number") {
		t.Errorf("a replay: %v", err)
	}
}

func FuzzMessages(f *testing.F) {
	client, _ := ntlmssp.NewClient(ntlmssp.SetUserInfo("svc", password), ntlmssp.SetVersion(ntlmssp.DefaultVersion()))
	negotiate, _ := client.Authenticate(nil, nil)
	challenge, exchange, err := server().Begin(negotiate)
	if err != nil {
		f.Fatal(err)
	}
	authenticate, _ := client.Authenticate(challenge, nil)
	f.Add(negotiate)
	f.Add(authenticate)
	f.Add(response(acceptIncomplete, true, authenticate, []byte("mic")))
	f.Add([]byte("\x60\x1c\x06\x06\x2b\x06\x01\x05\x05\x02\xa0\x12\x30\x10\xa0\x0e\x30\x0c\x06\x0a\x2b\x06\x01\x04\x01\x82\x37\x02\x02\x0a"))
	f.Fuzz(func(t *testing.T, in []byte) {
		_, _, _ = server().Begin(in)
		if _, err := exchange.Finish(in); err == nil && !bytes.Equal(in, authenticate) {
			t.Error("an altered answer was accepted")
		}
		l := &Login{Server: server()}
		for range 2 {
			if _, c, _ := l.Step(in); c != nil {
				t.Error("logged in")
			}
		}
		_, _ = parsePairs(in)
		_ = OffersKerberos(in)
	})
}
