package durable

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

// ErrUnfit says that what stands at a path is nothing that this package wrote: no regular file, or one that is too
// large.
var ErrUnfit = errors.New("unfit")

// unfit is an ErrUnfit that reads well.
type unfit struct{ text string }

func (u *unfit) Error() string        { return u.text }
func (u *unfit) Is(target error) bool { return target == ErrUnfit }

// ReadFile reads a file of at most limit bytes, that others may be writing with this package. What is no regular file is
// refused: a FIFO would be waited for without end, and a device would fill the memory.
func ReadFile(path string, limit int64) ([]byte, error) {
	f, err := OpenFile(path, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	data, err := readAll(f, limit)
	return data, errors.Join(err, f.Close())
}

// OpenFile is os.OpenFile for a regular file, with mode 0600 where flag creates it. It waits for nobody.
func OpenFile(path string, flag int) (*os.File, error) {
	// To open a device may do something already, so it is looked at before, and again once it is open.
	info, err := os.Stat(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		info, err = os.Lstat(path) // a link that leads to itself is found, and nothing else can be said of it
	}
	if err == nil && !info.Mode().IsRegular() {
		return nil, irregular(path, info)
	}
	var f *os.File
	err = patiently(func() (err error) {
		f, err = os.OpenFile(path, flag|nonblock, 0o600)
		return err
	})
	if err != nil {
		return nil, err
	}
	info, err = f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = irregular(path, info)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func irregular(path string, info fs.FileInfo) error {
	what := "is not a regular file"
	if info.IsDir() {
		what = "is a folder, not a file"
	}
	return &fs.PathError{Op: "open", Path: path, Err: &unfit{what}}
}

// mostRead is how long a file may be read. What /proc shows are regular files, too, of which some are waited for without end: such a
// one says that it is empty, and is waited for no longer than what comes at once.
func mostRead(info fs.FileInfo) time.Duration {
	if info.Size() == 0 {
		return time.Second
	}
	return 10 * time.Second
}

func readAll(f *os.File, limit int64) ([]byte, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	_ = f.SetReadDeadline(time.Now().Add(mostRead(info))) // what has no deadlines does not wait
	tooLarge := &fs.PathError{Op: "read", Path: f.Name(), Err: &unfit{fmt.Sprintf("has more than %d bytes", limit)}}
	if info.Size() > limit {
		return nil, tooLarge
	}
	data := make([]byte, 0, info.Size()+1) // one more, to see the end without growing
	for {
		n, err := f.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		switch {
		case int64(len(data)) > limit: // it grew
			return nil, tooLarge
		case errors.Is(err, io.EOF):
			return data, nil
		case err != nil:
			return nil, err
		}
		if len(data) == cap(data) {
			data = append(data, 0)[:len(data)]
		}
	}
}
