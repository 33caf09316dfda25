package winhosttest

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/winhost"
)

// certificate is one that signs, with its key, in files.
type certificate struct {
	winhost.Signer
	file, key string
}

// newCertificate makes a certificate that signs itself, for code or for timestamps.
func newCertificate(t *testing.T, name string, notBefore, notAfter time.Time, use x509.ExtKeyUsage) certificate {
	t.Helper()
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048) // Wine verifies no other kind
	must(err)
	template := &x509.Certificate{SerialNumber: big.NewInt(notAfter.UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: notBefore, NotAfter: notAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, BasicConstraintsValid: true}
	if template.ExtKeyUsage = []x509.ExtKeyUsage{use}; use == x509.ExtKeyUsageTimeStamping {
		critical, err := oidValue(1, 3, 6, 1, 5, 5, 7, 3, 8)
		must(err)
		template.ExtKeyUsage, template.ExtraExtensions = nil, []pkix.Extension{{Id: []int{2, 5, 29, 37}, Critical: true, Value: critical}}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	must(err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	must(err)
	dir := t.TempDir()
	c := certificate{file: filepath.Join(dir, "certificate.pem"), key: filepath.Join(dir, "key.pem")}
	must(os.WriteFile(c.file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	must(os.WriteFile(c.key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
	one, two := sha1.Sum(der), sha256.Sum256(der)
	c.Signer = winhost.Signer{SHA1: strings.ToUpper(hex.EncodeToString(one[:])), SHA256: strings.ToUpper(hex.EncodeToString(two[:])),
		Subject: "CN=" + name, NotAfter: notAfter.UTC().Truncate(time.Second)}
	return c
}

// sign signs a program with Debian's osslsigncode.
func sign(t *testing.T, program []byte, c certificate, options ...string) []byte {
	t.Helper()
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in.dll"), filepath.Join(dir, "out.dll")
	if err := os.WriteFile(in, program, 0o600); err != nil {
		t.Fatal(err)
	}
	args := append([]string{"sign", "-certs", c.file, "-key", c.key, "-h", "sha256"}, options...)
	said, err := exec.CommandContext(t.Context(), "osslsigncode", append(args, "-in", in, "-out", out)...).CombinedOutput()
	if err != nil {
		t.Fatalf("osslsigncode: %v\n%s", err, said)
	}
	signed, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// program is a library for Windows that does nothing, of 64 bits, with one section that holds the text.
func program(text string) []byte {
	const aligned, headers = 512, 1024
	var b bytes.Buffer
	put := func(values ...any) {
		for _, v := range values {
			_ = binary.Write(&b, binary.LittleEndian, v) // a buffer takes everything
		}
	}
	section := append([]byte{0xb8, 1, 0, 0, 0, 0xc3}, text...) // mov eax, 1; ret
	section = append(section, make([]byte, aligned-len(section)%aligned)...)
	put([]byte("MZ"), make([]byte, 58), uint32(64))
	put([]byte("PE\x00\x00"), uint16(0x8664), uint16(1), uint32(0), uint32(0), uint32(0), uint16(240), uint16(0x2022))
	put(uint16(0x20b), uint16(14), uint32(len(section)), uint32(0), uint32(0), uint32(0x1000), uint32(0x1000))
	put(uint64(0x180000000), uint32(0x1000), uint32(aligned), uint16(6), uint16(0), uint16(0), uint16(0), uint16(6), uint16(0), uint32(0))
	put(uint32(0x2000), uint32(headers), uint32(0), uint16(3), uint16(0), uint64(1<<20), uint64(1<<12), uint64(1<<20), uint64(1<<12), uint32(0), uint32(16))
	put(make([]byte, 16*8))
	put([]byte(".text\x00\x00\x00"), uint32(len(section)), uint32(0x1000), uint32(len(section)), uint32(headers), make([]byte, 12), uint32(0x60000020))
	put(make([]byte, headers-b.Len()), section)
	return b.Bytes()
}
