package trust

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"meshrotate/specs"
)

// Operator is what whoever runs meshrotate allows, in a file of their own outside the repository. In every list * stands for any
// letters: of one label of a host's name, or of one part of a path.
type Operator struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	// Deployments are names.
	Deployments []string `json:"deployments,omitempty"`
	// Hosts are names and addresses of hosts and of SQL Servers; ranges are allowed.
	Hosts []string `json:"hosts,omitempty"`
	// URLs are those of the Admin API and of token endpoints.
	URLs []string `json:"urls,omitempty"`
	// SignIn are accounts, ways to sign in and what goes with them: 'CONTOSO\rotator', ntlm, a realm, a port.
	SignIn []string `json:"signIn,omitempty"`
	// Sources are where credentials and values may come from.
	Sources Sources `json:"sources,omitempty"`
	// Files are authorities, certificates, keytabs, by their full paths.
	Files []string `json:"files,omitempty"`
	// Programs are run on hosts.
	Programs []string `json:"programs,omitempty"`
	// State is where the record and the values are kept.
	State []string `json:"state,omitempty"`
	// Targets are services, files, settings and endpoints, where they are not the product's own.
	Targets []string `json:"targets,omitempty"`
	// Signers are files with the keys of who may sign, by their full paths; they take the place of policy.trustedSigners.
	Signers []string `json:"signers,omitempty"`
	// Policy is what a document without a base may tighten.
	Policy specs.Policy `json:"policy,omitempty"`

	// file is this file's name.
	file string
}

// Sources are where credentials and values may come from.
type Sources struct {
	// Env are names of environment variables.
	Env []string `json:"env,omitempty"`
	// Folders are full paths; what is under them may be read.
	Folders []string `json:"folders,omitempty"`
	// Stores are places in the stores of connect.stores: corp/im/*. Which store a name stands for, URLs, Programs and SignIn say.
	Stores []string `json:"stores,omitempty"`
	// Keep are places in stores where generated values may be written to.
	Keep []string `json:"keep,omitempty"`
}

// maxOperator bounds an operator's file.
const maxOperator = 1 << 20

// LoadOperator reads an operator's file, which must not lie among the files of a request: below root, "" for none.
func LoadOperator(file, root string) (*Operator, error) {
	if root != "" && specs.Passes(file, root) {
		return nil, specs.WithHint(fmt.Errorf("%s lies in the repository, where a request can change it", file), "keep the operator's file outside of it")
	}
	info, err := os.Stat(file)
	if err != nil {
		return nil, fmt.Errorf("the operator's file: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxOperator {
		return nil, fmt.Errorf("the operator's file: %s is not a regular file of at most 1 MiB", file)
	}
	data, err := specs.ReadReferred(file)
	if err != nil {
		return nil, fmt.Errorf("the operator's file: %w", err)
	}
	o := &Operator{file: file}
	if err := yaml.UnmarshalStrict(data, o); err != nil {
		return nil, fmt.Errorf("the operator's file: %s: %w", file, err)
	}
	if o.APIVersion != specs.APIVersion || o.Kind != "Operator" {
		return nil, specs.WithHint(fmt.Errorf("the operator's file: %s is none", file), "it begins with apiVersion: "+specs.APIVersion+" and kind: Operator")
	}
	return o, o.check()
}

func (o *Operator) check() error {
	var wrong []error
	for _, path := range slices.Concat(o.Sources.Folders, o.Files, o.Signers) {
		if !filepath.IsAbs(path) {
			wrong = append(wrong, fmt.Errorf("%s: %s is not a full path", o.file, path))
		}
	}
	return errors.Join(wrong...)
}

// allows says whether the operator agrees to what a document says. Dir is the document's folder.
func (o *Operator) allows(l leaf, dir string) bool {
	if o == nil {
		return false
	}
	full := func(path string) string {
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
		return path
	}
	switch l.class {
	case Deployment:
		return matches(o.Deployments, l.text, label)
	case Host:
		return matches(o.Hosts, l.text, label)
	case URL:
		return matches(o.URLs, strings.TrimSuffix(l.text, "/"), label)
	case SignIn:
		return matches(o.SignIn, l.text, part)
	case Variable:
		return matches(o.Sources.Env, l.text, exact)
	case Keep:
		return l.from != nil && matches(o.Sources.Keep, l.from.Item.Place.String(), exact)
	case Credential, Value:
		switch {
		case l.from == nil:
			return false
		case l.from.Env != "":
			return matches(o.Sources.Env, l.from.Env, exact)
		case l.from.Store != "":
			return matches(o.Sources.Stores, l.from.Item.Place.String(), exact)
		}
		return l.from.File != "" && slices.ContainsFunc(o.Sources.Folders, func(f string) bool { return specs.Inside(full(l.from.File), f) })
	case File, Local:
		return filepath.IsAbs(l.text) && matches(o.Files, filepath.Clean(l.text), part)
	case Program:
		return matches(o.Programs, l.text, argument)
	case State:
		return matches(o.State, l.text, part)
	case Target:
		return matches(o.Targets, l.text, part)
	}
	return false
}

// list is where the operator's file would allow a class.
func (c Class) list() string {
	names := map[Class]string{Deployment: "deployments", Host: "hosts", URL: "urls", SignIn: "signIn", Credential: "sources", Value: "sources", Variable: "sources", Keep: "sources", File: "files",
		Local: "files", Program: "programs", State: "state", Target: "targets"}
	return names[c]
}

// What * stands for: one label of a host's name, one part of a path; one of a name in which capitals count; and a part of one argument of a
// program.
const label, part, exact, argument = `[^./\\:@?#,]*`, `[^/\\]*`, `(?-i:[^/\\]*)`, `[^/\\,]*`

func matches(patterns []string, text, star string) bool {
	if slices.Contains(strings.FieldsFunc(text, func(r rune) bool { return r == '/' || r == '\\' }), "..") && !slices.Contains(patterns, text) {
		return false // it may be above what the pattern names
	}
	return slices.ContainsFunc(patterns, func(p string) bool {
		all, err := specs.Expand(p)
		if err == nil && len(all) > 1 {
			return slices.ContainsFunc(all, func(one string) bool { return strings.EqualFold(one, text) })
		}
		form, fold := strings.ReplaceAll(regexp.QuoteMeta(strings.TrimSuffix(p, "/")), `\*`, star), "i"
		if star == exact {
			fold = ""
		}
		return regexp.MustCompile(`^(?` + fold + `:` + form + `)$`).MatchString(text)
	})
}
