package lab

import (
	"time"

	"meshrotate/providers/lab/machine"
	"meshrotate/providers/lab/wsman"
)

// Wire injects faults into a host's WinRM: nil injects none.
func (h *Host) Wire(faults func(wsman.Event) wsman.Fault) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.faults = faults
}

// Points injects faults into a host's ops: nil injects none.
func (h *Host) Points(hook func(machine.Point) machine.Action) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.points = hook
}

// Unplug makes a host unreachable, or reachable again.
func (h *Host) Unplug(down bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.down = down
}

// Skew puts a host's clock ahead of the true time, or behind it.
func (h *Host) Skew(by time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.skew = by
}

func (h *Host) clock() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return time.Now().Add(h.skew)
}

func (h *Host) fault(e wsman.Event) wsman.Fault {
	h.mu.Lock()
	down, faults := h.down, h.faults
	h.mu.Unlock()
	if down {
		return wsman.Fault{Kind: wsman.Refuse}
	}
	if faults != nil {
		return faults(e)
	}
	return wsman.Fault{}
}

func (h *Host) point(p machine.Point) machine.Action {
	h.mu.Lock()
	hook := h.points
	h.mu.Unlock()
	if hook == nil {
		return machine.Action{}
	}
	return hook(p)
}
