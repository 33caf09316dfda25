// Package tool is the program that the cases of winhosttest let a host start: it takes secrets as `set REF VALUE`,
// `set REF --stdin` or `set REF --value-file PATH`, and lists their references. A reference that begins with a behaviour's name is treated so.
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
	Names  = "names"  // stores the name of the file that it was given
)

// Store is where values go, by reference, and where files are.
type Store interface {
	// Open is the content of a file that nobody but administrators may read; an error for any other.
	Open(file string) ([]byte, error)
	Put(ref string, value []byte)
	List() []string
}

// Run is the program. Done ends it early.
func Run(args []string, in io.Reader, out io.Writer, s Store, done <-chan struct{}) uint32 {
	switch {
	case len(args) == 1 && args[0] == "--help":
		fmt.Fprintln(out, "usage:\n  set REF VALUE\n  set REF --stdin    the value on standard input\n  set REF --value-file PATH\n  list")
		return 0
	case len(args) == 1 && args[0] == "list":
		for _, ref := range s.List() {
			fmt.Fprintf(out, "%s  2026-11-26T02:11:07Z\r\n", ref)
		}
		return 0
	case len(args) == 4 && args[0] == "set" && args[2] == "--value-file":
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
	var err error
	switch args[2] {
	case "--stdin":
		value, err = io.ReadAll(in)
	case "--value-file":
		value, err = s.Open(args[3])
	}
	if err != nil {
		return 4
	}
	switch {
	case strings.HasPrefix(ref, Echoes):
		fmt.Fprintf(out, "%s = %s\n", ref, value)
	case strings.HasPrefix(ref, Fails):
		return 3
	case strings.HasPrefix(ref, Lies):
		return 0
	case strings.HasPrefix(ref, Names):
		value = []byte(args[3])
	}
	s.Put(ref, value)
	return 0
}

// File is the name of the file that a value is stored in.
func File(ref string) string { return fmt.Sprintf("stored-%x", ref) }
