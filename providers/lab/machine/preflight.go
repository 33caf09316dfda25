package machine

import (
	"errors"
	"strings"
	"time"

	"meshrotate/providers/winhost"
)

// Bar takes the rights to control a service from those who log on over WinRM, or gives them back: they may still look at it.
func (m *Machine) Bar(service string, on bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.barred == nil {
		m.barred = map[string]bool{}
	}
	m.barred[strings.ToLower(service)] = on
}

// TryService is the error that a stop or a start by somebody on WinRM would meet, 0 for none.
func (m *Machine) TryService(name string) Errno {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.services[strings.ToLower(name)] == nil:
		return ErrNoService
	case m.barred[strings.ToLower(name)]:
		return ErrAccessDenied
	}
	return 0
}

// allowed is TryService as an error.
func (m *Machine) allowed(service string) error {
	if e := m.TryService(service); e != 0 {
		return e
	}
	return nil
}

// Withhold takes the right to add certificates to stores, or to change the machine's environment, from those who log on over WinRM; or
// gives them back.
func (m *Machine) Withhold(stores, environment bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.noStores, m.noEnvironment = stores, environment
}

// tryBuild are the errors that adding to a store, and changing the machine's environment, would meet.
func (m *Machine) tryBuild() (store, environment Errno) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.noStores {
		store = ErrAccessDenied
	}
	if m.noEnvironment {
		environment = ErrAccessDenied
	}
	return store, environment
}

func (m *Machine) preflight(o *winhost.Preflight) winhost.Result {
	t := &winhost.Trials{Free: -1}
	if o.Service != "" {
		t.Service = uint32(m.TryService(o.Service))
	}
	store, environment := m.tryBuild()
	if o.Store != "" {
		t.Store = uint32(store)
	}
	if o.Machine {
		t.Environment = uint32(environment)
	}
	if o.Path != "" {
		path := m.Expand(o.Path)
		content, info, err := m.FS.Read(path) // it need not be readable
		if !missing(err) {
			t.ReadOnly, t.Size = info.ReadOnly, int64(len(content))
			t.File = number(m.patiently(func() error { return m.FS.TryReplace(path) }))
		}
		t.Folder, t.Free = number(m.FS.TryCreate(path)), m.FS.Free(path)
	}
	return winhost.Result{Code: winhost.OK, Trials: t}
}

func number(err error) uint32 {
	var e Errno
	if errors.As(err, &e) {
		return uint32(e)
	}
	return 0
}

// patiently tries again what another process is in the way of, for it may be about to close the file.
func (m *Machine) patiently(try func() error) error {
	for n := 1; ; n++ {
		err := try()
		if !errors.Is(err, ErrSharing) || n == sharingTries {
			return err
		}
		time.Sleep(sharingPause)
	}
}
