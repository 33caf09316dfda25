package render

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"meshrotate/reconciler"
)

// Progress shows a run while it runs: on a terminal one line for each phase, redrawn in place; as text a line for each
// thing worth a line; as JSON a line for each reconciler.Event. It is safe for concurrent use. Close it at the end.
type Progress struct {
	w        io.Writer
	style    Style
	terminal bool
	now      func() time.Time

	mu     sync.Mutex
	totals map[string]int
	at     stage
	said   time.Time // when the last plain line was written
	drawn  bool      // a line without an end stands on the terminal
	drew   time.Time // when it was last drawn
	stop   chan struct{}
	ended  sync.WaitGroup
}

// stage is a phase under way, as people see phases: the switch is one.
type stage struct {
	name              string
	began, ended      time.Time
	total, done, fail int
	expected          bool // total is known from the plan
	last              string
	note              string
	noted             time.Time
}

// NewProgress shows progress on w. Terminal says that w is a terminal that can redraw a line. Now is the clock.
func NewProgress(w io.Writer, s Style, terminal bool, now func() time.Time) *Progress {
	p := &Progress{w: w, style: s, terminal: terminal && s.Format != JSON, now: now, totals: map[string]int{}}
	if p.terminal {
		stop := make(chan struct{})
		p.stop = stop
		p.ended.Go(func() { p.tick(stop) })
	}
	return p
}

// Expect tells how much work the plan's phases have.
func (p *Progress) Expect(plan *reconciler.Plan) {
	type batch struct {
		phase reconciler.Phase
		wave  int
		t     reconciler.Target
	}
	seen := map[batch]bool{}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range plan.Steps {
		if b := (batch{s.Phase, s.Wave, s.Op.Target()}); !seen[b] {
			seen[b] = true
			p.totals[s.Phase.String()]++
		}
	}
}

// Tell takes an event.
func (p *Progress) Tell(e reconciler.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.style.Format == JSON {
		p.json(e)
		return
	}
	switch e.Kind {
	case reconciler.LookBegan:
		p.enter("look", e)
	case reconciler.PhaseBegan:
		p.enter(e.Phase, e)
	case reconciler.Undoing:
		p.enter("undo", reconciler.Event{Time: e.Time})
		p.write(e.Time, "undo: taking back "+count(e.Total, "step")+": "+e.Text)
	case reconciler.Looked, reconciler.TargetDone:
		p.target(e)
	case reconciler.PhaseEnded:
		p.at.ended = e.Time
	case reconciler.Progressed:
		p.at.note, p.at.noted = strings.TrimPrefix(e.Target+": "+e.Text, ": "), e.Time
		if !p.terminal && e.Time.Sub(p.said) >= 5*time.Second {
			p.write(e.Time, p.at.name+": "+p.at.note)
		}
	}
	p.draw()
}

// Note writes a line of its own: an interrupt was heard.
func (p *Progress) Note(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.style.Format == JSON {
		p.json(reconciler.Event{Time: p.now(), Kind: "note", Text: text})
		return
	}
	p.write(p.now(), text)
	p.draw()
}

// Close ends the last line. It may be called again.
func (p *Progress) Close() {
	p.mu.Lock()
	p.leave()
	stop := p.stop
	p.stop = nil
	p.mu.Unlock()
	if stop != nil {
		close(stop)
		p.ended.Wait()
	}
}

func (p *Progress) json(e reconciler.Event) {
	if data, err := json.Marshal(e); err == nil {
		_, _ = p.w.Write(append(safeJSON(data), '\n'))
	}
}

// enter begins a stage, or goes on with it: the waves of a phase are one stage.
func (p *Progress) enter(name string, e reconciler.Event) {
	if p.at.name == name {
		if !p.at.expected {
			p.at.total += e.Total
		}
		return
	}
	p.leave()
	p.at = stage{name: name, began: e.Time, total: e.Total}
	if n := p.totals[name]; n > 0 {
		p.at.total, p.at.expected = n, true
	}
	if !p.terminal && p.at.total > 0 && name != "look" {
		p.write(e.Time, name+": began, "+count(p.at.total, "turn"))
	}
	p.said = e.Time
}

// maxFailures is how many failures of a stage have a line each.
const maxFailures = 20

// few is how many targets a stage may have for each to have a line.
const few = 20

// target takes the end of one target's batch.
func (p *Progress) target(e reconciler.Event) {
	s := &p.at
	s.done++
	s.last, s.ended = e.Target, e.Time
	if s.note != "" && strings.HasPrefix(s.note, e.Target+":") {
		s.note = ""
	}
	switch tally := p.tally(); {
	case e.Error != "" || e.Err != nil:
		if s.fail++; s.fail > maxFailures {
			return
		}
		text := e.Error
		if text == "" {
			text = e.Err.Error()
		}
		if !strings.HasPrefix(text, e.Target) {
			text = e.Target + ": " + text
		}
		p.write(e.Time, s.name+": failed: "+text)
	case p.terminal:
	case s.total <= few && s.name != "look":
		p.write(e.Time, s.name+": "+e.Target+" done,"+tally)
	case e.Time.Sub(p.said) >= time.Second:
		p.write(e.Time, s.name+":"+tally)
	}
}

func (p *Progress) tally() string {
	if p.at.total == 0 {
		return fmt.Sprintf(" %d done", p.at.done)
	}
	return fmt.Sprintf(" %d/%d", p.at.done, p.at.total)
}

// leave ends the stage.
func (p *Progress) leave() {
	s := p.at
	if s.name == "" {
		return
	}
	if s.ended.IsZero() {
		s.ended = p.now()
	}
	if more := s.fail - maxFailures; more > 0 {
		p.write(s.ended, s.name+": and "+fmt.Sprint(more)+" more failed")
	}
	if p.terminal {
		p.erase()
		p.put(p.bar(seconds(s.ended.Sub(s.began).Seconds())) + "\n")
	} else {
		text := s.name + ":" + p.tally() + " in " + seconds(s.ended.Sub(s.began).Seconds())
		if s.fail > 0 {
			text += fmt.Sprintf(", %d failed", s.fail)
		}
		if s.done > few && s.last != "" {
			text += ", " + s.last + " was last"
		}
		p.write(later(s.ended, p.said), text)
	}
	p.at = stage{}
}
