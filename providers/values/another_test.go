package values_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"meshrotate/providers/values"
	"meshrotate/reconciler/secret"
	"meshrotate/specs"
	"meshrotate/state/file"
)

// A file that was kept for one secret, wherever it was copied to, is no source of another's value; of a further version it is one.
func TestAKeptFileIsItsSecrets(t *testing.T) {
	identity, _ := newIdentity(t)
	seal, err := values.SealFrom(&specs.Seal{}, values.Config{LookupEnv: func(string) (string, bool) { return string(identity.Expose()), true }, Deployment: "lab"})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	store, err := file.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	login := secret.Ref{Name: "sqllogin", Version: "12"}
	if err := values.NewKeep(store, seal).Put(t.Context(), login, secret.NewString("a password of it")); err != nil {
		t.Fatal(err)
	}
	from := values.AgeFile{Path: filepath.Join(dir, "values", "sqllogin", "12.age"), Form: values.Text, Seal: seal, Read: os.ReadFile}
	if _, err := from.Get(t.Context(), secret.Ref{Name: "relaykey", Version: "7"}); err == nil || !strings.Contains(err.Error(), "was kept for sqllogin, another secret") {
		t.Errorf("%v", err)
	}
	if v, err := from.Get(t.Context(), secret.Ref{Name: "sqllogin", Version: "13"}); err != nil || string(v.Expose()) != "a password of it" {
		t.Errorf("%v", err)
	}
}
