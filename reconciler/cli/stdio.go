package cli

import (
	"io"
	"os"

	"golang.org/x/term"
)

// Stdio is what a run reads and writes.
type Stdio struct {
	In       io.Reader
	Out, Err io.Writer
	// Env looks up an environment variable.
	Env func(name string) (value string, set bool)
	// InTerminal says that a person can answer; OutTerminal and ErrTerminal that colours and redrawn lines are seen.
	InTerminal, OutTerminal, ErrTerminal bool
	// Width is the terminal's, in columns; 0 when there is none.
	Width int
}

// OS is the process's own standard input, output and environment.
func OS() Stdio {
	s := Stdio{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Env: os.LookupEnv,
		InTerminal:  term.IsTerminal(int(os.Stdin.Fd())),
		OutTerminal: term.IsTerminal(int(os.Stdout.Fd())) && understandsEscapes(os.Stdout),
		ErrTerminal: term.IsTerminal(int(os.Stderr.Fd())) && understandsEscapes(os.Stderr),
	}
	for _, f := range []*os.File{os.Stdout, os.Stderr} {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && s.Width == 0 {
			s.Width = min(w, 120) // longer lines are hard to read
		}
	}
	return s
}

// filled replaces what is missing by nothing.
func (s Stdio) filled() Stdio {
	if s.In == nil {
		s.In = eof{}
	}
	if s.Out == nil {
		s.Out = io.Discard
	}
	if s.Err == nil {
		s.Err = io.Discard
	}
	if s.Env == nil {
		s.Env = func(string) (string, bool) { return "", false }
	}
	return s
}

// colour says whether the user wants any (https://no-color.org).
func (s Stdio) colour() bool { return s.env("NO_COLOR") == "" && s.env("TERM") != "dumb" }

// env is an environment variable, "" when it is not there.
func (s Stdio) env(name string) string {
	value, _ := s.Env(name)
	return value
}

type eof struct{}

func (eof) Read([]byte) (int, error) { return 0, io.EOF }
