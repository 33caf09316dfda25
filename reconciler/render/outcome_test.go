package render

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"meshrotate/reconciler"
	"meshrotate/state"
)

// TestEndings goes through how two secrets can end, with and without something down or left behind.
func TestEndings(t *testing.T) {
	all := []state.Outcome{state.Proven, state.Back, state.Ahead, state.Unknown, ""}
	for _, a := range all {
		for _, b := range all {
			for _, isLeft := range []bool{false, true} {
				for _, isDown := range []bool{false, true} {
					p := several()
					o := endedAs(p, a, b)
					if isLeft {
						o.Left = []reconciler.LeftBehind{leftBehind("im-left.example", "x")}
					}
					if isDown {
						o.Down = []reconciler.Down{down("Admin", admin, 0)}
					}
					r := told(p, o)
					ok := a == state.Proven && b == state.Proven && !isLeft && !isDown
					changed := a != state.Back || b != state.Back || isLeft || isDown
					name := fmt.Sprintf("%q, %q, left %v, down %v", a, b, isLeft, isDown)
					if r.OK != ok || r.Changed() != changed {
						t.Errorf("%s: ok %v, changed %v", name, r.OK, r.Changed())
					}
					for _, f := range Formats() {
						text := written(t, r, Style{Format: f})
						if isDown != strings.Contains(text, admin) || isLeft != strings.Contains(text, "im-left.example") {
							t.Errorf("%s, %s: down and left are not told, or told without reason: %s", name, f, text)
						}
					}
				}
			}
		}
	}
}

// TestNotOK lists what spoils a run whose secrets are all proven, and what a run says that began nothing.
func TestNotOK(t *testing.T) {
	p := relays(1)
	o := endedAs(p, state.Proven)
	if r := told(p, o); !r.OK || !r.Changed() {
		t.Errorf("proven: %+v", r)
	}
	o.Err = errors.New("the old login could not be dropped")
	if r := told(p, o); r.OK || !r.Changed() || !strings.Contains(written(t, r, Style{}), "could not be dropped") {
		t.Errorf("proven, and the tidying failed: %+v", r)
	}
	o.Err, o.Halted = nil, true
	if r := told(p, o); r.OK {
		t.Errorf("halted: %+v", r)
	}
	if r := told(p, reconciler.Outcome{Err: errors.New("the ledger is full")}); r.OK || r.Changed() || r.Secrets == nil {
		t.Errorf("nothing was begun: %+v", r)
	}
}

// TestHostList names ranges as a document writes them.
func TestHostList(t *testing.T) {
	many := func(n int) (all []string) {
		for i := range n {
			all = append(all, relayName(i+1))
		}
		return all
	}
	for _, c := range []struct {
		hosts []string
		want  string
	}{
		{nil, ""},
		{[]string{"a"}, "a"},
		{[]string{"a", "b"}, "a and b"},
		{[]string{"r9", "r10", "r11"}, "r[9..11]"},
		{[]string{"r08", "r09"}, "r08 and r09"},
		{[]string{"r08", "r09", "r10", "x", "r12"}, "r[08..10], x and r12"},
		{[]string{"r1", "r3", "r5", "r7", "r9", "r11", "r13", "r14"}, "r1, r3, r5, r7, r9 and 3 more"},
		{many(300), "relay-[0001..0300].hq.contoso.example"},
		{[]string{"10.0.0.1", "10.0.0.2", "10.0.0.3"}, "10.0.0.1, 10.0.0.2 and 10.0.0.3"},
		{[]string{"r99999999999", "r99999999999"}, "r99999999999 and r99999999999"},
		{[]string{"r1.a", "r2.b"}, "r1.a and r2.b"},
		{[]string{"r99", "r100", "r101"}, "r[99..101]"},
		{[]string{"", "0", "00"}, ", 0 and 00"},
	} {
		if got := hostList(c.hosts); got != c.want {
			t.Errorf("%q: %s, want %s", c.hosts, got, c.want)
		}
	}
}

// TestPaused tells what waits for a person, and the command that goes on, and calls it no failure.
func TestPaused(t *testing.T) {
	p := relays(1)
	for _, c := range []struct {
		name          string
		wait          *reconciler.Wait
		next, not     string
		failed, whole bool
	}{
		{"to be confirmed", &reconciler.Wait{Confirm: true}, "meshrotate apply -f a.yaml --confirm relaykey", "", false, true},
		{"to be seen", &reconciler.Wait{}, "meshrotate apply -f a.yaml`", "--confirm", false, true},
		{"and something failed", &reconciler.Wait{Confirm: true}, "mend the cause", "paused", true, false},
	} {
		o := endedAs(p, state.Ahead)
		for i := range o.Secrets {
			o.Secrets[i].Waits, o.Secrets[i].Why = c.wait, errors.New("a person sets it at its source")
		}
		if o.Err = nil; c.failed {
			o.Err = errors.New("the disk is full")
		}
		r := told(p, o).Naming(" -f a.yaml")
		text := written(t, r, Style{})
		if r.Paused() != c.whole || r.OK || !strings.Contains(r.Next, c.next) || c.not != "" && strings.Contains(text, c.not) || !strings.Contains(strings.Join(strings.Fields(text), " "), "WAITS for a person: a person sets it") {
			t.Errorf("%s: %q\n%s", c.name, r.Next, text)
		}
	}
}

// What to do about a host that was left behind is said with it.
func TestLeftBehindHasItsHint(t *testing.T) {
	o := endedAs(several(), state.Proven, state.Proven)
	o.Left = []reconciler.LeftBehind{{Target: reconciler.Target{Kind: reconciler.HostTarget, Name: "im-left.example"}, Why: reconciler.Hinted(errors.New("HTTP 404"), "see the listener's port"), Secrets: []string{"x"}}}
	for _, format := range []Format{Text, Markdown, JSON} {
		var b strings.Builder
		if err := Write(&b, Style{Format: format}, told(several(), o)); err != nil || !strings.Contains(b.String(), "see the listener") {
			t.Errorf("%s: %v\n%s", format, err, b.String())
		}
	}
}
