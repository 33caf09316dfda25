package site

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"meshrotate/reconciler"
)

// Signatures asks who has signed the files of a folder. Answer: *SignaturesSeen.
type Signatures struct {
	Host, Folder string
	// Suffix is how the files' names end: ".dll".
	Suffix string
}

func (r Signatures) Target() reconciler.Target { return Host(r.Host) }
func (r Signatures) Key() string               { return "signatures " + r.Folder + " *" + r.Suffix }

// SignaturesSeen answers Signatures.
type SignaturesSeen struct {
	Folder string
	// Exists says that the folder is there. Error is the Windows error that looking into it met, 0 for none.
	Exists bool
	Error  uint32
	Files  []SignedFile // by name
	// Below is a file in a folder below this one whose name ends so too, by its path from here; "" when there is none. It is not
	// looked into.
	Below string
}

// SignedFile is one file with its signatures.
type SignedFile struct {
	Name    string
	Trust   Trust
	Signers []Signer // the first signature first
	// Error is the Windows error that reading it met, or the answer of Windows that is none of the Trusts; 0 for none.
	Error uint32
}

// Signer is the certificate of a signature: its thumbprints as upper-case hex.
type Signer struct {
	SHA1, SHA256, Subject string
	NotAfter              time.Time
	// Stamped says that the signature has a timestamp: it outlives the certificate.
	Stamped bool
}

// Trust is what a host makes of a file's signature.
type Trust string

// What it may be. The zero Trust is unknown.
const (
	Valid     Trust = "valid"
	Tampered  Trust = "tampered"
	Unsigned  Trust = "unsigned"
	Expired   Trust = "expired"
	Untrusted Trust = "untrusted" // it ends in no certificate authority that the host trusts
)

// Facts are the files, in few words: they are many, and a fleet has the same ones on each host.
func (s *SignaturesSeen) Facts() []reconciler.Fact {
	if s.Error != 0 {
		return []reconciler.Fact{{Field: "files in " + shortName(s.Folder), Value: Withheld}}
	}
	if !s.Exists {
		return []reconciler.Fact{{Field: "files in " + shortName(s.Folder), Value: Absent}}
	}
	count := map[string]int{}
	for _, f := range s.Files {
		words := []string{string(f.Trust)}
		for _, g := range f.Signers {
			words = append(words, g.SHA1)
		}
		count[strings.Join(words, " ")]++
	}
	var all []string
	for what, n := range count {
		all = append(all, fmt.Sprintf("%d %s", n, what))
	}
	slices.Sort(all)
	return []reconciler.Fact{{Field: "signatures in " + shortName(s.Folder), Value: strings.Join(all, ", ")}}
}

// ProveUnused demands that no file of a folder is signed with one of these certificates, but for those that are signed with a
// spared one. Certificates are thumbprints, of either length, or the first digits of one; Spared are SHA-1.
type ProveUnused struct {
	Host         string   `json:"-"`
	Folder       string   `json:"folder"`
	Suffix       string   `json:"suffix"`
	Certificates []string `json:"certificates"`
	Spared       []string `json:"spared,omitempty"`
	// Bare says that there may be no file: the host is declared to have none.
	Bare bool `json:"bare,omitempty"`
	// What the certificates are, for people: "41C09A12".
	What string `json:"what"`
	Who
}

func (o ProveUnused) Kind() string              { return "prove-unused" }
func (o ProveUnused) Target() reconciler.Target { return Host(o.Host) }
func (o ProveUnused) Key() string {
	return "prove unused " + strings.Join(o.Certificates, ",") + " in " + o.Folder
}
func (o ProveUnused) Says() reconciler.Phrase { return o.says("nothing signed with " + o.What + " on") }
func (o ProveUnused) Merge(other reconciler.Op) (reconciler.Op, error) {
	b, ok := other.(ProveUnused)
	if !ok || b.Folder != o.Folder || b.Suffix != o.Suffix || b.What != o.What || b.Who != o.Who || !slices.Equal(b.Certificates, o.Certificates) || !slices.Equal(b.Spared, o.Spared) {
		return nil, errDifferent
	}
	return o, nil
}
