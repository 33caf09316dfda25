package winrm

import (
	"errors"
	"fmt"
	"net/http"

	"meshrotate/providers/negotiate"
	"meshrotate/providers/tlshint"
)

// Hint says what a person can do about it.
func (e *Error) Hint() string {
	var answer *httpError
	if errors.As(e.Err, &answer) && e.Class != Credential {
		if hint := answer.hint(); hint != "" {
			return e.andLook(hint)
		}
	}
	var service *negotiate.ServiceError
	if errors.As(e.Err, &service) {
		hint := service.Hint()
		if e.Class == Ticket {
			hint += fmt.Sprintf("; or set connect.hosts.%s.auth: ntlm", e.Host)
		}
		return e.andLook(hint)
	}
	switch e.Class {
	case TLS:
		return e.tlsHint()
	case Credential:
		return e.credentialHint()
	case Refused:
		if errors.As(e.Err, new(*insecureError)) {
			return "use https, or ntlm, which seals every message over http"
		}
	}
	return hints[e.Class]
}

// andLook adds what an unknown outcome asks for, whatever caused it.
func (e *Error) andLook(hint string) string {
	if e.Class == Unknown {
		return hint + "; then " + hints[Unknown]
	}
	return hint
}

// hints are by class, where nothing more is known.
var hints = map[Class]string{
	Unknown:         "look at the host again and go on from what is seen; nothing was sent twice",
	Unreachable:     "check the name, the port and the firewall, and `winrm enumerate winrm/config/listener` on the host",
	Canceled:        "no command was run on this host; start again when ready",
	Denied:          "the account must be an administrator of the host; for a local account check LocalAccountTokenFilterPolicy (UAC token filtering)",
	Protocol:        "the answer did not come from WinRM as it should; look for a proxy or for tampering before trying again",
	Quota:           "wait: abandoned shells end after their idle timeout; or raise MaxShellsPerUser on the host",
	OperationsQuota: "raise MaxConcurrentOperationsPerUser on the host, or wait until its operations end",
	Unsupported:     "enable this way to authenticate with `winrm set winrm/config/service/auth` on the host, or choose another one",
	Rejected:        "the host refused the request before running anything; its message says why",
	Refused:         "correct the settings of this host; nothing was sent",
	Ticket:          "check the host's name in Kerberos, the KDC and the clocks; the credential was not refused",
}

const (
	hintCredential = "the credential was refused and is not used any further, so that the account is not locked out; check user and password"
	hintOwn        = "this credential was taken elsewhere, so the reason is this host's own: check the account's right to log on to it over the network, the host's trust with its domain (Test-ComputerSecureChannel) and its clock"
)

func (e *Error) credentialHint() string {
	var guard *guardError
	switch {
	case errors.As(e.Err, &guard):
		return guard.Hint()
	case e.elsewhere:
		return hintOwn
	}
	return hintCredential
}

// hint is about a status that explains itself, "" for others.
func (e *httpError) hint() string {
	switch {
	case e.status == http.StatusNotFound:
		return "something listens on this port that does not serve /wsman: see the listener's port and URLPrefix with `winrm enumerate winrm/config/listener` on the host, and whether WinRM runs there or another service has the port"
	case e.status == http.StatusRequestEntityTooLarge:
		return "set EnvelopeSize to what the host allows, see MaxEnvelopeSizekb in `winrm get winrm/config`"
	case e.passes():
		return "something in front of WinRM answered, such as a load balancer, or HTTP.sys while WinRM restarts; it passes: run again, and if it stays, look at `sc query WinRM` on the host and at what stands before it"
	}
	return ""
}

// tlsHint tells the ways in which TLS fails apart.
func (e *Error) tlsHint() string {
	return tlshint.Hint(e.Err, tlshint.Server{
		Host: e.Host, Who: "the host", CAFile: "connect.winrm.caFile",
		Rename: "call the host by a name that its certificate holds, with connect.hosts.<name>.address where that name does not lead to it",
		Plain:  "what listens on this port does not speak TLS: use the port of the https listener, usually 5986; or set connect.winrm.transport: http with auth: ntlm, which seals every message",
		Renew:  "bind the new one to the listener (winrm set winrm/config/listener, CertificateThumbprint)",
		Client: "the host refuses the client certificate: it must be valid, issued by an authority that the host trusts, and mapped to an account (winrm enumerate winrm/config/service/certmapping)",
		Log:    "look at the host's System log, source Schannel: it says why TLS was given up",
	})
}
