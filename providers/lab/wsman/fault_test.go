package wsman_test

import (
	"context"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/masterzen/winrm"

	"meshrotate/providers/lab/wsman"
)

// TestFaults injects each fault at Command and says what the client sees and whether the command ran.
func TestFaults(t *testing.T) {
	cases := []struct {
		reason string
		fault  wsman.Fault
		sees   string
		ran    bool
	}{
		{"closed before it was processed", wsman.Fault{Kind: wsman.CutBefore}, "EOF", false},
		{"refused", wsman.Fault{Kind: wsman.Refuse}, "EOF", false},
		{"closed after it was processed", wsman.Fault{Kind: wsman.CutAfter}, "EOF", true},
		{"half an answer", wsman.Fault{Kind: wsman.CutMid}, "EOF", true},
		{"no answer", wsman.Fault{Kind: wsman.Hang}, "timeout", false},
		{"no answer, but it was processed", wsman.Fault{Kind: wsman.HangAfter}, "timeout", true},
		{"a bad request", wsman.Fault{Kind: wsman.Status, Status: 400}, "400", false},
		{"a lost login", wsman.Fault{Kind: wsman.Status, Status: 401}, "401", false},
		{"an internal error", wsman.Fault{Kind: wsman.Status, Status: 500}, "500", false},
		{"access denied", wsman.Fault{Kind: wsman.WSManFault, Code: 5}, "fault 5", false},
		{"timed out though it ran", wsman.Fault{Kind: wsman.WSManFaultAfter, Code: 2150858793}, "fault 2150858793", true},
		{"an answer in the clear", wsman.Fault{Kind: wsman.ClearText}, "not a sealed answer", true},
		{"an answer with a spoilt signature", wsman.Fault{Kind: wsman.BadSignature}, "checksum", true},
		{"an answer to another message", wsman.Fault{Kind: wsman.WrongRelatesTo}, "wrong relates", true},
		{"late", wsman.Fault{Delay: 30 * time.Millisecond}, "fine", true},
	}
	for _, tc := range cases {
		t.Run(tc.reason, func(t *testing.T) {
			var mu sync.Mutex
			var ran bool
			var c *client
			giveUp := func(when wsman.Kind) { // when it is certain that no answer will come
				if tc.fault.Kind == when {
					_ = c.conn.SetReadDeadline(time.Now())
				}
			}
			s := &wsman.Server{
				Run: func(_ context.Context, p wsman.Process) uint32 {
					mu.Lock()
					defer mu.Unlock()
					if ran = p.CommandLine == "effect"; ran {
						giveUp(wsman.HangAfter)
					}
					return 0
				},
				Faults: func(e wsman.Event) wsman.Fault {
					if e.Action == wsman.Command && e.CommandLine == "effect" && e.N == 2 && e.User == testUser {
						giveUp(wsman.Hang)
						return tc.fault
					}
					return wsman.Fault{}
				},
			}
			c = loggedIn(t, start(t, s))
			shell := c.create()
			c.command(shell, "first")
			if got := attempt(c, winrm.NewExecuteCommandRequest("u", shell, "effect", nil, params("PT60S")).String()); !strings.Contains(got, tc.sees) {
				t.Errorf("the client sees %q, want %q", got, tc.sees)
			}
			_ = s.Close() // waits for the program
			mu.Lock()
			defer mu.Unlock()
			if ran != tc.ran {
				t.Errorf("ran: %v", ran)
			}
		})
	}
}

// attempt says in a word what a client that checks everything makes of the answer.
func attempt(c *client, message string) string {
	_, rest, _ := strings.Cut(message, "<a:MessageID>")
	id, _, _ := strings.Cut(rest, "<")
	resp, body, err := c.raw(sealedType, "", c.seal(message))
	switch {
	case err != nil:
		return err.Error()
	case len(body) == 0:
		return resp.Status
	}
	text, err := c.unseal(body)
	switch {
	case err != nil:
		return err.Error()
	case strings.Contains(text, `Code="`):
		_, code, _ := strings.Cut(text, `Code="`)
		return "fault " + code
	case !strings.Contains(text, "RelatesTo>"+id+"<"):
		return "wrong relates"
	}
	return "fine"
}

func TestFaultsAtLogin(t *testing.T) {
	cases := []struct {
		reason string
		action wsman.Action
		n      int
		fault  wsman.Fault
		status int
	}{
		{"the connection is refused", wsman.Connect, 1, wsman.Fault{Kind: wsman.Refuse}, 0},
		{"the first leg is cut", wsman.Handshake, 1, wsman.Fault{Kind: wsman.CutBefore}, 0},
		{"the second leg is refused", wsman.Handshake, 2, wsman.Fault{Kind: wsman.Status, Status: 401}, 401},
		{"the second leg is answered by half", wsman.Handshake, 2, wsman.Fault{Kind: wsman.CutMid}, 0},
		{"nothing", wsman.Handshake, 3, wsman.Fault{Kind: wsman.CutBefore}, 200},
	}
	for _, tc := range cases {
		t.Run(tc.reason, func(t *testing.T) {
			addr := start(t, &wsman.Server{Faults: func(e wsman.Event) wsman.Fault {
				if e.Action == tc.action && e.N == tc.n {
					return tc.fault
				}
				return wsman.Fault{}
			}})
			status, err := dial(t, addr, nil).login(testUser, testPassword)
			if status != tc.status || (err != nil) != (tc.status == 0) {
				t.Errorf("status %d, %v", status, err)
			}
		})
	}
}

func TestDoneWithoutExitCode(t *testing.T) {
	c := loggedIn(t, start(t, &wsman.Server{Faults: func(e wsman.Event) wsman.Fault {
		if e.Action == wsman.Receive {
			return wsman.Fault{Kind: wsman.DoneWithoutExitCode}
		}
		return wsman.Fault{}
	}}))
	shell := c.create()
	a := c.receive(shell, c.command(shell, "exit 3"), "PT5S")
	if a.Body.Received.CommandState.ExitCode != nil || !strings.HasSuffix(a.Body.Received.CommandState.State, "Done") {
		t.Error(a.text)
	}
}

func TestRecord(t *testing.T) {
	var mu sync.Mutex
	var seen []string
	s := &wsman.Server{Record: func(e wsman.Event) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, strings.TrimSpace(string(e.Action)+" "+e.CommandLine))
	}}
	c := loggedIn(t, start(t, s))
	shell := c.create()
	id := c.command(shell, "slurp")
	c.send(shell, id, []byte("x"), true, "PT5S")
	c.drain(shell, id)
	c.signal(shell, id)
	c.delete(shell)
	mu.Lock()
	defer mu.Unlock()
	want := "Connect|Handshake|Handshake|Create|Command slurp|Send slurp|Receive slurp|Signal slurp|Delete"
	if got := strings.Join(seen, "|"); got != want || s.Requests() != 8 {
		t.Errorf("%d requests: %s", s.Requests(), got)
	}
}

// TestClose ends a server with connections, a waiting Receive and a running command; goleak sees what is left.
func TestClose(t *testing.T) {
	waiting := make(chan struct{}, 3)
	s := &wsman.Server{Run: program, Record: func(e wsman.Event) {
		if e.Action == wsman.Receive {
			waiting <- struct{}{}
		}
	}}
	addr := start(t, s)
	for range 3 {
		c := loggedIn(t, addr)
		shell := c.create()
		id := c.command(shell, "wait")
		go func() {
			_, _, _ = c.raw(sealedType, "", c.seal(winrm.NewGetOutputRequest("u", shell, id, "stdout", params("PT60S")).String()))
		}()
	}
	idle, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	for range 3 {
		<-waiting
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := s.Serve(nilListener{}); err != wsman.ErrClosed {
		t.Errorf("Serve after Close: %v", err)
	}
}

type nilListener struct{ net.Listener }

func (nilListener) Close() error { return nil }

func TestIdentify(t *testing.T) {
	addr := start(t, &wsman.Server{})
	const identify = `<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:i="http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd"><s:Header/><s:Body><i:Identify/></s:Body></s:Envelope>`
	if a := loggedIn(t, addr).must(identify); !strings.Contains(a.text, "ProductVendor>Microsoft") {
		t.Error(a.text)
	}
	req, _ := http.NewRequest(http.MethodPost, "http://"+addr+"/wsman", strings.NewReader(identify))
	req.Header.Set("Content-Type", "application/soap+xml;charset=UTF-8")
	req.Header.Set("WSMANIDENTIFY", "unauthenticated")
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	resp, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Error(resp.Status)
	}
}
