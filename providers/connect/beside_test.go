package connect

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestBeside: a file of this machine is meant from the document's folder, wherever the program was started; a document without a folder
// has to name it in full.
func TestBeside(t *testing.T) {
	folder := filepath.Join("srv", "im")
	for _, c := range []struct{ folder, path, want string }{
		{folder, "", ""},
		{folder, "krb5.conf", filepath.Join(folder, "krb5.conf")},
		{folder, "../im.keytab", filepath.Join("srv", "im.keytab")},
		{folder, "FILE:cc", filepath.Join(folder, "cc")},
		{folder, "FILE:/tmp/cc", "FILE:/tmp/cc"},
		{folder, "KEYRING:persistent", "KEYRING:persistent"}, // which is refused with its own words
		{folder, "/etc/krb5.conf", "/etc/krb5.conf"},
		{"", "/etc/krb5.conf", "/etc/krb5.conf"},
		{"", "", ""},
		{"", "krb5.conf", "! krb5.conf: the document comes from a Git revision"},
	} {
		got, err := beside(c.folder, c.path)
		if refused, want := strings.CutPrefix(c.want, "! "); want != (err != nil) || err != nil && !strings.HasPrefix(err.Error(), refused) || err == nil && got != c.want {
			t.Errorf("%q in %q: %q, %v", c.path, c.folder, got, err)
		}
	}
}
