package machine

import (
	"encoding/json"
	"errors"
	"strings"

	"meshrotate/providers/winhost"
)

// Signed is the content of a file that is signed so, as this package reads it: real programs and real signatures are for real
// engines. Version makes it another file.
func Signed(trust uint32, version string, signers ...winhost.Signer) []byte {
	b, _ := json.Marshal(library{"a library of the lab", version, trust, signers}) // it always marshals
	return append(b, '\n')
}

type library struct {
	What    string
	Version string
	Trust   uint32
	Signers []winhost.Signer
}

// Signature is what Windows makes of a file's signature. What is no file of the lab's is not signed.
func Signature(content []byte) (trust uint32, signers []winhost.Signer) {
	var l library
	if json.Unmarshal(content, &l) != nil || l.What == "" {
		return winhost.TrustUnsigned, nil
	}
	return l.Trust, l.Signers
}

func (m *Machine) signatures(o *winhost.SignaturesRead) winhost.Result {
	s := &winhost.Signatures{Files: []winhost.SignedFile{}}
	folder := strings.TrimSuffix(m.Expand(o.Folder), `\`)
	for _, name := range m.FS.Names(folder) {
		s.Exists = true
		if !strings.HasSuffix(strings.ToLower(name), strings.ToLower(o.Suffix)) {
			continue
		}
		f := winhost.SignedFile{Name: name, Signers: nil}
		content, _, err := m.FS.Read(folder + `\` + name)
		if e := Errno(0); errors.As(err, &e) {
			f.Error = uint32(e)
		} else {
			f.SHA256 = sum(content)
			f.Trust, f.Signers = Signature(content)
		}
		s.Files = append(s.Files, f)
	}
	s.Below = m.FS.Below(folder, o.Suffix)
	s.Exists = s.Exists || s.Below != ""
	return winhost.Result{Code: winhost.OK, Signatures: s}
}
