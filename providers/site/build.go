package site

import (
	"slices"
	"strings"
	"time"

	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
)

// Certificates asks what is in a store of certificates. Answer: *CertificatesSeen.
type Certificates struct {
	Host string
	// Store is its place and its name: `LocalMachine\My`.
	Store string
}

func (r Certificates) Target() reconciler.Target { return Host(r.Host) }
func (r Certificates) Key() string               { return "certificates " + r.Store }

// CertificatesSeen answers Certificates.
type CertificatesSeen struct {
	Store string
	// Error is the Windows error that reading it met, 0 for none.
	Error uint32
	All   []Certificate
}

// Certificate is one with its thumbprint.
type Certificate struct {
	SHA1, Subject       string
	NotBefore, NotAfter time.Time
	// HasKey says that its private key is there, too.
	HasKey bool
}

// Of is the certificate with a thumbprint, nil when it is not there.
func (s *CertificatesSeen) Of(sha1 string) *Certificate {
	for i := range s.All {
		if s.All[i].SHA1 == sha1 {
			return &s.All[i]
		}
	}
	return nil
}

// Facts are how many there are, and no more: those that a plan is about, it names.
func (s *CertificatesSeen) Facts() []reconciler.Fact {
	v := Count(len(s.All), "certificate")
	if s.Error != 0 {
		v = Withheld
	}
	return []reconciler.Fact{{Field: "store " + s.Store, Value: v}}
}

// PinAt is how a build is told which certificate it signs with: by a variable that its script sets, or by one of the machine's
// environment.
type PinAt struct {
	Host     string `json:"-"`
	Script   string `json:"script"`
	Variable string `json:"variable"`
	// Machine: the machine's environment has it, and the script does not set it.
	Machine bool `json:"machine,omitempty"`
}

// Says is where that is, for people.
func (w PinAt) Says() string {
	if w.Machine {
		return w.Variable + " in the machine's environment"
	}
	return w.Variable + " in " + baseName(w.Script)
}

// Pin asks which certificate a build signs with. Answer: *PinSeen.
type Pin struct{ PinAt }

func (r Pin) Target() reconciler.Target { return Host(r.Host) }
func (r Pin) Key() string {
	return "pin " + r.Variable + " of " + r.Script + map[bool]string{true: " by the machine"}[r.Machine]
}

// PinSeen answers Pin.
type PinSeen struct {
	Base // of the script
	PinAt
	// Text is what is set, as it stands there; "" where nothing is. Other says that it is nothing that reads as a thumbprint: then
	// it is not told.
	Text  string
	Other bool
	// Refused is why the script cannot be edited, "" when it can, or need not be.
	Refused string
	// Overridden is what the machine's environment has, where the script sets the variable only if it is not set.
	Overridden string
}

func (s *PinSeen) Facts() []reconciler.Fact {
	v := s.Text
	switch {
	case s.Other:
		v = Unknown
	case v == "":
		v = Absent
	}
	return append(s.facts(shortName(s.Path)), reconciler.Fact{Field: s.PinAt.Says(), Value: v})
}

// Package asks what is in a PFX that is to be imported: the declared one, be it kept already or not. Answer: *PackageSeen.
type Package struct{ File, Password secret.Ref }

func (r Package) Target() reconciler.Target { return Values }
func (r Package) Key() string               { return "package " + r.File.String() }

// PackageSeen answers Package. It has no value in it.
type PackageSeen struct {
	Certificate
	// Code says that it may sign code.
	Code bool
	// Problem is why nothing is known of it: no value, or a PFX that the password does not open.
	Problem, Hint string
}

// Facts are none: what a value says is not shown until it is rolled out.
func (s *PackageSeen) Facts() []reconciler.Fact { return nil }

// ImportCertificate puts a certificate with its key into a store.
type ImportCertificate struct {
	Host     string     `json:"-"`
	Store    string     `json:"store"`
	SHA1     string     `json:"sha1"`
	File     secret.Ref `json:"file"`
	Password secret.Ref `json:"password"`
	Who
}

func (o ImportCertificate) Kind() string              { return "import-certificate" }
func (o ImportCertificate) Target() reconciler.Target { return Host(o.Host) }
func (o ImportCertificate) Key() string               { return "import " + o.SHA1 + " into " + o.Store }
func (o ImportCertificate) Says() reconciler.Phrase {
	return o.says("import the certificate into " + o.Store + " on")
}
func (o ImportCertificate) Merge(other reconciler.Op) (reconciler.Op, error) { return same(o, other) }

// RemoveCertificate takes a certificate and its key out of a store.
type RemoveCertificate struct {
	Host  string `json:"-"`
	Store string `json:"store"`
	SHA1  string `json:"sha1"`
	Who
}

func (o RemoveCertificate) Kind() string              { return "remove-certificate" }
func (o RemoveCertificate) Target() reconciler.Target { return Host(o.Host) }
func (o RemoveCertificate) Key() string               { return "remove " + o.SHA1 + " from " + o.Store }
func (o RemoveCertificate) Says() reconciler.Phrase {
	return o.says("remove the certificate from " + o.Store + " on")
}
func (o RemoveCertificate) Merge(other reconciler.Op) (reconciler.Op, error) { return same(o, other) }

// StageScript writes a script with another value of a variable beside the live one, which must still be what this run has read.
type StageScript struct {
	PinAt
	Value string `json:"value"`
	Who
}

func (o StageScript) Kind() string                                     { return "stage-script" }
func (o StageScript) Target() reconciler.Target                        { return Host(o.Host) }
func (o StageScript) Key() string                                      { return "stage " + o.Script }
func (o StageScript) Stages() string                                   { return o.Script }
func (o StageScript) Says() reconciler.Phrase                          { return o.says("stage on") }
func (o StageScript) Merge(other reconciler.Op) (reconciler.Op, error) { return same(o, other) }

// SetVariable sets a variable of the machine's environment, which must still be Was.
type SetVariable struct {
	Host     string `json:"-"`
	Variable string `json:"variable"`
	Value    string `json:"value,omitempty"` // "" removes it
	Was      string `json:"was,omitempty"`
	Who
}

func (o SetVariable) Kind() string              { return "set-variable" }
func (o SetVariable) Target() reconciler.Target { return Host(o.Host) }
func (o SetVariable) Key() string               { return "set " + o.Variable }
func (o SetVariable) Says() reconciler.Phrase {
	return o.says("set " + o.Variable + " in its environment")
}
func (o SetVariable) Merge(other reconciler.Op) (reconciler.Op, error) { return same(o, other) }

// RunBuild runs a build to its end. What it has overwritten does not come back.
type RunBuild struct {
	PinAt
	// SHA1 is the certificate that it is to sign with.
	SHA1    string          `json:"sha1"`
	Timeout reconciler.Span `json:"timeout"`
	Who
}

func (o RunBuild) Kind() string                                     { return "run-build" }
func (o RunBuild) Target() reconciler.Target                        { return Host(o.Host) }
func (o RunBuild) Key() string                                      { return "run " + o.Script }
func (o RunBuild) Says() reconciler.Phrase                          { return o.says("run " + baseName(o.Script)) }
func (o RunBuild) Merge(other reconciler.Op) (reconciler.Op, error) { return same(o, other) }

// ProvePin demands that a build is told to sign with a certificate; "" demands that it is told nothing.
type ProvePin struct {
	PinAt
	SHA1 string `json:"sha1,omitempty"`
	// What it is, for people.
	What string `json:"what,omitempty"`
	Who
}

func (o ProvePin) Kind() string                                     { return "prove-pin" }
func (o ProvePin) Target() reconciler.Target                        { return Host(o.Host) }
func (o ProvePin) Key() string                                      { return "prove " + o.Variable + " of " + o.Script }
func (o ProvePin) Says() reconciler.Phrase                          { return o.says(o.What + " as " + o.PinAt.Says() + " on") }
func (o ProvePin) Merge(other reconciler.Op) (reconciler.Op, error) { return same(o, other) }

// ProveUnpinned demands that a build is told to sign with none of these certificates: thumbprints, or the first digits of one.
type ProveUnpinned struct {
	PinAt
	Certificates []string `json:"certificates"`
	// What they are, for people.
	What string `json:"what"`
	Who
}

func (o ProveUnpinned) Kind() string              { return "prove-unpinned" }
func (o ProveUnpinned) Target() reconciler.Target { return Host(o.Host) }
func (o ProveUnpinned) Key() string {
	return "prove " + o.Variable + " of " + o.Script + " not " + strings.Join(o.Certificates, ",")
}
func (o ProveUnpinned) Says() reconciler.Phrase {
	return o.says("no " + o.What + " as " + o.PinAt.Says() + " on")
}
func (o ProveUnpinned) Merge(other reconciler.Op) (reconciler.Op, error) {
	b, ok := other.(ProveUnpinned)
	if !ok || b.PinAt != o.PinAt || b.What != o.What || b.Who != o.Who || !slices.Equal(b.Certificates, o.Certificates) {
		return nil, errDifferent
	}
	return o, nil
}

// ProveSigned demands that there are such files in a folder, and that each is signed with one certificate and has a timestamp.
type ProveSigned struct {
	Host   string `json:"-"`
	Folder string `json:"folder"`
	Suffix string `json:"suffix"`
	SHA1   string `json:"sha1"`
	// What the certificate is, for people.
	What string `json:"what"`
	Who
}

func (o ProveSigned) Kind() string              { return "prove-signed" }
func (o ProveSigned) Target() reconciler.Target { return Host(o.Host) }
func (o ProveSigned) Key() string               { return "prove signed " + o.Folder + " *" + o.Suffix }
func (o ProveSigned) Says() reconciler.Phrase {
	return o.says("each *" + o.Suffix + " signed with " + o.What + " and stamped on")
}
func (o ProveSigned) Merge(other reconciler.Op) (reconciler.Op, error) { return same(o, other) }

// Unfit is what is wrong with a file that was to be signed with a certificate, and stamped; "" when nothing is.
func (f SignedFile) Unfit(sha1, what string) string {
	switch {
	case f.Error != 0:
		return f.Name + " cannot be judged"
	case f.Trust == Unsigned || len(f.Signers) == 0:
		return f.Name + " is not signed"
	case f.Trust == Tampered:
		return f.Name + " was changed since it was signed"
	case f.Signers[0].SHA1 != sha1:
		return f.Name + " is not signed with " + what
	case len(f.Signers) > 1:
		return f.Name + " is signed twice"
	case !f.Signers[0].Stamped:
		return f.Name + " has no timestamp"
	case f.Trust == Expired:
		return f.Name + " was signed when its certificate had expired"
	}
	return ""
}
