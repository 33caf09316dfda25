package negotiate

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jcmturner/gokrb5/v8/config"
	"github.com/jcmturner/gokrb5/v8/iana/errorcode"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/spnego"

	"meshrotate/providers/limits"
)

// ServiceError says that there is no ticket for a service, or that the service did not take it, for a reason of its own
// or of the KDC's. The credential is not to blame: others may use it.
type ServiceError struct {
	SPN         string // empty: for the log-in itself
	Detail      string
	Advice      string // what a person can do about it; empty: a general hint
	Unreachable bool   // no KDC answered: trying again later may help
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
	case e.Advice != "":
		return e.Advice
	case e.Unreachable:
		return "check the realm and its KDCs in krb5.conf, DNS, and port 88"
	case e.SPN != "":
		return "use the host name that the service is registered under; setspn -Q " + e.SPN + " shows it on Windows"
	}
	return "check krb5.conf and this machine's clock"
}

// accountTroubles are the codes of RFC 4120, section 7.5.9, by which a KDC refuses the credential itself.
var accountTroubles = map[int32]string{
	errorcode.KDC_ERR_PREAUTH_FAILED:      "wrong password or key",
	errorcode.KDC_ERR_C_PRINCIPAL_UNKNOWN: "the KDC does not know this user",
	errorcode.KDC_ERR_CLIENT_REVOKED:      "the account is disabled, locked or expired",
	errorcode.KDC_ERR_CLIENT_NOTYET:       "the account is not valid yet",
	errorcode.KDC_ERR_KEY_EXPIRED:         "the password has expired",
	errorcode.KDC_ERR_NAME_EXP:            "the account has expired",
}

// localTroubles are the credential's, too: the library itself finds them.
var localTroubles = [...]struct{ text, detail string }{
	{"no valid existing session", "the tickets in the cache have expired"},
	{"error getting key from credentials", "the keytab has no key for this user and encryption type"},
}

// serviceTroubles are the codes that say something about the service or the KDC. In an advice, {spn} is its name and
// {host} its host.
var serviceTroubles = map[int32]struct{ detail, advice string }{
	errorcode.KDC_ERR_S_PRINCIPAL_UNKNOWN: {"the KDC does not know this service",
		"use the name that the computer has in the domain, or register {spn} for its account (setspn -S {spn} <computer>; setspn -Q {spn} shows who has it); or ask for another service with spn under connect, such as WSMAN"},
	errorcode.KDC_ERR_PRINCIPAL_NOT_UNIQUE: {"this service is registered for several accounts",
		"leave {spn} with the computer's account only: setspn -Q {spn} shows all that have it, setspn -D takes it from one"},
	errorcode.KDC_ERR_MUST_USE_USER2USER: {"this service is registered for an account that takes no tickets",
		"register {spn} for the computer's account: setspn -Q {spn} shows who has it now"},
	errorcode.KDC_ERR_SERVICE_REVOKED: {"the computer's account is disabled", "enable the account of {host} in the domain"},
	errorcode.KDC_ERR_SERVICE_EXP:     {"the computer's account has expired", "extend the account of {host} in the domain"},
	errorcode.KDC_ERR_SERVICE_NOTYET:  {"the computer's account is not valid yet", "look at the account of {host} in the domain"},
	errorcode.KDC_ERR_POLICY: {"the KDC's policy forbids it",
		"look at the account's log-on restrictions, authentication policies and silos in the domain"},
	errorcode.KDC_ERR_ETYPE_NOSUPP: {"no encryption type in common with the KDC",
		"allow AES for the computer's account (msDS-SupportedEncryptionTypes) and in krb5.conf (permitted_enctypes)"},
	errorcode.KRB_AP_ERR_SKEW:    {"the clocks are too far apart", adviceSkew},
	errorcode.KRB_AP_ERR_TKT_NYV: {"the ticket is not valid yet: the clocks are too far apart", adviceSkew},
	errorcode.KRB_AP_ERR_MODIFIED: {"the service has another key than its ticket",
		"see that {spn} belongs to the computer's own account (setspn -Q {spn}), or, where another account must have it, ask for another service with spn under connect, such as WSMAN; and see that {host} has kept its trust with the domain (Test-ComputerSecureChannel)"},
}

const adviceSkew = "set the clocks of this machine, of the KDC and of the host: Kerberos bears 5 minutes of difference"

// explain keeps what a person can use of a library error, which has no types, only texts.
func (k *Kerberos) explain(err error, spn string) error {
	text := err.Error()
	if code, said := codeIn(text); said {
		return k.explainCode(code, spn)
	}
	if limit := limits.Told(err); limit != nil {
		return fmt.Errorf("Kerberos: %w", limit)
	}
	rejected := func(detail string) error {
		return &CredentialError{Mechanism: "Kerberos", User: k.user, Detail: detail}
	}
	for _, t := range localTroubles {
		if strings.Contains(text, t.text) {
			return rejected(t.detail)
		}
	}
	switch {
	case strings.Contains(text, "any defined KDCs"), strings.Contains(text, "no KDCs defined"):
		return &ServiceError{SPN: spn, Detail: "krb5.conf names no KDC of the realm " + k.realmOf(spn),
			Advice: "name the realm's domain controllers under [realms] in krb5.conf, or allow dns_lookup_kdc"}
	case strings.Contains(text, "Networking_Error"), strings.Contains(text, "communication error"):
		return k.unreachable(spn, "answers")
	case strings.Contains(text, "clock skew with KDC"):
		return troubleOf(spn, errorcode.KRB_AP_ERR_SKEW)
	case strings.Contains(text, "client password/keytab incorrect") && strings.Contains(text, "Decrypting_Error"):
		return rejected("wrong password or key")
	}
	return &ServiceError{SPN: spn, Detail: "the KDC gave no ticket"}
}

func (k *Kerberos) explainCode(code int32, spn string) error {
	if detail, ok := accountTroubles[code]; ok {
		return &CredentialError{Mechanism: "Kerberos", User: k.user, Detail: detail}
	}
	switch {
	case code == errorcode.KRB_AP_ERR_BAD_INTEGRITY && spn == "": // some KDCs say so of a wrong password
		return &CredentialError{Mechanism: "Kerberos", User: k.user, Detail: accountTroubles[errorcode.KDC_ERR_PREAUTH_FAILED]}
	case code == errorcode.KDC_ERR_SVC_UNAVAILABLE:
		return k.unreachable(spn, "is ready")
	}
	return troubleOf(spn, code)
}

func troubleOf(spn string, code int32) *ServiceError {
	t, known := serviceTroubles[code]
	if !known {
		return &ServiceError{SPN: spn, Detail: fmt.Sprintf("Kerberos error %d (RFC 4120, section 7.5.9)", code)}
	}
	e := &ServiceError{SPN: spn, Detail: t.detail}
	if spn != "" || !strings.Contains(t.advice, "{") {
		e.Advice = about(spn, t.advice)
	}
	return e
}

// about puts a service's names into an advice.
func about(spn, advice string) string {
	return strings.NewReplacer("{spn}", spn, "{host}", hostOf(spn)).Replace(advice)
}

var codeText = regexp.MustCompile(`KRB Error: (?:\((\d+)\)|Unknown ErrorCode (\d+))`)

// codeIn finds the code of the KRB-ERROR that a library error is about.
func codeIn(text string) (int32, bool) {
	m := codeText.FindStringSubmatch(text)
	if m == nil {
		return 0, false
	}
	code, err := strconv.ParseInt(m[1]+m[2], 10, 32)
	return int32(code), err == nil
}

func (k *Kerberos) unreachable(spn, verb string) *ServiceError {
	realm := k.realmOf(spn)
	kdcs := "found by DNS"
	i := slices.IndexFunc(k.client.Config.Realms, func(r config.Realm) bool { return r.Realm == realm && len(r.KDC) > 0 })
	if i >= 0 {
		kdcs = strings.Join(k.client.Config.Realms[i].KDC, ", ")
	}
	e := &ServiceError{SPN: spn, Unreachable: true, Detail: fmt.Sprintf("no KDC of the realm %s %s (%s)", realm, verb, kdcs),
		Advice: fmt.Sprintf("check the way from this machine to the domain controllers of %s (%s), TCP and UDP port 88", realm, kdcs)}
	if i < 0 {
		e.Advice += "; nslookup -type=SRV _kerberos._tcp." + realm + " shows them, or name them in krb5.conf"
	}
	return e
}

// realmOf is where the ticket for a service is asked for; the user's own realm for the log-in.
func (k *Kerberos) realmOf(spn string) string {
	if spn != "" {
		if realm := k.client.Config.ResolveRealm(hostOf(spn)); realm != "" {
			return realm
		}
	}
	return k.client.Credentials.Domain()
}

func hostOf(spn string) string {
	_, host, _ := strings.Cut(spn, "/")
	return host
}

// TicketRefused is the error for a service that refuses a ticket. The KDC gave that ticket, so the credential is right.
// answer is the SPNEGO token that came with the refusal: some services say in it why (RFC 4121, section 4.1). now is
// when it came.
func TicketRefused(spn string, answer []byte, now time.Time) *ServiceError {
	code, clock := refusalIn(answer)
	switch e := troubleOf(spn, code); {
	case code == 0:
		return &ServiceError{SPN: spn, Detail: "the host refuses the ticket and does not say why",
			Advice: about(spn, "see that {spn} belongs to the computer's own account (setspn -Q {spn}), that {host} has kept its trust with the domain (Test-ComputerSecureChannel), that its clock is right, and that the account may log on to it over the network")}
	case code == errorcode.KRB_AP_ERR_SKEW && !clock.IsZero():
		ahead, word := clock.Sub(now).Round(time.Second), "ahead of"
		if ahead < 0 {
			ahead, word = -ahead, "behind"
		}
		e.Detail = fmt.Sprintf("the host's clock is %v %s this machine's", ahead, word)
		return e
	default:
		return e
	}
}

// refusalIn finds the KRB-ERROR in a service's answer: its code, 0 where there is none, and the service's clock.
func refusalIn(answer []byte) (code int32, clock time.Time) {
	defer func() {
		if recover() != nil { // the library indexes into what strangers send
			code, clock = 0, time.Time{}
		}
	}()
	var outer spnego.SPNEGOToken
	if outer.Unmarshal(answer) == nil && outer.Resp {
		answer = outer.NegTokenResp.ResponseToken
	}
	var inner spnego.KRB5Token
	if inner.Unmarshal(answer) == nil {
		return inner.KRBError.ErrorCode, inner.KRBError.STime
	}
	var bare messages.KRBError
	if bare.Unmarshal(answer) == nil {
		return bare.ErrorCode, bare.STime
	}
	return 0, time.Time{}
}
