package machine

import (
	"regexp"
	"slices"
	"strings"

	"meshrotate/providers/appsettings"
	"meshrotate/providers/winhost"
)

// Loosen lets ordinary users change a file, or put files into a folder and change them there; or no longer.
func (m *Machine) Loosen(path string, on bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.loose == nil {
		m.loose = map[string]bool{}
	}
	m.loose[strings.ToLower(path)] = on
}

// Records is what PowerShell records: script blocks, calls of modules, sessions.
type Records struct{ Scripts, Modules, Transcripts bool }

// SetRecords lets PowerShell record these, and nothing else.
func (m *Machine) SetRecords(r Records) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.records = r
}

const mostLeftovers = 20

func (m *Machine) exposure(o *winhost.Exposure) winhost.Result {
	e := &winhost.Exposed{Unquoted: winhost.No, CommandLines: yesOrNo(m.AuditsCommandLines), Sysmon: yesOrNo(m.Sysmon)}
	var paths []string
	if o.Path != "" {
		path := m.Expand(o.Path)
		folder, name := appsettings.Split(path)
		paths = append(paths, path, folder)
		e.Left = m.leftovers(folder, name)
		if _, info, err := m.FS.Read(path); err == nil {
			e.Readable = yesOrNo(info.UsersCanRead)
		}
	}
	if line, _ := m.Registered(o.Service); line != "" {
		e.Program, _ = appsettings.Program(line)
		e.Unquoted = yesOrNo(!strings.HasPrefix(line, `"`) && strings.Contains(e.Program, " "))
		folder, _ := appsettings.Split(e.Program)
		paths = append(paths, e.Program, folder)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	e.Scripts, e.Modules, e.Transcripts = yesOrNo(m.records.Scripts), yesOrNo(m.records.Modules), yesOrNo(m.records.Transcripts)
	for _, path := range paths {
		if m.loose[strings.ToLower(path)] && !slices.Contains(e.Writable, path) {
			e.Writable = append(e.Writable, path)
		}
	}
	return winhost.Result{Code: winhost.OK, Exposed: e}
}

// old is how the rest of a name ends that is that of an earlier version.
var old = regexp.MustCompile(`(?i)([ ._(-](bak|backup|old|new|orig|save|tmp|temp|copy)\d*([ ._)-].*)?|\.\d{6,}|~)$`)

func isLeft(n, name string) bool {
	stem := strings.ToLower(name)
	if i := strings.LastIndexByte(stem, '.'); i >= 0 {
		stem = stem[:i]
	}
	n = strings.ToLower(n)
	rest, own := strings.CutPrefix(n, stem)
	own = own && rest != "" && strings.ContainsAny(rest[:1], " ._(~-") && old.MatchString(rest)
	return own || strings.HasPrefix(n, "copy of "+stem) || strings.HasPrefix(n, "powershell_transcript.")
}

func (m *Machine) leftovers(folder, name string) []winhost.OldCopy {
	var all []winhost.OldCopy
	for _, n := range m.FS.Names(folder) {
		if strings.EqualFold(n, name) || strings.Contains(n, ".meshrotate-") || !isLeft(n, name) || len(all) == mostLeftovers {
			continue
		}
		l := winhost.OldCopy{Name: n}
		if _, info, err := m.FS.Read(folder + `\` + n); err == nil {
			l.Changed, l.UsersCanRead = info.Modified, yesOrNo(info.UsersCanRead)
		}
		all = append(all, l)
	}
	return all
}
