package lab

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strings"
	"sync"
	"time"

	"software.sslmate.com/src/go-pkcs12"

	"meshrotate/providers/cmdscript"
	"meshrotate/providers/lab/machine"
	"meshrotate/providers/pfx"
	"meshrotate/providers/winhost"
)

// The build host's script, and where it puts the connectors that it has built and signed, and the installer.
const (
	BuildScript = `C:\build\identitymesh-installer\build-installer.cmd`
	BuildFolder = `C:\build\identitymesh-installer\connectors`
	Installer   = `C:\build\identitymesh-installer\out\IdentityMesh.msi`
	BuildStore  = `LocalMachine\My`
)

const (
	buildHost = "im-build.lab.example"
	pinName   = "CODESIGN_THUMBPRINT"
	pfxFile   = "secrets/codesign-2026.pfx"
	pfxEnv    = "IM_LAB_PFX_PASSWORD"
)

// Builds is how the build script behaves. The zero Builds takes a moment and works.
type Builds struct {
	// Takes is how long each connector takes; 0 is 100 ms.
	Takes time.Duration
	// Fails makes it end with 1 after the first connector. Unstamped makes it sign without a timestamp.
	Fails, Unstamped bool
	// Otherwise makes it sign with the old certificate, whatever it is told, and end well.
	Otherwise bool
	// Says is one more line that it writes.
	Says string
}

// SetBuilds changes how builds go.
func (l *Lab) SetBuilds(b Builds) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.builds = b
}

// Built is how many builds have run to their end.
func (l *Lab) Built() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.built
}

// nextCertificate is the new certificate for signing, always the same one: documents name its thumbprint. Its key is no secret.
var nextCertificate = sync.OnceValues(func() (*x509.Certificate, *ecdsa.PrivateKey) {
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), []byte("a key of the lab, known to all..")) // 32 bytes
	if err != nil {
		panic(err) // it is a number that is a key
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(2026), Subject: pkix.Name{CommonName: "Contoso Code Signing 2026"}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning}, NotBefore: time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2038, 6, 30, 0, 0, 0, 0, time.UTC)}
	der, err := x509.CreateCertificate(nil, template, template, &key.PublicKey, key) // without randomness by RFC 6979
	if err == nil {
		template, err = x509.ParseCertificate(der)
	}
	if err != nil {
		panic(err) // nothing of it depends on anything
	}
	return template, key
})

// nextSigner is whom it signs as.
func nextSigner() winhost.Signer {
	c, _ := nextCertificate()
	return winhost.Signer{SHA1: pfx.SHA1(c), SHA256: pfx.SHA256(c), Subject: c.Subject.String(), NotAfter: c.NotAfter, Stamped: true}
}

// PFX is the new certificate with its key, as the authority has sent it.
func (l *Lab) PFX() (file []byte, password string, err error) {
	c, key := nextCertificate()
	file, err = pkcs12.Modern.Encode(key, c, nil, l.pfxPassword)
	return file, l.pfxPassword, err
}

// buildScript is what a build host has, as people write it.
func buildScript(thumbprint string) string {
	return strings.ReplaceAll("@echo off\nrem Builds and signs the connectors. Change control: CHG-2044\nset CODESIGN_THUMBPRINT="+thumbprint+"\nset TSA=http://timestamp.contoso.example\n"+
		"msbuild IdentityMesh.Connectors.sln /p:Configuration=Release\nsigntool sign /sha1 %CODESIGN_THUMBPRINT% /fd sha256 /tr %TSA% /td sha256 connectors\\*.dll\n", "\n", "\r\n")
}

// installBuild puts the script, the old certificate and what was built with it on the build host.
func (l *Lab) installBuild(put func(h *Host, path, text string)) {
	if l.BuildHost == nil {
		return
	}
	old, _ := Certificates()
	put(l.BuildHost, BuildScript, buildScript(old.SHA1))
	for _, name := range RelayConnectors() {
		put(l.BuildHost, BuildFolder+`\`+name, string(Connector("1", old)))
	}
	put(l.BuildHost, Installer, string(Connector("1", old)))
	l.BuildHost.Machine.Store(BuildStore, winhost.StoredCertificate{SHA1: old.SHA1, SHA256: old.SHA256, Subject: old.Subject, NotAfter: old.NotAfter, HasKey: true})
	l.BuildHost.Machine.SetScript(BuildScript, l.build)
}

// build is what the script does: it signs each connector with the certificate that it names, if the store has it.
func (l *Lab) build(ctx context.Context, env map[string]string, out io.Writer) uint32 {
	m := l.BuildHost.Machine
	l.mu.Lock()
	b := l.builds
	l.mu.Unlock()
	script, _, err := m.FS.Read(BuildScript)
	if err != nil {
		return 1
	}
	thumbprint := strings.ToUpper(env[pinName])
	if a, err := cmdscript.Get(script, pinName); err == nil {
		thumbprint = strings.ToUpper(a.Value)
	}
	// A moment follows each line: whether a reader gets two lines, or a line and the end, at once, is not left to goroutines.
	say := func(format string, args ...any) {
		fmt.Fprintf(out, format+"\r\n", args...)
		machine.Pause(ctx, time.Millisecond)
	}
	if !m.CanSign(BuildStore, thumbprint) {
		say("SignTool Error: No certificates were found that met all the given criteria.")
		return 1
	}
	signer := l.signer(thumbprint)
	if b.Otherwise {
		signer, _ = Certificates()
	}
	signer.Stamped = !b.Unstamped
	var paths []string
	for _, name := range RelayConnectors() {
		paths = append(paths, BuildFolder+`\`+name)
	}
	if b.Says != "" {
		say("%s", b.Says)
	}
	for i, path := range append(paths, Installer) {
		name := path[strings.LastIndex(path, `\`)+1:]
		say("building %s", name)
		if !machine.Pause(ctx, max(b.Takes, 100*time.Millisecond)) || b.Fails && i > 0 {
			say("error MSB4018: the task failed unexpectedly")
			return 1
		}
		if err := l.BuildHost.write(path, Connector("2", signer)); err != nil {
			return 1
		}
		say("Successfully signed: %s", name)
	}
	l.mu.Lock()
	l.built++
	l.mu.Unlock()
	return 0
}

// signer is who signs with a certificate of the lab.
func (l *Lab) signer(thumbprint string) winhost.Signer {
	old, next := Certificates()
	if thumbprint == next.SHA1 {
		return next
	}
	return old
}

// Pinned is the thumbprint that the build script names, and who has signed each connector that was built.
func (l *Lab) Pinned() (thumbprint string, signers map[string]string) {
	script, _, _ := l.BuildHost.Machine.FS.Read(BuildScript)
	a, _ := cmdscript.Get(script, pinName)
	signers = map[string]string{}
	for _, name := range l.BuildHost.Machine.FS.Names(BuildFolder) {
		content, _, _ := l.BuildHost.Machine.FS.Read(BuildFolder + `\` + name)
		if _, by := machine.Signature(content); len(by) > 0 {
			signers[name] = by[0].SHA1
		}
	}
	return strings.ToUpper(strings.TrimSpace(a.Value)), signers
}

// InstallerBy is who has signed the installer, "" for nobody.
func (l *Lab) InstallerBy() string {
	content, _, _ := l.BuildHost.Machine.FS.Read(Installer)
	if _, by := machine.Signature(content); len(by) > 0 {
		return by[0].SHA1
	}
	return ""
}

// Pin lets the build script name another certificate, behind meshrotate's back.
func (l *Lab) Pin(thumbprint string) error {
	var failed error
	err := l.BuildHost.edit(BuildScript, func(b []byte) []byte {
		after, err := cmdscript.Set(b, pinName, thumbprint)
		if failed = err; err != nil {
			return b
		}
		return after
	})
	return errors.Join(err, failed)
}

// Write writes a file, behind meshrotate's back.
func (h *Host) Write(path string, content []byte) error { return h.write(path, content) }

// buildSection is what the document says of the build host.
func (l *Lab) buildSection() string {
	if l.BuildHost == nil || l.config.Converged {
		return ""
	}
	return fmt.Sprintf("    buildHost:\n      pfx: {file: %s}\n      password: {env: %s}\n      script: '%s'\n      artifacts: {folder: '%s'}\n      further: [{folder: '%s', suffix: .msi}]\n",
		pfxFile, pfxEnv, BuildScript, BuildFolder, Installer[:strings.LastIndex(Installer, `\`)])
}
