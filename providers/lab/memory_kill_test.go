package lab_test

import (
	"context"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/wsman"
	"meshrotate/providers/winhost"
)

// A process that is killed leaves on the host what it had asked for, and nothing else of it has an effect.
func TestKill(t *testing.T) {
	for _, c := range []struct {
		reason string
		at     wsman.Action
		kind   wsman.Kind
		does   bool
	}{
		{"killed before it sent the request", wsman.Send, wsman.None, false},
		{"killed after it", wsman.Send, wsman.CutAfter, true},
		{"killed while it waits for the reply", wsman.Receive, wsman.None, true},
	} {
		t.Run(c.reason, func(t *testing.T) {
			inMemory(t, 1, func(t *testing.T, l *lab.Lab) {
				h, victim := l.Relays[0], l.Client()
				a := api(t, victim)
				time.Sleep(5 * time.Second)
				if _, err := a.Relays(t.Context()); err != nil {
					t.Fatal(err)
				}
				h.Wire(func(e wsman.Event) wsman.Fault {
					if e.Action != c.at {
						return wsman.Fault{}
					}
					victim.Kill()
					return wsman.Fault{Kind: c.kind}
				})
				begin := time.Now()
				shell, err := victim.Dial(t.Context(), h.Name)
				if err != nil {
					t.Fatal(err)
				}
				s, err := winhost.Open(t.Context(), shell, winhost.Config{})
				if err != nil {
					t.Fatal(err)
				}
				if _, err := s.Do(t.Context(), restart(lab.RelayService)[:1]); err == nil {
					t.Error("the dead got an answer")
				}
				if passed := time.Since(begin); passed > 0 {
					t.Errorf("the dead waited %s", passed)
				}
				_ = shell.Close(context.Background()) // has no effect: the process on the host goes on
				time.Sleep(time.Minute)
				if stopped := h.Machine.Service(lab.RelayService).State == winhost.Stopped; stopped != c.does {
					t.Errorf("stopped: %t", stopped)
				}
				if _, err := victim.Dial(t.Context(), h.Name); err == nil {
					t.Error("the dead can connect")
				}
				if err := a.Post(t.Context(), "/api/license/reload"); err == nil || l.Reloads() != 0 {
					t.Errorf("the dead can call the Admin API: %v, %d reloads", err, l.Reloads())
				}
				h.Wire(nil)
				next, end := session(t, l.Client(), h)
				defer end()
				results, err := next.Do(t.Context(), restart(lab.RelayService))
				done(t, results, err)
			})
		})
	}
}

// A request to the Admin API that was sent is carried out.
func TestKillInACallOfTheAPI(t *testing.T) {
	for kind, reloads := range map[wsman.Kind]int{wsman.None: 0, wsman.CutAfter: 1} {
		inMemory(t, 0, func(t *testing.T, l *lab.Lab) {
			victim := l.Client()
			a := api(t, victim)
			time.Sleep(5 * time.Second)
			l.WireAPI(func(e wsman.Event) wsman.Fault {
				if e.Action == wsman.Connect {
					return wsman.Fault{}
				}
				victim.Kill()
				return wsman.Fault{Kind: kind}
			})
			if err := a.Post(t.Context(), "/api/license/reload"); err == nil {
				t.Error("the dead got an answer")
			}
			time.Sleep(time.Second)
			if l.Reloads() != reloads {
				t.Errorf("%d reloads, want %d", l.Reloads(), reloads)
			}
		})
	}
}
