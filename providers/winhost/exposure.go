package winhost

import "time"

// Exposure looks at who else could come by a secret of a service: by its file, by what lies beside that, by its program, by what the
// host records. Contents are not read.
type Exposure struct {
	// Service is whose program is looked at, "" for none.
	Service string `json:"name"`
	// Path is the file that holds the secret, "" for none.
	Path string `json:"path"`
}

// Exposed is what was found. Ordinary users are Everyone, Authenticated Users, Interactive, Users, Guests and Domain Users.
type Exposed struct {
	// Program is the service's, without its arguments; "" when there is none.
	Program string `json:"program"`
	// Unquoted says that its path has a blank and no quotes: Windows tries the part before the blank first.
	Unquoted Answer `json:"unquoted"`
	// Readable says that ordinary users may read the file; "" when there is none, or when that could not be seen.
	Readable Answer `json:"readable"`
	// Writable are those of the file, the program and the folders of both that ordinary users may change, put files into, or make
	// their own. Unknown are those whose access rules could not be read.
	Writable []string `json:"writable"`
	Unknown  []string `json:"unknown"`
	// Left are files beside Path that look like earlier versions of it, or like transcripts of PowerShell; 20 at most.
	Left []OldCopy `json:"left"`
	// Scripts, Modules and Transcripts say whether PowerShell records script blocks (event 4104), calls of modules (4103) and
	// sessions. CommandLines and Sysmon are as in Secrets.
	Scripts      Answer `json:"scripts"`
	Modules      Answer `json:"modules"`
	Transcripts  Answer `json:"transcripts"`
	CommandLines Answer `json:"commandLines"`
	Sysmon       Answer `json:"sysmon"`
}

// OldCopy is a file that somebody left.
type OldCopy struct {
	Name    string    `json:"name"`
	Changed time.Time `json:"changed,omitzero"` // its last write
	// UsersCanRead says so of ordinary users; "" when it could not be seen.
	UsersCanRead Answer `json:"usersCanRead"`
}

func (o Exposure) Name() string   { return "exposure" }
func (o Exposure) Object() string { return o.Path }
func (o Exposure) Looks() bool    { return true }
