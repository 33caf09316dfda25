package winhost

import (
	"time"

	"meshrotate/reconciler/secret"
)

// The names that an op gives to what it keeps beside a file.
const (
	StagedSuffix = ".meshrotate-new" // the new content, before the swap
	BackupSuffix = ".meshrotate-old" // the old content, after it
)

// FileRead looks at a file and at what an earlier run left beside it. Paths may hold %ProgramFiles%, %ProgramData%
// and any other variable of the machine; %CommonApplicationData%, which .NET calls a folder but Windows does not
// define, means %ProgramData%. A missing file is an answer, not an error.
type FileRead struct {
	Path string `json:"path"`
	// HashOnly leaves the content on the host.
	HashOnly bool `json:"hashOnly"`
	// Most is from how many bytes on the content stays there too; 0 is the protocol's own limit, above which it is an error.
	Most int64 `json:"most"`
	// Any are the SHA-256 that the file may have, "" for no file: with another one the answer is Conflict. Nil: whatever it has.
	Any []string `json:"any"`
}

// FileStage writes new content to a sibling of the file, with the file's access rules, flushed to the disk and read
// back. The live file stays as it is.
type FileStage struct {
	Path string `json:"path"`
	// Expect is the live file's SHA-256, in lower-case hex; "" means that there must be no file.
	Expect  string       `json:"expect"`
	Content secret.Value `json:"-"`
}

// FileSwap puts the staged content in the place of the live file, in one step, and keeps the old content as a backup.
type FileSwap struct {
	Path string `json:"path"`
	// Expect is the live file's SHA-256; "" means that there must be no file.
	Expect string `json:"expect"`
	// Staged is the SHA-256 of the content to put there.
	Staged string `json:"staged"`
}

// FileRestore puts the backup back. What it replaces is gone after it. Where what was to be put there is staged still, nothing was
// replaced, and the file stays as it is, whoever has changed it since.
type FileRestore struct {
	Path string `json:"path"`
	// Expect is the live file's SHA-256; "" means that there must be no file.
	Expect string `json:"expect"`
	// Backup is the SHA-256 of the content to put back.
	Backup string `json:"backup"`
}

// FileDiscard removes what a stage or a swap left beside a file.
type FileDiscard struct {
	Path  string   `json:"path"`
	Which Leftover `json:"which"`
	// SHA256 is what must be in it; "" means anything.
	SHA256 string `json:"sha256"`
}

// Leftover names one of the two siblings.
type Leftover string

// The siblings.
const (
	Staged Leftover = "staged"
	Backup Leftover = "backup"
)

// File is what a host says about a file. After a conflict it holds what is there instead.
type File struct {
	Exists bool `json:"exists"`
	// Content is zero when it was not asked for, and when there is no file.
	Content secret.Value `json:"-"`
	// SHA256 is lower-case hex, "" when there is no file.
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size"`
	// Modified is the time of the last write, UTC; zero when there is no file.
	Modified time.Time `json:"modified,omitzero"`
	// Changed is when anything about the file was changed last, UTC: also its name, its attributes, or the time of its last
	// write, which a copy keeps. Zero when there is no file, or when the file system does not tell.
	Changed  time.Time `json:"changed,omitzero"`
	ReadOnly bool      `json:"readOnly"`
	// Attributes are the bits that Windows calls FILE_ATTRIBUTE_…
	Attributes uint32 `json:"attributes"`
	// Owner is the SID of the file's owner, "" when it is not known.
	Owner string `json:"owner"`
	// UsersCanRead says that Users, Everyone or Authenticated Users may read the file.
	UsersCanRead Answer `json:"usersCanRead"`
	// Staged and Backup are the siblings, nil when there are none.
	Staged *Sibling `json:"staged,omitempty"`
	Backup *Sibling `json:"backup,omitempty"`
}

// Sibling is a file that an earlier op left beside the live one.
type Sibling struct {
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size"`
}

func (o FileStage) blob() (secret.Value, bool)          { return o.Content, true }
func (o *FileStage) take(v secret.Value, ok bool) error { return needed(&o.Content, v, ok) }

func (o FileRead) Name() string      { return "file.read" }
func (o FileRead) Object() string    { return o.Path }
func (o FileRead) Looks() bool       { return true }
func (o FileStage) Name() string     { return "file.stage" }
func (o FileStage) Object() string   { return o.Path }
func (o FileStage) Looks() bool      { return false }
func (o FileSwap) Name() string      { return "file.swap" }
func (o FileSwap) Object() string    { return o.Path }
func (o FileSwap) Looks() bool       { return false }
func (o FileRestore) Name() string   { return "file.restore" }
func (o FileRestore) Object() string { return o.Path }
func (o FileRestore) Looks() bool    { return false }
func (o FileDiscard) Name() string   { return "file.discard" }
func (o FileDiscard) Object() string { return o.Path }
func (o FileDiscard) Looks() bool    { return false }
