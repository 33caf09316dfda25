package providers_test

import (
	"bytes"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/lab/machine"
	"meshrotate/providers/lab/wsman"
	"meshrotate/reconciler"
	"meshrotate/reconciler/render"
	"meshrotate/specs"
	"meshrotate/state"
)

// What happened on the wire, and what an operator reads of it in the plan: what is true, and what to do. Hosts are spoken to by
// the real client over NTLM, Admin by the real one over HTTP.
func TestWhatAPlanSaysOfAWire(t *testing.T) {
	vendor()
	fault := func(code uint32) wsman.Fault { return wsman.Fault{Kind: wsman.WSManFault, Code: code} }
	status := func(n int) wsman.Fault { return wsman.Fault{Kind: wsman.Status, Status: n} }
	const list, create, receive = "GET /api/relays", wsman.Create, wsman.Receive
	for _, c := range []struct {
		reason string
		at     wsman.Action
		fault  wsman.Fault
		says   []string
		hint   string
	}{
		{"401 of a host, after its login", create, status(401), []string{"answers and cannot be looked at", "access denied: HTTP 401"}, "must be an administrator of the host"},
		{"401 of a host that takes no NTLM", wsman.Handshake, status(401), []string{"answers and cannot be looked at", "no NTLM"}, "Restrict NTLM"},
		{"403 of a host", create, status(403), []string{"answers and cannot be looked at", "HTTP 403"}, "must be an administrator of the host"},
		{"404 of a host", create, status(404), []string{"HTTP 404"}, "winrm enumerate winrm/config/listener"},
		{"404 in the middle", receive, status(404), []string{"HTTP 404"}, "another service has the port"},
		{"413", wsman.Send, status(413), []string{"HTTP 413"}, "MaxEnvelopeSizekb"},
		{"503 of a host", create, status(503), []string{"cannot be reached", "HTTP 503"}, "in front of WinRM answered"},
		{"503 in the middle", receive, status(503), []string{"no whole answer: HTTP 503"}, "in front of WinRM answered"},
		{"an empty 500", create, status(500), []string{"HTTP 500", "without a message"}, "run again"},
		{"an empty 500 in the middle", receive, status(500), []string{"HTTP 500", "without a message"}, "run again"},
		{"a page of HTML with 500", create, wsman.Fault{Kind: wsman.Status, Status: 500, Page: true}, []string{`HTTP 500 with content of type "text/html; charset=utf-8", which is no message of WinRM's`}, "look for a proxy"},
		{"one in the middle", receive, wsman.Fault{Kind: wsman.Status, Status: 500, Page: true}, []string{`HTTP 500 with content of type "text/html; charset=utf-8", which is no message of WinRM's`}, "look for a proxy"},
		{"a clear answer", receive, wsman.Fault{Kind: wsman.ClearText}, []string{"a clear answer to a sealed message"}, "tampering"},
		{"a cut in the answer", receive, wsman.Fault{Kind: wsman.CutMid}, []string{"no whole answer: the host closed the connection"}, "nothing was changed: plan again"},
		{"access denied", create, fault(5), []string{"access denied: fault 5"}, "must be an administrator of the host"},
		{"too many shells, of runs that were killed", create, fault(2150859173), []string{"too many shells"}, "Remove-WSManInstance"},
		{"401 of Admin", list, status(401), []string{"answers and cannot be looked at", "the Admin API could not be asked", "HTTP 401"}, "connect.adminApi.auth"},
		{"403 of Admin", list, status(403), []string{"gave no answer of use", "HTTP 403"}, "dashboard.read"},
		{"404 of Admin", list, status(404), []string{"gave no answer of use", "HTTP 404"}, "product.api"},
		{"500 of Admin", list, status(500), []string{"gave no answer of use", "HTTP 500"}, "the Admin service's log"},
		{"503 of Admin", list, status(503), []string{"gave no answer of use", "HTTP 503"}, "starting or stopping"},
	} {
		t.Run(c.reason, func(t *testing.T) {
			t.Parallel() // some are asked for again, for seconds
			w := newWire(t, 2, "relaykey")
			strike := func(e wsman.Event) (f wsman.Fault) {
				if e.Action == c.at {
					f = c.fault
				}
				return f
			}
			if c.at == list {
				w.lab.WireAPI(strike)
			} else {
				w.relay(2).Wire(strike)
			}
			read := w.read(w.planned())
			for _, words := range append(c.says, c.hint, "1 refused", "could not be looked at)") {
				if !strings.Contains(read, words) {
					t.Errorf("it does not say %q", words)
				}
			}
			for _, lie := range []string{"did not answer", "does not answer", "is above", "outcome unknown", "sent twice", "EnvelopeSize to", "winrm/config/service/auth", "a clear answer"} {
				if strings.Contains(read, lie) && c.reason != "a clear answer" {
					t.Errorf("it says %q", lie)
				}
			}
			if t.Failed() {
				t.Log(read)
			}
		})
	}
}

// read is what a plan says as text, on one line.
func (w *world) read(p *reconciler.Plan) string {
	w.t.Helper()
	var b bytes.Buffer
	if err := render.Write(&b, render.Style{Format: "text"}, render.Plan{Plan: p}); err != nil {
		w.t.Fatal(err)
	}
	return regexp.MustCompile(`\s+`).ReplaceAllString(b.String(), " ")
}

// A host that is slower than policy.hostTimeout: the plan says how long it was waited for and by which setting, and that nothing
// was changed.
func TestWhatAPlanSaysOfASlowHost(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 2, "relaykey")
		w.doc.Policy.HostTimeout = specs.Duration{Text: "40s", Seconds: 40}
		w.relay(2).Points(machine.Faults(machine.Fault{Op: "file.read", When: machine.Before, Times: 9, Action: machine.Action{Delay: time.Hour}}))
		began := time.Now()
		p := w.planned()
		if took := time.Since(began); took > time.Minute {
			t.Errorf("it was waited for twice: %s", took)
		}
		read := w.read(p)
		for _, words := range []string{"not done within 40s (policy.hostTimeout)", "or raise policy.hostTimeout"} {
			if !strings.Contains(read, words) {
				t.Errorf("it does not say %q:\n%s", words, read)
			}
		}
		if strings.Contains(read, "outcome unknown") || strings.Contains(read, "sent twice") {
			t.Error(read)
		}
	})
}

// Admin answers 503 for all of the proof: that refutes nothing, and a good rotation is not taken back for it.
func TestAdminIsAwayDuringTheProof(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 8, "relaykey")
		away := false
		when(w.relay(8), "service.start", machine.After, func() { away = true })
		w.lab.WireAPI(func(e wsman.Event) (f wsman.Fault) {
			if away && e.Action == "GET /api/relays" {
				f = wsman.Fault{Kind: wsman.Status, Status: http.StatusServiceUnavailable}
			}
			return f
		})
		s := w.process()
		defer s.close()
		_, o := s.apply(nil)
		said := strings.Join(s.said, "\n")
		if len(o.With(state.Proven)) > 0 || o.Err == nil {
			t.Errorf("proven by nothing: %v", o)
		}
		if strings.Contains(said, "of 8 relays are not connected") || strings.Contains(said, "which does not answer") {
			t.Errorf("it is said of relays: %v", o)
		}
		if !strings.Contains(said, "HTTP 503") {
			t.Errorf("it is not said why: %v", o)
		}
		if err := w.keyWorks(w.kept("relaykey", "7"), w.old); err != nil {
			t.Errorf("a good rotation was taken back: %v", err)
		}
	})
}

// Several relays that are down are several in words, too.
func TestRelaysThatAreNotRunning(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 3, "relaykey", "license")
		w.converged()
		for _, h := range []string{"relay-01", "relay-02"} {
			w.do("stop", h)
		}
		w.await("they are down", func() bool { return w.lab.Connected() == 1 })
		time.Sleep(time.Minute)
		if c := changeOf(w.planned(), "relaykey"); !strings.Contains(c.Reason, "2 relays are not running") {
			t.Error(c.Reason)
		}
	})
}

// How many relays Admin lists is no fact that a license's plan was made on: it is applied when there is one less.
func TestTheListOfRelaysBindsNoOtherSecret(t *testing.T) {
	vendor()
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 3, "license")
		s := w.process()
		defer s.close()
		if _, o := s.apply(func() { w.do("unlisted", "relay-03") }); o.Err != nil || len(o.With(state.Proven)) != 1 {
			t.Errorf("%+v", o)
		}
	})
}
