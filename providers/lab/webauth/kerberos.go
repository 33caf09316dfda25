package webauth

import (
	"errors"
	"fmt"

	"github.com/jcmturner/gofork/encoding/asn1"
	"github.com/jcmturner/gokrb5/v8/asn1tools"
	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/iana/asnAppTag"
	"github.com/jcmturner/gokrb5/v8/iana/flags"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/iana/msgtype"
	"github.com/jcmturner/gokrb5/v8/keytab"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/service"
	"github.com/jcmturner/gokrb5/v8/spnego"
	"github.com/jcmturner/gokrb5/v8/types"

	"meshrotate/providers/lab/ntlm"
)

// Kerberos verifies service tickets with a keytab. The library behind it keeps one goroutine for its replay cache from
// the first ticket to the end of the process.
type Kerberos struct {
	// Keytab holds the service's keys.
	Keytab *keytab.Keytab
	// Principal is the service's name in the keytab, such as HTTP/host.example; empty takes the ticket's own.
	Principal string
}

// Accept takes a client's token and returns the user, without a realm, and the closing token.
func (k *Kerberos) Accept(token []byte) (user string, reply []byte, err error) {
	inner, mech, err := parseKerberos(token)
	if err != nil {
		return "", nil, err
	}
	return k.accept(inner, mech)
}

// parseKerberos finds a client's Kerberos token, raw or as the first choice inside SPNEGO, as Windows takes both
// (RFC 4559, MS-SPNG). mech is the name that SPNEGO's answer must use; nil for a raw token.
func parseKerberos(token []byte) (inner *spnego.KRB5Token, mech asn1.ObjectIdentifier, err error) {
	if ntlm.OffersKerberos(token) {
		var outer spnego.SPNEGOToken
		if err := outer.Unmarshal(token); err != nil {
			return nil, nil, err
		}
		token, mech = outer.NegTokenInit.MechTokenBytes, outer.NegTokenInit.MechTypes[0]
	}
	inner = &spnego.KRB5Token{}
	return inner, mech, inner.Unmarshal(token)
}

// accept verifies a ticket (RFC 4121 4.1) and returns the user and the closing token, with the server's own proof when
// the client asked for it. The ticket's authorization data is not decoded: MIT's KDC signs it in a way that gokrb5 does
// not know.
func (k *Kerberos) accept(inner *spnego.KRB5Token, mech asn1.ObjectIdentifier) (user string, reply []byte, err error) {
	request := &inner.APReq
	if request.MsgType != msgtype.KRB_AP_REQ {
		return "", nil, errors.New("the token holds no ticket")
	}
	settings := []func(*service.Settings){service.DecodePAC(false)}
	if k.Principal != "" {
		settings = append(settings, service.KeytabPrincipal(k.Principal))
	}
	ok, who, err := service.VerifyAPREQ(request, service.NewSettings(k.Keytab, settings...))
	if err != nil {
		return "", nil, err
	}
	if !ok {
		return "", nil, errors.New("the ticket is not valid")
	}
	var proof []byte
	if types.IsFlagSet(&request.APOptions, flags.APOptionMutualRequired) {
		if proof, err = mutualProof(inner.OID, request); err != nil {
			return "", nil, fmt.Errorf("mutual authentication: %w", err)
		}
	}
	if mech == nil {
		return who.UserName(), proof, nil
	}
	done := spnego.NegTokenResp{NegState: acceptCompleted, SupportedMech: mech, ResponseToken: proof}
	reply, err = done.Marshal()
	return who.UserName(), reply, err
}

// acceptCompleted is negState 0 (RFC 4178 4.2.2).
const acceptCompleted = 0

// mutualProof is the KRB_AP_REP that shows that the server could read the ticket (RFC 4120 3.2.4): the client's time
// under the session key, in a GSS-API token of id 02 00 (RFC 4121 4.1).
func mutualProof(mech asn1.ObjectIdentifier, request *messages.APReq) ([]byte, error) {
	part, err := asn1.Marshal(messages.EncAPRepPart{CTime: request.Authenticator.CTime, Cusec: request.Authenticator.Cusec})
	if err != nil {
		return nil, err
	}
	part = asn1tools.AddASNAppTag(part, asnAppTag.EncAPRepPart)
	sealed, err := crypto.GetEncryptedData(part, request.Ticket.DecryptedEncPart.Key, keyusage.AP_REP_ENCPART, 0)
	if err != nil {
		return nil, err
	}
	answer, err := asn1.Marshal(messages.APRep{PVNO: 5, MsgType: msgtype.KRB_AP_REP, EncPart: sealed})
	if err != nil {
		return nil, err
	}
	token, err := asn1.Marshal(mech)
	if err != nil {
		return nil, err
	}
	token = append(append(token, 2, 0), asn1tools.AddASNAppTag(answer, asnAppTag.APREP)...)
	return asn1tools.AddASNAppTag(token, 0), nil
}
