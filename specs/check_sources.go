package specs

import (
	"cmp"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
)

// checkSources looks at where credentials come from, whatever field holds them. What is kept, and what the deployment's
// identity opens, is for the hosts of the deployment alone: as a credential it would be sent to whoever a document names.
func (r *reader) checkSources(d *Deployment) {
	check := func(path []string, s *Source) {
		switch {
		case s.Generated:
			r.at(path, "this value cannot be generated: it already exists elsewhere", sourceHint)
		case strings.EqualFold(filepath.Ext(s.File), ".age"):
			r.at(path, "an .age file is never a credential's source: what the deployment's identity opens would be sent to whoever is signed in to",
				"give the credential itself to this command: {env: NAME}, or {file: PATH} outside the repository")
		case s.File != "" && r.inState(d, s.File), s.Store != "" && d.Connect.Stores[s.Store].Exec != nil && r.inState(d, s.Path):
			r.at(path, "this file is a part of the state, whose values are never a credential's source",
				"give the credential itself to this command: {env: NAME}, or {file: PATH} outside the state folder")
		case r.isIdentity(d, path, s):
			r.at(path, "the age identity is never a credential's source: it opens every kept value, and would be sent to whoever is signed in to",
				"give the credential itself to this command: {env: NAME}, or {file: PATH} of its own")
		}
	}
	eachSource(reflect.ValueOf(d.Connect), rootPath("connect"), check)
	eachSource(reflect.ValueOf(d.State), rootPath("state"), check)
}

// isIdentity says that a source is where the age identity comes from.
func (r *reader) isIdentity(d *Deployment, path []string, s *Source) bool {
	if slices.Equal(path, []string{"state", "seal", "identity"}) {
		return false
	}
	from := &Source{Env: SealVariable}
	if d.State.Seal != nil && d.State.Seal.Identity != nil {
		from = d.State.Seal.Identity
	}
	at := func(path string) string {
		if !filepath.IsAbs(path) {
			path = filepath.Join(r.dir, path)
		}
		if r.onDisk {
			return Resolved(path)
		}
		return filepath.Clean(path)
	}
	return s.Env != "" && (strings.EqualFold(s.Env, SealVariable) || strings.EqualFold(s.Env, from.Env)) ||
		s.File != "" && from.File != "" && strings.EqualFold(at(s.File), at(from.File)) || s.Store != "" && s.Item == from.Item
}

// ofState are what a state has in its folder, whatever else lies there: state/file's files, and the journals of state/git.
var ofState = []string{"values", "salt", "ledger.jsonl", "ledger.head", "ledger.lock", "fence", "lease.json", "lease.lock", "git"}

// inState says that a file is a part of the state, whatever path leads there. Capital letters do not tell files apart: on
// some disks they do not.
func (r *reader) inState(d *Deployment, file string) bool {
	from := func(path string) string {
		if filepath.IsAbs(path) {
			return filepath.Clean(path)
		}
		return filepath.Join(r.dir, path)
	}
	within := func(file, kept string) bool {
		file, kept = strings.ToLower(file), strings.ToLower(kept)
		return file == kept || strings.HasPrefix(file, kept+string(filepath.Separator))
	}
	file = from(file)
	for _, part := range ofState {
		kept := filepath.Join(from(cmp.Or(d.State.Dir, ".meshrotate")), part)
		if within(file, kept) || r.onDisk && within(Resolved(file), Resolved(kept)) {
			return true
		}
	}
	return false
}

// Resolved is the path without symbolic links, as far as it is there.
func Resolved(path string) string {
	full, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	if real, err := filepath.EvalSymlinks(full); err == nil {
		return real
	}
	if parent := filepath.Dir(full); parent != full {
		return filepath.Join(Resolved(parent), filepath.Base(full))
	}
	return full
}

// Inside says that a file is in a folder, or is it, whatever links lead there.
func Inside(file, folder string) bool {
	rel, err := filepath.Rel(Resolved(folder), Resolved(file))
	return err == nil && filepath.IsLocal(rel)
}

// maxLinks is how many links may lead to a file.
const maxLinks = 255

// Passes says that a file is in a folder, or is it, or that a link which lies in it is on the way to the file: whoever can change what
// the folder has says then what the file is.
func Passes(file, folder string) bool {
	full, err := filepath.Abs(file)
	if err != nil || Inside(file, folder) {
		return true
	}
	root := Resolved(folder)
	parts := func(path string) []string { return strings.Split(filepath.ToSlash(path), "/") }
	volume := filepath.VolumeName(full)
	at, rest := volume+string(filepath.Separator), parts(full[len(volume):])
	for links := 0; len(rest) > 0; {
		part := rest[0]
		rest = rest[1:]
		at = filepath.Join(at, part) // "" and "." stay, ".." leads up
		if rel, err := filepath.Rel(root, at); err == nil && filepath.IsLocal(rel) {
			return true
		}
		target, err := os.Readlink(at)
		if err != nil {
			continue // no link, or not there
		}
		if links++; links > maxLinks {
			return true
		}
		if volume := filepath.VolumeName(target); filepath.IsAbs(target) {
			at, target = volume+string(filepath.Separator), target[len(volume):]
		} else {
			at = filepath.Dir(at)
		}
		rest = append(parts(target), rest...)
	}
	return false
}

// powerShellForm is PowerShell's name, or a full path to it: no quotes, no variables, no share, no arguments. It becomes the
// begin of a command line on every host. Blanks stand within a folder's name only, and no folder is called like a program.
var powerShellForm = form(`^(?i:[a-z]:\\([a-z0-9_.()~+-]+( [a-z0-9_.()~+-]+)*\\)*)?(?i:powershell|pwsh)\.exe$`)

func powerShellProblem(program string) (text, hint string) {
	folders := strings.ToLower(program[:strings.LastIndexByte(program, '\\')+1])
	if program == "" || powerShellForm().MatchString(program) && !strings.Contains(folders, ".exe") && !strings.Contains(folders, `..`) {
		return "", ""
	}
	return "must be powershell.exe or pwsh.exe, or a full path to one of them on a drive, without quotes or arguments",
		`powershell.exe, or C:\Program Files\PowerShell\7\pwsh.exe`
}

// checkPowerShell checks the program that every host is asked to run.
func (r *reader) checkPowerShell(c *Connect) {
	check := func(w WinRM, path ...string) {
		if text, hint := powerShellProblem(w.PowerShell); text != "" {
			r.at(path, text, hint)
		}
	}
	check(c.WinRM, "connect", "winrm", "powershell")
	for _, name := range sortedKeys(c.Hosts) {
		check(c.Hosts[name].WinRM, "connect", "hosts", name, "powershell")
	}
}
