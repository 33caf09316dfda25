package negotiate_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jcmturner/goidentity/v6"
	"github.com/jcmturner/gokrb5/v8/keytab"
	"github.com/jcmturner/gokrb5/v8/service"
	"github.com/jcmturner/gokrb5/v8/spnego"
	"go.uber.org/goleak"

	"meshrotate/providers/negotiate"
	"meshrotate/reconciler/secret"
)

// The service's side of gokrb5, which these tests use to verify tokens, cleans its replay cache for ever. The name of
// that goroutine depends on what the compiler inlines.
func TestMain(m *testing.M) {
	const cleaner = "github.com/jcmturner/gokrb5/v8/service."
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction(cleaner+"GetReplayCache.func1.1"),
		goleak.IgnoreAnyFunction(cleaner+"VerifyAPREQ.GetReplayCache.func1.1"))
}

const canary = "CANARY-9d20"

// accept verifies a token with the service's keytab and gives the user in it.
func accept(keys *keytab.Keytab, token []byte) (string, error) {
	var t spnego.SPNEGOToken
	if err := t.Unmarshal(token); err != nil {
		return "", err
	}
	ok, ctx, status := spnego.SPNEGOService(keys, service.DecodePAC(false)).AcceptSecContext(&t)
	if !ok {
		return "", status
	}
	id, _ := ctx.Value("github.com/jcmturner/gokrb5/v8/ctxCredentials").(goidentity.Identity)
	if id == nil {
		return "", errors.New("a ticket for nobody")
	}
	return id.UserName() + "@" + id.Domain(), nil
}

func kerberos(t *testing.T, c negotiate.KerberosConfig) *negotiate.Kerberos {
	t.Helper()
	k, err := negotiate.NewKerberos(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	return k
}

func TestKerberosAgainstMIT(t *testing.T) {
	k := startKDC(t)
	const spn = "HTTP/im-admin.contoso.test"
	servicePath := k.add(spn, "")
	keys, err := keytab.Load(servicePath)
	if err != nil {
		t.Fatal(err)
	}
	k.add("svc", canary)
	robotKeys := k.add("robot", "")
	password := secret.NewString(canary)

	for _, test := range []struct {
		reason string
		c      negotiate.KerberosConfig
		want   string
	}{
		{"a password", negotiate.KerberosConfig{User: "svc", Password: password}, "svc"},
		{"a realm in lower case", negotiate.KerberosConfig{User: "svc@contoso.test", Password: password}, "svc"},
		{"a NetBIOS domain is no realm", negotiate.KerberosConfig{User: `CONTOSO\svc`, Password: password}, "svc"},
		{"a DNS domain is one", negotiate.KerberosConfig{User: `contoso.test\svc`, Password: password}, "svc"},
		{"a keytab", negotiate.KerberosConfig{User: "robot", Keytab: robotKeys}, "robot"},
		{"a keytab's own principal", negotiate.KerberosConfig{Keytab: robotKeys}, "robot"},
		{"a ticket cache", negotiate.KerberosConfig{Cache: "FILE:" + k.cache("robot", robotKeys)}, "robot"},
	} {
		t.Run(test.reason, func(t *testing.T) {
			test.c.File = k.conf
			token, err := kerberos(t, test.c).Token(t.Context(), spn)
			if err != nil {
				t.Fatal(err)
			}
			if user, err := accept(keys, token); err != nil || user != test.want+"@"+realm {
				t.Errorf("the service sees %q, %v", user, err)
			}
		})
	}

	t.Run("one log-in for a fleet, one ticket for a service, and every token is new", func(t *testing.T) {
		for i := range 8 {
			k.add(fmt.Sprintf("HTTP/relay-%d.contoso.test", i), canary)
		}
		logins, tickets := k.count("AS_REQ"), k.count("TGS_REQ")
		source := kerberos(t, negotiate.KerberosConfig{File: k.conf, User: "svc", Password: password})
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				one, err := source.Token(t.Context(), fmt.Sprintf("HTTP/relay-%d.contoso.test", i))
				two, err2 := source.Token(t.Context(), fmt.Sprintf("HTTP/relay-%d.contoso.test", i))
				if err != nil || err2 != nil || string(one) == string(two) {
					t.Errorf("%v, %v, or a token that was given twice", err, err2)
				}
			})
		}
		wg.Wait()
		// A log-in is two requests: the KDC asks for pre-authentication first.
		if n := k.count("AS_REQ") - logins; n != 2 {
			t.Errorf("%d requests for a log-in, want 2", n)
		}
		if n := k.count("TGS_REQ") - tickets; n != 8 {
			t.Errorf("%d tickets for 8 services", n)
		}
	})

	t.Run("a wrong password is tried once", func(t *testing.T) {
		before := k.count("PREAUTH_FAILED")
		source := kerberos(t, negotiate.KerberosConfig{File: k.conf, User: "svc", Password: secret.NewString("wrong-" + canary)})
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				_, err := source.Token(t.Context(), spn)
				var rejected *negotiate.CredentialError
				if !errors.As(err, &rejected) || !strings.Contains(err.Error(), "wrong password") || strings.Contains(err.Error(), canary) {
					t.Errorf("%v", err)
				}
			})
		}
		wg.Wait()
		if n := k.count("PREAUTH_FAILED") - before; n != 1 {
			t.Errorf("the KDC saw %d failures, want 1", n)
		}
	})

	t.Run("an expired ticket cache", func(t *testing.T) {
		path := k.cache("robot", robotKeys, "-l", "1s")
		time.Sleep(2 * time.Second) // the KDC grants whole seconds
		_, err := kerberos(t, negotiate.KerberosConfig{File: k.conf, Cache: path}).Token(t.Context(), spn)
		if !errors.As(err, new(*negotiate.CredentialError)) || !strings.Contains(err.Error(), "have expired") {
			t.Errorf("%v", err)
		}
	})

	t.Run("an unknown user", func(t *testing.T) {
		_, err := kerberos(t, negotiate.KerberosConfig{File: k.conf, User: "nobody", Password: password}).Token(t.Context(), spn)
		if !errors.As(err, new(*negotiate.CredentialError)) || !strings.Contains(err.Error(), "does not know this user") {
			t.Errorf("%v", err)
		}
	})

	t.Run("an unknown service is not the credential's fault", func(t *testing.T) {
		source := kerberos(t, negotiate.KerberosConfig{File: k.conf, User: "svc", Password: password})
		_, err := source.Token(t.Context(), "HTTP/elsewhere.contoso.test")
		var unknown *negotiate.ServiceError
		if !errors.As(err, &unknown) || !strings.Contains(unknown.Hint(), "HTTP/elsewhere.contoso.test") {
			t.Errorf("%v", err)
		}
		if _, err := source.Token(t.Context(), spn); err != nil {
			t.Errorf("and others still get theirs: %v", err)
		}
	})

	t.Run("closed", func(t *testing.T) {
		source := kerberos(t, negotiate.KerberosConfig{File: k.conf, User: "svc", Password: password})
		if _, err := source.Token(t.Context(), spn); err != nil {
			t.Fatal(err)
		}
		source.Close()
		if _, err := source.Token(t.Context(), spn); !errors.Is(err, negotiate.ErrClosed) {
			t.Errorf("%v", err)
		}
	})
}

// The library takes a skewed clock for a wrong password where the KDC asks for no pre-authentication.
func TestAKDCWithAnotherClock(t *testing.T) {
	k := startKDC(t)
	found, _ := filepath.Glob("/usr/lib/*/faketime/libfaketime.so.1") // no error: the pattern is right
	if len(found) == 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("CI needs libfaketime (Debian: faketime)")
		}
		t.Skip("libfaketime is not installed (Debian: faketime)")
	}
	k.programs["libfaketime"] = found[0]
	const spn = "HTTP/im-admin.contoso.test"
	k.add(spn, "")
	k.add("svc", canary)
	k.add("open", canary)
	k.run("kadmin.local", "-r", realm, "modprinc", "-requires_preauth", "open")
	for _, ahead := range []time.Duration{11 * time.Minute, -11 * time.Minute} {
		k.stop()
		k.ahead = ahead
		k.start()
		for _, user := range []string{"svc", "open"} {
			source := kerberos(t, negotiate.KerberosConfig{File: k.conf, User: user, Password: secret.NewString(canary)})
			_, err := source.Token(t.Context(), spn)
			var service *negotiate.ServiceError
			if !errors.As(err, &service) || service.Unreachable || !strings.Contains(service.Hint(), "set the clocks") {
				t.Errorf("%s, %v ahead: %v", user, ahead, err)
			}
		}
	}
}
