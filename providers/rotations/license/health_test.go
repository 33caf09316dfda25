package license

import "testing"

// TestHealthIsNoChange: a word about a license's health tells no license from another. What Admin says of it was not noted before, and is
// not the change that proves a file which nobody here can read.
func TestHealthIsNoChange(t *testing.T) {
	r := &Rotation{spec: &Spec{}}
	for _, f := range append(r.health(), (&Rotation{spec: &Spec{Fields: &Fields{Status: "license.status"}}}).health()...) {
		for _, word := range []string{"Active", "true", "no"} {
			if f.Changed(word) {
				t.Errorf("%s is %s now, and shows another license", f.Name, word)
			}
		}
	}
	for _, f := range r.marks() {
		if !f.Changed("2") {
			t.Errorf("another %s shows nothing", f.Name)
		}
	}
}
