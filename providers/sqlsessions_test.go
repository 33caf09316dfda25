package providers_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/providers/lab/sqlserver"
	"meshrotate/reconciler"
	"meshrotate/state"
)

// Engine is refused after its start, and Admin is well: its readiness and its dashboard say nothing of Engine.
func TestEngineIsKeptFromSQLServer(t *testing.T) {
	vendor()
	for _, mode := range []string{"alternating", "single", "external"} {
		for _, drivers := range []bool{false, true} {
			t.Run(mode, func(t *testing.T) {
				virtual(t, func(t *testing.T) {
					w := newWorldAt(t, lab.Config{Relays: 1, Memory: true, Drivers: drivers, Login: mode}, "sqllogin")
					when(w.lab.EngineHost, "service.start", machine.Before, func() { w.lab.EngineHost.Unreach(true) })
					_, o := w.run()
					if len(o.With(state.Proven)) > 0 || o.Err == nil || !strings.Contains(o.Err.Error(), "Engine has no session as "+w.target(mode)) || reconciler.HintOf(o.Err) == "" {
						t.Errorf("%v, hint %q", o, reconciler.HintOf(o.Err))
					}
					w.lab.EngineHost.Unreach(false)
					w.settled()
				})
			})
		}
	}
}

// On one host the two services are told apart by their processes.
func TestEngineIsKeptFromSQLServerOnOneHost(t *testing.T) {
	vendor()
	for _, mode := range []string{"alternating", "single", "external"} {
		for _, kept := range []bool{false, true} {
			t.Run(fmt.Sprint(mode, " ", kept), func(t *testing.T) {
				virtual(t, func(t *testing.T) {
					w := newWorldAt(t, lab.Config{Relays: 1, Memory: true, OneHost: true, Login: mode}, "sqllogin")
					first := true
					w.lab.Admin.Points(func(p machine.Point) machine.Action {
						if kept && p.Op == "service.start" && p.When == machine.Before && p.Object == lab.EngineService && first {
							w.lab.Admin.Unreach(true) // Admin has its session
							first = false
						}
						return machine.Action{}
					})
					_, o := w.run()
					if proven := len(o.With(state.Proven)) == 1 && o.Err == nil; proven == kept || kept && !strings.Contains(o.Err.Error(), "Engine has no session as "+w.target(mode)) {
						t.Errorf("%v", o)
					}
					w.lab.Admin.Unreach(false)
					time.Sleep(2 * time.Minute) // until the pools ask again
					w.settled()
				})
			})
		}
	}
}

// target is the login that is to have the declared version.
func (w *world) target(mode string) string {
	if mode == "alternating" {
		return lab.SQLSpare
	}
	return lab.SQLLogin
}

// Whoever is still signed in with the login that was replaced, on a host of the two services, is told of: it may be another program there.
func TestWhoStaysOnTheReplacedLogin(t *testing.T) {
	vendor()
	for _, c := range []struct {
		name, host string
		leaves     bool // within a moment after the restart
		told       bool
	}{
		{"on Engine's host", "IM-ENGINE", false, true},
		{"on Admin's host", "IM-ADMIN", false, true},
		{"elsewhere, which the end of the soak is for", "PC-17", false, false},
		{"an old process ends", "IM-ENGINE", true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				w := newWorldAt(t, lab.Config{Relays: 1, Memory: true, Login: "alternating"}, "sqllogin")
				l, _, _ := w.lab.SQLInstance().LookLogin(lab.SQLLogin)
				s, err := w.lab.SQLInstance().Login(sqlserver.Client{User: lab.SQLLogin, Password: l.Password, Host: c.host, Program: "Reports", Database: lab.Database})
				if err != nil {
					t.Fatal(err)
				}
				if c.leaves {
					when(w.lab.EngineHost, "service.start", machine.After, func() { time.AfterFunc(5*time.Second, s.Close) })
				}
				_, o := w.run()
				if o.Err != nil || len(o.With(state.Proven)) != 1 {
					t.Errorf("%v", o)
				}
				text := "Reports on " + c.host + " is signed in as " + lab.SQLLogin
				if told := slices.ContainsFunc(o.Remarks, func(r reconciler.Remark) bool { return strings.Contains(r.Text, text) }); told != c.told {
					t.Errorf("remarks: %+v", o.Remarks)
				}
				if told := w.warns("old-login-in-use", text); told != c.told {
					t.Errorf("the next plan says %v", told)
				}
				s.Close()
				if w.warns("old-login-in-use", "") {
					t.Error("the next plan warns of a session that has ended")
				}
			})
		})
	}
}

// warns says whether a plan of now has such a warning, and nothing to do.
func (w *world) warns(code reconciler.FindingID, text string) bool {
	w.t.Helper()
	p := w.planned()
	if !p.Empty() || len(p.Blocked()) > 0 {
		w.t.Errorf("%+v", p.Changes)
	}
	return slices.ContainsFunc(p.Changes[0].Findings, func(f reconciler.Finding) bool {
		return f.Code == code && f.Severity == reconciler.Warning && strings.Contains(f.Text, text)
	})
}
