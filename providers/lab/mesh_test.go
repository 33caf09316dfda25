package lab_test

import (
	"bytes"
	"testing"
	"time"

	"meshrotate/providers/adminapi"
	"meshrotate/providers/appsettings"
	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/providers/winhost"
	"meshrotate/reconciler/secret"
)

// fresh is a key that no service has yet.
const fresh = "A-key-that-no-service-has-yet-0123456789abcd="

// rekey writes a key into a host's settings and leaves the service alone.
func rekey(t *testing.T, h *lab.Host, key string) {
	t.Helper()
	disk := h.Machine.FS.(*machine.Memory)
	b, _, err := disk.Read(h.Settings())
	if err != nil {
		t.Fatal(err)
	}
	if b, err = appsettings.Set(bytes.Clone(b), "Relay:ApiKey", secret.NewString(key)); err != nil {
		t.Fatal(err)
	}
	disk.Write(h.Settings(), b)
}

// bounce restarts a service and waits for what the service manager shows, not for what the program does.
func bounce(t *testing.T, h *lab.Host, service string) {
	t.Helper()
	if err := h.Machine.Stop(service); err != nil {
		t.Fatal(err)
	}
	for h.Machine.Service(service).State != winhost.Stopped {
		time.Sleep(time.Millisecond)
	}
	if err := h.Machine.Start(service); err != nil {
		t.Fatal(err)
	}
}

// listed is how Admin lists a relay now.
func listed(t *testing.T, a *adminapi.Client, h *lab.Host) adminapi.Relay {
	t.Helper()
	list, err := a.Relays(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range list.List {
		if r.Name == h.Machine.Name {
			return r
		}
	}
	t.Fatalf("%s is not listed: %+v", h.Name, list)
	return adminapi.Relay{}
}

// Admin goes first: while relays still run with the old key it refuses them, lists them as connected for a while, and
// hears nothing more of them. Each comes back by its own restart.
func TestAdminBeforeItsRelays(t *testing.T) {
	inMemory(t, 2, func(t *testing.T, l *lab.Lab) {
		a := api(t, l.Client())
		time.Sleep(time.Minute)
		rekey(t, l.Admin, fresh)
		bounce(t, l.Admin, lab.AdminService)
		restarted := time.Now()
		if _, err := a.WaitReady(t.Context(), 10*time.Millisecond); err != nil {
			t.Fatal(err)
		}
		ready := time.Now()
		for _, h := range l.Relays {
			if r := listed(t, a, h); !r.IsConnected() || r.LastHeartbeat.After(restarted) {
				t.Errorf("Admin trusts at first what it kept: %+v, restarted %s", r, restarted)
			}
		}
		if n := l.Connected(); n != 0 {
			t.Errorf("%d relays connected with the old key", n)
		}
		time.Sleep(10 * time.Minute) // no retry of theirs helps
		for _, h := range l.Relays {
			if r := listed(t, a, h); r.IsConnected() || r.LastHeartbeat.After(restarted) {
				t.Errorf("a relay with another key is connected: %+v", r)
			}
		}
		first, second := l.Relays[0], l.Relays[1]
		rekey(t, first, fresh)
		bounce(t, first, lab.RelayService)
		back := time.Now()
		for l.Connected() == 0 {
			time.Sleep(time.Millisecond)
		}
		if took := time.Since(back); took > time.Second {
			t.Errorf("reconnected after %s: Admin has been ready since %s", took, ready)
		}
		if r := listed(t, a, first); !r.IsConnected() || !r.LastHeartbeat.After(back) || time.Since(r.LastHeartbeat) > 10*time.Millisecond {
			t.Errorf("it sends a heartbeat at once: %+v, back at %s", r, back)
		}
		if r := listed(t, a, second); r.IsConnected() || r.LastHeartbeat.After(restarted) {
			t.Errorf("the other one is not: %+v", r)
		}
	})
}

// A relay that restarts with another key than Admin's is listed as connected until Admin notices, and never sends.
func TestARelayWithAnotherKey(t *testing.T) {
	inMemory(t, 1, func(t *testing.T, l *lab.Lab) {
		a, h := api(t, l.Client()), l.Relays[0]
		time.Sleep(time.Minute)
		rekey(t, h, fresh)
		bounce(t, h, lab.RelayService)
		stopped := time.Now()
		if r := listed(t, a, h); !r.IsConnected() {
			t.Errorf("Admin notices at once: %+v", r)
		}
		time.Sleep(2 * time.Second)
		if r := listed(t, a, h); r.IsConnected() || r.LastHeartbeat.After(stopped) {
			t.Errorf("%+v, stopped at %s", r, stopped)
		}
		// Admin gets that key too: the relay's next try is let in, without a restart of its own.
		rekey(t, l.Admin, fresh)
		bounce(t, l.Admin, lab.AdminService)
		time.Sleep(5 * time.Second)
		if r := listed(t, a, h); !r.IsConnected() || time.Since(r.LastHeartbeat) > time.Second {
			t.Errorf("%+v", r)
		}
	})
}

// A relay that never was connected is never listed as connected because Admin restarted.
func TestNothingKeptNothingTrusted(t *testing.T) {
	inMemory(t, 1, func(t *testing.T, l *lab.Lab) {
		a, h := api(t, l.Client()), l.Relays[0]
		rekey(t, h, fresh)
		time.Sleep(100 * time.Millisecond) // running, and not yet connected
		bounce(t, h, lab.RelayService)
		time.Sleep(10 * time.Second)
		bounce(t, l.Admin, lab.AdminService)
		if _, err := a.WaitReady(t.Context(), 10*time.Millisecond); err != nil {
			t.Fatal(err)
		}
		if r := listed(t, a, h); r.IsConnected() || !r.LastHeartbeat.IsZero() && r.LastHeartbeat.Year() > 1 {
			t.Errorf("%+v", r)
		}
	})
}
