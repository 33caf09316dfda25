package winrm

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestErrorTable has one case or more for each condition that a host or a network can bring about.
func TestErrorTable(t *testing.T) {
	for _, c := range []struct {
		name     string
		troubles map[string]trouble
		class    Class
		ran      bool
		ok       bool           // it is overcome
		counts   map[string]int // how often each action was asked for
		reason   string
	}{
		{name: "timed out on Receive", troubles: map[string]trouble{"Receive 1": {code: codeTimedOut}, "Receive 2": {code: codeTimedOut}},
			ok: true, counts: map[string]int{"Receive": 3}, reason: "no output yet: poll again"},
		{name: "nothing on Receive", troubles: map[string]trouble{"Receive 1": {envelope: emptyReceive}},
			ok: true, counts: map[string]int{"Receive": 2}, reason: "an empty answer is no end"},
		{name: "timed out on Send", troubles: map[string]trouble{"Send 1": {code: codeTimedOut, effect: true}},
			ok: true, counts: map[string]int{"Send": 1, "Receive": 1}, reason: "the bytes are written anyway: never resend"},
		{name: "1460 on Send", troubles: map[string]trouble{"Send 1": {code: codeWaitTimeout, effect: true}},
			ok: true, counts: map[string]int{"Send": 1}, reason: "the process's answer shows that it arrived"},
		{name: "170 on Send", troubles: map[string]trouble{"Send 1": {code: codeBusy, effect: true}},
			ok: true, counts: map[string]int{"Send": 1}, reason: "the same"},
		{name: "timed out on Send and nothing after", troubles: map[string]trouble{"Send 1": {code: codeTimedOut}, "Receive": {code: codeTimedOut}},
			class: Unknown, ran: true, counts: map[string]int{"Send": 1, "Receive": 1, "Delete": 1}, reason: "one bounded Receive, then end the shell"},
		{name: "170 on Send and nothing after", troubles: map[string]trouble{"Send 1": {code: codeBusy}, "Receive": {code: codeTimedOut}},
			class: Unknown, ran: true, counts: map[string]int{"Send": 1, "Receive": 1}, reason: "the same"},
		{name: "unknown shell on Receive", troubles: map[string]trouble{"Receive 1": {code: codeInvalidSelectors}},
			class: Unknown, ran: true, counts: map[string]int{"Receive": 1, "Command": 1}, reason: "look again, then decide"},
		{name: "unknown shell on Send", troubles: map[string]trouble{"Send 1": {code: codeInvalidSelectors}},
			class: Unknown, ran: true, counts: map[string]int{"Send": 1}, reason: "the same"},
		{name: "unknown shell on Command", troubles: map[string]trouble{"Command 1": {code: codeInvalidSelectors}},
			ok: true, counts: map[string]int{"Command": 2, "Create": 2}, reason: "nothing was run: a new shell"},
		{name: "aborted", troubles: map[string]trouble{"Receive 1": {code: codeAborted}},
			class: Unknown, ran: true, counts: map[string]int{"Receive": 1}, reason: "995: the shell ended under the Receive"},
		{name: "reboot", troubles: map[string]trouble{"Receive 1": {code: codeShutdown}},
			class: Unknown, ran: true, reason: "1115: wait and look again"},
		{name: "strange fault on Receive", troubles: map[string]trouble{"Receive 1": {code: 1359}},
			class: Unknown, ran: true, counts: map[string]int{"Receive": 1}, reason: "a fault is never success, nor a loop"},
		{name: "strange fault on Command", troubles: map[string]trouble{"Command 1": {code: 2147942402}},
			class: Rejected, counts: map[string]int{"Command": 1}, reason: "not found: nothing was run"},
		{name: "a fault of unknown meaning on Command", troubles: map[string]trouble{"Command 1": {code: 1359, effect: true}},
			class: Unknown, ran: true, counts: map[string]int{"Command": 1, "Delete": 1}, reason: "the host may have started it before it failed"},
		{name: "too many shells, then fewer", troubles: map[string]trouble{"Create 1": {code: codeShellsQuota}, "Create 2": {code: codeShellsQuota}},
			ok: true, counts: map[string]int{"Create": 3}, reason: "back off"},
		{name: "too many shells", troubles: map[string]trouble{"Create": {code: codeShellsQuota}},
			class: Quota, counts: map[string]int{"Create": shellAttempts}, reason: "but not forever"},
		{name: "operations used up", troubles: map[string]trouble{"Command 1": {code: codeOperationsQuota}},
			ok: true, counts: map[string]int{"Create": 2, "Command": 2, "Delete": 2}, reason: "a new shell, and the old one deleted"},
		{name: "operations used up twice", troubles: map[string]trouble{"Command": {code: codeOperationsQuota}},
			class: OperationsQuota, counts: map[string]int{"Create": 2, "Command": 2}, reason: "a new shell, once"},
		{name: "401 on a live session", troubles: map[string]trouble{"Send 1": {status: 401}},
			ok: true, counts: map[string]int{"Send": 2}, reason: "not processed: log in and resend"},
		{name: "400 on a live session", troubles: map[string]trouble{"Command 1": {status: 400}},
			ok: true, counts: map[string]int{"Command": 2}, reason: "sealed with old keys"},
		{name: "400 twice", troubles: map[string]trouble{"Command": {status: 400}},
			class: Protocol, ran: true, counts: map[string]int{"Command": 2}, reason: "once, never a loop"},
		{name: "413", troubles: map[string]trouble{"Send": {status: 413}},
			class: Rejected, ran: true, counts: map[string]int{"Send": 1}, reason: "over the envelope size"},
		{name: "403", troubles: map[string]trouble{"Create": {status: 403}}, class: Denied, reason: "permanent"},
		{name: "404", troubles: map[string]trouble{"Create": {status: 404}}, class: Unsupported, reason: "no WinRM there"},
		{name: "503", troubles: map[string]trouble{"Create": {status: 503}}, class: Unreachable, reason: "the service is down"},
		{name: "503 later", troubles: map[string]trouble{"Receive": {status: 503}}, class: Unknown, ran: true, reason: "the service went down"},
		{name: "502", troubles: map[string]trouble{"Create": {status: 502}}, class: Unreachable, reason: "a load balancer before it"},
		{name: "502 on Command", troubles: map[string]trouble{"Command": {status: 502}}, class: Unknown, ran: true,
			counts: map[string]int{"Command": 1}, reason: "it may have been passed on"},
		{name: "504 on Send", troubles: map[string]trouble{"Send": {status: 504}}, class: Unknown, ran: true,
			counts: map[string]int{"Send": 1}, reason: "the same"},
		{name: "504", troubles: map[string]trouble{"Create": {status: 504}}, class: Unreachable, reason: "passes"},
		{name: "429", troubles: map[string]trouble{"Create": {status: 429}}, class: Unreachable, reason: "passes"},
		{name: "404 later", troubles: map[string]trouble{"Receive": {status: 404}}, class: Unsupported, ran: true, reason: "another service took the port"},
		{name: "500 without a message", troubles: map[string]trouble{"Create": {status: 500}}, class: Protocol, reason: "the body was not sealed"},
		{name: "access denied", troubles: map[string]trouble{"Create": {code: codeAccessDenied}}, class: Denied,
			counts: map[string]int{"Create": 1}, reason: "permanent"},
		{name: "access denied later", troubles: map[string]trouble{"Command": {code: codeDeniedResult}}, class: Denied,
			counts: map[string]int{"Command": 1}, reason: "0x80070005 says the same"},
		{name: "a page instead of a message", troubles: map[string]trouble{"Command": {html: true}}, class: Protocol, ran: true, reason: "a proxy"},
		{name: "answer to another message", troubles: map[string]trouble{"Command": {stale: true}}, class: Protocol, ran: true, reason: "a replay"},
		{name: "fault to another message", troubles: map[string]trouble{"Receive 1": {stale: true, code: codeTimedOut}}, class: Protocol, ran: true, reason: "a replay"},
		{name: "truncated message", troubles: map[string]trouble{"Receive": {envelope: func(e string) string { return e[:len(e)-20] }}},
			class: Protocol, ran: true, reason: "half an answer proves nothing"},
		{name: "not base64", troubles: map[string]trouble{"Receive": {envelope: func(e string) string { return strings.Replace(e, "=<", "<", 1) }}},
			class: Protocol, ran: true, reason: "the same"},
		{name: "another command's output", troubles: map[string]trouble{"Receive": {envelope: func(e string) string { return strings.Replace(e, "COMMAND-1", "COMMAND-2", 1) }}},
			class: Protocol, ran: true, reason: "not ours"},
		{name: "wrong action", troubles: map[string]trouble{"Delete": {envelope: func(e string) string { return strings.ReplaceAll(e, "DeleteResponse", "Other") }}},
			class: Protocol, reason: "no proof that the shell is deleted"},
		{name: "cut before Command", troubles: map[string]trouble{"Command": {cut: "before"}}, class: Unknown, ran: true,
			counts: map[string]int{"Command": 1, "Delete": 1}, reason: "nobody knows that it was before"},
		{name: "cut after Command", troubles: map[string]trouble{"Command": {cut: "after"}}, class: Unknown, ran: true,
			counts: map[string]int{"Command": 1, "Delete": 1}, reason: "it may run"},
		{name: "cut after Send", troubles: map[string]trouble{"Send": {cut: "after"}}, class: Unknown, ran: true,
			counts: map[string]int{"Send": 1, "Receive": 0, "Delete": 1}, reason: "never send again"},
		{name: "cut in the middle of Receive", troubles: map[string]trouble{"Receive": {cut: "mid"}}, class: Unknown, ran: true,
			counts: map[string]int{"Receive": 1}, reason: "the output is lost"},
		{name: "cut in the header of Receive", troubles: map[string]trouble{"Receive": {cut: "header"}}, class: Unknown, ran: true, reason: "the same"},
		{name: "cut before Create", troubles: map[string]trouble{"Create": {cut: "before"}}, class: Unreachable,
			counts: map[string]int{"Create": 1, "Command": 0, "Delete": 1}, reason: "nothing was run; a shell may be there"},
		{name: "cut before Delete", troubles: map[string]trouble{"Delete 1": {cut: "before"}},
			ok: true, counts: map[string]int{"Delete": 2}, reason: "deleting twice does no harm"},
		{name: "shell gone before Delete", troubles: map[string]trouble{"Delete": {code: codeInvalidSelectors}},
			ok: true, counts: map[string]int{"Delete": 1}, reason: "that is what was wanted"},
		{name: "connection closed politely", troubles: map[string]trouble{"Command": {close: true, envelope: same}},
			class: Unknown, ran: true, reason: "closed without a word after an answer: the next request may have arrived"},
	} {
		for _, mode := range []string{"basic", "sealed"} {
			t.Run(c.name+", "+mode, func(t *testing.T) {
				srv := &server{t: t, troubles: c.troubles, sealed: mode == "sealed"}
				addr := srv.start(nil)
				cfg := basic(addr)
				if srv.sealed {
					cfg = sealing(addr)
				}
				cfg.Sleep = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
				s, err := Open(t.Context(), cfg)
				if err == nil {
					_, err = run(t.Context(), s, []byte("0123456789"))
					if closed := s.Close(t.Context()); err == nil {
						err = closed
					}
				}
				if !c.ok {
					wantClass(t, err, c.class, c.ran)
				} else if err != nil {
					t.Errorf("not overcome: %v", err)
				}
				for action, want := range c.counts {
					if got := srv.count(action); got != want {
						t.Errorf("%d times %s instead of %d: %s", got, action, want, c.reason)
					}
				}
			})
		}
	}
}

func same(e string) string { return e }

func emptyReceive(e string) string {
	before, _, _ := strings.Cut(e, "<rsp:ReceiveResponse>")
	_, after, _ := strings.Cut(e, "</rsp:ReceiveResponse>")
	return before + `<rsp:ReceiveResponse><rsp:CommandState CommandId="COMMAND-1" State="` + nsShell +
		`/CommandState/Running"/></rsp:ReceiveResponse>` + after
}

func TestSealedAnswersOnly(t *testing.T) {
	for _, c := range []struct {
		name    string
		trouble trouble
		reason  string
	}{
		{"clear answer", trouble{clear: true}, "a downgrade"},
		{"clear fault", trouble{clear: true, code: codeTimedOut}, "a forged fault could make us poll forever"},
		{"wrong signature", trouble{forge: true}, "tampering"},
	} {
		t.Run(c.name, func(t *testing.T) {
			srv := &server{t: t, sealed: true, troubles: map[string]trouble{"Receive": c.trouble}}
			s, err := Open(t.Context(), sealing(srv.start(nil)))
			if err != nil {
				t.Fatal(err)
			}
			_, err = run(t.Context(), s, []byte("x"))
			wantClass(t, err, Protocol, true)
			if srv.count("Receive") != 1 {
				t.Error("it went on")
			}
			if err := s.Close(t.Context()); err != nil || srv.count("Handshake") != 4 {
				t.Errorf("the shell is deleted with new keys: %v", err)
			}
		})
	}
}

func TestAfterUnknownOnlyCloseIsLeft(t *testing.T) {
	srv := &server{t: t, troubles: map[string]trouble{"Receive 1": {cut: "mid"}}}
	s, err := Open(t.Context(), basic(srv.start(nil)))
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.Start(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Send(t.Context(), []byte("x"), true); err != nil {
		t.Fatal(err)
	}
	_, first := p.Receive(t.Context())
	_, second := p.Receive(t.Context())
	third := p.Send(t.Context(), []byte("y"), false)
	_, fourth := s.Start(t.Context(), "z")
	for _, err := range []error{first, second, third, fourth} {
		wantClass(t, err, Unknown, true)
	}
	if srv.count("Receive") != 1 || srv.count("Send") != 1 || srv.count("Command") != 1 {
		t.Error("it was asked again")
	}
	if err := s.Close(t.Context()); err != nil || srv.count("Delete") != 1 {
		t.Errorf("the shell was not deleted: %v", err)
	}
}

func TestHostGoneWhileACommandRuns(t *testing.T) {
	srv := &server{t: t, troubles: map[string]trouble{"Send 1": {status: 401}}}
	s, err := Open(t.Context(), basic(srv.start(nil)))
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.Start(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	srv.password = "another"
	err = p.Send(t.Context(), []byte("x"), true)
	wantClass(t, err, Credential, true) // the command was started: its outcome is unknown all the same
}

func TestFaultSaysWhatTheHostSaid(t *testing.T) {
	srv := &server{t: t, troubles: map[string]trouble{"Create": {code: 5}}}
	_, err := Open(t.Context(), basic(srv.start(nil)))
	var f *Fault
	if !errors.As(err, &f) || f.Code != 5 || f.Status != 500 || f.Subcode != "Some" || f.Reason != "What the host says." {
		t.Errorf("got %#v", f)
	}
	if want := "relay01: create a shell: access denied: fault 5 (Some): What the host says."; err.Error() != want {
		t.Errorf("got %q instead of %q", err, want)
	}
}

func TestUnauthorizedInSpiteOfTheLogin(t *testing.T) {
	srv := &server{t: t, sealed: true, troubles: map[string]trouble{"Create": {status: 401}}}
	cfg := sealing(srv.start(nil))
	cfg.Guard = &Guard{}
	_, err := Open(t.Context(), cfg)
	wantClass(t, err, Denied, false)
	if srv.count("Create") != 2 || srv.count("Handshake") != 4 || cfg.Guard.Err() != nil {
		t.Errorf("%d requests, guard %v: the credential was accepted, so one more try and no alarm", srv.count("Create"), cfg.Guard.Err())
	}
}

func TestHintsOfAnswersWithoutAMessage(t *testing.T) {
	for _, c := range []struct {
		where  string
		status int
		hints  []string
	}{
		{"Create", 502, []string{"in front of WinRM", "run again"}},
		{"Receive", 503, []string{"in front of WinRM", "look at the host again"}},
		{"Handshake", 504, []string{"in front of WinRM"}},
		{"Receive", 404, []string{"URLPrefix", "another service has the port"}},
		{"Handshake", 404, []string{"URLPrefix"}},
		{"Send", 413, []string{"MaxEnvelopeSizekb"}},
		{"Create", 403, []string{"administrator"}},
	} {
		t.Run(fmt.Sprint(c.where, " ", c.status), func(t *testing.T) {
			srv := &server{t: t, sealed: true, troubles: map[string]trouble{c.where: {status: c.status}}}
			s, err := Open(t.Context(), sealing(srv.start(nil)))
			if err == nil {
				_, err = run(t.Context(), s, []byte("x"))
				_ = s.Close(t.Context())
			}
			for _, hint := range c.hints {
				if !strings.Contains(hintOf(err), hint) {
					t.Errorf("%v\nhint %q does not say %q", err, hintOf(err), hint)
				}
			}
			if strings.Contains(hintOf(err), "service/auth") {
				t.Errorf("it is not about a way to authenticate: %s", hintOf(err))
			}
		})
	}
}
