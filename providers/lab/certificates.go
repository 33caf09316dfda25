package lab

import (
	"crypto/tls"
	"errors"
	"time"

	"meshrotate/providers/lab/tds"
)

// certify makes the authority of the hosts' certificates, and one that they share. Records are whole and keys are exchanged as Windows
// does it.
func (l *Lab) certify() (err error) {
	if !l.config.HTTPS {
		return nil
	}
	if l.hostAuthority, err = tds.NewAuthority(); err != nil {
		return err
	}
	own, err := l.hostAuthority.Issue(tds.Begin, time.Now().AddDate(30, 0, 0), hostNames)
	l.hostTLS = &tls.Config{Certificates: []tls.Certificate{own}, MinVersion: tls.VersionTLS12, DynamicRecordSizingDisabled: true,
		CurvePreferences: []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384}}
	return err
}

const hostNames = "*.lab.example"

// listening is how a host's WinRM speaks TLS, nil where it does not.
func (l *Lab) listening(h *Host) *tls.Config {
	if l.hostTLS == nil {
		return nil
	}
	usual := l.hostTLS.Clone()
	usual.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		h.mu.Lock()
		defer h.mu.Unlock()
		return h.oddTLS, nil
	}
	return usual
}

// shows lets a host's WinRM have a certificate that is not right.
func shows(odd func(l *Lab, now time.Time) (tls.Certificate, error)) func(*Lab, *Host) error {
	return func(l *Lab, h *Host) error {
		if l.hostTLS == nil {
			return errors.New("its WinRM has no certificate: start the lab with --https")
		}
		c, err := odd(l, h.clock())
		if err != nil {
			return err
		}
		config := l.hostTLS.Clone()
		config.Certificates = []tls.Certificate{c}
		h.setTLS(config)
		return nil
	}
}

func (h *Host) setTLS(c *tls.Config) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.oddTLS = c
}

// certificates are mishaps with the certificate of a host's WinRM, for a lab whose WinRM has some.
func certificates() []Mishap {
	const day = 24 * time.Hour
	return []Mishap{
		{"cert-expired", "let its WinRM have a certificate that has expired", shows(func(l *Lab, now time.Time) (tls.Certificate, error) {
			return l.hostAuthority.Issue(tds.Begin, now.Add(-day), hostNames)
		})},
		{"cert-early", "let it have one that is not valid yet", shows(func(l *Lab, now time.Time) (tls.Certificate, error) {
			return l.hostAuthority.Issue(now.Add(day), now.Add(365*day), hostNames)
		})},
		{"cert-name", "let it have one for another name", shows(func(l *Lab, now time.Time) (tls.Certificate, error) {
			return l.hostAuthority.Issue(tds.Begin, now.Add(365*day), "winrm.other.example")
		})},
		{"cert-stranger", "let it have one of an authority that nobody knows", shows(func(_ *Lab, now time.Time) (c tls.Certificate, err error) {
			stranger, err := tds.NewAuthority()
			if err != nil {
				return c, err
			}
			return stranger.Issue(tds.Begin, now.Add(365*day), hostNames)
		})},
		{"cert-old", "let it speak TLS 1.1 at the most", func(l *Lab, h *Host) error {
			if l.hostTLS == nil {
				return errors.New("its WinRM has no certificate: start the lab with --https")
			}
			c := l.hostTLS.Clone()
			c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
			h.setTLS(c)
			return nil
		}},
		{"cert", "let it have the right one again", func(_ *Lab, h *Host) error { h.setTLS(nil); return nil }},
	}
}
