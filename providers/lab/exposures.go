package lab

import (
	"strings"

	"meshrotate/providers/appsettings"
	"meshrotate/providers/lab/machine"
)

// exposures are by what others could come by a secret, each with what ends it.
func exposures() []Mishap {
	on := func(do func(h *Host) error) func(*Lab, *Host) error {
		return func(_ *Lab, h *Host) error { return do(h) }
	}
	loosen := func(yes bool, path func(h *Host) string) func(*Lab, *Host) error {
		return on(func(h *Host) error { h.Machine.Loosen(path(h), yes); return nil })
	}
	file := func(h *Host) string { return h.Settings() }
	folder := func(h *Host) string {
		folder, _ := appsettings.Split(h.Settings())
		return folder
	}
	program := func(change func(path string) string) func(*Lab, *Host) error {
		return on(func(h *Host) error {
			service := h.service()
			return h.Machine.Change(service, func(s *machine.Service) { s.ImagePath = change(programOf(h.Settings(), service)) })
		})
	}
	records := func(yes bool) func(*Lab, *Host) error {
		return on(func(h *Host) error {
			h.Machine.SetRecords(machine.Records{Scripts: yes, Modules: yes, Transcripts: yes})
			return nil
		})
	}
	return []Mishap{
		{"loosen", "let ordinary users change the settings file", loosen(true, file)},
		{"tighten", "take that right from them", loosen(false, file)},
		{"plant", "let ordinary users put files beside the service's program", loosen(true, folder)},
		{"weed", "take that right from them", loosen(false, folder)},
		{"unquote", "take the quotes from the path of the service's program", program(func(path string) string { return strings.Trim(path, `"`) })},
		{"quote", "put them there again", program(func(path string) string { return path })},
		{"leave", "leave a copy of the settings file beside it", on((*Host).leave)},
		{"tidy", "remove it", on(func(h *Host) error { return h.Machine.FS.Remove(h.Settings() + ".bak") })},
		{"record", "let PowerShell record script blocks, modules and sessions", records(true)},
		{"unrecord", "let it record nothing again", records(false)},
	}
}

// leave copies the settings file as an editor with care does.
func (h *Host) leave() error {
	b, _, err := h.Machine.FS.Read(h.Settings())
	if err != nil {
		return err
	}
	_ = h.Machine.FS.Remove(h.Settings() + ".bak")
	return h.Machine.FS.Create(h.Settings()+".bak", b, "")
}
