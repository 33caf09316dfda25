package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"meshrotate/reconciler"
	"meshrotate/reconciler/render"
	"meshrotate/reconciler/secret"
	"meshrotate/reconciler/session"
	"meshrotate/state"
)

// TestExitCodes goes through how secrets can end, with and without something down or left behind.
func TestExitCodes(t *testing.T) {
	endings := []state.Outcome{state.Proven, state.Back, state.Ahead, state.Unknown}
	for _, a := range endings {
		for _, b := range endings {
			for _, left := range []int{0, 1} {
				for _, down := range []int{0, 1} {
					want := ExitPartly
					switch {
					case left+down > 0:
					case a == state.Proven && b == state.Proven:
						want = ExitOK
					case a == state.Back && b == state.Back:
						want = ExitError
					}
					if got := exitWith(t, applied(left, down, a, b), io.Discard, nil); got != want {
						t.Errorf("%s, %s, %d left, %d down: exit code %d, want %d", a, b, left, down, got, want)
					}
				}
			}
		}
	}
}

// TestExitCodesOfTrouble is about what happens beside the endings.
func TestExitCodesOfTrouble(t *testing.T) {
	refused := errors.New("refused")
	tidy, none, away := applied(0, 0, state.Proven), applied(0, 0), applied(0, 0, state.Back)
	tidy.Outcome.Err, none.Outcome.Err = refused, refused
	away.Outcome.Secrets[0].Change.Left = []reconciler.Target{{Kind: reconciler.HostTarget, Name: "away"}}
	idle := applied(0, 0)
	idle.Run = ""
	dark := applied(0, 0)
	dark.Run, dark.Plan.Changes = "", []reconciler.Change{{Down: []reconciler.Down{{What: "relay", Since: time.Unix(1, 0), Unsure: true}}}}
	for _, c := range []struct {
		reason string
		done   *session.Applied
		out    io.Writer
		late   error
		want   int
	}{
		{"proven, and an old value could not be retired", tidy, io.Discard, nil, ExitPartly},
		{"nothing was begun", none, io.Discard, nil, ExitError},
		{"put back, and a tolerated host was away all the time", away, io.Discard, nil, ExitError},
		{"nothing to do", idle, io.Discard, nil, ExitOK},
		{"nothing to do, and an earlier run left down what nobody can look at", dark, io.Discard, nil, ExitPartly},
		{"proven, and the lock could not be given back: 1 would say that nothing was changed", applied(0, 0, state.Proven), io.Discard, refused, ExitPartly},
		{"proven, and nobody reads the report", applied(0, 0, state.Proven), broken{}, nil, ExitPartly},
		{"put back, and nobody reads the report", applied(0, 0, state.Back), broken{}, nil, ExitError},
		{"nothing to do, and nobody reads the report", idle, broken{}, nil, ExitError},
	} {
		if got := exitWith(t, c.done, c.out, c.late); got != c.want {
			t.Errorf("%s: exit code %d, want %d", c.reason, got, c.want)
		}
	}
}

// What was not given back is in the report too: it does not say that all is well beside an exit code that does not.
func TestTheReportSaysWhatWasNotGivenBack(t *testing.T) {
	var out bytes.Buffer
	exitWith(t, applied(0, 0, state.Proven), &out, errors.New("the lock is still there"))
	if s := out.String(); strings.Contains(s, "nothing is left to do") || !strings.Contains(s, "the lock is still there") || !strings.Contains(s, "rotated and proven; but") {
		t.Errorf("%s", s)
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// applied is a run whose secrets ended so.
func applied(left, down int, endings ...state.Outcome) *session.Applied {
	var o reconciler.Outcome
	for i, ending := range endings {
		e := reconciler.Ended{Ending: ending, Change: reconciler.Change{Secret: secret.Ref{Name: fmt.Sprint(i), Version: "2"}, Status: reconciler.Rotate}}
		if ending != state.Proven {
			e.Why = errors.New("it stays silent")
			o.Err = e.Why
		}
		o.Secrets = append(o.Secrets, e)
	}
	relay := reconciler.Target{Kind: reconciler.HostTarget, Name: "relay"}
	for range left {
		o.Left = append(o.Left, reconciler.LeftBehind{Target: relay, Why: errors.New("x")})
	}
	for range down {
		o.Down = append(o.Down, reconciler.Down{What: "relay", Target: relay, Since: time.Unix(1, 0)})
	}
	return &session.Applied{View: &session.View{Plan: &reconciler.Plan{}}, Run: "r", Outcome: o}
}

// exitWith is the exit code, on a pipe and for a person at a terminal; what is not 0 says why, once.
func exitWith(t *testing.T, done *session.Applied, out io.Writer, late error) int {
	t.Helper()
	var codes []int
	for _, terminal := range []bool{false, true} {
		n := &opened{program: &program{format: render.Text, io: Stdio{Out: out, OutTerminal: terminal, ErrTerminal: terminal}.filled()}}
		err := n.report(done, late)
		code, shown := ExitOK, err
		if err != nil {
			code = ExitError
			var exit *Exit
			if errors.As(err, &exit) {
				code, shown = exit.Code, exit.Err
			}
		}
		if _, lost := out.(broken); code != ExitOK && shown == nil && (!terminal || lost || late != nil) {
			t.Errorf("exit code %d and no error", code)
		}
		if shown != nil {
			render.Error(&bytes.Buffer{}, render.Style{}, shown)
		}
		codes = append(codes, code)
	}
	if codes[0] != codes[1] {
		t.Errorf("exit code %d on a pipe, %d on a terminal", codes[0], codes[1])
	}
	return codes[0]
}
