package negotiate

import (
	"context"
	"errors"
	"fmt"
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
// would wait for the same silence. It is shorter than anybody's patience with a host, so that a KDC that was away for a
// moment is asked again within it.
const loginPause = 3 * time.Second

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
		err = k.explain(err, spn)
		if errors.As(err, new(*CredentialError)) {
			k.reject(err)
		}
		return nil, err
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
		l.err = k.explain(err, "")
	}
}

// reject makes a refusal that came after the log-in the outcome of the log-in: the library signs in anew when its
// ticket-granting ticket has ended, and would do so for every host.
func (k *Kerberos) reject(err error) {
	l := &login{done: make(chan struct{}), err: err}
	close(l.done)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.login = l
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

// recovered turns a panic into an error: the library indexes into what strangers send.
func recovered(err *error, detail string) {
	if recover() != nil {
		*err = &ServiceError{Detail: detail}
	}
}
