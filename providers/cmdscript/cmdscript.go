// Package cmdscript reads and edits the line of a script of cmd.exe that sets a variable. Every other byte stays.
package cmdscript

import (
	"errors"
	"fmt"
	"regexp"
)

// Assignment is how a script sets a variable.
type Assignment struct {
	Value string
	// Conditional says that the line counts only where the variable is not set yet: `if not defined NAME set NAME=…`.
	Conditional bool
}

// ErrMissing is a script without such a line, or without one that could be edited.
var ErrMissing = errors.New("no line of it sets the variable in the form `set NAME=VALUE`")

// line finds `set NAME=VALUE` and `set "NAME=VALUE"`, alone on a line. What cmd would put in, or go on with, is no value: % ! & | < > ^.
func line(name string) *regexp.Regexp {
	n := regexp.QuoteMeta(name)
	return regexp.MustCompile(`(?im)^([ \t]*@?[ \t]*(if[ \t]+not[ \t]+defined[ \t]+` + n + `[ \t]+)?set[ \t]+)(?:"` + n + `=([^"\r\n%!]*)"[ \t]*|` + n + `=([^"\r\n%!&|<>^]*))(?:\r?$)`)
}

var comment = regexp.MustCompile(`(?i)^[ \t]*@?[ \t]*(rem\b|::)`)

// find is the one line that sets the variable.
func find(script []byte, name string) (at []int, err error) {
	all := line(name).FindAllSubmatchIndex(script, -1)
	sets := 0
	for _, text := range regexp.MustCompile(`(?im)^[^\r\n]*\bset[ \t]+(/a[ \t]+|/p[ \t]+)?"?`+regexp.QuoteMeta(name)+`[ \t]*=`).FindAll(script, -1) {
		if !comment.Match(text) {
			sets++
		}
	}
	switch {
	case len(all) == 0:
		return nil, ErrMissing
	case len(all) > 1 || sets > len(all):
		return nil, fmt.Errorf("%d lines of it set the variable: which of them counts is not known", max(len(all), sets))
	}
	return all[0], nil
}

// Get is how the script sets a variable.
func Get(script []byte, name string) (Assignment, error) {
	at, err := find(script, name)
	if err != nil {
		return Assignment{}, err
	}
	a := Assignment{Conditional: at[4] >= 0}
	if at[6] >= 0 {
		a.Value = string(script[at[6]:at[7]])
	} else {
		a.Value = string(script[at[8]:at[9]])
	}
	return a, nil
}

// Set gives the variable another value there. It becomes `set "NAME=VALUE"`: of the other form blanks at the end of the line would be a
// part of the value.
func Set(script []byte, name, value string) ([]byte, error) {
	at, err := find(script, name)
	if err != nil {
		return nil, err
	}
	end := at[1]
	if end > 0 && script[end-1] == '\r' {
		end--
	}
	after := append([]byte{}, script[:at[3]]...)
	after = append(after, fmt.Sprintf(`"%s=%s"`, name, value)...)
	return append(after, script[end:]...), nil
}
