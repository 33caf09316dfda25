package lab_test

import (
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/winhost"
)

// A service has dependents in every lab, and on every host.
func TestDependents(t *testing.T) {
	inMemory(t, 1, dependents)
	l := begin(t, lab.Config{Relays: 1, Vendor: vendor()})
	dependents(t, l)
}

func dependents(t *testing.T, l *lab.Lab) {
	c := l.Client()
	for _, h := range l.Hosts() {
		service := map[*lab.Host]string{l.Admin: lab.AdminService, l.EngineHost: lab.EngineService}[h]
		if service == "" {
			service = lab.RelayService
		}
		if _, err := l.Break("dependent", h.Name); err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
		if err := h.Machine.Stop(service); err == nil {
			t.Errorf("%s stopped under its dependent", service)
		}
		s, end := session(t, c, h)
		results, err := s.Do(t.Context(), []winhost.Op{&winhost.ServiceStop{Service: service}})
		done(t, results, err)
		if d := results[0].Service.Dependents; len(d) != 1 || d[0] != lab.WatchService || h.Machine.Service(lab.WatchService).State != winhost.Stopped {
			t.Errorf("%s took down %q", service, d)
		}
		results, err = s.Do(t.Context(), []winhost.Op{&winhost.ServiceStart{Service: service}})
		done(t, results, err)
		if state := h.Machine.Service(lab.WatchService).State; state != winhost.Stopped {
			t.Errorf("the dependent came back by itself: %s", state)
		}
		results, err = s.Do(t.Context(), []winhost.Op{&winhost.ServiceStart{Service: service, Dependents: []string{lab.WatchService}}})
		done(t, results, err)
		if state := h.Machine.Service(lab.WatchService).State; state != winhost.Running {
			t.Errorf("the dependent is %s", state)
		}
		end()
		if _, err := l.Break("dependent", h.Name); err == nil {
			t.Error("installed twice")
		}
		if _, err := l.Break("stop", h.Name); err != nil {
			t.Errorf("the lab's own stop: %v", err)
		}
	}
}

// What restarts a service brings its dependents back, as the service manager's window does.
func TestARestartBringsDependentsBack(t *testing.T) {
	inMemory(t, 0, func(t *testing.T, l *lab.Lab) {
		time.Sleep(time.Minute)
		if _, err := l.Break("dependent", l.Admin.Name); err != nil {
			t.Fatal(err)
		}
		before := l.Admin.Machine.Service(lab.AdminService).PID
		time.Sleep(time.Minute)
		if _, err := l.Break("key", l.Admin.Name); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		admin, watch := l.Admin.Machine.Service(lab.AdminService), l.Admin.Machine.Service(lab.WatchService)
		if admin.PID == before || admin.State != winhost.Running || watch.State != winhost.Running {
			t.Errorf("%+v, %+v", admin, watch)
		}
	})
}
