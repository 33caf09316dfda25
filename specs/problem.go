package specs

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/go-multierror"
)

// Problem is one mistake in a document.
type Problem struct {
	File string
	// Line and Column count from 1; 0 means that there is no position to show.
	Line, Column int
	// Path is where in the document: connect.adminApi.url. Empty means the document.
	Path string
	Text string
	// Hint says what to do. It may be empty.
	Hint string
}

// Error is "file:line:column: path: text", and the hint on a line of its own.
func (p *Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", p.Line, p.Column)
	}
	b.WriteString(": ")
	if p.Path != "" {
		b.WriteString(p.Path + ": ")
	}
	b.WriteString(p.Text)
	if p.Hint != "" {
		b.WriteString("\n  hint: " + p.Hint)
	}
	return b.String()
}

// Problems lists what is wrong with a document, when that is why err was returned.
func Problems(err error) []*Problem {
	var found []*Problem
	var many *multierror.Error
	if !errors.As(err, &many) {
		return nil
	}
	for _, e := range many.Errors {
		var p *Problem
		if errors.As(e, &p) {
			found = append(found, p)
		}
	}
	return found
}

// invalid is what is wrong with a document, beside what of it could be read.
type invalid struct {
	error
	rest *Deployment
}

func (e invalid) Unwrap() error { return e.error }

// Rest is a document in which something is wrong, of which still is known what is remembered of it, and where: nothing is wrong with its
// name and its state, nor is anything that may be one of them misspelt. It is nil for any other. Nothing else of it may be believed.
func Rest(err error) *Deployment {
	var e invalid
	problems := Problems(err)
	if !errors.As(err, &e) || e.rest == nil || len(problems) >= maxShown {
		return nil
	}
	for _, p := range problems {
		top, _, _ := strings.Cut(p.Path, ".")
		switch {
		case slices.Contains([]string{"secrets", "policy", "product", "hosts"}, top):
		case top == "connect" && e.rest.State.SQL == nil && e.rest.State.Git == nil: // nobody has to be contacted
		default:
			return nil
		}
	}
	return e.rest
}

// maxShown is how many problems one error lists: a file of the wrong kind has thousands.
const maxShown = 100

// join makes one error of the problems, in the order of the document, nil when there are none.
func (r *reader) join() error {
	problems := r.problems
	if len(problems) == 0 {
		return nil
	}
	slices.SortStableFunc(problems, func(a, b *Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	many := &multierror.Error{ErrorFormat: func(all []error) string {
		lines := make([]string, len(all))
		for i, e := range all {
			lines[i] = e.Error()
		}
		return strings.Join(lines, "\n")
	}}
	for _, p := range problems {
		many = multierror.Append(many, p)
	}
	if r.full() {
		many = multierror.Append(many, fmt.Errorf("%s: only the first %d problems are shown", r.file, maxShown))
	}
	return many
}
