package negotiate

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"

	"github.com/jcmturner/gokrb5/v8/client"
	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/kadmin"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"

	"meshrotate/reconciler/secret"
)

// UnchangedError says that a password is for certain not changed, and why.
type UnchangedError struct{ Err error }

func (e *UnchangedError) Error() string { return "the password was not changed: " + e.Err.Error() }
func (e *UnchangedError) Unwrap() error { return e.Err }

// ChangePassword lets an account change its own password in its realm (RFC 3244): it signs in with the one that it has, which is
// the configuration's, and asks for the next. Nobody else's right is needed, and the realm's policy holds. When no good answer
// comes, sign-ins tell what became of it; where they cannot either, the error is no UnchangedError. An account that has the next
// one already is left as it is. A wrong password is tried no more than twice: once each.
func ChangePassword(ctx context.Context, c KerberosConfig, next secret.Value) (was bool, err error) {
	type answer struct {
		was bool
		err error
	}
	got := make(chan answer, 1)
	go func() {
		was, err := c.changePassword(ctx, next)
		got <- answer{was, err}
	}()
	select {
	case a := <-got: // the library takes no context, and ends by its own limits
		return a.was, a.err
	case <-ctx.Done():
		return false, context.Cause(ctx)
	}
}

func (c KerberosConfig) changePassword(ctx context.Context, next secret.Value) (was bool, err error) {
	k, err := NewKerberos(c)
	if err != nil {
		return false, &UnchangedError{err}
	}
	defer k.Close()
	old := k.logIn()
	if old == nil {
		if err = ask(ctx, k.client, next); err == nil {
			return false, nil
		}
		err = k.explainChange(err)
	}
	rejected := func(err error) bool { return errors.As(err, new(*CredentialError)) }
	if old != nil && !rejected(old) {
		return false, &UnchangedError{old}
	}
	c.Password = next
	n, wrong := NewKerberos(c)
	if wrong != nil {
		return false, wrong
	}
	defer n.Close()
	switch again := n.logIn(); {
	case again == nil:
		return true, nil
	case old != nil && rejected(again):
		return false, &UnchangedError{fmt.Errorf("neither the password of the version before nor the new one is taken: %w", old)}
	case rejected(again):
		return false, &UnchangedError{err}
	case old != nil:
		return false, again
	}
	return false, err
}

// mostReply bounds an answer, in bytes: a result and a sentence.
const mostReply = 64 << 10

// ask sends a request to change the client's own password, and reads the reply. The library's own request names the account,
// which a domain reads as an administrator's reset, for which an account has no right.
func ask(ctx context.Context, cl *client.Client, next secret.Value) (err error) {
	defer recovered(&err, "the answer to the change cannot be read")
	realm, name := cl.Credentials.Domain(), cl.Credentials.CName()
	req, err := messages.NewASReqForChgPasswd(realm, cl.Config, name)
	if err != nil {
		return err
	}
	rep, err := cl.ASExchange(realm, req, 0)
	if err != nil {
		return err
	}
	session := rep.DecryptedEncPart.Key
	etype, err := crypto.GetEtype(session.KeyType)
	if err != nil {
		return err
	}
	auth, err := types.NewAuthenticator(realm, name)
	if err != nil {
		return err
	}
	if err := auth.GenerateSeqNumberAndSubKey(etype.GetETypeID(), etype.GetKeyByteSize()); err != nil {
		return err
	}
	ap, err := messages.NewAPReq(rep.Ticket, session, auth)
	if err != nil {
		return err
	}
	data, err := (&kadmin.ChangePasswdData{NewPasswd: next.Expose()}).Marshal()
	if err != nil {
		return err
	}
	private := messages.NewKRBPriv(messages.EncKrbPrivPart{UserData: data, Timestamp: auth.CTime, Usec: auth.Cusec, SequenceNumber: auth.SeqNumber})
	if err := private.EncryptEncPart(auth.SubKey); err != nil {
		return err
	}
	message, err := (&kadmin.Request{APREQ: ap, KRBPriv: private}).Marshal()
	if err != nil {
		return err
	}
	answer, err := exchange(ctx, cl, realm, message)
	if err != nil {
		return err
	}
	var reply kadmin.Reply
	if err := reply.Unmarshal(answer); err != nil {
		return err
	}
	if err := reply.Decrypt(auth.SubKey); err != nil {
		return err
	}
	if reply.ResultCode != 0 {
		return refusal(reply.ResultCode)
	}
	return nil
}

// exchange sends a message to the first server of the realm that can be reached, over TCP: nothing is sent twice.
func exchange(ctx context.Context, cl *client.Client, realm string, message []byte) ([]byte, error) {
	_, servers, err := cl.Config.GetKpasswdServers(realm, true)
	if err != nil {
		return nil, &ServiceError{SPN: changePassword, Detail: "no server that changes passwords is known: " + err.Error(), Advice: "name one in krb5.conf, kpasswd_server"}
	}
	var away error
	for _, i := range slices.Sorted(maps.Keys(servers)) {
		var d net.Dialer
		conn, err := d.DialContext(ctx, "tcp", servers[i])
		if err != nil {
			away = &ServiceError{SPN: changePassword, Detail: servers[i] + " cannot be reached", Advice: "open port 464 to the domain controllers", Unreachable: true}
			continue
		}
		defer conn.Close()
		defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
		size := binary.BigEndian.AppendUint32(nil, uint32(len(message)))
		if _, err := conn.Write(append(size, message...)); err != nil {
			return nil, err
		}
		if _, err := io.ReadFull(conn, size); err != nil {
			return nil, err
		}
		n := binary.BigEndian.Uint32(size)
		if n > mostReply {
			return nil, fmt.Errorf("an answer of %d bytes", n)
		}
		answer := make([]byte, n)
		_, err = io.ReadFull(conn, answer)
		return answer, err
	}
	return nil, away
}

const changePassword = "kadmin/changepw"

// refusal is a result of RFC 3244, section 2. Its text is not passed on: it may be of any bytes.
type refusal uint16

func (r refusal) Error() string { return fmt.Sprintf("result %d", uint16(r)) }

func (k *Kerberos) explainChange(err error) error {
	var told *ServiceError
	var r refusal
	switch {
	case errors.As(err, &told):
		return told
	case !errors.As(err, &r):
		return k.explain(err, changePassword)
	}
	detail, advice := fmt.Sprintf("the domain refuses it, result %d (RFC 3244, section 2)", uint16(r)), "look at the domain controller's log"
	switch r {
	case 4:
		detail, advice = "the domain's policy does not take it", "its length, its complexity, its history, or the least age of the one before: the default domain policy wants a day between two changes"
	case 3, 5:
		detail, advice = "the domain does not let the account change its own password", "take off \"User cannot change password\" from "+k.user
	}
	return &ServiceError{SPN: changePassword, Detail: detail, Advice: advice}
}
