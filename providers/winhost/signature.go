package winhost

import "time"

// SignaturesRead looks at who has signed the files of a folder, not of those below it. A folder that is not there is an answer.
type SignaturesRead struct {
	Folder string `json:"path"`
	// Suffix is how the names of the files end, whatever their case: ".dll".
	Suffix string `json:"suffix"`
}

// Signatures are what a host says of the files of a folder, in the order of their names.
type Signatures struct {
	Exists bool         `json:"exists"`
	Files  []SignedFile `json:"files"`
	// Below is a file in a folder below this one whose name ends so too, by its path from here, or such a folder that is a link
	// (a junction), or cannot be looked into; "" when there is none.
	Below string `json:"below"`
}

// SignedFile is one file with its signatures.
type SignedFile struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"` // of its bytes, lower-case hex
	// Trust is what WinVerifyTrust answers, without a look at lists of revoked certificates: see the numbers below.
	Trust uint32 `json:"trust"`
	// Signers are who has signed it, the first signature first, then those that were added to it.
	Signers []Signer `json:"signers"`
	// Error is the Windows error that reading it met, 0 for none. Nothing else is known of it then.
	Error uint32 `json:"error"`
}

// Signer is a certificate that something was signed with.
type Signer struct {
	SHA1     string    `json:"sha1"`   // of the certificate, upper-case hex: its thumbprint
	SHA256   string    `json:"sha256"` // of the certificate, upper-case hex
	Subject  string    `json:"subject"`
	NotAfter time.Time `json:"notAfter"`
	// Stamped says that the signature has a timestamp: it outlives the certificate.
	Stamped bool `json:"stamped"`
}

// What WinVerifyTrust answers (winerror.h).
const (
	TrustValid     = 0
	TrustTampered  = 0x80096010 // TRUST_E_BAD_DIGEST
	TrustUnsigned  = 0x800b0100 // TRUST_E_NOSIGNATURE
	TrustExpired   = 0x800b0101 // CERT_E_EXPIRED
	TrustRoot      = 0x800b0109 // CERT_E_UNTRUSTEDROOT
	TrustChain     = 0x800b010a // CERT_E_CHAINING
	TrustNoSubject = 0x800b0003 // TRUST_E_SUBJECT_FORM_UNKNOWN: a kind of file that cannot be signed
)

func (o SignaturesRead) Name() string   { return "signatures.read" }
func (o SignaturesRead) Object() string { return o.Folder }
func (o SignaturesRead) Looks() bool    { return true }
