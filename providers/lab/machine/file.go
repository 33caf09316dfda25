package machine

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"time"

	"meshrotate/providers/winhost"
	"meshrotate/reconciler/secret"
)

const (
	attributeReadOnly = 0x1
	attributeArchive  = 0x20
	spare             = 65536 // bytes that a stage leaves free
	sharingTries      = 10    // as often as the script tries, and as long
	sharingPause      = 150 * time.Millisecond
)

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

// look reads a file and its siblings.
func (m *Machine) look(path string) (*winhost.File, []byte, error) {
	content, info, err := m.read(path)
	f := &winhost.File{}
	if err != nil && !missing(err) {
		return f, nil, err
	}
	if err == nil {
		f.Exists, f.SHA256, f.Size = true, sum(content), int64(len(content))
		f.Modified, f.ReadOnly, f.Owner = info.Modified.UTC(), info.ReadOnly, info.Owner
		if !info.Changed.IsZero() {
			f.Changed = info.Changed.UTC()
		}
		f.Attributes, f.UsersCanRead = attributeArchive, winhost.No
		if info.ReadOnly {
			f.Attributes |= attributeReadOnly
		}
		if info.UsersCanRead {
			f.UsersCanRead = winhost.Yes
		}
	}
	if f.Staged, err = m.sibling(path + winhost.StagedSuffix); err != nil {
		return f, nil, err
	}
	f.Backup, err = m.sibling(path + winhost.BackupSuffix)
	return f, content, err
}

func (m *Machine) sibling(path string) (*winhost.Sibling, error) {
	content, _, err := m.read(path)
	if missing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &winhost.Sibling{SHA256: sum(content), Size: int64(len(content))}, nil
}

func (m *Machine) read(path string) (content []byte, info Info, err error) {
	err = m.patiently(func() (err error) {
		content, info, err = m.FS.Read(path)
		return err
	})
	return content, info, err
}

func missing(err error) bool {
	return errors.Is(err, ErrFileNotFound) || errors.Is(err, ErrPathNotFound)
}

func (m *Machine) fileRead(o *winhost.FileRead) winhost.Result {
	f, content, err := m.look(m.Expand(o.Path))
	if err != nil {
		return failed(err, "cannot read the file")
	}
	if f.Exists && !o.HashOnly && (o.Most == 0 || f.Size <= o.Most) {
		f.Content = secret.New(content)
	}
	if o.Any != nil && !slices.Contains(o.Any, f.SHA256) {
		return answer(winhost.Conflict, f, "the file is not as expected")
	}
	return winhost.Result{Code: winhost.OK, File: f}
}

func (m *Machine) fileStage(o *winhost.FileStage) winhost.Result {
	m.files.Lock()
	defer m.files.Unlock()
	path, content := m.Expand(o.Path), o.Content.Expose()
	f, _, err := m.look(path)
	switch {
	case err != nil:
		return failed(err, "cannot read the file")
	case f.SHA256 != o.Expect:
		return answer(winhost.Conflict, f, "the file is not as expected")
	case f.ReadOnly:
		return withFile(failure(ErrAccessDenied, "the file is read-only"), f)
	case f.Staged != nil && f.Staged.SHA256 == sum(content):
		return answer(winhost.Unchanged, f, "")
	case m.FS.Free(path) < int64(len(content))+spare:
		return withFile(failure(ErrDiskFull, "not enough space"), f)
	}
	if f.Staged != nil {
		if err := m.FS.Remove(path + winhost.StagedSuffix); err != nil {
			return withFile(failed(err, "cannot remove the earlier staged file"), f)
		}
	}
	like := ""
	if f.Exists {
		like = path
	}
	if err := m.FS.Create(path+winhost.StagedSuffix, content, like); err != nil {
		return withFile(failed(err, "cannot write the staged file"), f)
	}
	return m.after(path, winhost.OK)
}

func (m *Machine) fileSwap(o *winhost.FileSwap) winhost.Result {
	m.files.Lock()
	defer m.files.Unlock()
	path := m.Expand(o.Path)
	staged, backup := path+winhost.StagedSuffix, path+winhost.BackupSuffix
	f, _, err := m.look(path)
	switch {
	case err != nil:
		return failed(err, "cannot read the file")
	case f.SHA256 == o.Staged && f.Exists:
		if f.Staged != nil {
			if err := m.FS.Remove(staged); err != nil {
				return withFile(failed(err, "cannot remove the staged file"), f)
			}
		}
		return m.after(path, winhost.Unchanged)
	case f.SHA256 != o.Expect:
		return answer(winhost.Conflict, f, "the file is not as expected")
	case f.Staged == nil:
		return withFile(failure(ErrFileNotFound, "nothing is staged"), f)
	case f.Staged.SHA256 != o.Staged:
		return answer(winhost.Conflict, f, "the staged file is not as expected")
	case f.ReadOnly:
		return withFile(failure(ErrAccessDenied, "the file is read-only"), f)
	}
	if err := m.put(staged, path, backup, f.Exists); err != nil {
		return withFile(failed(err, "cannot replace the file"), f)
	}
	return m.after(path, winhost.OK)
}

func (m *Machine) fileRestore(o *winhost.FileRestore) winhost.Result {
	m.files.Lock()
	defer m.files.Unlock()
	path := m.Expand(o.Path)
	staged, backup := path+winhost.StagedSuffix, path+winhost.BackupSuffix
	f, _, err := m.look(path)
	switch {
	case err != nil:
		return failed(err, "cannot read the file")
	case f.SHA256 == o.Backup:
		if f.Backup != nil && f.Backup.SHA256 == o.Backup {
			if err := m.FS.Remove(backup); err != nil {
				return withFile(failed(err, "cannot remove the backup"), f)
			}
		}
		return m.after(path, winhost.Unchanged)
	case f.SHA256 != o.Expect && f.Backup == nil && f.Staged != nil && f.Staged.SHA256 == o.Expect:
		return m.after(path, winhost.Unchanged)
	case f.SHA256 != o.Expect:
		return answer(winhost.Conflict, f, "the file is not as expected")
	case f.ReadOnly:
		return withFile(failure(ErrAccessDenied, "the file is read-only"), f)
	case o.Backup == "":
		if err := m.FS.Remove(path); err != nil {
			return withFile(failed(err, "cannot remove the file"), f)
		}
		return m.after(path, winhost.OK)
	case f.Backup == nil:
		return withFile(failure(ErrFileNotFound, "there is no backup"), f)
	case f.Backup.SHA256 != o.Backup:
		return answer(winhost.Conflict, f, "the backup is not as expected")
	}
	if err := m.put(backup, path, staged, f.Exists); err != nil {
		return withFile(failed(err, "cannot replace the file"), f)
	}
	if err := m.FS.Remove(staged); err != nil && !missing(err) {
		return withFile(failed(err, "cannot remove what was replaced"), f)
	}
	return m.after(path, winhost.OK)
}

func (m *Machine) fileDiscard(o *winhost.FileDiscard) winhost.Result {
	m.files.Lock()
	defer m.files.Unlock()
	path := m.Expand(o.Path)
	f, _, err := m.look(path)
	if err != nil {
		return failed(err, "cannot read the file")
	}
	s, name := f.Staged, path+winhost.StagedSuffix
	if o.Which == winhost.Backup {
		s, name = f.Backup, path+winhost.BackupSuffix
	}
	switch {
	case s == nil:
		return answer(winhost.Unchanged, f, "")
	case o.SHA256 != "" && s.SHA256 != o.SHA256:
		return answer(winhost.Conflict, f, "the leftover is not as expected")
	}
	if err := m.FS.Remove(name); err != nil {
		return withFile(failed(err, "cannot remove the leftover"), f)
	}
	return m.after(path, winhost.OK)
}

// put replaces the live file, or moves the new one to where there is none, with some patience for a holder that is
// about to close it.
func (m *Machine) put(from, to, backup string, exists bool) error {
	err := m.patiently(func() error {
		if exists {
			return m.FS.Replace(from, to, backup)
		}
		return m.FS.Move(from, to)
	})
	if err != nil {
		return err
	}
	return m.FS.Touch(to, m.now())
}

// after looks again, which is what a result reports.
func (m *Machine) after(path string, code winhost.Code) winhost.Result {
	f, _, err := m.look(path)
	if err != nil {
		return failed(err, "cannot read the file back")
	}
	return answer(code, f, "")
}

func answer(code winhost.Code, f *winhost.File, message string) winhost.Result {
	return winhost.Result{Code: code, File: f, Message: message}
}

func withFile(r winhost.Result, f *winhost.File) winhost.Result {
	r.File = f
	return r
}
