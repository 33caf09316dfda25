package winhosttest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"software.sslmate.com/src/go-pkcs12"

	"meshrotate/providers/pfx"
	"meshrotate/providers/winhost"
	"meshrotate/reconciler/secret"
)

// PFX is a certificate with its key, as it travels, and what a store says of it.
type PFX struct {
	winhost.StoredCertificate
	Bytes []byte
	// Above is the thumbprint of the authority's.
	Above string
}

// NewPFX makes one that this password opens, with the certificate of the authority that has issued it.
func NewPFX(t *testing.T, name, password string) PFX {
	t.Helper()
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	authority, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	now := time.Now()
	template := func(name, issuer string, n int64) *x509.Certificate {
		return &x509.Certificate{SerialNumber: big.NewInt(n), Subject: pkix.Name{CommonName: name}, Issuer: pkix.Name{CommonName: issuer}, NotBefore: now.AddDate(0, 0, -1), NotAfter: now.AddDate(1, 0, 0)}
	}
	above := template(name+" Authority", name+" Root", 1)
	above.IsCA, above.BasicConstraintsValid = true, true
	above.SubjectKeyId = []byte(name)
	root := template(name+" Root", name+" Root", 1)
	root.IsCA, root.BasicConstraintsValid = true, true
	issuing, err := x509.CreateCertificate(rand.Reader, above, root, &authority.PublicKey, authority)
	must(err)
	above, err = x509.ParseCertificate(issuing)
	must(err)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	must(err)
	leaf := template(name, name+" Authority", 2)
	leaf.KeyUsage, leaf.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning}
	der, err := x509.CreateCertificate(rand.Reader, leaf, above, &key.PublicKey, authority)
	must(err)
	leaf, err = x509.ParseCertificate(der)
	must(err)
	b, err := pkcs12.Modern.Encode(key, leaf, []*x509.Certificate{above}, password)
	must(err)
	return PFX{winhost.StoredCertificate{SHA1: pfx.SHA1(leaf), SHA256: pfx.SHA256(leaf), Subject: "CN=" + name, NotBefore: leaf.NotBefore.UTC(), NotAfter: leaf.NotAfter.UTC(), HasKey: true}, b, pfx.SHA1(above)}
}

const machineStore = `LocalMachine\My`

// stored is a certificate of a store, nil when it is not there.
func (w *world) stored(store, sha1 string) *winhost.StoredCertificate {
	w.Helper()
	all := w.one(winhost.OK, &winhost.CertificatesRead{Store: store}).Certificates
	if i := slices.IndexFunc(all, func(c winhost.StoredCertificate) bool { return c.SHA1 == sha1 }); i >= 0 {
		return &all[i]
	}
	return nil
}

var certificateCases = []testCase{
	{
		name:   "certificate into a store",
		reason: "it is there with its key once the PFX was imported, a second time nothing is done, and it can be removed again",
		run: func(w *world) {
			for _, store := range []string{`CurrentUser\My`, machineStore} {
				made := NewPFX(w.T, "Build "+store[:4], Canary)
				op := &winhost.CertificateImport{Store: store, SHA1: made.SHA1, PFX: secret.New(made.Bytes), Password: secret.NewString(Canary)}
				remove := &winhost.CertificateRemove{Store: store, SHA1: made.SHA1}
				w.Cleanup(func() { _, _ = w.session.Do(w.ctx(), []winhost.Op{remove}) })
				if c := w.stored(store, made.SHA1); c != nil {
					w.Fatalf("before: %+v", c)
				}
				w.one(winhost.OK, op)
				if c := w.stored(store, made.SHA1); c == nil || *c != made.StoredCertificate {
					w.Errorf("%+v, want %+v", c, made.StoredCertificate)
				}
				w.one(winhost.Unchanged, op)
				authorities := store[:strings.Index(store, `\`)] + `\CA`
				if c := w.stored(authorities, made.Above); w.Kind == Linux && (c == nil || c.HasKey) {
					w.Errorf("the authority: %+v", c)
				}
				w.one(winhost.OK, remove)
				if w.Kind == Linux { // Wine reads a key's own certificate alone, and a model has no signatures to be completed
					w.one(winhost.OK, &winhost.CertificateRemove{Store: authorities, SHA1: made.Above})
				}
				if w.Forget != nil { // Wine takes it out of the open store, and not out of the registry
					w.Forget(store, made.SHA1)
				}
				if c := w.stored(store, made.SHA1); c != nil {
					w.Errorf("removed: %+v", c)
				}
				w.one(winhost.Unchanged, remove)
			}
		},
	}, {
		name:   "store of certificates that is not there",
		reason: "a user who never had one has no store: that is no certificates, and a read makes no store",
		run: func(w *world) {
			for range 2 {
				if all := w.one(winhost.OK, &winhost.CertificatesRead{Store: `CurrentUser\MeshrotateNone`}).Certificates; len(all) != 0 {
					w.Errorf("%+v", all)
				}
			}
		},
	}, {
		name:   "certificate that is not imported",
		reason: "of a PFX with another certificate, or with another password, nothing comes into the store",
		run: func(w *world) {
			made := NewPFX(w.T, "Other", Canary)
			w.one(winhost.Conflict, &winhost.CertificateImport{Store: machineStore, SHA1: strings.Repeat("A1", 20), PFX: secret.New(made.Bytes), Password: secret.NewString(Canary)})
			r := w.one(winhost.Failed, &winhost.CertificateImport{Store: machineStore, SHA1: made.SHA1, PFX: secret.New(made.Bytes), Password: secret.NewString("another")})
			if r.Win32 != 86 && w.Kind != Wine { // ERROR_INVALID_PASSWORD, which Wine does not tell
				w.Errorf("another password: %+v", r)
			}
			if c := w.stored(machineStore, made.SHA1); c != nil {
				w.Errorf("%+v", c)
			}
		},
	},
}

// Does is what a script for the cases of builds does.
type Does string

// What one may do.
const (
	Builds Does = "writes 3 lines, one of them the variable's value, and a file beside itself"
	Breaks Does = "writes a line and ends with 3"
	Stays  Does = "starts another program that writes a file after some seconds, and waits for it"
)

// PinVariable is the variable that the cases set.
const PinVariable = "MR_TEST_PIN"

// script writes a script for the host's shell.
func (w *world) script(name string, does Does) string {
	if w.Script != nil {
		w.Script(w.file(name), does)
		return w.path(name)
	}
	text := map[Does]string{
		Builds: "@echo off\r\necho one\r\necho pin %" + PinVariable + "%\r\necho three 1>&2\r\necho built > \"%~dp0" + w.file("built.txt") + "\"\r\n",
		Breaks: "@echo off\r\necho wrong\r\nexit /b 3\r\n",
		Stays:  "@echo off\r\necho waits\r\ncmd /c \"ping -n 5 127.0.0.1 >nul & echo late > \"%~dp0" + w.file("late.txt") + "\"\"\r\n",
	}[does]
	if w.Kind == Linux {
		text = map[Does]string{
			Builds: "echo one\necho pin $" + PinVariable + "\necho three >&2\necho built > " + w.file("built.txt") + "\n",
			Breaks: "echo wrong\nexit 3\n",
			Stays:  "echo waits\nsh -c 'sleep 4; echo late > " + w.file("late.txt") + "'\n",
		}[does]
	}
	w.Write(w.file(name), []byte(text))
	return w.path(name)
}

// build runs a script, and returns what it wrote as well.
func (w *world) build(op winhost.BuildRun) (r winhost.Result, said []string) {
	w.Helper()
	rs, err := w.session.Follow(w.ctx(), []winhost.Op{&op}, func(line string) { said = append(said, strings.TrimSpace(line)) })
	if err != nil {
		w.Fatal(err)
	}
	return rs[0], said
}

var buildCases = []testCase{
	{
		name:   "variable of the machine",
		reason: "it is set if it still is what was read, and its value is told only where it reads as a thumbprint",
		run: func(w *world) {
			w.Cleanup(func() {
				for _, was := range []string{"41 C0", "not for everybody"} {
					_, _ = w.session.Do(w.ctx(), []winhost.Op{&winhost.VariableSet{Variable: PinVariable, Was: was}})
				}
			})
			is := func(value string) {
				w.Helper()
				v := w.one(winhost.OK, &winhost.VariableRead{Variable: PinVariable}).Variable
				if v.Exists != (value != "") || v.Value != strings.TrimPrefix(value, "not for everybody") {
					w.Errorf("%+v, want %q", v, value)
				}
			}
			is("")
			w.one(winhost.OK, &winhost.VariableSet{Variable: PinVariable, Value: "41 C0"})
			is("41 C0")
			w.one(winhost.Unchanged, &winhost.VariableSet{Variable: PinVariable, Value: "41 C0"})
			w.one(winhost.Conflict, &winhost.VariableSet{Variable: PinVariable, Value: "A1", Was: "B2"})
			is("41 C0")
			w.one(winhost.OK, &winhost.VariableSet{Variable: PinVariable, Value: "not for everybody", Was: "41 C0"})
			is("not for everybody")
			w.one(winhost.OK, &winhost.VariableSet{Variable: PinVariable, Was: "not for everybody"})
			is("")
		},
	}, {
		name:   "build",
		reason: "it runs in its folder with the variable set, its output arrives, and its exit code counts",
		run: func(w *world) {
			r, said := w.build(winhost.BuildRun{Script: w.script("build script.cmd", Builds), Variable: PinVariable, Value: "A1B2", TimeoutSeconds: 60})
			if r.Code != winhost.OK || r.Build == nil || r.Build.Lines != 3 || r.Build.Exit != 0 {
				w.Errorf("%+v %+v", r, r.Build)
			}
			for _, line := range []string{"one", "pin A1B2", "three"} {
				if !slices.Contains(said, line) {
					w.Errorf("%q was not told: %q", line, said)
				}
			}
			if w.Read(w.file("built.txt")) == nil {
				w.Error("nothing was built")
			}
			if r, _ := w.build(winhost.BuildRun{Script: w.script("breaks.cmd", Breaks), TimeoutSeconds: 60}); r.Code != winhost.Failed || r.Build == nil || r.Build.Exit != 3 {
				w.Errorf("it ends with 3: %+v", r)
			}
			if r, _ := w.build(winhost.BuildRun{Script: w.path("none.cmd"), TimeoutSeconds: 60}); r.Code != winhost.NotFound {
				w.Errorf("there is none: %+v", r)
			}
		},
	}, {
		name:   "build that takes too long",
		reason: "it ends at its deadline, with what it has started: nothing is written after that",
		run: func(w *world) {
			r, said := w.build(winhost.BuildRun{Script: w.script("stays.cmd", Stays), TimeoutSeconds: 2})
			if r.Code != winhost.Timeout || !slices.Contains(said, "waits") {
				w.Errorf("%+v, %q", r, said)
			}
			time.Sleep(4 * time.Second) // as long as it would have taken
			if b := w.Read(w.file("late.txt")); b != nil {
				w.Errorf("a program that it had started went on: %q", b)
			}
		},
	}, {
		name:   "build whose session ends",
		reason: "with the process of the session ends what it was building: the next one does not meet it",
		not:    map[Kind]string{Linux: "no job of Windows holds the processes together", Model: "package machine tries it: there a process is a context"},
		run: func(w *world) {
			s := w.open()
			began, once := make(chan struct{}), sync.Once{}
			op := &winhost.BuildRun{Script: w.script("cut.cmd", Stays), TimeoutSeconds: 60}
			ctx, cut := context.WithCancel(w.ctx())
			defer cut()
			go func() {
				<-began
				cut()
			}()
			_, err := s.Follow(ctx, []winhost.Op{op}, func(string) { once.Do(func() { close(began) }) })
			if err == nil {
				w.Error("it was not cut")
			}
			time.Sleep(5 * time.Second) // as long as it would have taken
			if b := w.Read(w.file("late.txt")); b != nil {
				w.Errorf("it went on: %q", b)
			}
		},
	},
}
