package specs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"strings"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"

	"meshrotate/reconciler/secret"
)

// Git names a document in a Git repository.
type Git struct {
	// Repo is a local repository's folder, or a URL: https://, ssh://, user@host:path, file://. It holds no password.
	Repo string
	// Ref is a branch, a tag, a full reference name or a full commit hash; empty means HEAD. In a local repository it
	// may be whatever names a revision: HEAD~1, origin/main.
	Ref string
	// Exact: Ref is one reference, which no other of the repository can be taken for, or a full commit hash. What is trusted is
	// named like this: whoever may push a tag must not be able to give the name of a branch another meaning.
	Exact bool
	// Parents: what led to the commit is fetched, too.
	Parents bool
	// Path is the document's path inside the repository, with slashes.
	Path string

	// User defaults to the URL's for ssh, and to "git".
	User string
	// Password is the password or token for https. Zero: none.
	Password secret.Value
	// SSHKey is a private key without a passphrase, PEM or OpenSSH form. Zero: the SSH agent.
	SSHKey secret.Value
	// KnownHosts is a file with the hosts' keys, as ssh has it. Empty: $SSH_KNOWN_HOSTS, else the user's and the system's.
	KnownHosts string
	// CAs are certificate authorities in PEM to trust for https beside the system's. Nil: none.
	CAs []byte
}

// LoadGit reads a document from a Git revision with the embedded schema. See Loader.LoadGit.
func LoadGit(ctx context.Context, g Git, sections []Section) (*Deployment, error) {
	return Loader{Sections: sections}.LoadGit(ctx, g)
}

// LoadGit reads a document, and the files it refers to, from one Git revision. A local repository is read where it is; a
// remote one is fetched into memory, one commit deep where the server allows it. Nothing is checked out.
func (l Loader) LoadGit(ctx context.Context, g Git) (*Deployment, error) {
	if err := insideRepository(g.Path); err != nil {
		return nil, err
	}
	commit, err := g.Commit(ctx)
	if err != nil {
		return nil, err
	}
	read := func(name string, limit int64) ([]byte, error) {
		data, err := readBlob(commit, name, limit)
		if err != nil {
			return nil, fmt.Errorf("%s at %.12s: %w", name, commit.Hash, err)
		}
		return data, nil
	}
	file := path.Clean(g.Path)
	data, err := read(file, maxBytes+1)
	if err != nil {
		return nil, err
	}
	d, err := l.Load(file, data)
	if err != nil {
		return nil, err
	}
	d.Origin.Commit = commit.Hash.String()
	d.Origin.ReadFile = func(name string) ([]byte, error) {
		if path.IsAbs(name) || filepath.IsAbs(name) {
			return nil, fmt.Errorf("%s: a document in Git refers to files of the same revision; write a path relative to it", name)
		}
		full := path.Join(path.Dir(file), name)
		if err := insideRepository(full); err != nil {
			return nil, err
		}
		data, err := read(full, maxReferred+1)
		if len(data) > maxReferred {
			return nil, fmt.Errorf("%s: larger than 16 MiB", full)
		}
		return data, err
	}
	return d, nil
}

func insideRepository(name string) error {
	clean := path.Clean(name)
	if name == "" || path.IsAbs(clean) || clean == "." || clean == ".." || strings.HasPrefix(clean, "../") || strings.Contains(name, `\`) {
		return fmt.Errorf("%q is not a path inside the repository; write it from the repository's root, with slashes", name)
	}
	return nil
}

// readBlob reads at most limit bytes of a regular file. Symbolic links are refused: where they lead is not in the revision's
// hands.
func readBlob(commit *object.Commit, name string, limit int64) ([]byte, error) {
	file, err := commit.File(name)
	if errors.Is(err, object.ErrFileNotFound) {
		if tree, err := commit.Tree(); err == nil {
			if e, err := tree.FindEntry(name); err == nil && e.Mode.IsFile() {
				return nil, WithHint(errors.New("this clone does not have its content, which was not fetched"), "fetch it, such as by `git fetch --refetch --no-filter`; a partial clone has what is checked out alone")
			}
		}
		return nil, fmt.Errorf("there is no such file in this revision")
	} else if err != nil {
		return nil, err
	}
	if file.Mode != filemode.Regular && file.Mode != filemode.Executable && file.Mode != filemode.Deprecated {
		return nil, fmt.Errorf("not a regular file")
	}
	reader, err := file.Reader()
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	return io.ReadAll(io.LimitReader(reader, limit))
}

// peel follows tags to their commit.
func peel(repo *git.Repository, hash plumbing.Hash) (*object.Commit, error) {
	for range 8 { // a tag may point to a tag, but not for long
		found, err := repo.Object(plumbing.AnyObject, hash)
		if err != nil {
			return nil, err
		}
		switch o := found.(type) {
		case *object.Commit:
			return o, nil
		case *object.Tag:
			hash = o.Target
		default:
			return nil, fmt.Errorf("%.12s is not a commit", hash)
		}
	}
	return nil, fmt.Errorf("%.12s: too many tags in a row", hash)
}

// commitOf is the full hash of HEAD when data is what HEAD has for that file, empty when it is not or nobody knows. It
// looks at that one file: a full status reads the whole work tree.
func commitOf(file string, data []byte) string {
	full, err := filepath.Abs(file)
	if err != nil {
		return ""
	}
	if full, err = filepath.EvalSymlinks(full); err != nil {
		return ""
	}
	repo, err := openAt(filepath.Dir(full), true)
	if err != nil {
		return ""
	}
	tree, err := repo.Worktree()
	if err != nil {
		return ""
	}
	root, err := filepath.EvalSymlinks(tree.Filesystem.Root())
	if err != nil {
		return ""
	}
	name, err := filepath.Rel(root, full)
	if err != nil {
		return ""
	}
	head, err := repo.Head()
	if err != nil {
		return ""
	}
	commit, err := repo.CommitObject(head.Hash())
	if err != nil {
		return ""
	}
	blob, err := commit.File(filepath.ToSlash(name))
	if err != nil {
		return ""
	}
	asStored := bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n")) // core.autocrlf
	for _, d := range [][]byte{data, asStored} {
		if plumbing.ComputeHash(plumbing.BlobObject, d) == blob.Hash {
			return commit.Hash.String()
		}
	}
	return ""
}
