package lab_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/adminapi"
	"meshrotate/providers/lab"
	"meshrotate/providers/lab/wsman"
	"meshrotate/providers/winhost"
	"meshrotate/providers/winrm"
)

// strike makes one event go wrong, once.
func strike(action wsman.Action, f wsman.Fault) func(wsman.Event) wsman.Fault {
	struck := false
	return func(e wsman.Event) wsman.Fault {
		if e.Action != action || struck {
			return wsman.Fault{}
		}
		struck = true
		return f
	}
}

// stop opens a session, stops the relay in it, and closes it only when everything on the host has come to its end.
func stop(t *testing.T, c *lab.Client, h *lab.Host) error {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	shell, err := c.Dial(ctx, h.Name)
	if err != nil {
		return err
	}
	defer func() { time.Sleep(time.Minute); _ = shell.Close(context.Background()) }()
	s, err := winhost.Open(ctx, shell, winhost.Config{})
	if err != nil {
		return err
	}
	_, err = s.Do(ctx, []winhost.Op{&winhost.ServiceStop{Service: lab.RelayService}})
	return err
}

func TestFaultsInMemory(t *testing.T) {
	const timedOut = 2150858793
	for _, c := range []struct {
		reason string
		at     wsman.Action
		fault  wsman.Fault
		class  winrm.Class
		ran    bool // the client must take it that the command may have run
		does   bool // it does
		fine   bool // nothing is to be seen of it
	}{
		{"nothing was connected", wsman.Connect, wsman.Fault{Kind: wsman.Refuse}, winrm.Unreachable, false, false, false},
		{"no shell came of it", wsman.Create, wsman.Fault{Kind: wsman.CutAfter}, winrm.Unreachable, false, false, false},
		{"a silent host is given up", wsman.Connect, wsman.Fault{Kind: wsman.Hang}, winrm.Unreachable, false, false, false},
		{"too many shells", wsman.Create, wsman.Fault{Kind: wsman.WSManFault, Code: 2150859173}, winrm.Quota, false, false, false},
		{"the start may have been carried out", wsman.Command, wsman.Fault{Kind: wsman.CutBefore}, winrm.Unknown, true, false, false},
		{"a refusal is not a start", wsman.Command, wsman.Fault{Kind: wsman.WSManFault, Code: 5}, winrm.Denied, false, false, false},
		{"a shell that is gone is replaced", wsman.Command, wsman.Fault{Kind: wsman.WSManFault, Code: 2150858843}, 0, false, true, true},
		{"cut before it was sent", wsman.Send, wsman.Fault{Kind: wsman.CutBefore}, winrm.Unknown, true, false, false},
		{"cut after it was sent", wsman.Send, wsman.Fault{Kind: wsman.CutAfter}, winrm.Unknown, true, true, false},
		{"half an answer", wsman.Send, wsman.Fault{Kind: wsman.CutMid}, winrm.Unknown, true, true, false},
		{"never processed, never answered", wsman.Send, wsman.Fault{Kind: wsman.Hang}, winrm.Unknown, true, false, false},
		{"processed, never answered", wsman.Send, wsman.Fault{Kind: wsman.HangAfter}, winrm.Unknown, true, true, false},
		{"an answer of HTTP alone", wsman.Send, wsman.Fault{Kind: wsman.Status, Status: 500}, winrm.Protocol, true, false, false},
		{"a refusal after the effect", wsman.Send, wsman.Fault{Kind: wsman.WSManFaultAfter, Code: timedOut}, winrm.Unknown, true, true, false},
		{"the reply is lost", wsman.Receive, wsman.Fault{Kind: wsman.CutAfter}, winrm.Unknown, true, true, false},
		{"an answer in the clear", wsman.Receive, wsman.Fault{Kind: wsman.ClearText}, winrm.Protocol, true, true, false},
		{"a bad signature", wsman.Receive, wsman.Fault{Kind: wsman.BadSignature}, winrm.Protocol, true, true, false},
		{"another message's answer", wsman.Receive, wsman.Fault{Kind: wsman.WrongRelatesTo}, winrm.Protocol, true, true, false},
		{"only an end can lack its exit code", wsman.Receive, wsman.Fault{Kind: wsman.DoneWithoutExitCode}, 0, false, true, true},
		{"slow is no error", wsman.Send, wsman.Fault{Delay: 20 * time.Second}, 0, false, true, true},
		{"deleting is tried again", wsman.Delete, wsman.Fault{Kind: wsman.CutBefore}, 0, false, true, true},
	} {
		t.Run(c.reason, func(t *testing.T) {
			inMemory(t, 1, func(t *testing.T, l *lab.Lab) {
				h := l.Relays[0]
				time.Sleep(5 * time.Second)
				h.Wire(strike(c.at, c.fault))
				err := stop(t, l.Client(), h)
				var e *winrm.Error
				if c.fine && err != nil || !c.fine && (!errors.As(err, &e) || e.Class != c.class || e.Ran != c.ran) {
					t.Errorf("%v (%+v), want %s, ran %t", err, e, c.class, c.ran)
				}
				if stopped := h.Machine.Service(lab.RelayService).State == winhost.Stopped; stopped != c.does {
					t.Errorf("stopped: %t", stopped)
				}
				h.Wire(nil)
				if err := stop(t, l.Client(), h); err != nil {
					t.Errorf("again: %v", err)
				}
			})
		})
	}
}

// A process whose end tells no exit code has not ended well.
func TestNoExitCodeIsNoEnd(t *testing.T) {
	inMemory(t, 1, func(t *testing.T, l *lab.Lab) {
		l.Relays[0].Wire(func(wsman.Event) wsman.Fault { return wsman.Fault{Kind: wsman.DoneWithoutExitCode} })
		s, end := session(t, l.Client(), l.Relays[0])
		defer end()
		results, err := s.Look(t.Context(), []winhost.Op{&winhost.MachineIdentity{}})
		done(t, results, err)
		var e *winrm.Error
		if err := s.Close(t.Context()); !errors.As(err, &e) || e.Class != winrm.Protocol {
			t.Errorf("%v", err)
		}
	})
}

// Every request of a run has a name, the same in the next run, so that a suite can cut each of them.
func TestRequestsAreEnumerable(t *testing.T) {
	var runs []string
	for range 2 {
		inMemory(t, 1, func(t *testing.T, l *lab.Lab) {
			var points []string
			note := func(who string) func(wsman.Event) wsman.Fault {
				return func(e wsman.Event) wsman.Fault {
					points = append(points, fmt.Sprintf("%s %s %d", who, e.Action, e.N))
					return wsman.Fault{}
				}
			}
			l.WireAPI(note("api"))
			l.Relays[0].Wire(note(l.Relays[0].Name))
			time.Sleep(5 * time.Second)
			c := l.Client()
			if _, err := api(t, c).Relays(t.Context()); err != nil {
				t.Error(err)
			}
			s, end := session(t, c, l.Relays[0])
			results, err := s.Do(t.Context(), restart(lab.RelayService))
			done(t, results, err)
			end()
			runs = append(runs, strings.Join(points, ", "))
		})
	}
	want := []string{"api Connect 1", "api GET /api/relays 1"}
	for _, p := range []string{"Connect 1", "Create 1", "Command 1", "Send 1", "Receive 1", "Send 2", "Receive 2", "Signal 1", "Delete 1"} {
		want = append(want, "relay-01.lab.example "+p)
	}
	if runs[0] != strings.Join(want, ", ") || !slices.Equal(runs[:1], runs[1:]) {
		t.Errorf("%q", runs)
	}
}

func TestFaultsOfTheAPI(t *testing.T) {
	const reload = "POST /api/license/reload"
	for _, c := range []struct {
		reason  string
		fault   wsman.Fault
		kind    adminapi.Kind
		reloads int
	}{
		{"nothing goes wrong", wsman.Fault{}, "", 1},
		{"cut before the effect", wsman.Fault{Kind: wsman.CutBefore}, adminapi.Lost, 0},
		{"cut after the effect", wsman.Fault{Kind: wsman.CutAfter}, adminapi.Lost, 1},
		{"cut in an answer that has only a head", wsman.Fault{Kind: wsman.CutMid}, adminapi.Lost, 1},
		{"no answer", wsman.Fault{Kind: wsman.Hang}, adminapi.Lost, 0},
		{"no answer, and yet an effect", wsman.Fault{Kind: wsman.HangAfter}, adminapi.Lost, 1},
		{"an error", wsman.Fault{Kind: wsman.Status, Status: 500}, adminapi.Server, 0},
		{"slow is no error", wsman.Fault{Delay: 20 * time.Second}, "", 1},
	} {
		t.Run(c.reason, func(t *testing.T) {
			inMemory(t, 1, func(t *testing.T, l *lab.Lab) {
				a := api(t, l.Client())
				time.Sleep(5 * time.Second)
				l.WireAPI(strike(reload, c.fault))
				if err := a.Post(t.Context(), "/api/license/reload"); adminapi.KindOf(err) != c.kind || err == nil != (c.kind == "") {
					t.Errorf("%v", err)
				}
				time.Sleep(time.Minute)
				if l.Reloads() != c.reloads {
					t.Errorf("%d reloads", l.Reloads())
				}
				l.WireAPI(strike("GET /api/relays", wsman.Fault{Kind: wsman.CutMid}))
				if list, err := a.Relays(t.Context()); err != nil || len(list.List) != 1 {
					t.Errorf("a read is repeated after half an answer: %+v, %v", list, err)
				}
			})
		})
	}
}
