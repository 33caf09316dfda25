package winrm

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"meshrotate/reconciler/secret"
)

// Auth is a way to log in.
type Auth string

// The ways to log in. All but NTLM need HTTPS, except on loopback; Certificate always does.
const (
	NTLM        Auth = "ntlm"
	Basic       Auth = "basic"
	Kerberos    Auth = "kerberos"
	Certificate Auth = "certificate"
)

// TokenSource makes the first SPNEGO token for a service, for Kerberos. Token is called once for each connection. Its
// error counts as a refused credential only where it is a *negotiate.CredentialError; an *Error keeps its class.
type TokenSource interface {
	Token(ctx context.Context, spn string) ([]byte, error)
}

// Config says how to reach one host. Address and Auth must be set.
type Config struct {
	Address string // host:port, or host for the usual port, 5985 or 5986
	Name    string // the host's name in its certificate, its service principal and in errors; zero is Address's host
	HTTPS   bool
	Auth    Auth

	User     string // DOMAIN\user, user@realm or user; for NTLM and Basic
	Password secret.Value
	// TLS is cloned; nil means the system's roots. Verification cannot be switched off.
	TLS         *tls.Config
	Certificate *tls.Certificate // for Auth Certificate
	Kerberos    TokenSource      // for Auth Kerberos
	SPN         string           // of the service that tickets are for; see negotiate.Service
	Guard       *Guard           // shared by all sessions with this credential; nil guards nothing
	Record      *Record          // of the shells that this process makes; nil keeps none

	// Dial opens the connection; nil means net.Dialer. No proxy is used either way.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	ConnectTimeout   time.Duration // for connection, TLS and login together; zero is 30 s
	OperationTimeout time.Duration // the longest a host holds back an answer; zero is 20 s
	IdleTimeout      time.Duration // after which a host ends an unused shell; zero is 180 s
	Grace            time.Duration // a silent host is given up this long after OperationTimeout; zero is 15 s
	EnvelopeSize     int           // of the largest message, in bytes; zero is 512,000, Windows's default

	Now   func() time.Time                                 // zero is time.Now
	Sleep func(ctx context.Context, d time.Duration) error // returns early with ctx's error; zero is a timer
}

// envelopeOverhead is what a Send needs beside its data, with room to spare.
const envelopeOverhead = 2600

// chunk is how many bytes fit into one Send: base64 makes four of three.
func (c *Config) chunk() int { return (c.EnvelopeSize - envelopeOverhead) * 3 / 4 }

// url is the address that the messages name.
func (c *Config) url() string {
	if c.HTTPS {
		return "https://" + c.Address + "/wsman"
	}
	return "http://" + c.Address + "/wsman"
}

// complete fills in the zeroes and refuses what cannot work or is not safe.
func (c Config) complete() (Config, error) {
	if c.Address != "" {
		if _, _, err := net.SplitHostPort(c.Address); err != nil {
			c.Address = net.JoinHostPort(strings.Trim(c.Address, "[]"), c.port())
		}
	}
	host, _, splitErr := net.SplitHostPort(c.Address)
	orDefault(&c.Name, host)
	orDefault(&c.ConnectTimeout, 30*time.Second)
	orDefault(&c.OperationTimeout, 20*time.Second)
	orDefault(&c.IdleTimeout, 180*time.Second)
	orDefault(&c.Grace, 15*time.Second)
	orDefault(&c.EnvelopeSize, 512000)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Sleep == nil {
		c.Sleep = sleep
	}
	if c.Dial == nil {
		c.Dial = (&net.Dialer{}).DialContext
	}
	err := c.check()
	if err == nil && (splitErr != nil || host == "") {
		err = fmt.Errorf("%q is not host:port", c.Address)
	}
	if err != nil {
		return c, &Error{Class: Refused, Host: c.Name, Doing: opConnect.name, Err: err}
	}
	return c, nil
}

func (c *Config) port() string {
	if c.HTTPS {
		return "5986"
	}
	return "5985"
}

func (c *Config) check() error {
	switch c.Auth {
	case NTLM, Basic:
		if c.User == "" || c.Password.Len() == 0 {
			return fmt.Errorf("%s needs a user and a password", c.Auth)
		}
	case Kerberos:
		if c.Kerberos == nil {
			return errors.New("kerberos needs a source of tokens")
		}
	case Certificate:
		if c.Certificate == nil {
			return errors.New("certificate needs a client certificate")
		}
		if !c.HTTPS {
			return &insecureError{c.Auth}
		}
	default:
		return fmt.Errorf("%q is no way to authenticate; use ntlm, basic, kerberos or certificate", c.Auth)
	}
	if strings.ContainsFunc(c.Address, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return fmt.Errorf("%q is no address: names are written as DNS holds them", c.Address)
	}
	if c.Auth == Basic && strings.Contains(c.User, ":") {
		return errors.New("basic cannot send a user name with a colon")
	}
	if c.TLS != nil && c.TLS.InsecureSkipVerify {
		return errors.New("certificates are always verified; add the authority to TLS.RootCAs instead")
	}
	if c.EnvelopeSize < 8192 {
		return fmt.Errorf("an envelope of %d bytes is too small; WinRM's least is 8,192", c.EnvelopeSize)
	}
	if c.ConnectTimeout < 0 || c.OperationTimeout < 0 || c.IdleTimeout < 0 || c.Grace < 0 {
		return errors.New("a timeout is negative")
	}
	return nil
}

func orDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// duration is d as xs:duration (XML Schema part 2, 3.2.6), the only form that Windows takes.
func duration(d time.Duration) string {
	return "PT" + strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + "S"
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
