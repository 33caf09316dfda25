//go:build unix

package negotiate_test

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"meshrotate/providers/negotiate"
)

// A FIFO would be waited for without end, a device would fill the memory: neither is read.
func TestKerberosFilesAreRegular(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Skip(err)
	}
	for _, path := range []string{fifo, "/dev/zero"} {
		for what, c := range map[string]negotiate.KerberosConfig{
			"krb5.conf": {File: path, Cache: "x"}, "ticket cache": {Cache: path}, "keytab": {Keytab: path},
		} {
			if _, err := negotiate.NewKerberos(c); err == nil || !strings.Contains(err.Error(), what) || !strings.Contains(err.Error(), "is not a regular file") {
				t.Errorf("%s as %s: %v", path, what, err)
			}
		}
	}
}
