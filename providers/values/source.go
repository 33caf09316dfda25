// Package values is where the values of secrets come from and where they are kept.
//
// A Source gives a value: an environment variable, a file, an age-encrypted file, or the random generator. The Keep
// makes it durable, sealed with age (https://age-encryption.org/v1), before anybody may use it: one value per version,
// for ever. So a run that was killed finds the very value that it may already have sent to a host.
//
// Errors name the secret, the variable or the file, and say what to do; they never hold a value, nor a part of one.
package values

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"meshrotate/reconciler/secret"
	"meshrotate/specs"
	"meshrotate/state/durable"
)

// Source is where values come from. Implementations must not hand out a part of a value, nor an empty one.
type Source interface {
	Get(ctx context.Context, ref secret.Ref) (secret.Value, error)
}

// Form says what a file or a variable holds.
type Form int

const (
	// Text is a password or a key. One newline at the end is not part of it: editors and `echo` add it.
	Text Form = iota
	// Exact is bytes: a signed file, a PFX.
	Exact
)

// Config is what sources read with. The zero Config reads the process's environment and files by their names.
type Config struct {
	// ReadFile reads a file that the document names; nil is values.ReadFile. A document from a Git revision reads there.
	ReadFile func(path string) ([]byte, error)
	// LookupEnv is the environment; nil is os.LookupEnv.
	LookupEnv func(name string) (string, bool)
	// Deployment is whose values a seal keeps: they open as no other deployment's.
	Deployment string
	// Seal opens files whose names end in .age; nil refuses them.
	Seal *Seal
	// Stores are those of the document; nil refuses what comes from one.
	Stores *Stores
}

func (c Config) filled() Config {
	if c.ReadFile == nil {
		c.ReadFile = ReadFile
	}
	if c.LookupEnv == nil {
		c.LookupEnv = os.LookupEnv
	}
	return c
}

// maxFile is in bytes: a signed file, a PFX and a list of age identities are all smaller.
const maxFile = 16 << 20

// ReadFile reads a file of the disk. A FIFO, which would be waited for without end, a device and a file of more than 16
// MiB are refused: none of them holds a secret.
func ReadFile(path string) ([]byte, error) {
	data, err := durable.ReadFile(path, maxFile)
	if errors.Is(err, durable.ErrUnfit) {
		return nil, hint(err, "name a file that holds the value and nothing else")
	}
	return data, err
}

// From returns the source that a document names. It reads nothing yet.
func From(s specs.Source, form Form, c Config) (Source, error) {
	c = c.filled()
	switch {
	case s.Generated:
		return Generated{}, nil
	case s.Env != "":
		return Env{Name: s.Env, Form: form, Lookup: c.LookupEnv}, nil
	case strings.HasSuffix(s.File, ".age"):
		if c.Seal == nil {
			return nil, fmt.Errorf("file %s: an age-encrypted file cannot be opened here", s.File)
		}
		return AgeFile{Path: s.File, Form: form, Read: c.ReadFile, Seal: c.Seal}, nil
	case s.File != "":
		return File{Path: s.File, Form: form, Read: c.ReadFile}, nil
	case s.Store != "" && c.Stores == nil:
		return nil, hint(fmt.Errorf("store %s: a value cannot come from a store here", s.Item), "write {env: NAME} or {file: PATH}")
	case s.Store != "":
		return FromStore{Item: s.Item, Form: form, Stores: c.Stores}, nil
	}
	return nil, hint(errors.New("no source is named"), "say `generated`, or one of env, file and store")
}

// Env is an environment variable.
type Env struct {
	Name   string
	Form   Form
	Lookup func(name string) (string, bool)
}

// Get reads the variable. An empty one is an error: that is how pipelines pass a secret that they do not have.
func (e Env) Get(_ context.Context, ref secret.Ref) (secret.Value, error) {
	text, ok := e.Lookup(e.Name)
	if !ok {
		return secret.Value{}, hint(fmt.Errorf("%s: environment variable %s is not set", label(ref), e.Name),
			"set "+e.Name+" for this command; in a pipeline, see that the job may read the secret")
	}
	v, err := e.Form.value([]byte(text))
	if err != nil {
		return secret.Value{}, fmt.Errorf("%s: environment variable %s: %w", label(ref), e.Name, err)
	}
	return v, nil
}

// File is a file with the value as its content.
type File struct {
	Path string
	Form Form
	Read func(path string) ([]byte, error)
}

// Get reads the file.
func (f File) Get(_ context.Context, ref secret.Ref) (secret.Value, error) {
	data, err := f.Read(f.Path)
	if err != nil {
		return secret.Value{}, fmt.Errorf("%s: %w", label(ref), err)
	}
	v, err := f.Form.value(data)
	if err != nil {
		return secret.Value{}, fmt.Errorf("%s: %s: %w", label(ref), f.Path, err)
	}
	return v, nil
}

// AgeFile is a file, binary or armored, that age can open with the deployment's identity.
type AgeFile struct {
	Path string
	Form Form
	Read func(path string) ([]byte, error)
	Seal *Seal
}

// Get opens the file.
func (f AgeFile) Get(ctx context.Context, ref secret.Ref) (secret.Value, error) {
	data, err := f.Read(f.Path)
	if err != nil {
		return secret.Value{}, fmt.Errorf("%s: %w", label(ref), err)
	}
	opened, err := f.Seal.openFor(ctx, f.Path, ref, data)
	if err != nil {
		return secret.Value{}, fmt.Errorf("%s: %w", label(ref), err)
	}
	v, err := f.Form.value(opened)
	if err != nil {
		return secret.Value{}, fmt.Errorf("%s: %s: %w", label(ref), f.Path, err)
	}
	return v, nil
}

// value makes a Value of what was read.
func (f Form) value(data []byte) (secret.Value, error) {
	if f == Text {
		for _, mark := range []string{"\xef\xbb\xbf", "\xff\xfe", "\xfe\xff"} {
			if bytes.HasPrefix(data, []byte(mark)) {
				return secret.Value{}, hint(errors.New("begins with a byte order mark, which would become part of the secret"),
					"save it as UTF-8 without a byte order mark; in Windows PowerShell `>` writes UTF-16")
			}
		}
		line, ended := bytes.CutSuffix(data, []byte("\n"))
		if ended {
			line = bytes.TrimSuffix(line, []byte("\r"))
		}
		data = line
	}
	if len(data) == 0 {
		return secret.Value{}, errors.New("is empty")
	}
	return secret.New(data), nil
}

// label names a secret in errors. Credentials that are not rotated have no version, and some no name.
func label(ref secret.Ref) string {
	switch {
	case ref.Name == "":
		return "secret"
	case ref.Version == "":
		return ref.Name
	}
	return ref.String()
}

// hint adds to an error what to do about it.
func hint(err error, text string) error { return &hinted{err, text} }

type hinted struct {
	error
	hint string
}

func (h *hinted) Hint() string  { return h.hint }
func (h *hinted) Unwrap() error { return h.error }
