package machine

import (
	"fmt"
	"time"
)

// Errno is a Windows error number.
type Errno uint32

func (e Errno) Error() string { return fmt.Sprintf("Windows error %d", uint32(e)) }

// The numbers that this package gives (Microsoft's list of system error codes).
const (
	ErrFileNotFound    Errno = 2
	ErrPathNotFound    Errno = 3
	ErrAccessDenied    Errno = 5
	ErrSharing         Errno = 32
	ErrDiskFull        Errno = 112
	errParameter       Errno = 87
	errBadPath         Errno = 161
	ErrAlreadyExists   Errno = 183
	ErrDependents      Errno = 1051
	ErrStartTimeout    Errno = 1053
	ErrAlreadyRunning  Errno = 1056
	ErrNoAccount       Errno = 1057
	ErrDisabled        Errno = 1058
	ErrNoService       Errno = 1060
	ErrCannotControl   Errno = 1061
	ErrNotActive       Errno = 1062
	ErrProcessAborted  Errno = 1067
	ErrDependencyFail  Errno = 1068
	ErrLogonFailure    Errno = 1069
	ErrMarkedForDelete Errno = 1072
	ErrWrongPassword   Errno = 1326
	ErrLogonType       Errno = 1385
	ErrLockedOut       Errno = 1909
)

// FS is the machine's disk. Paths are Windows paths without variables. Errors are of type Errno where Windows has a
// number for them.
type FS interface {
	// Read returns a file's content and what is known about it: ErrFileNotFound or ErrPathNotFound when there is none.
	Read(path string) ([]byte, Info, error)
	// Create writes a new file with the access rules of the file like, those of the folder when like is "", or Private.
	Create(path string, content []byte, like string) error
	// Replace puts from in the place of to, which becomes backup; to's access rules stay.
	Replace(from, to, backup string) error
	// Move renames a file; there must be none of the new name.
	Move(from, to string) error
	Remove(path string) error
	// Names are those of the files in a folder, sorted; none when there is no such folder.
	Names(folder string) []string
	// Below is a file in a folder below one, by its path from there, whose name has the suffix in any case; "" when there is none.
	Below(folder, suffix string) string
	// Touch sets the time of the last write.
	Touch(path string, t time.Time) error
	// TryReplace and TryCreate are the errors that the replace of a file, and a new file beside it, would meet now.
	TryReplace(path string) error
	TryCreate(path string) error
	// Free is the space left for files beside path, in bytes.
	Free(path string) int64
}

// Private is the file like of a new one that SYSTEM, Administrators and whoever makes it have access to, and nobody else.
const Private = "?"

// Info is what a disk knows about a file, beside its content.
type Info struct {
	Modified time.Time
	// Created is when it was made, zero where the disk does not tell.
	Created time.Time
	// Changed is when anything about it was changed last, zero where the disk does not tell.
	Changed      time.Time
	ReadOnly     bool
	UsersCanRead bool
	Owner        string // a SID
}

// Share is what the holder of an open file lets others do (FileShare in .NET).
type Share uint8

// The bits of Share.
const (
	ShareRead Share = 1 << iota
	ShareWrite
	ShareDelete
	ShareNone Share = 0
)
