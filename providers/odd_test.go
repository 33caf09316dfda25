package providers_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"

	"meshrotate/providers/rotations/relaykey"
	"meshrotate/providers/rotations/sqllogin"
	"meshrotate/specs"
)

// A value that cannot be meant is refused in the plan, of every kind whose values are words: nothing is kept, nothing is staged.
func TestValuesThatCannotBeMeant(t *testing.T) {
	for what, value := range map[string]string{
		"two lines":          strings.Repeat("k", 20) + "\n" + strings.Repeat("l", 20) + "\n",
		"a blank":            strings.Repeat("key4", 10) + " \n",
		"quotes":             `"` + strings.Repeat("key4", 10) + `"`,
		"a placeholder":      "${{ secrets.RELAY_KEY_FOR_CONTOSO_PROD_2027 }}",
		"a reference":        "@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/relay/1)",
		"zero width space":   strings.Repeat("key4", 10) + "\u200b",
		"a vault's item":     `{"data": {"key": "` + strings.Repeat("key4", 10) + `"}}`,
		"a Cyrillic letter":  strings.Repeat("key4", 10) + "а",
		"a full-width digit": strings.Repeat("key4", 10) + "\uff14",
	} {
		for _, kind := range []string{"relaykey", "sqllogin"} {
			t.Run(kind+"/"+what, func(t *testing.T) {
				t.Parallel()
				virtual(t, func(t *testing.T) {
					w := newWorld(t, 1, kind)
					from := specs.Source{File: "odd.age"}
					seal(t, w, filepath.Join(w.dir, from.File), value)
					switch s := w.doc.Secrets[map[string]string{"relaykey": "relayKey", "sqllogin": "sqlLogin"}[kind]].(type) {
					case *relaykey.Spec:
						s.From = from
					case *sqllogin.Spec:
						s.From = from
					}
					w.refused("value-unfit")
				})
			})
		}
	}
}

// seal writes an .age file that the lab's identity opens.
func seal(t *testing.T, w *world, path, value string) {
	t.Helper()
	identity, err := age.ParseX25519Identity(strings.TrimSpace(w.lab.Identity))
	if err != nil {
		t.Fatal(err)
	}
	var sealed bytes.Buffer
	out, err := age.Encrypt(&sealed, identity.Recipient())
	if err == nil {
		_, err = out.Write([]byte(value))
	}
	if err == nil {
		err = out.Close()
	}
	if err == nil {
		err = os.WriteFile(path, sealed.Bytes(), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// What only a relay key may not be is refused of it alone.
func TestKeysThatCannotBeMeant(t *testing.T) {
	for value, says := range map[string]string{strings.Repeat("1234567890", 5)[:44]: "repeated", "Schl\u00fcssel-der-Br\u00fccke-zum-Relay-2026-11": "character 5"} {
		t.Run(says, func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 1, "relaykey")
				spec := w.doc.Secrets["relayKey"].(*relaykey.Spec)
				spec.From = specs.Source{File: "key.age"}
				seal(t, w, filepath.Join(w.dir, spec.From.File), value)
				w.refused("value-unfit", says)
			})
		})
	}
}

// A key that is not in the declared encoding would be another one to the product, or none.
func TestAKeyThatIsNotInItsEncoding(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 1, "relaykey")
		spec := w.doc.Secrets["relayKey"].(*relaykey.Spec)
		spec.From, spec.Encoding = specs.Source{File: "key.age"}, "hex"
		path := filepath.Join(w.dir, spec.From.File)
		seal(t, w, path, strings.Repeat("kQ/4", 16))
		w.refused("value-unfit", "not hex")
		seal(t, w, path, "0a4F91c27be3d85608fd13a97c6e42b50d7f38e1956ac4b20f8d61e3a5c79b24")
		w.settled()
	})
}
