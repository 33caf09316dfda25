package specs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5"
	gitindex "github.com/go-git/go-git/v5/plumbing/format/index"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// asAdded makes sure that a file is one that Git knows, with this content: what else lies in a work tree, such as what a runner's other
// steps have put there, is no part of any revision.
func (w *WorkTree) asAdded(full string, data []byte) error {
	repo, err := openAt(w.Root, false)
	if errors.Is(err, git.ErrRepositoryNotExists) {
		return nil // a document in a folder of its own
	}
	if err != nil {
		return err
	}
	rel, err := filepath.Rel(w.Root, full)
	if err != nil {
		return err
	}
	entry, err := entryOf(repo, filepath.ToSlash(rel))
	if err != nil {
		return err
	}
	const elsewhere = "; a file that is not to be in the repository is named by its full path, where the trusted side allows that"
	if entry == nil {
		return WithHint(fmt.Errorf("%s lies in the work tree, and Git does not know it: it is no part of what is proposed", full), "commit it"+elsewhere)
	}
	same, err := sameText(repo, entry, data)
	if err != nil {
		return err
	}
	if !same {
		return WithHint(fmt.Errorf("%s is not as Git knows it: it is no part of what is proposed", full), "commit it as it is"+elsewhere)
	}
	return nil
}

// AsCheckedOut makes sure that Git has not made another text of a document than its revision has. A revision can ask for that in
// .gitattributes, by another encoding, a filter or an identifier: the review would show what nobody reads. A file that somebody has
// edited since is another matter: its time or size is not the one that Git wrote down.
func (w *WorkTree) AsCheckedOut() error {
	repo, err := openAt(w.Root, false)
	if errors.Is(err, git.ErrRepositoryNotExists) {
		return nil // a document in a folder of its own
	}
	if err != nil {
		return err
	}
	full := filepath.Join(w.Root, filepath.FromSlash(w.Path))
	entry, err := entryOf(repo, w.Path)
	if err != nil || entry == nil {
		return err
	}
	info, err := os.Stat(full)
	if err != nil || info.Size() != int64(entry.Size) || !info.ModTime().Equal(entry.ModifiedAt) {
		return err
	}
	data, err := ReadReferred(full)
	if err != nil {
		return err
	}
	if same, err := sameText(repo, entry, data); err != nil || same {
		return err
	}
	return WithHint(fmt.Errorf("%s: Git has checked out another text than the revision has (.gitattributes, or a filter): a review does not show this one", w.Path),
		"take its encoding, filter or ident out of .gitattributes; or take the document from the revision with --repo and --ref")
}

// entryOf is a file as Git's index knows it, nil when it does not.
func entryOf(repo *git.Repository, path string) (*gitindex.Entry, error) {
	index, err := indexOf(repo)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(index.Entries, func(e *gitindex.Entry) bool { return strings.EqualFold(e.Name, path) })
	if i < 0 {
		return nil, nil
	}
	return index.Entries[i], nil
}

// sameText compares a file with what Git has of it. A checkout on Windows ends lines otherwise.
func sameText(repo *git.Repository, entry *gitindex.Entry, data []byte) (bool, error) {
	blob, err := repo.BlobObject(entry.Hash)
	if err != nil {
		return false, err
	}
	added, err := contentOf(blob)
	return err == nil && bytes.Equal(unixLines(added), unixLines(data)), err
}

func contentOf(blob *object.Blob) ([]byte, error) {
	r, err := blob.Reader()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(io.LimitReader(r, maxReferred+1))
}

func unixLines(b []byte) []byte { return bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n")) }
