package cli

import (
	"errors"
	"fmt"
	"path/filepath"

	"meshrotate/reconciler"
	"meshrotate/reconciler/session"
	"meshrotate/state/durable"
)

// maxSaved bounds a saved plan. Two secrets on ten thousand hosts, the most that a document may name, make 2 MiB.
const maxSaved = 64 << 20

// readSaved reads the saved plan, nil when none is named. The plan knows for which kinds it was made, and of which document. That document
// is believed where it lies here, as the usual one does, or is held against a trusted side: else whoever can put a folder here, with a plan
// and a document in it, would say what is contacted, and what state tells whether the plan is true.
func readSaved(args []string, s *source, held bool) (*reconciler.Saved, error) {
	if len(args) == 0 {
		return nil, nil
	}
	data, err := readPlanFile(args[0])
	if err != nil {
		return nil, err
	}
	saved, err := reconciler.ReadSaved(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", args[0], err)
	}
	if len(s.only) > 0 {
		return nil, reconciler.Hinted(errors.New("--only does not go with a saved plan: it is applied as it is, or not at all"), "leave --only out")
	}
	s.only = saved.Only
	if s.file == "" && s.repo == "" && filepath.IsLocal(saved.Source) {
		if !held && filepath.Dir(saved.Source) != "." {
			return nil, reconciler.Hinted(fmt.Errorf("%s was made of %s, and a file does not say what to believe; nothing was contacted", args[0], saved.Source),
				"if that is the document, name it: -f "+quoted(saved.Source)+"; or name the trusted side, with --base REF or --operator FILE")
		}
		s.file = saved.Source // what stands there must be what was planned for
	}
	return saved, nil
}

func readPlanFile(name string) ([]byte, error) {
	data, err := durable.ReadFile(name, maxSaved)
	if err != nil {
		hint := "save one with `meshrotate plan --out plan.json`; the document is named with -f"
		if errors.Is(err, durable.ErrUnfit) {
			hint = "a saved plan is a file of at most 64 MiB; save one with `meshrotate plan --out plan.json`"
		}
		return nil, reconciler.Hinted(fmt.Errorf("the saved plan: %w", err), hint)
	}
	return data, nil
}

// asTrusted refuses to believe more than the plan did, or another document: nobody has reviewed whom that contacts.
func (n *opened) asTrusted(saved *reconciler.Saved) error {
	if saved == nil {
		return nil
	}
	if saved.Trust == "" || n.Document.Origin.Trust != "" {
		return saved.Agrees(n.Document, n.Rotations, session.Untrusted(n.Document))
	}
	return reconciler.Hinted(fmt.Errorf("the plan took contacts and credentials from %s, and this apply would believe the document; nothing was contacted or changed", saved.Trust),
		"name the trusted side again: --base REF or --operator FILE")
}
