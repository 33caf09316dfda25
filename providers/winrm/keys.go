package winrm

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/rc4"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"hash"
)

// keys are those of an NTLM session with extended session security, 128 bits and key exchange (MS-NLMP 3.4), which is what
// checkChallenge demands.
type keys struct{ out, in keyed }

// keyed is one direction.
type keyed struct {
	mac    hash.Hash
	cipher *rc4.Cipher
	seq    uint32
}

func sessionKeys(exported []byte) *keys {
	return &keys{out: direction(exported, "client-to-server"), in: direction(exported, "server-to-client")}
}

// direction has its keys by SIGNKEY and SEALKEY (MS-NLMP 3.4.5.2 and 3.4.5.3).
func direction(exported []byte, way string) keyed {
	derive := func(use string) []byte {
		h := md5.New()
		h.Write(exported)
		h.Write([]byte("session key to " + way + " " + use + " key magic constant\x00"))
		return h.Sum(nil)
	}
	cipher, _ := rc4.NewCipher(derive("sealing")) // fails for keys of other lengths
	return keyed{mac: hmac.New(md5.New, derive("signing")), cipher: cipher}
}

// seal encrypts the message where it is, and returns its signature (MS-NLMP 3.4.4.2): the version, a sealed checksum of the
// clear message, and its number.
func (k *keyed) seal(message []byte) [signatureSize]byte {
	check := k.check(message)
	k.cipher.XORKeyStream(message, message)
	return k.signature(check)
}

// open decrypts a message where it is.
func (k *keyed) open(message, signature []byte) error {
	k.cipher.XORKeyStream(message, message)
	want := k.signature(k.check(message))
	if subtle.ConstantTimeCompare(want[:], signature) != 1 {
		return errors.New("checksum or number do not match")
	}
	return nil
}

func (k *keyed) check(message []byte) []byte {
	k.mac.Reset()
	var seq [4]byte
	binary.LittleEndian.PutUint32(seq[:], k.seq)
	k.mac.Write(seq[:])
	k.mac.Write(message)
	var room [md5.Size]byte
	return k.mac.Sum(room[:0])[:8]
}

func (k *keyed) signature(check []byte) (s [signatureSize]byte) {
	binary.LittleEndian.PutUint32(s[:], 1)
	k.cipher.XORKeyStream(s[4:12], check)
	binary.LittleEndian.PutUint32(s[12:], k.seq)
	k.seq++
	return s
}
