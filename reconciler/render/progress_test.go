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

// TestExpect counts every turn of a phase that has several barriers, so that its bar does not go back.
func TestExpect(t *testing.T) {
	var b bytes.Buffer
	p := NewProgress(&b, Style{}, false, func() time.Time { return now })
	p.Expect(relays(2))
	p.Tell(reconciler.Event{Kind: reconciler.PhaseBegan, Phase: "switch", Total: 3, Time: now})
	p.Tell(reconciler.Event{Kind: reconciler.PhaseBegan, Phase: "switch", Total: 3, Time: now})
	if p.at.total != 9 {
		t.Errorf("total is %d, want 3 barriers × 3 hosts", p.at.total)
	}
	p.Close()
}
