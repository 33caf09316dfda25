package reconciler

import (
	"fmt"
	"slices"
	"strings"
)

// undoOf says what can be taken back, and until when, and what cannot. What the rotation itself says is added.
func undoOf(steps []*Step, more string) string {
	var files int
	var said []string
	for _, s := range steps {
		if s.swaps() != "" && s.Back.kind == way {
			files++
		}
		if s.Back.kind == never {
			said = appendNew(said, "no way back: "+s.Back.Why)
		}
	}
	if files > 0 {
		text, until := "the file as it was", "it is proven"
		if files > 1 {
			text = fmt.Sprintf("the %d files as they were", files)
		}
		if len(said) > 0 { // what has begun that goes forward, with its files
			until, said = "there is "+said[0], said[1:]
		}
		said = slices.Insert(said, 0, text+", until "+until)
	}
	if more != "" {
		said = append(said, more)
	}
	return strings.Join(said, "; ")
}
