package providers_test

import (
	"fmt"
	"slices"

	"meshrotate/providers/lab"
)

// signing says that code signing is one of these kinds.
func signing(kinds []string) bool { return slices.Contains(kinds, "codesigning") }

// accepts: every relay has loaded the old certificate, and the next one when it is asked for, and nothing else; and it has loaded
// all of its connectors.
func (w *world) accepts(next bool) error {
	old, further := lab.Certificates()
	want := []string{old.SHA1}
	if next {
		want = append(want, further.SHA1)
	}
	for _, h := range w.lab.Relays {
		if got := w.lab.Accepting(h); !slices.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))) {
			return fmt.Errorf("%s accepts %v, and not %v", h.Name, got, want)
		}
	}
	return w.loaded()
}

// loaded: no relay that runs has refused a connector.
func (w *world) loaded() error {
	for host, files := range w.lab.Rejected() {
		return fmt.Errorf("%s refuses %v", host, files)
	}
	return nil
}
