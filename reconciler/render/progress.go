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
	at     stage
	said   time.Time // when the last plain line was written
	drawn  bool      // a line without an end stands on the terminal
	drew   time.Time // when it was last drawn
	stop   func()    // ends the redrawing, nil while there is none
	closed bool
}

// stage is a phase under way, or the way back through all of them.
type stage struct {
	name         string
	began, ended time.Time
	// total is how many targets have something to do, 0 when nobody knows. A target may answer several times in a phase:
	// done counts each once.
	total, done, fail int
	answered          map[string]bool // by target: true when it failed
	last              string
	note              string
	noted             time.Time
}

// NewProgress shows progress on w. Terminal says that w is a terminal that can redraw a line. Now is the clock.
func NewProgress(w io.Writer, s Style, terminal bool, now func() time.Time) *Progress {
	return &Progress{w: w, style: s, terminal: terminal && s.Format != JSON, now: now}
}

// Tell takes an event.
func (p *Progress) Tell(e reconciler.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
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
		what := "taking back " + count(e.Total, "step")
		if e.Total == 0 {
			what = "nothing is to be taken back"
		}
		p.write(e.Time, "undo: "+what+suffix(": ", oneLine(e.Text)))
	case reconciler.Looked, reconciler.TargetDone:
		p.target(e)
	case reconciler.PhaseEnded:
		p.at.ended = e.Time
	case reconciler.Said:
		p.write(e.Time, strings.TrimPrefix(e.Target+": "+oneLine(e.Text), ": "))
	case reconciler.Progressed:
		p.at.note, p.at.noted = strings.TrimPrefix(e.Target+": "+e.Text, ": "), e.Time
		if !p.terminal && p.at.name != "" && e.Time.Sub(p.said) >= 5*time.Second {
			p.write(e.Time, p.at.name+": "+p.at.note)
		}
	}
	p.draw()
}

// Note writes a line of its own: an interrupt was heard.
func (p *Progress) Note(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	if p.style.Format == JSON {
		p.json(reconciler.Event{Time: p.now(), Kind: "note", Text: text})
		return
	}
	p.write(p.now(), text)
	p.draw()
}

// Rest ends the last line, so that something else can be written. The next phase goes on below it.
func (p *Progress) Rest() {
	p.mu.Lock()
	p.leave()
	stop := p.stop
	p.stop = nil
	p.mu.Unlock()
	if stop != nil {
		stop() // not under the lock, which a drawing may want
	}
	if f, late := p.w.(interface{ Flush() }); late {
		f.Flush()
	}
}

// Close is Rest for good: whatever is told later is told in vain. It may be called again.
func (p *Progress) Close() {
	p.Rest()
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
}

func (p *Progress) json(e reconciler.Event) {
	if data, err := json.Marshal(e); err == nil {
		_, _ = p.w.Write(append(safeJSON(data), '\n'))
	}
}

// enter begins a stage.
func (p *Progress) enter(name string, e reconciler.Event) {
	p.leave()
	p.at = stage{name: name, began: e.Time, total: e.Total, answered: map[string]bool{}}
	if p.terminal && p.stop == nil {
		p.stop = p.ticking()
	}
	if !p.terminal && p.at.total > 0 && name != "look" {
		p.write(e.Time, name+": began, "+count(p.at.total, "target"))
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
	if s.name == "" {
		return // a straggler
	}
	if e.More && e.Error == "" && e.Err == nil {
		return // it comes again
	}
	_, again := s.answered[e.Target]
	if !again {
		s.answered[e.Target] = false
		s.done++
	}
	if s.total > 0 {
		s.total = max(s.total, s.done)
	}
	s.last, s.ended = e.Target, e.Time
	if s.note != "" && strings.HasPrefix(s.note, e.Target+":") {
		s.note = ""
	}
	switch {
	case e.Error != "" || e.Err != nil:
		p.failure(e)
	case p.terminal || again && s.total <= few:
	case s.total <= few && s.name != "look":
		p.write(e.Time, s.name+":"+p.tally()+" "+e.Target)
	case e.Time.Sub(p.said) >= time.Second:
		p.write(e.Time, s.name+":"+p.tally())
	}
}

func (p *Progress) failure(e reconciler.Event) {
	if !p.at.answered[e.Target] {
		p.at.answered[e.Target] = true
		p.at.fail++
	}
	if p.at.fail > maxFailures {
		return
	}
	text := e.Error
	if text == "" {
		text = e.Err.Error()
	}
	if !strings.HasPrefix(text, e.Target) {
		text = e.Target + ": " + text
	}
	p.write(e.Time, p.at.name+": failed: "+text)
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
