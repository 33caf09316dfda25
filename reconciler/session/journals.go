package session

import (
	"fmt"

	"meshrotate/reconciler"
	"meshrotate/state"
)

// journals tells what runs of this machine have recorded on its disk alone. It refuses nothing: whoever plans here reads it with the rest.
func journals(p state.Present) (all []reconciler.Finding) {
	for _, j := range p.Journals {
		text := fmt.Sprintf("what run %s recorded is in %s alone: %s", j.Run, j.Place, j.Says)
		hint := "the next `meshrotate apply` on this machine publishes it; keep the folder until then"
		if j.Published {
			text = fmt.Sprintf("what run %s had recorded on this machine alone, in %s, is published now: %s", j.Run, j.Place, j.Says)
			hint = "`meshrotate history` has it"
		}
		if j.Late {
			text += "; another run has begun since, so it says what became of that run, and nothing else"
		}
		all = append(all, reconciler.Finding{Severity: reconciler.Note, Code: "local-journal", Text: text, Hint: hint})
	}
	return all
}
