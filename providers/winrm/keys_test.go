package winrm

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"crypto/rc4"
	"encoding/binary"
	"math/rand/v2"
	"testing"
)

// Our RC4 and our HMAC are those of the library, whatever the lengths, and however many messages there were.
func TestKeysAreTheLibrarys(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	random := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return b
	}
	for range 50 {
		key := random(1 + r.IntN(32))
		ours := newKeystream(key)
		theirs, err := rc4.NewCipher(key)
		if err != nil {
			t.Fatal(err)
		}
		signing := random(md5.Size)
		k := keyed{signing: [md5.Size]byte(signing)}
		mac := hmac.New(md5.New, signing)
		for range 20 {
			message := random(r.IntN(3000))
			mac.Reset()
			mac.Write(binary.LittleEndian.AppendUint32(nil, k.seq))
			mac.Write(message)
			if check := k.check(message); !bytes.Equal(check[:], mac.Sum(nil)[:8]) {
				t.Fatalf("the check of message %d, of %d bytes, is another one", k.seq, len(message))
			}
			k.seq = r.Uint32()
			want := make([]byte, len(message))
			theirs.XORKeyStream(want, message)
			if ours.xor(message); !bytes.Equal(message, want) {
				t.Fatalf("the stream differs with a key of %d bytes", len(key))
			}
		}
	}
}

func BenchmarkSeal(b *testing.B) {
	k := sessionKeys(make([]byte, 16))
	message := make([]byte, 16<<10)
	b.SetBytes(int64(len(message)))
	b.ReportAllocs()
	for b.Loop() {
		k.out.seal(message)
	}
}
