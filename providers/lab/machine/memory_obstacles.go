package machine

import "strings"

// What stands in the way of a change: rights that are missing, files that others hold open, a disk that is full.

// Forbid takes the rights to a file, or to a folder and all that is in it, or gives them back: everybody may read it, and nobody
// may change it.
func (m *Memory) Forbid(path string, on bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.forbidden == nil {
		m.forbidden = map[string]bool{}
	}
	m.forbidden[strings.ToLower(path)] = on
}

// forbids says that nobody may change what is at a path.
func (m *Memory) forbids(path string) bool {
	for path = strings.ToLower(path); path != ""; path = folder(path) {
		if m.forbidden[path] {
			return true
		}
	}
	return false
}

// folder is where a path is, "" for what is nowhere.
func folder(path string) string { return path[:max(0, strings.LastIndexByte(path, '\\'))] }

// TryReplace is the error of a Replace of this file, TryCreate of a Create beside it.
func (m *Memory) TryReplace(path string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, err := m.yielding(path)
	return err
}

// yielding is a file that may be moved away. The lock is held.
func (m *Memory) yielding(path string) (*memoryFile, error) {
	f, err := m.get(path)
	switch {
	case err != nil:
		return nil, err
	case m.forbids(path):
		return nil, ErrAccessDenied
	case !f.shared(ShareDelete):
		return nil, ErrSharing
	}
	return f, nil
}

func (m *Memory) TryCreate(path string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.forbids(folder(path)) {
		return ErrAccessDenied
	}
	return nil
}

// Leave gives the disk a size, so that this many bytes are free; a number below 0 takes its limit away.
func (m *Memory) Leave(free int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.Limit = 0; free < 0 {
		return
	}
	m.Limit = free
	for _, f := range m.files {
		m.Limit += int64(len(f.content))
	}
}

// Hold opens a file as another process would and lets others do what share says, until release is called.
func (m *Memory) Hold(path string, share Share) (release func(), err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f, err := m.get(path)
	if err != nil {
		return nil, err
	}
	h := &share
	f.holders = append(f.holders, h)
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		for i := range f.holders {
			if f.holders[i] == h {
				f.holders = append(f.holders[:i], f.holders[i+1:]...)
				return
			}
		}
	}, nil
}
