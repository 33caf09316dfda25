package cli_test

import (
	"bytes"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"meshrotate/reconciler/cli"
)

// deaf is a reader that takes nothing until it is told to.
type deaf struct {
	listens chan struct{}
	mu      sync.Mutex
	heard   bytes.Buffer
}

func (d *deaf) Write(b []byte) (int, error) {
	<-d.listens
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.heard.Write(b)
}

// Nobody reads what a run says of its progress: it goes on all the same, to its end.
func TestNobodyReadsTheProgress(t *testing.T) {
	for _, format := range []string{"text", "json"} {
		d := deploy(t)
		err := &deaf{listens: make(chan struct{})}
		var out bytes.Buffer
		s := cli.Stdio{In: strings.NewReader(""), Out: &out, Err: err, Env: func(string) (string, bool) { return "", false }}
		code := cli.Main(t.Context(), []string{"apply", "--yes", "-o", format, "-f", filepath.Join(d.dir, "meshrotate.yaml")}, s, d.app)
		if code != 0 || d.w.Hosts["relay-2.example"]["alpha"] != "7" {
			t.Errorf("exit code %d: %s", code, out.String())
		}
		close(err.listens)
		d.run(t.Context(), "", "history").expect(t, 0, "proven")
	}
}
