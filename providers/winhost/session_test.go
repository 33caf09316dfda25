package winhost

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"meshrotate/reconciler/secret"
)

// played is a Starter and Pipe that answers as it is told, for what no real program does on demand.
type played struct {
	startErr, sendErr, receiveErr error
	outputs                       []Output
	sent                          []byte
}

func (p *played) Start(context.Context, string) (Pipe, error) { return p, p.startErr }

func (p *played) Send(_ context.Context, b []byte, _ bool) error {
	p.sent = append(p.sent, b...)
	return p.sendErr
}

func (p *played) Receive(context.Context) (Output, error) {
	if len(p.outputs) == 0 {
		return Output{}, p.receiveErr
	}
	o := p.outputs[0]
	p.outputs = p.outputs[1:]
	return o, nil
}

func TestSessionFailures(t *testing.T) {
	const canary = "c4n4ry/of+the/session=="
	lost := errors.New("connection lost")
	for _, c := range []struct {
		name, reason string
		pipe         played
		want         error
		text         string // must be in the error
	}{
		{"no start", "a host that cannot be reached", played{startErr: lost}, lost, "start PowerShell"},
		{"send fails", "the connection breaks under the request", played{sendErr: lost, receiveErr: lost}, lost, "send request"},
		{"send fails, process ended", "the process ended before it read its input; its exit code tells why",
			played{sendErr: lost, outputs: []Output{{Done: true, ExitCode: 73}}}, ErrUnsupported, "Constrained"},
		{"receive fails", "the connection breaks before the reply", played{receiveErr: lost}, lost, "wait for reply"},
		{"constrained", "a locked-down host is said to be one", played{outputs: []Output{{Done: true, ExitCode: 73}}}, ErrUnsupported, "Constrained"},
		{"old", "PowerShell 2 is still there on some hosts", played{outputs: []Output{{Done: true, ExitCode: 74}}}, ErrUnsupported, "5.1"},
		{"script", "another script than ours", played{outputs: []Output{{Done: true, ExitCode: 75}}}, ErrScript, ""},
		{"cut", "the request did not arrive whole", played{outputs: []Output{{Done: true, ExitCode: 76}}}, ErrFrame, "did not try"},
		{"done without a reply", "exit code 0 proves nothing", played{outputs: []Output{{Done: true}}}, nil, "without a whole reply"},
		{"not found", "the operator must see why PowerShell did not start",
			played{outputs: []Output{{Stderr: []byte("'powershell.exe' is not recog")}, {Stderr: []byte("nized\r\nas a command"), Done: true, ExitCode: 1}}}, nil,
			"'powershell.exe' is not recognized as a command"},
		{"leak", "PowerShell quotes what it cannot convert", played{outputs: []Output{{Stderr: []byte("Cannot convert \"" + canary[4:14] + "\""), Done: true, ExitCode: 1}}}, nil, "withheld"},
		{"wide leak", "the same, as UTF-16", played{outputs: []Output{{Stderr: []byte("C\x00: " + strings.Join(strings.Split(canary, ""), "\x00")), Done: true, ExitCode: 1}}}, nil, "withheld"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Run(t.Context(), &c.pipe, Config{}, []Op{&FileStage{Path: "p", Content: secret.NewString(canary)}})
			if err == nil || c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("error %v, want %v with %q (%s)", err, c.want, c.text, c.reason)
			}
			var hinted interface{ Hint() string }
			if (errors.Is(err, ErrUnsupported) || errors.Is(err, ErrScript)) && (!errors.As(err, &hinted) || hinted.Hint() == "") {
				t.Errorf("%v: nothing says what to do", err)
			}
			if err != nil && strings.Contains(err.Error(), canary[4:12]) {
				t.Errorf("the error holds a secret: %v", err)
			}
		})
	}
}

func TestBrokenSessionStaysBroken(t *testing.T) {
	p := &played{receiveErr: io.ErrUnexpectedEOF}
	s, err := Open(t.Context(), p, Config{})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := s.Do(t.Context(), []Op{&MachineIdentity{}}); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("error %v: a late reply could be taken for another's", err)
		}
	}
	sent := len(p.sent)
	if _, err := s.Do(t.Context(), nil); err == nil || len(p.sent) != sent {
		t.Error("a broken session sends on")
	}
}

func TestTooLargeIsNotSent(t *testing.T) {
	p := &played{receiveErr: io.EOF}
	s, _ := Open(t.Context(), p, Config{})
	if _, err := s.Do(t.Context(), []Op{&FileStage{Content: secret.New(make([]byte, MaxFrame))}}); !errors.Is(err, ErrFrame) || len(p.sent) > 0 {
		t.Errorf("error %v, %d bytes sent", err, len(p.sent))
	}
}

func TestOpError(t *testing.T) {
	r := Result{Code: Failed, Win32: 1053, Message: "no answer"}
	if got, want := r.Err(&ServiceStart{Service: "Relay"}).Error(), "service.start Relay: failed (Windows error 1053): no answer"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	for _, code := range []Code{OK, Unchanged} {
		if (Result{Code: code}).Err(&MachineIdentity{}) != nil {
			t.Errorf("%s is an error", code)
		}
	}
	if (Result{}).Err(&MachineIdentity{}) == nil {
		t.Error("no answer is taken for success")
	}
}
