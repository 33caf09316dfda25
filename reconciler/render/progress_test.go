package render

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"meshrotate/reconciler"
)

// story is the events of a look and a switch over n relays, a second apart where it matters; relay 2 fails.
// Relay 0 answers twice in the switch, and twice on the way back.
func story(n int, tell func(reconciler.Event)) {
	at := now
	ev := func(e reconciler.Event) {
		e.Time = at
		tell(e)
	}
	name := func(i int) string { return fmt.Sprintf("relay-%02d", i) }
	ev(reconciler.Event{Kind: reconciler.LookBegan, Total: n})
	for i := range n {
		ev(reconciler.Event{Kind: reconciler.Looked, Target: name(i)})
	}
	at = at.Add(time.Second)
	ev(reconciler.Event{Kind: reconciler.PhaseBegan, Phase: "switch", Total: n})
	ev(reconciler.Event{Kind: reconciler.TargetDone, Phase: "switch", Target: name(0), More: true}) // its first block
	for i := range n {
		e := reconciler.Event{Kind: reconciler.TargetDone, Phase: "switch", Target: name(i)}
		if i == 2 {
			e.Err = errors.New("relay-02: stop: \x1b[31mrefused")
			e.Error = e.Err.Error()
		}
		at = at.Add(100 * time.Millisecond)
		ev(e)
	}
	ev(reconciler.Event{Kind: reconciler.PhaseEnded, Phase: "switch"})
	at = at.Add(6 * time.Second)
	ev(reconciler.Event{Kind: reconciler.Progressed, Target: name(1), Text: "starting"})
	ev(reconciler.Event{Kind: reconciler.Undoing, Total: n, Text: "relay-02: stop: refused"})
	ev(reconciler.Event{Kind: reconciler.TargetDone, Phase: "switch", Target: name(0)})
	ev(reconciler.Event{Kind: reconciler.TargetDone, Phase: "prepare", Target: name(0)})
}

func TestProgress(t *testing.T) {
	for _, c := range []struct {
		name     string
		n        int
		style    Style
		terminal bool
		reason   string
	}{
		{"pipe-few", 4, Style{}, false, "a line for each host"},
		{"pipe-fleet", 1000, Style{}, false, "failures, a count each second, ends"},
		{"terminal", 4, Style{}, true, "a line for each phase, redrawn"},
		{"json", 4, Style{Format: JSON}, true, "every event, one object a line, no redrawing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b bytes.Buffer
			at, clock := now, sync.Mutex{}
			p := NewProgress(&b, c.style, false, func() time.Time { clock.Lock(); defer clock.Unlock(); return at })
			p.terminal = c.terminal && c.style.Format != JSON // without the ticker, which draws when it likes
			story(c.n, func(e reconciler.Event) {
				clock.Lock()
				at = e.Time
				clock.Unlock()
				p.Tell(e)
			})
			p.Note("interrupted: \x1b[2J")
			p.Close()
			p.Close() // twice is allowed
			compare(t, "progress-"+c.name+".txt", strings.NewReplacer("\r", "\\r", "\x1b", "\\e").Replace(b.String()))
			if c.n > 100 && strings.Count(b.String(), "\n") > 120 {
				t.Errorf("%d lines for a fleet: %s", strings.Count(b.String(), "\n"), c.reason)
			}
			if c.style.Format == JSON {
				for line := range strings.Lines(b.String()) {
					if !json.Valid([]byte(line)) {
						t.Errorf("not JSON: %s", line)
					}
				}
			}
		})
	}
}

// TestProgressTicks lets the real ticker draw while events come from many goroutines; -race looks on.
func TestProgressTicks(t *testing.T) {
	var b bytes.Buffer
	p := NewProgress(&b, Style{}, true, time.Now)
	p.Tell(reconciler.Event{Kind: reconciler.PhaseBegan, Phase: "switch", Total: 64, Time: time.Now()})
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			p.Tell(reconciler.Event{Kind: reconciler.TargetDone, Phase: "switch", Target: fmt.Sprint(i), Time: time.Now()})
		})
	}
	wg.Wait()
	p.Close()
	if !strings.HasSuffix(b.String(), "\n") || !strings.Contains(b.String(), "64/64") {
		t.Errorf("the last line is %q", b.String())
	}
}

// TestStragglers demands that nothing is written between two phases' lines, or after the end: a report stands there.
func TestStragglers(t *testing.T) {
	for _, terminal := range []bool{false, true} {
		for _, format := range []Format{Text, JSON} {
			var b bytes.Buffer
			p := NewProgress(&b, Style{Format: format}, terminal, time.Now)
			p.Tell(reconciler.Event{Kind: reconciler.LookBegan, Total: 2, Time: time.Now()})
			p.Rest()
			n := b.Len()
			if format != JSON {
				p.Tell(reconciler.Event{Kind: reconciler.Looked, Target: "late", Err: errors.New("late"), Time: time.Now()})
				p.Tell(reconciler.Event{Kind: reconciler.Progressed, Target: "late", Text: "late", Time: time.Now()})
			}
			if b.Len() != n {
				t.Errorf("at rest: %q", b.String()[n:])
			}
			p.Tell(reconciler.Event{Kind: reconciler.PhaseBegan, Phase: "switch", Total: 2, Time: time.Now()})
			p.Close()
			if n == b.Len() || !strings.Contains(b.String(), "switch") {
				t.Errorf("it does not go on after a rest: %q", b.String())
			}
			n = b.Len()
			p.Tell(reconciler.Event{Kind: reconciler.PhaseBegan, Phase: "verify", Total: 2, Time: time.Now()})
			p.Note("late")
			if b.Len() != n {
				t.Errorf("after the end: %q", b.String()[n:])
			}
		}
	}
}

// TestTargetsCountOnce lets targets answer as often as they have blocks, more of them than were announced.
func TestTargetsCountOnce(t *testing.T) {
	var b bytes.Buffer
	p := NewProgress(&b, Style{}, false, func() time.Time { return now })
	p.Tell(reconciler.Event{Kind: reconciler.PhaseBegan, Phase: "switch", Total: 2, Time: now})
	for _, c := range []struct{ target, tally string }{{"a", " 1/2"}, {"a", " 1/2"}, {"b", " 2/2"}, {"a", " 2/2"}, {"c", " 3/3"}} {
		p.Tell(reconciler.Event{Kind: reconciler.TargetDone, Target: c.target, Time: now})
		if got := p.tally(); got != c.tally {
			t.Errorf("after %s:%s, want%s", c.target, got, c.tally)
		}
	}
	for range 2 {
		p.Tell(reconciler.Event{Kind: reconciler.TargetDone, Target: "a", Err: errors.New("refused"), Time: now})
	}
	p.Close()
	if !strings.Contains(b.String(), ", 1 failed") {
		t.Errorf("one target failed, twice: %s", b.String())
	}
}
