package specs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
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
	index, err := repo.Storer.Index()
	if err != nil {
		return err
	}
	i := slices.IndexFunc(index.Entries, func(e *gitindex.Entry) bool { return strings.EqualFold(e.Name, filepath.ToSlash(rel)) })
	const elsewhere = "; a file that is not to be in the repository is named by its full path, where the trusted side allows that"
	if i < 0 {
		return WithHint(fmt.Errorf("%s lies in the work tree, and Git does not know it: it is no part of what is proposed", full), "commit it"+elsewhere)
	}
	blob, err := repo.BlobObject(index.Entries[i].Hash)
	if err != nil {
		return err
	}
	added, err := contentOf(blob)
	if err != nil {
		return err
	}
	if !bytes.Equal(unixLines(added), unixLines(data)) { // a checkout on Windows ends lines otherwise
		return WithHint(fmt.Errorf("%s is not as Git knows it: it is no part of what is proposed", full), "commit it as it is"+elsewhere)
	}
	return nil
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
