package winrm

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"meshrotate/providers/limits"
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
	var limit *limits.Error
	if errors.As(e.Err, &limit) {
		return e.andLook(limit.Hint())
	}
	var service *negotiate.ServiceError
	if errors.As(e.Err, &service) {
		hint := service.Hint()
		if e.Class == Ticket {
			hint += fmt.Sprintf("; or set connect.hosts.%s.auth: ntlm", e.Host)
		}
		return e.andLook(hint)
	}
	var late interface{ Hint() string }
	if errors.Is(e.Err, context.DeadlineExceeded) && errors.As(e.Err, &late) {
		return e.andLook(late.Hint())
	}
	var offer *offerError
	if errors.As(e.Err, &offer) {
		return offer.hint()
	}
	switch e.Class {
	case TLS:
		return e.tlsHint()
	case Credential:
		return e.credentialHint()
	case Quota:
		return fmt.Sprintf("runs that were killed leave shells behind, which the host ends %s after their last use; those that this user's runs on this machine have recorded are deleted by themselves. "+
			"Wait for the others; or, when nobody else is at work with this account, end them on the host (`Get-WSManInstance shell -Enumerate | ft ShellId, Owner, ClientIP, ShellInactivity`, "+
			"then `Remove-WSManInstance shell @{ShellId='…'}`); or raise winrm/config/winrs MaxShellsPerUser", words(e.idle))
	case Refused:
		if errors.As(e.Err, new(*insecureError)) {
			return "use https, or ntlm, which seals every message over http"
		}
	}
	if e.Class == Unknown && e.Looked {
		return "nothing was changed: plan again"
	}
	return hints[e.Class]
}

// andLook adds what an unknown outcome asks for, whatever caused it.
func (e *Error) andLook(hint string) string {
	if e.Class == Unknown && !e.Looked {
		return hint + "; then " + hints[Unknown]
	}
	return hint
}

// hints are by class, where nothing more is known.
var hints = map[Class]string{
	Unknown:         "look at the host again and go on from what is seen, as `meshrotate plan` does",
	Unreachable:     "check the name, the port and the firewall, and `winrm enumerate winrm/config/listener` on the host",
	Canceled:        "no command was run on this host; start again when ready",
	Denied:          "the account must be an administrator of the host; for a local account check LocalAccountTokenFilterPolicy (UAC token filtering)",
	Protocol:        "the answer did not come from WinRM as it should; look for a proxy or for tampering before trying again",
	OperationsQuota: "raise MaxConcurrentOperationsPerUser on the host, or wait until its operations end",
	Unsupported:     "the host's WinRM does not offer what is asked of it",
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

// hint is about a way to log in that the host does not take.
func (e *offerError) hint() string {
	if containsFold(e.offers, e.wanted) { // NTLM inside of what it offers
		return "a policy on the host or its domain refuses NTLM (Network security: Restrict NTLM): use connect.winrm.auth: kerberos, or make an exception for this host"
	}
	return "enable this way to authenticate with `winrm set winrm/config/service/auth` on the host, or choose another one"
}

// words is a duration as a person says it.
func words(d time.Duration) string {
	if d >= 2*time.Minute {
		return fmt.Sprintf("%d minutes", (d+time.Minute-1)/time.Minute)
	}
	return fmt.Sprintf("%d seconds", d/time.Second)
}

// hint is about a status that explains itself, "" for others.
func (e *httpError) hint() string {
	switch {
	case e.status == http.StatusNotFound:
		return "something listens on this port that does not serve /wsman: see the listener's port and URLPrefix with `winrm enumerate winrm/config/listener` on the host, and whether WinRM runs there or another service has the port"
	case e.status == http.StatusRequestEntityTooLarge:
		return "the host takes smaller messages than Windows does by itself: give it back `winrm set winrm/config @{MaxEnvelopeSizekb=\"500\"}`, in its group policy where that sets it; or a proxy on the way has a limit of its own"
	case e.status == http.StatusInternalServerError:
		return "nothing of WinRM's own was answered: it may be starting or out of memory, or something stands before it; run again, and if it stays, look at the event log Windows Remote Management on the host"
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
