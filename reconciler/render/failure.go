package render

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"

	"meshrotate/reconciler"
	"meshrotate/specs"
)

// Failure is an error as JSON: one object on one line.
type Failure struct {
	Error string `json:"error"`
	// Hint says what to do. It may be missing.
	Hint string `json:"hint,omitempty"`
	// Problems are everything that is wrong with a document, when that is the error.
	Problems []Problem `json:"problems,omitempty"`
	// Down is what the ledger knows to be down, or cut off, where nothing was looked at.
	Down []Down `json:"down,omitempty"`
}

// Unlooked is an error beside which something is down, by the ledger: nothing was looked at.
type Unlooked struct {
	Err  error
	Down []reconciler.Down
}

func (u *Unlooked) Error() string { return u.Err.Error() }
func (u *Unlooked) Unwrap() error { return u.Err }

// Problem is one mistake in a document.
type Problem struct {
	File string `json:"file"`
	// Line and Column count from 1; 0 is unknown.
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
	Path   string `json:"path,omitempty"`
	Text   string `json:"text"`
	Hint   string `json:"hint,omitempty"`
}

// Error writes an error: what is wrong, details below it, and the hint on a line of its own.
func Error(w io.Writer, s Style, err error) {
	var b bytes.Buffer
	if f := failure(err); s.Format == JSON {
		data, _ := json.Marshal(f) // texts and numbers always can be
		b.Write(append(safeJSON(data), '\n'))
	} else {
		f.text(&page{w: &b, width: s.Width, colour: s.Colour})
	}
	_, _ = w.Write(b.Bytes()) // there is nowhere left to say that this failed
}

func failure(err error) Failure {
	f := failed(err)
	if u, ok := errors.AsType[*Unlooked](err); ok {
		for _, d := range u.Down {
			f.Down = append(f.Down, downOf(d, reconciler.Outcome{}))
		}
	}
	return f
}

func failed(err error) Failure {
	problems := specs.Problems(err)
	if len(problems) == 0 {
		return Failure{Error: err.Error(), Hint: reconciler.HintOf(err)}
	}
	f := Failure{Error: problems[0].File + " has " + count(len(problems), "problem") + "; nothing was contacted"}
	text := err.Error()
	if last := text[strings.LastIndexByte(text, '\n')+1:]; strings.HasSuffix(last, " more problems") {
		f.Error += "\n" + last // a file of the wrong kind has thousands
	}
	for _, p := range problems {
		f.Problems = append(f.Problems, Problem(*p))
	}
	if len(problems) > 1 {
		f.Hint = "correct them in this order: a later one may be a consequence of an earlier one"
	}
	return f
}

func (f Failure) text(p *page) {
	lines := strings.Split(f.Error, "\n")
	p.hang(red, "error:", 7, lines[0])
	for _, l := range lines[1:] {
		if l = strings.TrimSpace(l); l != "" {
			p.under(7, l)
		}
	}
	for _, pr := range f.Problems {
		at := pr.File
		if pr.Line > 0 {
			at += ":" + strconv.Itoa(pr.Line) + ":" + strconv.Itoa(pr.Column)
		}
		if pr.Path != "" {
			at += "  " + pr.Path
		}
		p.under(2, at)
		p.under(6, pr.Text)
		if pr.Hint != "" {
			p.hang(dim, "      hint:", 12, pr.Hint)
		}
	}
	if f.Hint != "" && len(f.Problems) == 0 {
		p.hang(bold, "hint:", 7, f.Hint)
	}
	if len(f.Down) > 0 {
		p.line("by the ledger, for nothing was looked at:")
		Outcome{Down: f.Down}.unsettled(p)
	}
}
