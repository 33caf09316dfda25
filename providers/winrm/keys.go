package winrm

import (
	"crypto/md5"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"hash"
	"sync"
)

// keys are those of an NTLM session with extended session security, 128 bits and key exchange (MS-NLMP 3.4), which is what
// checkChallenge demands.
type keys struct{ out, in keyed }

// keyed is one direction. Ten thousand connections stay open, two of these to each: crypto/hmac and crypto/rc4 would keep 4 KB for a
// connection, which is more than all else of it.
type keyed struct {
	signing [md5.Size]byte
	cipher  keystream
	seq     uint32
}

func sessionKeys(exported []byte) *keys {
	return &keys{out: direction(exported, "client-to-server"), in: direction(exported, "server-to-client")}
}

// direction has its keys by SIGNKEY and SEALKEY (MS-NLMP 3.4.5.2 and 3.4.5.3).
func direction(exported []byte, way string) keyed {
	derive := func(use string) [md5.Size]byte {
		var room [96]byte
		text := append(append(append(room[:0], exported...), "session key to "...), way...)
		text = append(append(append(text, ' '), use...), " key magic constant\x00"...)
		return md5.Sum(text)
	}
	sealing := derive("sealing")
	return keyed{signing: derive("signing"), cipher: newKeystream(sealing[:])}
}

// keystream is RC4, in a quarter of the room that crypto/rc4 takes.
type keystream struct {
	s    [256]byte
	i, j byte
}

func newKeystream(key []byte) (c keystream) {
	for i := range c.s {
		c.s[i] = byte(i)
	}
	var j byte
	for i := range c.s {
		j += c.s[i] + key[i%len(key)]
		c.s[i], c.s[j] = c.s[j], c.s[i]
	}
	return c
}

// xor encrypts or decrypts b where it is.
func (c *keystream) xor(b []byte) {
	i, j := c.i, c.j
	for k := range b {
		i++
		x := c.s[i]
		j += x
		y := c.s[j]
		c.s[i], c.s[j] = y, x
		b[k] ^= c.s[x+y]
	}
	c.i, c.j = i, j
}

// seal encrypts the message where it is, and returns its signature (MS-NLMP 3.4.4.2): the version, a sealed checksum of the
// clear message, and its number.
func (k *keyed) seal(message []byte) [signatureSize]byte {
	check := k.check(message)
	k.cipher.xor(message)
	return k.signature(check)
}

// open decrypts a message where it is.
func (k *keyed) open(message, signature []byte) error {
	k.cipher.xor(message)
	want := k.signature(k.check(message))
	if subtle.ConstantTimeCompare(want[:], signature) != 1 {
		return errors.New("checksum or number do not match")
	}
	return nil
}

// hashes are for check, which needs one for a moment.
var hashes = sync.Pool{New: func() any { return &digest{Hash: md5.New()} }}

type digest struct {
	hash.Hash
	pad [md5.BlockSize]byte
	sum [md5.Size]byte
}

// padded begins anew with the key, padded with a byte.
func (d *digest) padded(key [md5.Size]byte, with byte) {
	for i := range d.pad {
		d.pad[i] = with
	}
	for i, b := range key {
		d.pad[i] ^= b
	}
	d.Reset()
	d.Write(d.pad[:])
}

// check is the first half of HMAC-MD5 (RFC 2104) over the message's number and the message.
func (k *keyed) check(message []byte) (half [8]byte) {
	d := hashes.Get().(*digest)
	defer hashes.Put(d)
	d.padded(k.signing, 0x36)
	d.Write(binary.LittleEndian.AppendUint32(d.sum[:0], k.seq))
	d.Write(message)
	d.Sum(d.sum[:0])
	d.padded(k.signing, 0x5c)
	d.Write(d.sum[:])
	copy(half[:], d.Sum(d.sum[:0]))
	clear(d.pad[:])
	return half
}

func (k *keyed) signature(check [8]byte) (s [signatureSize]byte) {
	binary.LittleEndian.PutUint32(s[:], 1)
	copy(s[4:], check[:])
	k.cipher.xor(s[4:12])
	binary.LittleEndian.PutUint32(s[12:], k.seq)
	k.seq++
	return s
}
