package lab

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"meshrotate/providers/appsettings"
	"meshrotate/providers/lab/machine"
	"meshrotate/providers/winhost"
)

// ConnectorFolder is where a relay has its connectors: libraries, whose signatures it checks when it starts.
const ConnectorFolder = `C:\Program Files\IdentityMeshRelayAgent\connectors`

// RelayConnectors are those that every relay has.
func RelayConnectors() []string {
	return []string{"IdentityMesh.Connectors.Hr.dll", "IdentityMesh.Connectors.Ldap.dll"}
}

// acceptedThumbprints is the key of a relay's list.
const acceptedThumbprints = "Relay:AcceptedThumbprints"

// Certificate is one that connectors of the lab are signed with, with a timestamp.
func Certificate(name string, expires time.Time) winhost.Signer {
	one, two := sha1.Sum([]byte(name)), sha256.Sum256([]byte(name))
	hexed := func(b []byte) string { return strings.ToUpper(hex.EncodeToString(b)) }
	return winhost.Signer{SHA1: hexed(one[:]), SHA256: hexed(two[:]), Subject: "CN=" + name, NotAfter: expires.UTC(), Stamped: true}
}

// Certificates are the one that the lab's connectors are signed with, and its successor, which is a real one.
func Certificates() (old, next winhost.Signer) {
	return Certificate("Contoso Code Signing 2024", day(200)), nextSigner()
}

// Connector is a library that is signed so.
func Connector(version string, signers ...winhost.Signer) []byte {
	trust := uint32(winhost.TrustValid)
	if len(signers) == 0 {
		trust = winhost.TrustUnsigned
	}
	return machine.Signed(trust, version, signers...)
}

// Deploy gives a relay connectors, as an operator does: Windows lets nobody write a library that is loaded, so the service stops
// before and starts after it. An empty content takes one away.
func (l *Lab) Deploy(h *Host, files map[string][]byte) error {
	put := func() error {
		for name, content := range files {
			path := ConnectorFolder + `\` + name
			err := h.Machine.FS.Remove(path)
			if len(content) > 0 {
				err = h.write(path, content)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	if h.Machine.Service(RelayService).State != winhost.Running {
		return put()
	}
	return h.around(put)
}

// Redeploy gives a relay all of its connectors anew, signed with one certificate.
func (l *Lab) Redeploy(h *Host, version string, signer winhost.Signer) error {
	files := map[string][]byte{}
	for _, name := range RelayConnectors() {
		files[name] = Connector(version, signer)
	}
	return l.Deploy(h, files)
}

// Rejected are the connectors that a running relay has not loaded, as it does not accept their signers; by host. Unsigned ones count.
func (l *Lab) Rejected() map[string][]string {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := map[string][]string{}
	for h, r := range l.mesh {
		if r.process != nil && len(r.rejected) > 0 {
			all[h.Name] = r.rejected
		}
	}
	return all
}

// Accepting are the thumbprints that a running relay has loaded.
func (l *Lab) Accepting(h *Host) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r := l.mesh[h]; r.process != nil {
		return r.accepts
	}
	return nil
}

// gap is how many numbers may be missing between two members of a list.
const gap = 2

// accepted are the thumbprints that a relay reads from its configuration: members by their numbers, or one text with commas.
func accepted(m *machine.Machine, p *machine.Process) (all []string) {
	layers, err := configuration(m, p, appsettings.Generic)
	if err != nil {
		return nil
	}
	read := func(key string) string {
		s, _, _ := appsettings.Effective(layers, key) // what .NET refuses has ended the start
		return string(s.Value.Expose())
	}
	texts := strings.FieldsFunc(read(acceptedThumbprints), func(r rune) bool { return r == ',' || r == ';' })
	for i, missing := 0, 0; missing <= gap; i++ {
		text := read(fmt.Sprintf("%s:%d", acceptedThumbprints, i))
		if missing++; text != "" {
			texts, missing = append(texts, text), 0
		}
	}
	for _, text := range texts { // as .NET's X509Certificate2Collection.Find reads it
		if t := strings.ToUpper(strings.Join(strings.Fields(strings.TrimPrefix(text, "\u200e")), "")); t != "" {
			all = append(all, t)
		}
	}
	return all
}

// load checks the connectors of a relay that starts.
func load(m *machine.Machine, accepts []string) (rejected []string) {
	for _, name := range m.FS.Names(ConnectorFolder) {
		if !strings.HasSuffix(strings.ToLower(name), ".dll") {
			continue
		}
		content, _, err := m.FS.Read(ConnectorFolder + `\` + name)
		trust, signers := machine.Signature(content)
		if err != nil || trust != winhost.TrustValid || len(signers) == 0 || !slices.Contains(accepts, signers[0].SHA1) {
			rejected = append(rejected, name)
		}
	}
	return rejected
}

// SetThumbprints writes a relay's list behind meshrotate's back. The relay reads it at its next start.
func (l *Lab) SetThumbprints(h *Host, thumbprints ...string) error {
	var failed error
	err := h.edit(h.Settings(), func(b []byte) []byte {
		after, err := appsettings.SetList(b, acceptedThumbprints, thumbprints)
		if failed = err; err != nil {
			return b
		}
		return after
	})
	return errors.Join(err, failed)
}

// breakSigner deploys a connector that is signed with a certificate that nobody has declared.
func (l *Lab) breakSigner(h *Host) error {
	return l.Deploy(h, map[string][]byte{RelayConnectors()[0]: Connector("by hand", Certificate("Somebody", day(100)))})
}

// signingSection is what the document says of code signing.
func (l *Lab) signingSection() string {
	if !l.config.Signing {
		return ""
	}
	old, next := Certificates()
	text := fmt.Sprintf("  codeSigning:\n    thumbprints:\n      - {sha1: %s}\n", old.SHA1)
	if !l.config.Converged {
		text += fmt.Sprintf("      - {sha1: %s, use: signing}\n", next.SHA1)
	}
	return text + l.buildSection()
}
