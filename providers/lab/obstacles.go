package lab

import (
	"errors"
	"strings"
	"time"

	"meshrotate/providers/lab/machine"
)

// obstacles are what stands in the way of a rotation, each with what takes it away again.
func obstacles() []Mishap {
	onDisk := func(do func(h *Host, disk *machine.Memory) error) func(*Lab, *Host) error {
		return func(_ *Lab, h *Host) error {
			disk, ok := h.Machine.FS.(*machine.Memory)
			if !ok {
				return errors.New("its disk is a folder of this machine: do it there by hand")
			}
			return do(h, disk)
		}
	}
	on := func(do func(h *Host)) func(*Lab, *Host) error {
		return func(_ *Lab, h *Host) error { do(h); return nil }
	}
	readOnly := func(yes bool) func(*Lab, *Host) error {
		return onDisk(func(h *Host, disk *machine.Memory) error {
			return h.eachFile(func(path string) error { return disk.Set(path, func(i *machine.Info) { i.ReadOnly = yes }) })
		})
	}
	hold := func(share machine.Share) func(*Lab, *Host) error {
		return onDisk(func(h *Host, disk *machine.Memory) error {
			return h.eachFile(func(path string) error { return h.hold(disk, path, share) })
		})
	}
	forbid := func(yes bool) func(*Lab, *Host) error {
		return onDisk(func(h *Host, disk *machine.Memory) error {
			return h.eachFile(func(path string) error { disk.Forbid(path[:strings.LastIndexByte(path, '\\')], yes); return nil })
		})
	}
	return []Mishap{
		{"readonly", "make the settings file, and the license where one is, read-only", readOnly(true)},
		{"writable", "let them be written again", readOnly(false)},
		{"hold", "hold them open, so that nobody may replace them", hold(machine.ShareRead)},
		{"keep", "hold them open, so that nobody may even read them", hold(machine.ShareNone)},
		{"release", "close them again", on((*Host).release)},
		{"deny", "take the right to change them, and what is beside them", forbid(true)},
		{"grant", "give that right again", forbid(false)},
		{"fill", "fill the disk", onDisk(func(_ *Host, disk *machine.Memory) error { disk.Leave(4096); return nil })},
		{"empty", "make room on it again", onDisk(func(_ *Host, disk *machine.Memory) error { disk.Leave(-1); return nil })},
		{"program", "put half of another version in the place of its program", (*Lab).breakProgram},
		{"reprogram", "copy the right one there, with an old time", (*Lab).mendProgram},
		{"remove", "remove the service", (*Lab).breakRemove},
		{"install", "install it again, and start it", (*Lab).breakInstall},
		{"demote", "take the right to stop and start the service", on(func(h *Host) { h.Machine.Bar(h.service(), true) })},
		{"promote", "give that right again", on(func(h *Host) { h.Machine.Bar(h.service(), false) })},
		{"confine", "put PowerShell in Constrained Language Mode", on(func(h *Host) { h.Machine.Confine(true) })},
		{"unconfine", "let it do everything again", on(func(h *Host) { h.Machine.Confine(false) })},
		{"skew", "put the clock ten minutes ahead", on(func(h *Host) { h.Skew(10 * time.Minute) })},
		{"ahead", "put the clock four minutes ahead, which is allowed", on(func(h *Host) { h.Skew(4 * time.Minute) })},
		{"behind", "put it four minutes behind", on(func(h *Host) { h.Skew(-4 * time.Minute) })},
		{"sync", "set the clock right", on(func(h *Host) { h.Skew(0) })},
		{"cut", "keep the relay from reaching Admin", func(l *Lab, h *Host) error { return l.cut(h, true) }},
		{"uncut", "let it reach Admin again", func(l *Lab, h *Host) error { return l.cut(h, false) }},
	}
}

// eachFile does something with the settings file, and with the license where there is one.
func (h *Host) eachFile(do func(path string) error) error {
	for _, path := range []string{h.Settings(), LicenseFile} {
		if _, _, err := h.Machine.FS.Read(path); errors.Is(err, machine.ErrFileNotFound) {
			continue
		}
		if err := do(path); err != nil {
			return err
		}
	}
	return nil
}

func (h *Host) hold(disk *machine.Memory, path string, share machine.Share) error {
	release, err := disk.Hold(path, share)
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.held = append(h.held, release)
	return nil
}

func (h *Host) release() {
	h.mu.Lock()
	held := h.held
	h.held = nil
	h.mu.Unlock()
	for _, release := range held {
		release()
	}
}

// program is the path of the service's own one.
func (h *Host) program() (string, error) {
	if h.manager != nil {
		return "", errors.New("its services are real ones: do it there by hand")
	}
	return strings.Trim(programOf(h.Settings(), h.service()), `"`), nil
}

func (l *Lab) breakProgram(h *Host) error {
	path, err := h.program()
	if err != nil {
		return err
	}
	return h.write(path, []byte("half a program"))
}

func (l *Lab) mendProgram(h *Host) error {
	path, err := h.program()
	if err != nil {
		return err
	}
	if err := h.write(path, aProgram); err != nil {
		return err
	}
	return h.Machine.FS.Touch(path, h.clock().Add(-90*24*time.Hour))
}

func (l *Lab) breakRemove(h *Host) error {
	if h.manager != nil {
		return errors.New("its services are real ones: remove it there by hand")
	}
	s, err := h.Machine.Uninstall(h.service())
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.removed = &s
	return nil
}

func (l *Lab) breakInstall(h *Host) error {
	h.mu.Lock()
	s := h.removed
	h.removed = nil
	h.mu.Unlock()
	if s == nil {
		return errors.New("nothing was removed")
	}
	h.Machine.Install(*s)
	return h.start(s.Name)
}

// cut ends a relay's way to Admin, which notices only after a while; or lets it connect again.
func (l *Lab) cut(h *Host, yes bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.mesh[h]
	if r == nil {
		return errors.New("it is no relay")
	}
	now := time.Now()
	if yes {
		l.freeze(h, now)
	} else {
		r.tries = now.Add(l.timing.RelayConnect)
	}
	r.cut = yes
	return nil
}
