package lab

import "time"

// Reboot ends everything on the machine, now: its services, and what WinRM runs there. For a while it cannot be reached; then
// the services of start type automatic start. It returns at once.
func (h *Host) Reboot(takes time.Duration) {
	h.Unplug(true)
	h.server.Reset()
	h.Machine.Shutdown()
	time.AfterFunc(takes, func() {
		h.Unplug(false)
		h.Machine.Reboot()
	})
}
