// Package tool is the program that the cases of winhosttest let a host start: it takes secrets as `set REF VALUE` or
// `set REF --stdin`, and lists their references. A reference that begins with a behaviour's name is treated so.
package tool

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// What a reference may begin with.
const (
	Echoes = "echoes" // writes the value, and much more
	Fails  = "fails"  // ends with 3 and stores nothing
	Lies   = "lies"   // ends with 0 and stores nothing
	Hangs  = "hangs"  // does not end, nor read
)

// Store is where values go, by reference.
type Store interface {
	Put(ref string, value []byte)
	List() []string
}

// Run is the program. Done ends it early.
func Run(args []string, in io.Reader, out io.Writer, s Store, done <-chan struct{}) uint32 {
	switch {
	case len(args) == 1 && args[0] == "--help":
		fmt.Fprintln(out, "usage:\n  set REF VALUE\n  set REF --stdin    the value on standard input\n  list")
		return 0
	case len(args) == 1 && args[0] == "list":
		for _, ref := range s.List() {
			fmt.Fprintf(out, "%s  2026-11-26T02:11:07Z\r\n", ref)
		}
		return 0
	case len(args) != 3 || args[0] != "set":
		fmt.Fprintln(out, "what?")
		return 2
	}
	ref, value := args[1], []byte(args[2])
	if strings.HasPrefix(ref, Hangs) {
		select {
		case <-done:
		case <-time.After(time.Minute):
		}
		return 1
	}
	if strings.HasPrefix(ref, Echoes) { // more than any pipe holds, before it reads
		fmt.Fprint(out, strings.Repeat("filler ", 100_000))
	}
	if args[2] == "--stdin" {
		var err error
		if value, err = io.ReadAll(in); err != nil {
			return 4
		}
	}
	switch {
	case strings.HasPrefix(ref, Echoes):
		fmt.Fprintf(out, "%s = %s\n", ref, value)
	case strings.HasPrefix(ref, Fails):
		return 3
	case strings.HasPrefix(ref, Lies):
		return 0
	}
	s.Put(ref, value)
	return 0
}

// File is the name of the file that a value is stored in.
func File(ref string) string { return fmt.Sprintf("stored-%x", ref) }
