package render

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"
)

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// write is a line of its own, with its time when it is for a log.
func (p *Progress) write(at time.Time, text string) {
	p.erase()
	if !p.terminal {
		text = at.UTC().Format("15:04:05") + " " + text
	}
	p.put(Safe(text) + "\n")
	p.said = at
}

func (p *Progress) put(s string) { _, _ = io.WriteString(p.w, s) }

func (p *Progress) erase() {
	if p.drawn {
		p.put("\r\x1b[K")
		p.drawn = false
	}
}

// redraw is the least time between two drawings: a fleet has thousands of events in a second.
const redraw = 50 * time.Millisecond

// draw shows the stage on the terminal's last line.
func (p *Progress) draw() {
	if !p.terminal || p.at.name == "" {
		return
	}
	now := p.now()
	if p.drawn && now.Sub(p.drew) < redraw {
		return
	}
	p.drew = now
	tail := seconds(float64(int(now.Sub(p.at.began).Seconds())))
	if p.at.note != "" {
		tail = p.at.note + " (" + seconds(float64(int(now.Sub(p.at.noted).Seconds()))) + ")"
	}
	p.put("\r\x1b[K" + p.bar(tail))
	p.drawn = true
}

// barWidth and narrowBar are in characters. A narrow terminal has more use for the words.
const barWidth, narrowBar = 20, 12

// bar is "switch   ███████████░░░░░░░░░   8/14   relay-09: starting (4 s)", no wider than the terminal.
func (p *Progress) bar(tail string) string {
	var b bytes.Buffer
	s := p.at
	fmt.Fprintf(&b, "%-9s", s.name)
	columns, wide := (&page{width: p.style.Width}).columns(), barWidth
	if columns < 100 {
		wide = narrowBar
	}
	if s.total > 0 {
		full := min(wide, wide*s.done/s.total)
		b.WriteString(strings.Repeat("█", full) + strings.Repeat("░", wide-full))
	}
	fmt.Fprintf(&b, "  %-8s", strings.TrimSpace(p.tally()))
	return clip(b.String()+"  "+Safe(tail), columns-1)
}

// ticking redraws until it is stopped, so that a phase that waits is seen to wait.
func (p *Progress) ticking() (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		t := time.NewTicker(200 * time.Millisecond)
		defer t.Stop()
		for {
			select {
			case <-quit:
				return
			case <-t.C:
				p.mu.Lock()
				p.draw()
				p.mu.Unlock()
			}
		}
	}()
	return func() { close(quit); <-done }
}
