package winhosttest

import (
	"crypto/x509"
	"encoding/asn1"
	"encoding/json"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/winhost"
)

func oidValue(numbers ...int) ([]byte, error) {
	return asn1.Marshal([]asn1.ObjectIdentifier{numbers})
}

// signedFile is a file that a case wants to be there, and what a host is to say of it.
type signedFile struct {
	name    string
	content []byte
	want    winhost.SignedFile
}

// realFiles are signed by osslsigncode.
func realFiles(t *testing.T) []signedFile {
	t.Helper()
	if _, err := exec.LookPath("osslsigncode"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("osslsigncode is not on PATH, and CI=true demands it")
		}
		t.Skip("osslsigncode is not on PATH: no real signature is read")
	}
	now := time.Now()
	first := newCertificate(t, "First", now.AddDate(0, 0, -1), now.AddDate(1, 0, 0), x509.ExtKeyUsageCodeSigning)
	second := newCertificate(t, "Second", now.AddDate(0, 0, -1), now.AddDate(2, 0, 0), x509.ExtKeyUsageCodeSigning)
	expired := newCertificate(t, "Expired", now.AddDate(-2, 0, 0), now.AddDate(-1, 0, 0), x509.ExtKeyUsageCodeSigning)
	clock := newCertificate(t, "Clock", now.AddDate(-3, 0, 0), now.AddDate(3, 0, 0), x509.ExtKeyUsageTimeStamping)
	valid := sign(t, program("valid"), first)
	tampered := sign(t, program("tampered"), first)
	tampered[1024+100] ^= 1
	at := func(c certificate, stamped bool) winhost.Signer {
		s := c.Signer
		s.Stamped = stamped
		return s
	}
	return []signedFile{
		{"a-valid.signed.dll", valid, winhost.SignedFile{Trust: winhost.TrustValid, Signers: []winhost.Signer{first.Signer}}},
		{"b-tampered.signed.DLL", tampered, winhost.SignedFile{Trust: winhost.TrustTampered, Signers: []winhost.Signer{first.Signer}}},
		{"c-unsigned.signed.dll", program("unsigned"), winhost.SignedFile{Trust: winhost.TrustUnsigned}},
		{"d-stamped.signed.dll", sign(t, program("stamped"), second, "-TSA-certs", clock.file, "-TSA-key", clock.key), winhost.SignedFile{Signers: []winhost.Signer{at(second, true)}}},
		{"e-expired.signed.dll", sign(t, program("expired"), expired), winhost.SignedFile{Trust: winhost.TrustExpired, Signers: []winhost.Signer{expired.Signer}}},
		{"f-twice.signed.dll", sign(t, sign(t, program("twice"), first), second, "-nest"), winhost.SignedFile{Signers: []winhost.Signer{first.Signer, second.Signer}}},
		{"g-same-again.signed.dll", valid, winhost.SignedFile{Trust: winhost.TrustValid, Signers: []winhost.Signer{first.Signer}}},
		{"h-no-program.signed.dll", []byte("not a program"), winhost.SignedFile{Trust: winhost.TrustUnsigned}},
		{"i-installer.signed.dll", sign(t, installer("signed"), first), winhost.SignedFile{Signers: []winhost.Signer{first.Signer}}},
		{"j-installer-stamped.signed.dll", sign(t, installer("stamped"), second, "-TSA-certs", clock.file, "-TSA-key", clock.key), winhost.SignedFile{Signers: []winhost.Signer{at(second, true)}}},
		{"k-installer-twice.signed.dll", sign(t, sign(t, installer("twice"), first, "-TSA-certs", clock.file, "-TSA-key", clock.key), second, "-nest", "-TSA-certs", clock.file, "-TSA-key", clock.key),
			winhost.SignedFile{Signers: []winhost.Signer{at(first, true), at(second, true)}}}, // long enough for sectors of its own
		{"l-installer-unsigned.signed.dll", installer("unsigned"), winhost.SignedFile{Trust: winhost.TrustUnsigned}},
	}
}

// Modelled are the files of a host that only models signatures.
func Modelled(signed func(trust uint32, version string, signers ...winhost.Signer) []byte) func(string) (content []byte, want winhost.SignedFile) {
	a := winhost.Signer{SHA1: "A1", SHA256: "A256", Subject: "CN=A", NotAfter: time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC)}
	b := winhost.Signer{SHA1: "B1", SHA256: "B256", Subject: "CN=B", NotAfter: time.Date(2025, 1, 2, 3, 4, 5, 0, time.UTC), Stamped: true}
	return func(name string) ([]byte, winhost.SignedFile) {
		w := winhost.SignedFile{Trust: winhost.TrustUnsigned}
		switch name {
		case "a-valid.signed.dll", "g-same-again.signed.dll":
			w.Trust, w.Signers = winhost.TrustValid, []winhost.Signer{a}
		case "b-tampered.signed.DLL":
			w.Trust, w.Signers = winhost.TrustTampered, []winhost.Signer{a}
		case "d-stamped.signed.dll":
			w.Trust, w.Signers = winhost.TrustValid, []winhost.Signer{b}
		case "f-twice.signed.dll":
			w.Trust, w.Signers = winhost.TrustValid, []winhost.Signer{a, b}
		case "h-no-program.signed.dll":
			return []byte("not a program"), w
		}
		return signed(w.Trust, "", w.Signers...), w
	}
}

// plain is what a host said, without what only this host can know.
func plain(f winhost.SignedFile) winhost.SignedFile {
	if len(f.Signers) == 0 {
		f.Signers = nil
	}
	return f
}

var signatureCases = []testCase{
	{
		name:   "signatures",
		reason: "who has signed what is known of every file of a folder: the first signature and those added to it, each with its timestamp",
		run: func(w *world) {
			var files []signedFile
			if w.Signed == nil {
				files = realFiles(w.T)
			} else {
				for _, name := range []string{"a-valid.signed.dll", "b-tampered.signed.DLL", "c-unsigned.signed.dll", "d-stamped.signed.dll", "f-twice.signed.dll", "g-same-again.signed.dll", "h-no-program.signed.dll"} {
					content, want := w.Signed(name)
					files = append(files, signedFile{name, content, want})
				}
			}
			w.Write(w.file("z.txt"), []byte("of another suffix"))
			for _, f := range files {
				w.Write(w.file(f.name), f.content)
			}
			got := map[string]winhost.SignedFile{}
			answer := w.one(winhost.OK, &winhost.SignaturesRead{Folder: w.Dir, Suffix: ".signed.dll"}).Signatures
			for _, f := range answer.Files {
				got[f.Name] = plain(f)
			}
			if !answer.Exists || len(got) != len(files) {
				w.Errorf("%d files, want %d: %+v", len(got), len(files), answer)
			}
			for _, f := range files {
				f.want.Name, f.want.SHA256 = w.file(f.name), Sum(f.content)
				is := got[f.want.Name]
				if w.Kind == Linux && w.Signed == nil {
					f.want.Trust = is.Trust // Windows alone can tell
				}
				if w.Kind == Wine && is.Trust == winhost.TrustNoSubject && strings.HasPrefix(f.name, "h-") {
					f.want.Trust = is.Trust // it is of no kind that could be signed
				}
				if w.Kind == Wine && f.want.Trust == winhost.TrustExpired {
					f.want.Trust = is.Trust // Wine looks at no chain
				}
				if !reflect.DeepEqual(is, f.want) {
					a, _ := json.Marshal(is)
					b, _ := json.Marshal(f.want)
					w.Errorf("%s:\n%s, want\n%s", f.name, a, b)
				}
			}
		},
	}, {
		name:   "signatures in a folder below",
		reason: "what lies deeper is not looked at, and is told",
		run: func(w *world) {
			w.Write(w.file("below")+`\c\x.Deep.dll`, []byte("deep"))
			s := w.one(winhost.OK, &winhost.SignaturesRead{Folder: w.Dir, Suffix: ".deep.dll"}).Signatures
			if below := strings.ReplaceAll(s.Below, "/", `\`); !s.Exists || len(s.Files) > 0 || below != w.file("below")+`\c\x.Deep.dll` {
				w.Errorf("%+v", s)
			}
			if s := w.one(winhost.OK, &winhost.SignaturesRead{Folder: w.Dir, Suffix: ".none.dll"}).Signatures; s.Below != "" {
				w.Errorf("%+v", s)
			}
		},
	}, {
		name:   "signatures in no folder",
		reason: "a folder that is not there is an answer, and not an empty one",
		run: func(w *world) {
			if s := w.one(winhost.OK, &winhost.SignaturesRead{Folder: w.Dir + "none", Suffix: ".dll"}).Signatures; s.Exists || len(s.Files) > 0 {
				w.Errorf("%+v", s)
			}
			if r := w.one(winhost.Failed, &winhost.SignaturesRead{Folder: "none", Suffix: ".dll"}); r.Win32 != 161 {
				w.Errorf("a path that is not absolute: %+v", r)
			}
		},
	},
}
