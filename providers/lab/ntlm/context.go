package ntlm

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/rc4"
	"encoding/binary"
	"errors"
	"fmt"
)

// SignatureSize is the length of a message signature (MS-NLMP 2.2.2.9.2).
const SignatureSize = 16

// Context is an authenticated connection: who it is, and its keys. It belongs to one connection: messages must be
// sealed and unsealed in the order in which they travel.
type Context struct {
	// User and Domain are as the client sent them.
	User, Domain string
	// Target is the service principal name that the client meant to reach; empty when it said none.
	Target string
	// ChannelBindings is the MD5 of the channel bindings that the client saw; all zero means none (MS-NLMP 2.2.2.1).
	ChannelBindings [16]byte

	in, out     half
	sealing     bool
	keyExchange bool
}

// half is one direction: its keys, its RC4 state and its sequence number.
type half struct {
	sign, seal []byte
	stream     *rc4.Cipher
	seq        uint32
}

// newContext derives the keys of both directions (MS-NLMP 3.4.5.2, 3.4.5.3).
func newContext(flags uint32, key []byte) *Context {
	derive := func(direction string) half {
		sign := md5.Sum([]byte(string(key) + "session key to " + direction + " signing key magic constant\x00"))
		seal := md5.Sum([]byte(string(key) + "session key to " + direction + " sealing key magic constant\x00"))
		return half{sign: sign[:], seal: seal[:], stream: newRC4(seal[:])}
	}
	return &Context{
		in: derive("client-to-server"), out: derive("server-to-client"),
		sealing: flags&flagSeal != 0, keyExchange: flags&flagKeyExchange != 0,
	}
}

// Seals says whether the client asked for confidentiality: without it Seal and Unseal fail.
func (c *Context) Seals() bool { return c.sealing }

// Seal encrypts message in place and returns its signature (MS-NLMP 3.4.3). The signature is over the clear text.
func (c *Context) Seal(message []byte) (signature [SignatureSize]byte, err error) {
	if !c.sealing {
		return signature, errors.New("NTLM seal: the client did not ask for sealing")
	}
	sum := c.out.checksum(message)
	c.out.stream.XORKeyStream(message, message)
	return c.finish(&c.out, sum), nil
}

// Unseal decrypts message in place and verifies its signature and sequence number.
func (c *Context) Unseal(signature, message []byte) error {
	if !c.sealing {
		return errors.New("NTLM unseal: the client did not ask for sealing")
	}
	c.in.stream.XORKeyStream(message, message)
	return c.verify(signature, c.in.checksum(message))
}

// Sign returns a signature over a message that travels in the clear.
func (c *Context) Sign(message []byte) [SignatureSize]byte {
	return c.finish(&c.out, c.out.checksum(message))
}

// Verify checks a signature over a message that travelled in the clear.
func (c *Context) Verify(signature, message []byte) error {
	return c.verify(signature, c.in.checksum(message))
}

func (c *Context) verify(signature, sum []byte) error {
	seq := c.in.seq
	want := c.finish(&c.in, sum)
	if len(signature) != SignatureSize || binary.LittleEndian.Uint32(signature) != 1 {
		return errors.New("NTLM: not a version 1 signature")
	}
	if got := binary.LittleEndian.Uint32(signature[12:]); got != seq {
		return fmt.Errorf("NTLM: sequence number %d, want %d", got, seq)
	}
	if !hmac.Equal(want[:], signature) {
		return errors.New("NTLM: wrong signature")
	}
	return nil
}

// finish writes the signature and advances the sequence number. With key exchange the checksum is encrypted, after the
// message, by the same stream (MS-NLMP 3.4.4.2).
func (c *Context) finish(h *half, sum []byte) (signature [SignatureSize]byte) {
	signature[0] = 1
	copy(signature[4:12], sum)
	if c.keyExchange {
		h.stream.XORKeyStream(signature[4:12], signature[4:12])
	}
	binary.LittleEndian.PutUint32(signature[12:], h.seq)
	h.seq++
	return signature
}

func (h *half) checksum(message []byte) []byte {
	mac := hmac.New(md5.New, h.sign)
	var seq [4]byte
	binary.LittleEndian.PutUint32(seq[:], h.seq)
	mac.Write(seq[:])
	mac.Write(message)
	return mac.Sum(nil)[:8]
}

// restart puts both RC4 streams back to their start. The sequence numbers go on: so it is after SPNEGO's mechListMIC
// (MS-SPNG 3.3.5.1).
func (c *Context) restart() {
	c.in.stream, c.out.stream = newRC4(c.in.seal), newRC4(c.out.seal)
}
