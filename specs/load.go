package specs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Loader reads documents. Its zero value knows no section.
type Loader struct {
	// Sections are what may stand under `secrets:`.
	Sections []Section
	// Schema is the JSON Schema to use instead of the embedded one. It is for tests and for programs with sections
	// of their own.
	Schema []byte
}

// Load reads a document with the embedded schema. See Loader.Load.
func Load(name string, data []byte, sections []Section) (*Deployment, error) {
	return Loader{Sections: sections}.Load(name, data)
}

// LoadFile reads a document from a file with the embedded schema. See Loader.LoadFile.
func LoadFile(path string, sections []Section) (*Deployment, error) {
	return Loader{Sections: sections}.LoadFile(path)
}

// Load reads a document that is already in memory. Name stands in messages and in Origin.File. Everything that is wrong is
// in the one error: see Problems.
func (l Loader) Load(name string, data []byte) (*Deployment, error) {
	return l.load(&reader{file: name, dir: filepath.Dir(name)}, data)
}

func (l Loader) load(r *reader, data []byte) (*Deployment, error) {
	r.sections = l.Sections
	if r.root = r.parse(data); r.root == nil {
		return nil, r.join()
	}
	s, err := schemaOf(l.schema(), l.Sections)
	if err != nil {
		return nil, err
	}
	r.names = s.names
	tree := r.value(r.root, nil)
	if !r.full() {
		r.validate(s, tree)
	}
	var d *Deployment
	if !r.full() {
		d = r.fill(tree, l.Sections)
	}
	if len(r.problems) > 0 {
		if d != nil {
			d.Secrets, d.Origin = nil, Origin{File: r.file, Dir: r.dir, ReadFile: readerIn(r.dir)}
		}
		return nil, invalid{r.join(), d}
	}
	d.Origin = Origin{File: r.file, ReadFile: func(path string) ([]byte, error) {
		return nil, fmt.Errorf("%s: the document came without files", path)
	}}
	return d, nil
}

func (l Loader) schema() string {
	if l.Schema == nil {
		return embedded
	}
	return string(l.Schema)
}

// validate reports what the schema refuses.
func (r *reader) validate(s *schema, tree any) {
	c := check{schema: s}
	c.conform(s.root, tree, rootPath())
	for _, f := range c.found {
		r.explain(s, f)
	}
}

// document is a Deployment whose sections are still to be decoded.
type document struct {
	Deployment `json:",inline"`
	Secrets    map[string]json.RawMessage `json:"secrets"`
}

// fill decodes what has the right form, fills in defaults and makes the checks that no schema can express.
func (r *reader) fill(tree any, sections []Section) *Deployment {
	if slices.ContainsFunc(r.broken, func(path []string) bool { return len(path) == 0 }) {
		return nil // the document itself has the wrong form
	}
	data, err := toJSON(tree, r.broken)
	if err != nil {
		r.whole("cannot be decoded: "+err.Error(), "")
		return nil
	}
	var doc document
	if err := decodeStrict(data, &doc); err != nil {
		r.whole("cannot be decoded: "+decodeText(err), "")
		return nil
	}
	d := &doc.Deployment
	d.Secrets = map[string]any{}
	whole := r.frameIsWhole()
	r.check(d)
	d.fillDefaults()
	specs := r.decodeSections(d, doc.Secrets, sections)
	if whole { // else a section's check would see half a frame
		r.checkSections(d, specs, sections)
		r.checkItems(d)
	}
	return d
}

// decodeSections puts the sections that have the right form into the Deployment.
func (r *reader) decodeSections(d *Deployment, raw map[string]json.RawMessage, sections []Section) map[string]any {
	specs := map[string]any{}
	for _, section := range sections {
		data, given := raw[section.Key]
		path := []string{"secrets", section.Key}
		if !given || r.isBroken(path...) {
			continue
		}
		spec := section.New()
		if err := decodeStrict(data, spec); err != nil {
			r.refuseAt(path, decodeText(err), "")
			continue
		}
		specs[section.Key], d.Secrets[section.Key] = spec, spec
	}
	return specs
}

func (r *reader) checkSections(d *Deployment, specs map[string]any, sections []Section) {
	for _, section := range sections {
		if spec := specs[section.Key]; spec != nil && section.Check != nil {
			section.Check(d, spec, func(path, problem, hint string) {
				at := []string{"secrets", section.Key}
				if path = strings.Trim(path, "/"); path != "" {
					at = append(at, strings.Split(path, "/")...)
				}
				r.at(at, problem, hint)
			})
		}
	}
}

// frameIsWhole says whether hosts and connect have their right form, and no unknown key may be one of them misspelt.
func (r *reader) frameIsWhole() bool {
	harmless := []string{"apiVersion", "kind", "name", "secrets", "policy", "product", "state"}
	return !slices.ContainsFunc(r.broken, func(path []string) bool { return !slices.Contains(harmless, path[0]) })
}

// decodeStrict fills v from a part of the document, which is JSON by now, and refuses what v has no field for.
func decodeStrict(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	return d.Decode(v)
}

// decodeText is a decoding error without the decoder's own name in front.
func decodeText(err error) string { return strings.TrimPrefix(err.Error(), "json: ") }

// LoadFile reads a document from a file. Origin.Commit is set when the file is in a Git work tree and is as HEAD has it.
// Files that the document refers to are read relative to it. All must be regular files: a pipe is refused.
func (l Loader) LoadFile(path string) (*Deployment, error) {
	data, err := ReadDocument(path)
	if err != nil {
		return nil, err
	}
	return l.LoadAs(path, data)
}

// ReadDocument reads a document's text.
func ReadDocument(path string) ([]byte, error) { return readFile(path, maxBytes+1) }

// LoadAs is LoadFile with another text than the file has.
func (l Loader) LoadAs(path string, data []byte) (*Deployment, error) {
	d, err := l.load(&reader{file: path, dir: filepath.Dir(path), onDisk: true}, data)
	if err != nil {
		return nil, err
	}
	d.Origin.Dir = filepath.Dir(path)
	d.Origin.ReadFile = readerIn(d.Origin.Dir)
	d.Origin.Commit = commitOf(path, data)
	return d, nil
}

// readerIn reads what a document in a folder refers to.
func readerIn(dir string) func(string) ([]byte, error) {
	return func(name string) ([]byte, error) {
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
		return ReadReferred(name)
	}
}

// ReadReferred reads a regular file of this machine that a document refers to.
func ReadReferred(name string) ([]byte, error) {
	data, err := readFile(name, maxReferred+1)
	if len(data) > maxReferred {
		return nil, fmt.Errorf("%s: larger than 16 MiB", name)
	}
	return data, err
}

// mostRead is how long a file may be read. What /proc shows are regular files, too, of which some are waited for without end: such a
// one says that it is empty, and is waited for no longer than what comes at once.
func mostRead(info os.FileInfo) time.Duration {
	if info.Size() == 0 {
		return time.Second
	}
	return 10 * time.Second
}

// maxReferred bounds the files that a document refers to.
const maxReferred = 16 << 20

// readFile reads at most limit bytes of a regular file. A FIFO would be waited for without end, whoever writes to it, and
// opening a device may do something: neither is opened.
func readFile(path string, limit int64) ([]byte, error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, notAFile{path, info.IsDir()}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	_ = f.SetReadDeadline(time.Now().Add(mostRead(info))) // what has no deadlines does not wait
	return io.ReadAll(io.LimitReader(f, limit))
}

// notAFile is the error for a path at which something else stands.
type notAFile struct {
	path   string
	folder bool
}

func (e notAFile) Error() string {
	if e.folder {
		return e.path + ": is a folder, not a file"
	}
	return e.path + ": is not a regular file"
}

// Hint says what to do about it.
func (e notAFile) Hint() string {
	if e.folder {
		return "name a file in it"
	}
	return "pipes, process substitutions and devices are not read: write it to a file first"
}
