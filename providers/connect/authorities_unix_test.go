//go:build unix && !darwin

package connect

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"meshrotate/reconciler"
	"meshrotate/specs"
)

// The variable with the system's authorities may name anything, and is read to its end.
func TestTheSystemsAuthoritiesAreAFile(t *testing.T) {
	dir := t.TempDir()
	fifo, file := filepath.Join(dir, "fifo"), filepath.Join(dir, "ca.pem")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, refused := range map[string]bool{fifo: true, "/dev/zero": true, dir: true, file: false, filepath.Join(dir, "none"): false, "": false} {
		t.Setenv("SSL_CERT_FILE", path)
		_, err := OpenState(&specs.Deployment{Name: "x", State: specs.State{Dir: filepath.Join(dir, "state")}}, Options{})
		if refused != (err != nil) || refused && (!strings.Contains(err.Error(), "SSL_CERT_FILE") || reconciler.HintOf(err) == "") {
			t.Errorf("%q: %v", path, err)
		}
	}
}
