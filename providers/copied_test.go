package providers_test

import (
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/providers/winhost"
	"meshrotate/reconciler"
)

// copied puts a file's content there again as a copy does: with the time of an older file, and nobody starts anew.
func copied(t *testing.T, h *lab.Host, path string, content []byte) {
	t.Helper()
	disk := h.Machine.FS.(*machine.Memory)
	disk.Write(path, content)
	if err := disk.Set(path, func(i *machine.Info) { i.UsersCanRead = false }); err != nil {
		t.Fatal(err)
	}
	if err := disk.Touch(path, time.Now().Add(-90*24*time.Hour)); err != nil {
		t.Fatal(err)
	}
}

// restarted restarts a service by hand.
func restarted(w *world, h *lab.Host, service string) {
	w.t.Helper()
	w.do("stop", h.Name)
	w.await("it is down", func() bool { return h.Machine.Service(service).State == winhost.Stopped })
	w.do("start", h.Name)
	w.await("it is up", func() bool { return h.Machine.Service(service).State == winhost.Running })
}

// A copy keeps the time of the file that it was made of. The process that was started before the copy has not read it, however
// old the file looks.
func TestCopiedFiles(t *testing.T) {
	for _, c := range []struct {
		name, kind, service, path string
		host                      func(w *world) *lab.Host
		other                     func(w *world, h *lab.Host) // another file, which the service then reads
	}{
		{"a relay's settings", "relaykey", lab.RelayService, lab.RelaySettings, func(w *world) *lab.Host { return w.relay(1) },
			func(w *world, h *lab.Host) { w.do("key", h.Name) }},
		{"Admin's settings", "relaykey", lab.AdminService, lab.AdminSettings, func(w *world) *lab.Host { return w.lab.Admin },
			func(w *world, h *lab.Host) { w.do("key", h.Name) }},
		{"Engine's license", "license", lab.EngineService, lab.LicenseFile, func(w *world) *lab.Host { return w.lab.EngineHost },
			func(w *world, h *lab.Host) { w.do("license", h.Name); restarted(w, h, lab.EngineService) }},
		{"Engine's connection string", "sqllogin", lab.EngineService, lab.EngineSettings, func(w *world) *lab.Host { return w.lab.EngineHost },
			func(w *world, h *lab.Host) { w.do("edit", h.Name); restarted(w, h, lab.EngineService) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 2, "relaykey", "license", c.kind)
				w.converged()
				h := c.host(w)
				right, _, err := h.Machine.FS.Read(c.path)
				if err != nil {
					t.Fatal(err)
				}
				c.other(w, h)
				time.Sleep(time.Minute)
				copied(t, h, c.path, right)
				before := h.Machine.Service(c.service).PID
				time.Sleep(time.Minute)
				if is := changeOf(w.planned(), c.kind); is.Status != reconciler.Rotate {
					t.Errorf("it is %s: %s %+v", is.Status, is.Reason, is.Findings)
				}
				w.converged()
				if h.Machine.Service(c.service).PID == before {
					t.Error("the process that has not read the file still runs")
				}
			})
		})
	}
}

// What changes a file's attributes, as a backup does, changes nothing for a process that was proven to have read it, nor for
// one that read what a run of ours wrote.
func TestTouchedFiles(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 2)
		w.converged()
		touch := func() {
			t.Helper()
			time.Sleep(time.Hour)
			for h, path := range map[*lab.Host]string{w.relay(1): lab.RelaySettings, w.lab.Admin: lab.AdminSettings, w.lab.EngineHost: lab.EngineSettings} {
				for _, p := range []string{path, lab.LicenseFile} {
					_ = h.Machine.FS.(*machine.Memory).Set(p, func(*machine.Info) {}) // a relay has no license
				}
			}
			time.Sleep(time.Hour)
			for _, is := range w.planned().Changes {
				if is.Status != reconciler.AsDeclared {
					t.Errorf("%s is %s: %s %+v", is.Secret, is.Status, is.Reason, is.Findings)
				}
			}
		}
		touch()
		for _, h := range w.lab.Hosts() {
			h.Machine.Reboot()
		}
		w.await("all is up again", func() bool { return w.up() == nil && w.lab.Connected() == 2 })
		touch()
		w.do("key", "relay-02") // a rotation of another host proves those that it leaves alone, too
		touchless := w.relay(1).Machine.Service(lab.RelayService).PID
		w.converged()
		if w.relay(1).Machine.Service(lab.RelayService).PID != touchless {
			t.Error("a relay was restarted that had read its file")
		}
	})
}

func changeOf(p *reconciler.Plan, name string) reconciler.Change {
	for _, c := range p.Changes {
		if c.Secret.Name == name {
			return c
		}
	}
	return reconciler.Change{}
}
