package tds

import (
	"bytes"
	"errors"

	"meshrotate/providers/lab/ntlm"
	"meshrotate/providers/lab/sqlserver"
	"meshrotate/providers/lab/wsman"
)

// integrated takes a client through NTLM, or takes its ticket, and returns DOMAIN\user.
func (c *conn) integrated() (string, error) {
	l := ntlm.Login{Server: &c.s.NTLM}
	token := c.login.sspi
	if c.s.Kerberos != nil && !bytes.HasPrefix(token, []byte("NTLMSSP\x00")) {
		user, _, err := c.s.Kerberos(token)
		if err != nil {
			return "", c.untrusted(err)
		}
		return c.s.NTLM.Domain + `\` + user, nil
	}
	for {
		answer, context, err := l.Step(token)
		if err != nil {
			return "", c.untrusted(err)
		}
		if context != nil {
			domain := context.Domain
			if c.s.NTLM.Domain != "" {
				domain = c.s.NTLM.Domain
			}
			return domain + `\` + context.User, nil
		}
		w := &writer{}
		w.sized(tokSSPI, func() { w.b = append(w.b, answer...) })
		if !c.reply(wsman.Fault{}, packReply, w.b) {
			return "", errDone
		}
		m, err := c.read()
		if err != nil {
			return "", err
		}
		if m.kind != packSSPI {
			return "", errors.New("no SSPI message")
		}
		token = m.body
	}
}

// federated asks whose a token is.
func (c *conn) federated() (string, error) {
	user, err := "", errors.New("nobody signs in with a token")
	if c.s.Tokens != nil {
		user, err = c.s.Tokens(c.login.token)
	}
	if err == nil {
		return user, nil
	}
	w := &writer{server: c.instance.Name(), version: c.login.version}
	w.Message(&sqlserver.Error{Number: 18456, State: 1, Class: 14, Message: "Login failed for user '<token-identified principal>'."})
	w.finish(doneError)
	c.reply(wsman.Fault{}, packReply, w.b)
	return "", err
}

// untrusted tells a client that its domain is not believed.
func (c *conn) untrusted(err error) error {
	w := &writer{server: c.instance.Name(), version: c.login.version}
	w.Message(&sqlserver.Error{Number: 18452, State: 1, Class: 14, Message: "Login failed. The login is from an untrusted domain and cannot be used with Integrated authentication."})
	w.finish(doneError)
	c.reply(wsman.Fault{}, packReply, w.b)
	return err
}
