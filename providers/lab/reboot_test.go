package lab_test

import (
	"testing"
	"testing/synctest"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/providers/winhost"
)

// A host that restarts ends everything on it, is away for a while, and starts what starts by itself.
func TestReboot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, err := lab.Start(lab.Config{Relays: 2, Memory: true})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		time.Sleep(5 * time.Second)
		h, byHand := l.Relays[0], l.Relays[1]
		if err := byHand.Machine.Change(lab.RelayService, func(s *machine.Service) { s.StartMode = "manual" }); err != nil {
			t.Fatal(err)
		}
		shell, err := l.Client().Dial(t.Context(), h.Name)
		if err != nil {
			t.Fatal(err)
		}
		pid := h.Machine.Service(lab.RelayService).PID
		h.Reboot(10 * time.Second)
		byHand.Reboot(10 * time.Second)
		if s := h.Machine.Service(lab.RelayService).State; s != winhost.Stopped {
			t.Errorf("it is %s", s)
		}
		if _, err := l.Client().Dial(t.Context(), h.Name); err == nil {
			t.Error("it is reached while it restarts")
		}
		time.Sleep(15 * time.Second)
		if s := h.Machine.Service(lab.RelayService); s.State != winhost.Running || s.PID == pid {
			t.Errorf("%+v", s)
		}
		if s := byHand.Machine.Service(lab.RelayService).State; s != winhost.Stopped {
			t.Errorf("nobody started it, and it is %s", s)
		}
		if l.Connected() != 1 {
			t.Errorf("%d relays are connected", l.Connected())
		}
		if err := shell.Close(t.Context()); err != nil {
			t.Errorf("a shell that is gone is closed: %v", err)
		}
		again, err := l.Client().Dial(t.Context(), h.Name)
		if err != nil {
			t.Fatal(err)
		}
		if err := again.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
