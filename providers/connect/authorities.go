package connect

import (
	"fmt"
	"os"
	"runtime"
	"slices"

	"meshrotate/reconciler"
	"meshrotate/state/durable"
)

// authoritiesMost is in bytes: more than any list of authorities has.
const authoritiesMost = 16 << 20

// authorities makes sure that the variable with the system's authorities names a file. Go's library reads whatever it names to its end
// where no caFile is declared: a FIFO has none for minutes, and a device none at all.
func authorities() error {
	path := os.Getenv("SSL_CERT_FILE")
	if path == "" || slices.Contains([]string{"windows", "darwin"}, runtime.GOOS) { // there it is not read
		return nil
	}
	if _, err := durable.ReadFile(path, authoritiesMost); err != nil && !os.IsNotExist(err) { // what is not there is left out, as by the library
		return reconciler.Hinted(fmt.Errorf("SSL_CERT_FILE: %w", err), "let it name a file of certificates, or leave it out; connect.…caFile names one for meshrotate alone")
	}
	return nil
}
