package machine

import (
	"bytes"
	"maps"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"
)

// Memory is a disk in memory. The zero Memory is empty, has no limit and takes the time from the system's clock. It
// keeps contents as it was given them, so that many machines may share one; nobody writes to them.
type Memory struct {
	// Now is the clock for times of last write, nil means time.Now.
	Now func() time.Time
	// Limit is the disk's size in bytes, 0 means no limit.
	Limit int64

	mu        sync.Mutex
	files     map[string]*memoryFile // by lower-case path
	forbidden map[string]bool        // files and folders that nobody may change, by lower-case path
}

// administrators is the SID of BUILTIN\Administrators.
const administrators = "S-1-5-32-544"

type memoryFile struct {
	path    string // as it was written
	content []byte
	info    Info
	holders []*Share
}

func (m *Memory) now() time.Time {
	if m.Now != nil {
		return m.Now()
	}
	return time.Now()
}

// shared says whether every holder of the file lets others do this.
func (f *memoryFile) shared(s Share) bool {
	for _, h := range f.holders {
		if *h&s != s {
			return false
		}
	}
	return true
}

func (m *Memory) get(path string) (*memoryFile, error) {
	f := m.files[strings.ToLower(path)]
	if f == nil {
		return nil, ErrFileNotFound
	}
	return f, nil
}

func (m *Memory) put(path string, f *memoryFile) {
	if m.files == nil {
		m.files = map[string]*memoryFile{}
	}
	f.path = path
	m.files[strings.ToLower(path)] = f
}

func (m *Memory) Names(folder string) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var names []string
	for _, f := range m.files {
		if i := strings.LastIndexByte(f.path, '\\'); i == len(folder) && strings.EqualFold(f.path[:i], folder) {
			names = append(names, f.path[i+1:])
		}
	}
	slices.Sort(names)
	return names
}

func (m *Memory) Below(folder, suffix string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	folder = strings.ToLower(folder) + `\`
	for _, path := range slices.Sorted(maps.Keys(m.files)) {
		if rest, in := strings.CutPrefix(path, folder); in && strings.Contains(rest, `\`) && strings.HasSuffix(rest, strings.ToLower(suffix)) {
			return m.files[path].path[len(folder):]
		}
	}
	return ""
}

// Write puts content there behind the back of every op, as an operator or the product would. A new file is readable by
// users, as files under Program Files are.
func (m *Memory) Write(path string, content []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f, _ := m.get(path)
	if f == nil {
		f = &memoryFile{info: Info{UsersCanRead: true, Owner: administrators, Created: m.now()}}
		m.put(path, f)
	}
	now := m.now()
	f.content, f.info.Modified, f.info.Changed = content, now, now
}

// Set changes what is known about a file, such as that it is read-only, or when it was written last.
func (m *Memory) Set(path string, change func(*Info)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	f, err := m.get(path)
	if err != nil {
		return err
	}
	change(&f.info)
	f.info.Changed = m.now()
	return nil
}

// Paths lists the files, in lower case, sorted.
func (m *Memory) Paths() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []string
	for p := range m.files {
		all = append(all, p)
	}
	sort.Strings(all)
	return all
}

func (m *Memory) Read(path string) ([]byte, Info, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f, err := m.get(path)
	if err != nil {
		return nil, Info{}, err
	}
	if !f.shared(ShareRead) {
		return nil, f.info, ErrSharing
	}
	return f.content, f.info, nil
}

func (m *Memory) Create(path string, content []byte, like string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if f, _ := m.get(path); f != nil {
		return ErrAlreadyExists
	}
	if m.forbids(folder(path)) {
		return ErrAccessDenied
	}
	if m.Limit > 0 && int64(len(content)) > m.free() {
		return ErrDiskFull
	}
	info := Info{UsersCanRead: like != Private, Owner: administrators}
	if l, _ := m.get(like); l != nil {
		info.UsersCanRead = l.info.UsersCanRead
	}
	info.Modified = m.now()
	info.Changed, info.Created = info.Modified, info.Modified
	m.put(path, &memoryFile{content: bytes.Clone(content), info: info})
	return nil
}

func (m *Memory) Replace(from, to, backup string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	staged, err := m.get(from)
	if err != nil {
		return err
	}
	live, err := m.get(to)
	if err != nil {
		return err
	}
	if live.info.ReadOnly || m.forbids(to) {
		return ErrAccessDenied
	}
	old, _ := m.get(backup)
	for _, f := range []*memoryFile{staged, live, old} {
		if f != nil && !f.shared(ShareDelete) {
			return ErrSharing
		}
	}
	staged.info.UsersCanRead, staged.info.Owner = live.info.UsersCanRead, live.info.Owner
	staged.info.Changed, live.info.Changed = m.now(), m.now()
	staged.info.Created = live.info.Created
	m.put(to, staged)
	m.put(backup, live)
	delete(m.files, strings.ToLower(from))
	return nil
}

func (m *Memory) Move(from, to string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	f, err := m.get(from)
	if err != nil {
		return err
	}
	if other, _ := m.get(to); other != nil {
		return ErrAlreadyExists
	}
	if m.forbids(from) || m.forbids(to) {
		return ErrAccessDenied
	}
	if !f.shared(ShareDelete) {
		return ErrSharing
	}
	f.info.Changed = m.now()
	m.put(to, f)
	delete(m.files, strings.ToLower(from))
	return nil
}

func (m *Memory) Remove(path string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	f, err := m.yielding(path)
	if err != nil {
		return err
	}
	if f.info.ReadOnly {
		return ErrAccessDenied
	}
	delete(m.files, strings.ToLower(path))
	return nil
}

func (m *Memory) Touch(path string, t time.Time) error {
	return m.Set(path, func(i *Info) { i.Modified = t })
}

// Free is what Limit leaves.
func (m *Memory) Free(string) int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.free()
}

func (m *Memory) free() int64 {
	if m.Limit == 0 {
		return 1 << 40
	}
	left := m.Limit
	for _, f := range m.files {
		left -= int64(len(f.content))
	}
	return max(left, 0)
}
