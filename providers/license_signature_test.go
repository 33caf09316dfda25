package providers_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"meshrotate/providers"
	"meshrotate/providers/lab"
	"meshrotate/reconciler"
	"meshrotate/specs"
)

// signedAs is a license in two parts that is signed in one of the ways that a document can name.
func signedAs(t *testing.T, padding, over string) string {
	t.Helper()
	body := fmt.Sprintf(`{"customerName":%q,"tier":%q,"expiresUtc":%q}`, lab.Customer, lab.Tier, time.Now().AddDate(2, 0, 0).UTC().Format(time.RFC3339))
	payload := base64.StdEncoding.EncodeToString([]byte(body))
	h := sha256.Sum256([]byte(map[string]string{"decoded": body, "encoded": payload}[over]))
	sig, err := rsa.SignPKCS1v15(nil, vendor(), crypto.SHA256, h[:])
	if padding == "pss" {
		sig, err = rsa.SignPSS(rand.Reader, vendor(), crypto.SHA256, h[:], nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	return payload + "." + base64.StdEncoding.EncodeToString(sig) + "\n"
}

// A license's signature is checked as the document says that it is made, and no other one is taken. Without a key it is not checked,
// and the plan says so.
func TestHowALicenseIsSignedIsTheDocuments(t *testing.T) {
	vendor()
	const key = "    publicKey: keys/license-vendor.pem\n"
	for _, padding := range []string{"pkcs1", "pss"} {
		for _, over := range []string{"decoded", "encoded"} {
			for says, good := range map[string]bool{
				key:                                      padding == "pkcs1" && over == "decoded",
				key + "    signature: {padding: pss}\n":  padding == "pss" && over == "decoded",
				key + "    signature: {over: encoded}\n": padding == "pkcs1" && over == "encoded",
				key + "    signature: {padding: pss, over: encoded}\n":   padding == "pss" && over == "encoded",
				key + "    signature: {padding: pkcs1, over: decoded}\n": padding == "pkcs1" && over == "decoded",
				"": true,
			} {
				t.Run(padding+" "+over+", and the document says "+says, func(t *testing.T) {
					virtual(t, func(t *testing.T) {
						w := newWorld(t, 0, "license")
						w.reads(func(document string) string { return strings.Replace(document, key, says, 1) })
						if err := os.WriteFile(filepath.Join(w.dir, "licenses", lab.NewLicense+".key"), []byte(signedAs(t, padding, over)), 0o600); err != nil {
							t.Fatal(err)
						}
						p := w.planned()
						if f, refused := finding(p, "license-invalid"); refused == good || refused && (f.Severity != reconciler.Error || len(p.Blocked()) == 0 || !strings.Contains(f.Text, "it is by the declared key, and made in another way")) {
							t.Errorf("%+v", p.Changes)
						}
						text, err := json.Marshal(p)
						if err != nil {
							t.Fatal(err)
						}
						if said := strings.Contains(string(text), "signature not checked"); said != (says == "") {
							t.Errorf("it says that the signature is not checked: %v: %s", said, text)
						}
					})
				})
			}
		}
	}
}

// reads lets the document be another one, as its file has it, with the same kinds of secret.
func (w *world) reads(change func(string) string) {
	w.t.Helper()
	path := filepath.Join(w.dir, "meshrotate.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(change(string(text))), 0o600); err != nil {
		w.t.Fatal(err)
	}
	kinds := w.doc.Secrets
	if w.doc, err = specs.LoadFile(path, providers.Sections()); err != nil {
		w.t.Fatal(err)
	}
	for kind := range w.doc.Secrets {
		if _, has := kinds[kind]; !has {
			delete(w.doc.Secrets, kind)
		}
	}
}
