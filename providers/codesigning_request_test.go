package providers_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"meshrotate/providers"
	"meshrotate/reconciler"
	"meshrotate/specs"
	"meshrotate/specs/trust"
)

// A request that leaves out the build host, which is of the trusted side, and the mark of the certificate with it is refused in words that
// say so: the build host stays in force, and nobody says what it signs with.
func TestARequestWithoutItsBuildHost(t *testing.T) {
	t.Parallel()
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 2, "codesigning/build")
		path := filepath.Join(w.dir, "meshrotate.yaml")
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		text := string(b)
		from, to := strings.Index(text, "    buildHost:"), strings.Index(text, "\nconnect:")
		loader := specs.Loader{Sections: providers.Sections()}
		load := func(text string) *specs.Deployment {
			d, err := loader.Load(path, []byte(text))
			if err != nil {
				t.Fatal(err)
			}
			d.Origin.ReadFile = os.ReadFile
			return d
		}
		w.doc, err = trust.Bind(loader, load(strings.ReplaceAll(text[:from]+text[to:], ", use: signing", "")), trust.Side{Base: load(text), Name: "main"})
		if err != nil {
			t.Fatal(err)
		}
		changes := w.planned().Changes
		i := slices.IndexFunc(changes, func(c reconciler.Change) bool { return c.Title == "build host" })
		if i < 0 {
			t.Fatalf("the build host is not in force: %+v", changes)
		}
		c := changes[i]
		if c.Status != reconciler.Refused || c.Reason != "no certificate is marked for signing; B499… stays pinned" || len(c.Findings) != 1 || c.Findings[0].Code != "signing-unsaid" || c.Findings[0].Hint == "" {
			t.Errorf("%s: %s, %+v", c.Status, c.Reason, c.Findings)
		}
	})
}
