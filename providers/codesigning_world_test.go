package providers_test

import (
	"fmt"
	"slices"

	"meshrotate/providers/lab"
)

// signing says that code signing is one of these kinds.
func signing(kinds []string) bool {
	return slices.ContainsFunc(kinds, func(k string) bool { return kindOf(k) == "codesigning" })
}

// building says that there is a build host among them.
func building(kinds []string) bool { return slices.Contains(kinds, "codesigning/build") }

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
	if err := w.builds(next); err != nil {
		return err
	}
	return w.loaded()
}

// builds: the build host signs with the next certificate, has it with its key, and has built with it; or all that with the old one.
func (w *world) builds(next bool) error {
	if w.lab.BuildHost == nil {
		return nil
	}
	old, further := lab.Certificates()
	want := old.SHA1
	if next {
		want = further.SHA1
	}
	pinned, signers := w.lab.Pinned()
	if pinned != want || len(signers) != len(lab.RelayConnectors()) {
		return fmt.Errorf("the build host signs with %s, and not with %s: %v", pinned, want, signers)
	}
	for name, by := range signers {
		if by != want {
			return fmt.Errorf("%s is signed with %s, and not with %s", name, by, want)
		}
	}
	if by := w.lab.InstallerBy(); by != want {
		return fmt.Errorf("the installer is signed with %s, and not with %s", by, want)
	}
	if m := w.lab.BuildHost.Machine; !m.CanSign(lab.BuildStore, want) || !next && m.CanSign(lab.BuildStore, further.SHA1) {
		return fmt.Errorf("the store has %v", m.Certificates(lab.BuildStore))
	}
	return nil
}

// loaded: no relay that runs has refused a connector.
func (w *world) loaded() error {
	for host, files := range w.lab.Rejected() {
		return fmt.Errorf("%s refuses %v", host, files)
	}
	return nil
}
