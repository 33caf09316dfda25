package specs

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/transport"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
)

// GitToken is the environment variable with the token for a repository over https, where nothing else is named.
const GitToken = "MESHROTATE_GIT_TOKEN"

// StateGit is the branch of a Git repository that keeps the state instead of a folder, so that machines without a shared disk share
// it. Who may push to the branch may write the record: protect it, or give it a repository of its own.
type StateGit struct {
	// Repo is a URL (https://, ssh://, user@host:path, file://) without a password, or a folder.
	Repo string `json:"repo" jsonschema:"required,minLength=1,example=https://git.contoso.example/im/state.git" trust:"state"`
	// Branch is the branch's name; the lock is on BRANCH-lock. Left out: meshrotate/NAME, with the deployment's name. Each
	// deployment has its own.
	Branch string `json:"branch,omitempty" jsonschema:"minLength=1" trust:"state"`
	// User signs in over https, where the server wants a certain one. Left out: git.
	User string `json:"user,omitempty" jsonschema:"minLength=1" trust:"signIn"`
	// Token is the password or token for https. Left out: what is in MESHROTATE_GIT_TOKEN.
	Token *Source `json:"token,omitempty" trust:"credential"`
	// SSHKey is a private key without a passphrase. Left out: the SSH agent.
	SSHKey *Source `json:"sshKey,omitempty" trust:"credential"`
	// KnownHosts is a file of this machine with the keys of SSH servers. Left out: the user's and the system's.
	KnownHosts string `json:"knownHosts,omitempty" jsonschema:"minLength=1" trust:"local"`
	// CAFile is a PEM file with certificate authorities to trust for https beside the system's.
	CAFile string `json:"caFile,omitempty" jsonschema:"minLength=1" trust:"file"`
}

// Folder is the repository's folder on this machine, where it is written as one. Beside is the document's.
func (s *StateGit) Folder(beside string) string {
	if filepath.IsAbs(s.Repo) {
		return s.Repo
	}
	return filepath.Join(beside, s.Repo)
}

// Folders are what may be meant on this machine: a URL can name a folder, too, and what looks like a host and a path can be one; and git takes
// NAME.git where there is no NAME.
func (s *StateGit) Folders(beside string) (all []string) {
	if e, err := transport.NewEndpoint(s.Repo); err == nil && e.Protocol == "file" {
		all = append(all, e.Path)
	}
	if u, err := url.Parse(s.Repo); err == nil && strings.EqualFold(u.Scheme, "file") {
		all = append(all, u.Path)
	}
	for _, suffix := range []string{"", git.GitDirName} {
		if _, err := os.Stat(s.Folder(beside) + suffix); err == nil {
			all = append(all, s.Folder(beside))
			break
		}
	}
	for _, folder := range all {
		all = append(all, strings.TrimRight(folder, `/\`)+git.GitDirName)
	}
	return all
}

// checkStateGit looks at state.git as it was written.
func (r *reader) checkStateGit(d *Deployment) {
	path := []string{"state", "git"}
	s := d.State.Git
	if s == nil || r.isBroken(path...) {
		return
	}
	if d.State.SQL != nil {
		r.at(path, "the state is in a database already", "leave out sql or git")
	}
	if err := (Git{Repo: s.Repo}).checkURL(); err != nil {
		r.at(append(path, "repo"), err.Error(), "https://git.contoso.example/im/state.git")
	}
	if s.Branch != "" && plumbing.NewBranchReferenceName(s.Branch).Validate() != nil {
		r.at(append(path, "branch"), "is no name for a branch", "meshrotate/"+d.Name)
	}
}
