package winrm

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"meshrotate/providers/lab/webauth"
	"meshrotate/providers/lab/wsman"
)

// Whatever is lost, and wherever, no shell stays on the host: each counts against the user's quota for hours.
func TestNoShellIsLeft(t *testing.T) {
	all := []wsman.Fault{{Kind: wsman.CutBefore}, {Kind: wsman.CutAfter}, {Kind: wsman.CutMid}, {Kind: wsman.BadSignature}, {Kind: wsman.WrongRelatesTo},
		{Kind: wsman.Status, Status: 503}, {Kind: wsman.Status, Status: 500}, {Kind: wsman.Status, Status: 401}, {Kind: wsman.WSManFault, Code: codeAccessDenied},
		{Kind: wsman.WSManFaultAfter, Code: 1359}, {Kind: wsman.WSManFaultAfter, Code: codeTimedOut}}
	for _, action := range []wsman.Action{wsman.Handshake, wsman.Create, wsman.Command, wsman.Send, wsman.Receive, wsman.Signal, wsman.Delete} {
		for _, f := range all {
			if action == wsman.Delete && (f.Kind == wsman.WSManFault || f.Kind == wsman.Status && f.Status != 401 && f.Status != 503) {
				continue // the host says that it will not
			}
			t.Run(fmt.Sprint(action, " ", f), func(t *testing.T) {
				srv := &wsman.Server{Auth: webauth.Rules{Negotiate: true}, Faults: func(e wsman.Event) wsman.Fault {
					if e.Action == action && e.N == 1 {
						return f
					}
					return wsman.Fault{}
				}}
				cfg := sealing(serveLab(t, srv))
				cfg.Sleep = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
				if s, err := Open(t.Context(), cfg); err == nil {
					_, _ = run(t.Context(), s, []byte("x"))
					_ = s.Close(t.Context())
				}
				if n := srv.Shells(); n != 0 {
					t.Errorf("%d shells are left", n)
				}
			})
		}
	}
}

// A caller that gives up while its shell is made leaves none either.
func TestNoShellIsLeftByWhoGivesUp(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	srv := &wsman.Server{Auth: webauth.Rules{Negotiate: true}, Faults: func(e wsman.Event) (f wsman.Fault) {
		if e.Action == wsman.Create {
			time.AfterFunc(100*time.Millisecond, cancel)
			f.Kind = wsman.HangAfter
		}
		return f
	}}
	_, err := Open(ctx, sealing(serveLab(t, srv)))
	wantClass(t, err, Canceled, false)
	if n := srv.Shells(); n != 0 {
		t.Errorf("%d shells are left", n)
	}
}

// A host that is too old to be told a shell's name gives it one of its own; it is deleted by that.
func TestAHostThatNamesItsShells(t *testing.T) {
	srv := &server{t: t}
	s, err := Open(t.Context(), basic(srv.start(nil)))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := find(`Name="ShellId">([^<]*)<`, srv.envelopes[len(srv.envelopes)-1]); got != "SHELL-1" {
		t.Errorf("deleted %q", got)
	}
}

// Terminate follows the end of a command (MS-WSMV 3.1.4.14): before the next one, and before Delete.
func TestEveryCommandIsTerminated(t *testing.T) {
	var actions []wsman.Action
	srv := &wsman.Server{Auth: webauth.Rules{Negotiate: true}, Limits: wsman.Limits{ProcessesPerShell: 1}, Record: func(e wsman.Event) {
		if e.Action != wsman.Handshake && e.Action != wsman.Connect {
			actions = append(actions, e.Action)
		}
	}}
	s, err := Open(t.Context(), sealing(serveLab(t, srv)))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := run(t.Context(), s, []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	one := []wsman.Action{wsman.Command, wsman.Send, wsman.Receive, wsman.Signal}
	if want := slices.Concat([]wsman.Action{wsman.Create}, one, one, []wsman.Action{wsman.Delete}); !slices.Equal(actions, want) {
		t.Errorf("%v instead of %v", actions, want)
	}
}
