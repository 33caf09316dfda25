package live

import (
	"testing"

	"meshrotate/providers/winhost"
)

// Ten thousand relays have the same connectors: their signers are kept once, by what is in a file.
func TestSignersOnceByHash(t *testing.T) {
	m := newMemory()
	file := func(name, hash string) winhost.SignedFile {
		return winhost.SignedFile{Name: name, SHA256: hash, Signers: []winhost.Signer{{SHA1: hash}}}
	}
	one, again, other := m.signersOf(file("a.dll", "01")), m.signersOf(file("b.dll", "01")), m.signersOf(file("a.dll", "02"))
	if &one[0] != &again[0] {
		t.Error("those of the same content are kept twice")
	}
	if &one[0] == &other[0] || other[0].SHA1 != "02" {
		t.Error("those of another content are another's")
	}
}
