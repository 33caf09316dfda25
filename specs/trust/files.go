package trust

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"meshrotate/specs"
)

// contents finds the files that both sides name, and that the request has changed: the trusted side's are read.
func (b *binder) contents(request *specs.Deployment) {
	if b.side.Base == nil {
		return
	}
	for _, l := range leaves(reflect.ValueOf(request), "", "") {
		path, told := b.given(l)
		if l.class == File || l.class == Signer {
			path = l.text
		}
		if path == "" || b.doubted[l.path] || filepath.IsAbs(path) {
			continue
		}
		is, err := request.Origin.ReadFile(path)
		if err != nil {
			continue // the trusted side's is read
		}
		if was, err := b.side.Base.Origin.ReadFile(path); err != nil && told || err == nil && !bytes.Equal(was, is) {
			b.doubt(l, l.class != Signer, "%s: %s is changed, and not read: the agreed one is", l.path, path)
		}
	}
}

// given is a file of the request's that a store's program is given on its standard input. It may tell the program whom to contact, and
// with which of its credentials: so it is the trusted side's.
func (b *binder) given(l leaf) (path string, is bool) {
	if l.class != Value && l.class != Credential || l.from == nil || l.from.Store == "" {
		return "", false
	}
	s := b.base.Connect.Stores[l.from.Store]
	if s.Exec == nil || !s.Exec.Stdin {
		return "", false
	}
	return l.from.Path, true
}

// reader reads what the trusted side names: from the base, or by a full path outside the request's files.
func (b *binder) reader() func(string) ([]byte, error) {
	return func(path string) ([]byte, error) {
		switch {
		case !filepath.IsAbs(path) && b.side.Base != nil:
			data, err := b.side.Base.Origin.ReadFile(path)
			if err != nil {
				err = specs.WithHint(fmt.Errorf("of %s: %w", b.side.Name, err), "what is trusted is read from there; a file of this machine is named by its full path")
			}
			return data, err
		case !filepath.IsAbs(path) || b.side.Root != "" && specs.Passes(path, b.side.Root):
			return nil, specs.WithHint(fmt.Errorf("%s lies among the files of the request", path), "name a file outside the repository by its full path")
		}
		return specs.ReadReferred(path)
	}
}

// local makes sure that what is read by others than us, such as a keytab, is out of the request's hands.
func (b *binder) local(d *specs.Deployment) error {
	all := leaves(reflect.ValueOf(d), "", "")
	folders := map[string]string{} // of programs, by where their arguments stand
	for _, l := range all {
		if at, ok := strings.CutSuffix(l.path, ".program"); ok && l.class == Program {
			folders[at+".args"] = filepath.Dir(l.text)
		}
	}
	for _, l := range all {
		rooted := filepath.IsAbs(l.text) || strings.HasPrefix(l.text, "/") // as /etc/krb5.conf is on Windows, too
		if l.class == Program && b.side.Root != "" {
			for _, path := range l.paths(folders[l.path]) {
				if specs.Passes(path, b.side.Root) {
					return specs.WithHint(fmt.Errorf("%s: %s: %s lies among the files of the request, which may have changed it; no host was contacted", d.Origin.File, l.path, path),
						"keep the program, and what it is given, outside the repository, and name it by its full path"+l.orWord(path))
				}
			}
		}
		if _, told := b.given(l); (l.class == Credential || told) && l.from != nil && filepath.IsAbs(l.from.Path) && b.side.Root != "" && specs.Passes(l.from.Path, b.side.Root) {
			return specs.WithHint(fmt.Errorf("%s: %s: %s lies among the files of the request, which may have changed it; no host was contacted", d.Origin.File, l.path, l.from.Path),
				"name a file outside the repository by its full path")
		}
		if l.class == Local && (!rooted || b.side.Root != "" && specs.Passes(l.text, b.side.Root)) {
			return specs.WithHint(fmt.Errorf("%s: %s: %s lies among the files of the request; no host was contacted", d.Origin.File, l.path, l.text),
				"name a file outside the repository by its full path")
		}
	}
	return nil
}

// Files is a digest of what the files have that a document names by a path of its own place, and that are of the trusted side: who changes
// one changes what is agreed to. "" where it names none.
func Files(d *specs.Deployment) string {
	var all []string
	for _, l := range leaves(reflect.ValueOf(d), "", "") {
		if l.class != File && l.class != Signer || filepath.IsAbs(l.text) {
			continue
		}
		content := "is not there"
		if data, err := d.Origin.ReadTrusted(l.text); err == nil {
			content = fmt.Sprintf("%x", sha256.Sum256(data))
		}
		all = append(all, fmt.Sprintf("%q %s", l.text, content))
	}
	if len(all) == 0 {
		return ""
	}
	slices.Sort(all)
	return fmt.Sprintf("%x", sha256.Sum256([]byte(strings.Join(slices.Compact(all), "\n"))))
}
