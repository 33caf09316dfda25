package negotiate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/jcmturner/gokrb5/v8/client"
	"github.com/jcmturner/gokrb5/v8/spnego"

	"meshrotate/reconciler/secret"
)

// KerberosConfig says where tickets come from: set one of Cache, Keytab and Password.
type KerberosConfig struct {
	// File is a krb5.conf. Zero: /etc/krb5.conf if there is one; without it the realm's KDCs are looked up in DNS.
	File string
	// Realm overrides the user's realm and the file's default_realm.
	Realm string
	// Cache is the path of a file credential cache, as kinit writes it; FILE: before it is allowed.
	Cache string
	// Keytab is the path of a keytab. Its first principal is used when User is empty.
	Keytab string
	// User is DOMAIN\user, user@realm or user.
	User     string
	Password secret.Value
	// Now is the clock for the pause after a KDC could not be reached. Zero: time.Now. The library has its own.
	Now func() time.Time
}

// Kerberos is a TokenSource with one log-in, shared by every service that is asked for. Tickets are kept until they
// expire. It is safe for concurrent use. Close it.
type Kerberos struct {
	client *client.Client
	user   string
	calls  sync.WaitGroup

	now func() time.Time

	mu     sync.Mutex
	login  *login
	closed bool
}

// login is one attempt to get a ticket-granting ticket. Everybody who comes meanwhile waits for it.
type login struct {
	done chan struct{}
	err  error
	over time.Time // when a failure was noticed; only a failure of the network is tried again
}

// loginPause is how long a KDC that could not be reached is left alone: with thousands of hosts to reach, each
// would wait for the same silence.
const loginPause = 10 * time.Second

// NewKerberos reads the configuration and the credential. It contacts nothing: the first Token logs in.
func NewKerberos(c KerberosConfig) (*Kerberos, error) {
	cl, err := c.open()
	if err != nil {
		return nil, fmt.Errorf("Kerberos: %w", err)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Kerberos{client: cl, user: cl.Credentials.UserName() + "@" + cl.Credentials.Domain(), now: c.Now}, nil
}

// Token gives a SPNEGO token for the service, such as HTTP/host.example. Each token may be used once: servers
// remember them (RFC 4120, section 3.2.3).
//
// The library below takes no context. A cancelled Token returns at once; the work it began ends by the library's own
// time limits, 5 s for each KDC and protocol, and Close waits for it.
func (k *Kerberos) Token(ctx context.Context, spn string) ([]byte, error) {
	type answer struct {
		token []byte
		err   error
	}
	if err := k.begin(); err != nil {
		return nil, err
	}
	got := make(chan answer, 1)
	go func() {
		defer k.calls.Done()
		token, err := k.token(spn)
		got <- answer{token, err}
	}()
	select {
	case a := <-got:
		return a.token, a.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// Close waits for tokens under way, forgets the tickets and ends the renewal that the library runs in the background.
func (k *Kerberos) Close() {
	k.mu.Lock()
	again := k.closed
	k.closed = true
	k.mu.Unlock()
	if again {
		return
	}
	k.calls.Wait()
	k.client.Destroy()
}

func (k *Kerberos) begin() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return ErrClosed
	}
	k.calls.Add(1)
	return nil
}

func (k *Kerberos) token(spn string) (token []byte, err error) {
	defer recovered(&err, "the KDC's answer cannot be read")
	if err := k.logIn(); err != nil {
		return nil, err
	}
	t, err := spnego.SPNEGOClient(k.client, spn).InitSecContext()
	if err != nil {
		return nil, explain(err, k.user, spn)
	}
	token, err = t.Marshal()
	if err != nil {
		return nil, fmt.Errorf("Kerberos: the token for %s cannot be encoded", spn)
	}
	return token, nil
}

// logIn joins the attempt under way, or keeps its outcome, or makes the first one.
func (k *Kerberos) logIn() error {
	k.mu.Lock()
	l := k.login
	if l == nil || l.stale(k.now()) {
		l = &login{done: make(chan struct{})}
		k.login = l
		k.mu.Unlock()
		l.run(k)
		return l.err
	}
	k.mu.Unlock()
	<-l.done
	return l.err
}

func (l *login) run(k *Kerberos) {
	defer close(l.done)
	defer func() { l.over = k.now() }()
	defer recovered(&l.err, "the KDC's answer cannot be read")
	if err := k.client.Login(); err != nil {
		l.err = explain(err, k.user, "")
	}
}

// stale says that a failed attempt may be made again. A rejected credential may not.
func (l *login) stale(now time.Time) bool {
	select {
	case <-l.done:
		return l.err != nil && !errors.As(l.err, new(*CredentialError)) && now.Sub(l.over) > loginPause
	default:
		return false
	}
}

// explain keeps what a person can use of a library error, which has no types, only texts with the names of RFC 4120,
// section 7.5.9.
func explain(err error, user, spn string) error {
	text := err.Error()
	for _, r := range rejections {
		if strings.Contains(text, r.code) {
			return &CredentialError{Mechanism: "Kerberos", User: user, Detail: r.detail}
		}
	}
	switch {
	case strings.Contains(text, "KDC_ERR_S_PRINCIPAL_UNKNOWN"):
		return &ServiceError{SPN: spn, Detail: "the KDC does not know this service"}
	case strings.Contains(text, "KRB_AP_ERR_SKEW"):
		return &ServiceError{SPN: spn, Detail: "this machine's clock and the KDC's are too far apart"}
	case strings.Contains(text, "Networking_Error"), strings.Contains(text, "communication error"):
		return &ServiceError{SPN: spn, Detail: "no KDC of the realm could be reached", Unreachable: true}
	case strings.Contains(text, "KDC_ERR_ETYPE_NOSUPP"):
		return &ServiceError{SPN: spn, Detail: "no encryption type in common with the KDC"}
	}
	return &ServiceError{SPN: spn, Detail: "the KDC gave no ticket"}
}

var rejections = [...]struct{ code, detail string }{
	{"KDC_ERR_PREAUTH_FAILED", "wrong password or key"},
	{"client password/keytab incorrect", "wrong password or key"},
	{"KDC_ERR_C_PRINCIPAL_UNKNOWN", "the KDC does not know this user"},
	{"KDC_ERR_CLIENT_REVOKED", "the account is disabled, locked or expired"},
	{"KDC_ERR_KEY_EXPIRED", "the password has expired"},
	{"KDC_ERR_NAME_EXP", "the account has expired"},
	{"no valid existing session", "the tickets in the cache have expired"},
	{"error getting key from credentials", "the keytab has no key for this user and encryption type"},
}

// ServiceError says that no ticket could be got, and that the credential is not to blame.
type ServiceError struct {
	SPN         string // empty: for the log-in itself
	Detail      string
	Unreachable bool // no KDC answered
}

func (e *ServiceError) Error() string {
	if e.SPN == "" {
		return "Kerberos: " + e.Detail
	}
	return "Kerberos: " + e.SPN + ": " + e.Detail
}

// Hint is what a person can do about it.
func (e *ServiceError) Hint() string {
	switch {
	case e.Unreachable:
		return "check the realm and its KDCs in krb5.conf, DNS, and port 88"
	case e.SPN != "":
		return "use the host name that the service is registered under; setspn -Q " + e.SPN + " shows it on Windows"
	}
	return "check krb5.conf and this machine's clock"
}

// recovered turns a panic into an error: the library indexes into what strangers send.
func recovered(err *error, detail string) {
	if recover() != nil {
		*err = &ServiceError{Detail: detail}
	}
}
