package specs_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestNoWayToKeptValues: no path leads a credential to what is kept, whatever stands in between.
func TestNoWayToKeptValues(t *testing.T) {
	dir := t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	kept, elsewhere := filepath.Join(dir, "state"), filepath.Join(dir, "elsewhere")
	must(os.MkdirAll(filepath.Join(kept, "values", "relaykey"), 0o700))
	must(os.MkdirAll(elsewhere, 0o700))
	must(os.WriteFile(filepath.Join(kept, "values", "relaykey", "7"), []byte("x"), 0o600))
	must(os.WriteFile(filepath.Join(kept, "salt"), []byte("x"), 0o600))
	must(os.WriteFile(filepath.Join(dir, "plain"), []byte("x"), 0o600))
	for link, to := range map[string]string{
		"folder": kept, "values": filepath.Join(kept, "values"), "file": filepath.Join(kept, "values", "relaykey", "7"), "salt": filepath.Join(kept, "salt"), "alias": kept,
	} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Skipf("no symbolic links here: %v", err)
		}
	}
	must(os.Symlink(elsewhere, filepath.Join(elsewhere, "values")))
	for _, c := range []struct {
		file, state string
		refused     bool
	}{
		{"state/values/relaykey/7", "state", true},
		{"state/./x/../values/relaykey/7", "state", true},
		{filepath.Join(kept, "values", "relaykey", "7"), "state", true},
		{"folder/values/relaykey/7", "state", true},
		{"values/relaykey/7", "state", true},
		{"values/not-there-yet", "state", true},
		{"file", "state", true},
		{"salt", "state", true},
		{"state/ledger.head", "state", true},
		{"state/ledger.jsonl", "state", true},
		{"state/fence", "state", true},
		{"state/git/x/journal-1", "state", true},
		{"state/values/relaykey/7", "alias", true},
		{"file", kept, true},
		{".meshrotate/values/relaykey/7", "", true},
		{"elsewhere/password", "elsewhere", true}, // its values are a link to that very folder
		{"plain", "state", false},
		{"state/password", "state", false},
		{"state/values-of-others/password", "state", false},
	} {
		document := filepath.Join(dir, "meshrotate.yaml")
		state := ""
		if c.state != "" {
			state = fmt.Sprintf("state: {dir: %q}\n", c.state)
		}
		must(os.WriteFile(document, fmt.Appendf(nil, `
apiVersion: meshrotate/v1
kind: Deployment
name: x
hosts: {admin: a}
connect: {winrm: {auth: ntlm, user: u, password: {file: %q}}}
secrets: {}
%s`, c.file, state), 0o600))
		_, err := testLoader(t).LoadFile(document)
		if refused := err != nil; refused != c.refused {
			t.Errorf("%s with state.dir %q: %v", c.file, c.state, err)
		} else if refused && (!strings.Contains(err.Error(), "meshrotate.yaml:6:") || !strings.Contains(err.Error(), "connect.winrm.password: this file is a part of the state")) {
			t.Errorf("%s: the error does not say where: %v", c.file, err)
		}
	}
}
