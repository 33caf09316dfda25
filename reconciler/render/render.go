// Package render writes what people and machines read: plans, outcomes, status, drift, history, progress and errors,
// as text, Markdown, JSON and HTML.
//
// The rules are:
//
//   - A function writes to its writer and does no other I/O. A report is written in one piece.
//   - A report goes to standard output; progress and errors go to standard error. The caller sees to that.
//   - The order is the reader's: what changes, why, how long is what down, what can go wrong, how to get back, what next.
//   - Text is readable at 80 columns and without colour: every state has a mark or a word of its own.
//   - Hosts with the same outcome are one line. A long list shows two names and a number.
//   - What comes from hosts, files and people cannot act: control characters, terminal escapes and characters that
//     turn the direction of text are shown as escapes; Markdown and HTML are escaped.
//   - JSON has a versioned `format`, and is the Go type of the report, whose fields are documented.
//   - Nothing here can hold a secret's value.
package render

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
)

// Format is how a report is written.
type Format string

// The formats. The zero Format is Text.
const (
	Text     Format = "text"
	Markdown Format = "markdown"
	JSON     Format = "json"
	HTML     Format = "html"
)

// Formats are all of them.
func Formats() []Format { return []Format{Text, Markdown, JSON, HTML} }

// Style says for whom a report is written.
type Style struct {
	Format Format
	// Width is how many columns text may have. 0 is 80.
	Width int
	// Colour is for terminals only.
	Colour bool
}

// Report is something that can be written in every format. The types of this package are the only ones.
type Report interface {
	// text writes the report for a terminal.
	text(p *page)
	// markdown writes it for a comment or a chat.
	markdown(m *mark)
	// value is what the report's JSON is made of.
	value() any
}

// Write writes a report.
func Write(w io.Writer, s Style, r Report) error {
	var b bytes.Buffer
	switch s.Format {
	case Text, "":
		p := &page{w: &b, width: s.Width, colour: s.Colour}
		r.text(p)
	case Markdown:
		m := &mark{w: &b}
		r.markdown(m)
	case JSON:
		data, err := Marshal(r)
		if err != nil {
			return err
		}
		b.Write(data)
	case HTML:
		if err := writeHTML(&b, r); err != nil {
			return err
		}
	default:
		return fmt.Errorf("no such format: %s", Safe(string(s.Format)))
	}
	_, err := w.Write(b.Bytes())
	return err
}

// Marshal is a report as JSON, indented and with a newline at its end. The bytes are the same for the same report.
// Characters that can act on a terminal are escaped.
func Marshal(r Report) ([]byte, error) {
	data, err := json.MarshalIndent(r.value(), "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write as JSON: %w", err)
	}
	return append(safeJSON(data), '\n'), nil
}
