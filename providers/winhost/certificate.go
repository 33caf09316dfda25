package winhost

import (
	"encoding/binary"
	"errors"
	"time"

	"meshrotate/reconciler/secret"
)

// CertificatesRead looks into a store of certificates.
type CertificatesRead struct {
	// Store is its place and its name: `LocalMachine\My`.
	Store string `json:"store"`
}

// StoredCertificate is a certificate in a store.
type StoredCertificate struct {
	SHA1      string    `json:"sha1"`   // of the certificate, upper-case hex: its thumbprint
	SHA256    string    `json:"sha256"` // of the certificate, upper-case hex
	Subject   string    `json:"subject"`
	NotBefore time.Time `json:"notBefore"`
	NotAfter  time.Time `json:"notAfter"`
	// HasKey says that the store has a private key for it. Whether that can be used, only a signature shows.
	HasKey bool `json:"hasKey"`
}

// CertificateImport puts the certificate with this thumbprint, and its key, into a store, out of a PFX (PKCS #12). The key cannot be
// exported from there. Certificates of authorities between it and a root go to the store of these; a root goes nowhere. A PFX that
// does not have the certificate is a Conflict, and nothing is kept of it.
type CertificateImport struct {
	Store    string       `json:"store"`
	SHA1     string       `json:"sha1"`
	PFX      secret.Value `json:"-"`
	Password secret.Value `json:"-"`
}

// CertificateRemove takes a certificate and its key out of a store.
type CertificateRemove struct {
	Store string `json:"store"`
	SHA1  string `json:"sha1"`
}

// blob is the password's length, the password, and the PFX: an op carries one.
func (o CertificateImport) blob() (secret.Value, bool) {
	password := o.Password.Expose()
	defer clear(password)
	b := binary.LittleEndian.AppendUint32(nil, uint32(len(password)))
	return secret.New(append(append(b, password...), o.PFX.Expose()...)), true
}

func (o *CertificateImport) take(v secret.Value, ok bool) error {
	b := v.Expose()
	if !ok || len(b) < 4 || int(binary.LittleEndian.Uint32(b)) > len(b)-4 {
		return errors.New("no PFX with its password")
	}
	end := 4 + int(binary.LittleEndian.Uint32(b))
	o.Password, o.PFX = secret.New(b[4:end]), secret.New(b[end:])
	return nil
}

func (o CertificatesRead) Name() string    { return "certificates.read" }
func (o CertificatesRead) Object() string  { return o.Store }
func (o CertificatesRead) Looks() bool     { return true }
func (o CertificateImport) Name() string   { return "certificate.import" }
func (o CertificateImport) Object() string { return o.SHA1 }
func (o CertificateImport) Looks() bool    { return false }
func (o CertificateRemove) Name() string   { return "certificate.remove" }
func (o CertificateRemove) Object() string { return o.SHA1 }
func (o CertificateRemove) Looks() bool    { return false }
