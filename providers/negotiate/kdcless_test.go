package negotiate_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jcmturner/gofork/encoding/asn1"
	"github.com/jcmturner/gokrb5/v8/asn1tools"
	"github.com/jcmturner/gokrb5/v8/gssapi"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/spnego"
	"github.com/jcmturner/gokrb5/v8/types"

	"meshrotate/providers/negotiate"
	"meshrotate/reconciler/secret"
)

// confFor is a krb5.conf with one KDC.
func confFor(t *testing.T, kdc string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "krb5.conf")
	text := fmt.Sprintf("[libdefaults]\n default_realm = %[1]s\n udp_preference_limit = 1\n[realms]\n %[1]s = {\n  kdc = %[2]s\n }\n", realm, kdc)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAKDCThatIsDownIsLeftAlone(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int32
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			asked.Add(1)
			_ = conn.Close()
		}
	}()
	now := time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC)
	source := kerberos(t, negotiate.KerberosConfig{
		File: confFor(t, l.Addr().String()), User: "svc", Password: secret.NewString(canary), Now: func() time.Time { return now },
	})
	ask := func(reason string, want int32) {
		t.Helper()
		before := asked.Load()
		_, err := source.Token(t.Context(), "HTTP/h.contoso.test")
		var service *negotiate.ServiceError
		if !errors.As(err, &service) || !service.Unreachable {
			t.Errorf("%s: %v", reason, err)
		}
		if n := asked.Load() - before; n != want {
			t.Errorf("%s: the KDC was asked %d times, want %d", reason, n, want)
		}
	}
	ask("the first time", 1)
	ask("at once again", 0)
	now = now.Add(4 * time.Second)
	ask("after the pause", 1)
	_ = l.Close()
	<-done
}

func TestASilentKDCCanBeCancelled(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	source := kerberos(t, negotiate.KerberosConfig{File: confFor(t, l.Addr().String()), User: "svc", Password: secret.NewString(canary)})
	ctx, cancel := context.WithCancel(t.Context())
	asked := make(chan net.Conn, 1)
	go func() {
		conn, err := l.Accept()
		cancel()
		if err != nil {
			t.Error(err)
		}
		asked <- conn
	}()
	if _, err := source.Token(ctx, "HTTP/h.contoso.test"); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if conn := <-asked; conn != nil {
		_ = conn.Close() // ends the wait that Close would otherwise sit out
	}
	_ = l.Close()
}

func TestAStrangeKDC(t *testing.T) {
	for _, reply := range []string{"\x00\x00\x00\x04abcd", "\x00\x00\x00\x02\x7e\x00", "\x00\x00\x00\x01\x6b", "\x00", ""} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				_, _ = conn.Read(make([]byte, 4096))
				_, _ = conn.Write([]byte(reply))
				_ = conn.Close()
			}
		}()
		source := kerberos(t, negotiate.KerberosConfig{File: confFor(t, l.Addr().String()), User: "svc", Password: secret.NewString(canary)})
		if _, err := source.Token(t.Context(), "HTTP/h.contoso.test"); err == nil || errors.As(err, new(*negotiate.CredentialError)) {
			t.Errorf("%q: %v", reply, err)
		}
		_ = l.Close()
		<-done
	}
}

// kdcThatSays is a KDC that answers every request with this error of RFC 4120, section 7.5.9.
func kdcThatSays(t *testing.T, code int32) string {
	t.Helper()
	answer := messages.NewKRBError(types.PrincipalName{NameType: 2, NameString: []string{"krbtgt", realm}}, realm, code,
		"KDC_ERR_PREAUTH_FAILED, says a text that proves nothing")
	b, err := answer.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 4096))
			_, _ = conn.Write(binary.BigEndian.AppendUint32(nil, uint32(len(b))))
			_, _ = conn.Write(b)
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return l.Addr().String()
}

func TestWhoseTroubleItIs(t *testing.T) {
	for _, test := range []struct {
		code   int32
		reason string
		whose  string // "credential", "passes" or "other"
		hint   string
	}{
		{1, "the account has expired", "credential", "check the user"},
		{6, "nobody knows this user", "credential", "check the user"},
		{18, "the account is locked", "credential", "check the user"},
		{21, "the account is not valid yet", "credential", "check the user"},
		{23, "the password has expired", "credential", "check the user"},
		{31, "a wrong password, as some KDCs put it", "credential", "check the user"},
		{7, "an unknown name", "other", ""},
		{8, "a name that is there twice", "other", ""},
		{12, "a policy", "other", "authentication policies"},
		{14, "no common encryption", "other", "AES"},
		{29, "a KDC that is starting", "passes", "port 88"},
		{37, "clocks apart", "other", "set the clocks"},
		{41, "a modified message", "other", ""},
		{60, "anything", "other", ""},
		{200, "what nobody has heard of", "other", ""},
	} {
		t.Run(fmt.Sprint(test.code, " ", test.reason), func(t *testing.T) {
			at := kdcThatSays(t, test.code)
			source := kerberos(t, negotiate.KerberosConfig{File: confFor(t, at), User: "svc", Password: secret.NewString(canary)})
			_, err := source.Token(t.Context(), "HTTP/h.contoso.test")
			var service *negotiate.ServiceError
			whose := "other"
			if errors.As(err, new(*negotiate.CredentialError)) {
				whose = "credential"
			} else if !errors.As(err, &service) {
				t.Fatalf("%v", err)
			} else if service.Unreachable {
				whose = "passes"
				if !strings.Contains(err.Error(), realm) || !strings.Contains(err.Error(), at) {
					t.Errorf("the realm and the address are not named: %v", err)
				}
			}
			if whose != test.whose {
				t.Errorf("it is %s's: %v", whose, err)
			}
			var h interface{ Hint() string }
			if !errors.As(err, &h) || !strings.Contains(h.Hint(), test.hint) || h.Hint() == "" {
				t.Errorf("hint of %v", err)
			}
		})
	}
}

func TestARealmWithoutAKDC(t *testing.T) {
	path := filepath.Join(t.TempDir(), "krb5.conf")
	text := "[libdefaults]\n default_realm = A.TEST\n dns_lookup_kdc = false\n[realms]\n A.TEST = {\n  kdc = 127.0.0.1:1\n }\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	source := kerberos(t, negotiate.KerberosConfig{File: path, User: "svc", Password: secret.NewString(canary)})
	_, err := source.Token(t.Context(), "HTTP/h.a.test")
	var service *negotiate.ServiceError
	if !errors.As(err, &service) || !service.Unreachable || !strings.Contains(err.Error(), "A.TEST") || !strings.Contains(service.Hint(), "127.0.0.1:1") {
		t.Errorf("%v", err)
	}
}

func TestWhatAServiceSaysOfATicket(t *testing.T) {
	now := time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC)
	krbError := func(code int32, clock time.Time) []byte {
		e := messages.NewKRBError(types.PrincipalName{NameType: 2, NameString: []string{"HTTP", "h"}}, realm, code, "")
		e.STime = clock
		b, err := e.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	gss := func(b []byte) []byte { // RFC 4121, section 4.1
		oid, err := asn1.Marshal(gssapi.OIDKRB5.OID())
		if err != nil {
			t.Fatal(err)
		}
		return asn1tools.AddASNAppTag(append(append(oid, 3, 0), b...), 0)
	}
	spnegoed := func(b []byte) []byte {
		r := spnego.NegTokenResp{NegState: 2, SupportedMech: gssapi.OIDKRB5.OID(), ResponseToken: b}
		b, err := r.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for _, test := range []struct {
		reason       string
		answer       []byte
		says, advice string
	}{
		{"nothing", nil, "does not say why", "setspn -Q HTTP/h"},
		{"nonsense", []byte{0xa1, 0x82, 0xff}, "does not say why", "setspn -Q HTTP/h"},
		{"a skew", gss(krbError(37, now.Add(11*time.Minute))), "clock is 11m0s ahead of", "set the clocks"},
		{"a skew, in SPNEGO", spnegoed(gss(krbError(37, now.Add(-6*time.Minute)))), "clock is 6m0s behind", "set the clocks"},
		{"another key", spnegoed(gss(krbError(41, now))), "another key", "Test-ComputerSecureChannel"},
		{"another key, bare", krbError(41, now), "another key", "setspn -Q HTTP/h"},
		{"something else", krbError(60, now), "error 60", "setspn -Q HTTP/h"},
	} {
		t.Run(test.reason, func(t *testing.T) {
			e := negotiate.TicketRefused("HTTP/h", test.answer, now)
			if !strings.Contains(e.Error(), test.says) || !strings.Contains(e.Hint(), test.advice) {
				t.Errorf("%v\nhint: %s", e, e.Hint())
			}
		})
	}
}

func TestKerberosConfig(t *testing.T) {
	conf := confFor(t, "127.0.0.1:88")
	damaged := filepath.Join(t.TempDir(), "damaged")
	if err := os.WriteFile(damaged, []byte{5, 4, 0}, 0o600); err != nil {
		t.Fatal(err)
	}
	password := secret.NewString(canary)
	for _, test := range []struct {
		reason string
		c      negotiate.KerberosConfig
	}{
		{"no credential", negotiate.KerberosConfig{File: conf}},
		{"two credentials", negotiate.KerberosConfig{File: conf, User: "a", Password: password, Keytab: damaged}},
		{"a password without a user", negotiate.KerberosConfig{File: conf, Password: password}},
		{"a krb5.conf that was named and is not there", negotiate.KerberosConfig{File: "/nowhere/krb5.conf", User: "a", Password: password}},
		{"a cache that is not there", negotiate.KerberosConfig{File: conf, Cache: "/nowhere/cache"}},
		{"a cache of another kind", negotiate.KerberosConfig{File: conf, Cache: "KEYRING:persistent:0"}},
		{"a damaged cache", negotiate.KerberosConfig{File: conf, Cache: damaged}},
		{"a damaged keytab", negotiate.KerberosConfig{File: conf, Keytab: damaged}},
	} {
		t.Run(test.reason, func(t *testing.T) {
			if k, err := negotiate.NewKerberos(test.c); err == nil {
				k.Close()
				t.Error("accepted")
			} else if strings.Contains(err.Error(), canary) {
				t.Errorf("shown: %v", err)
			}
		})
	}
}
