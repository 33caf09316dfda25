package reconciler

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
)

// Looking is an op that only looks, before anything is stopped: a plan that looks at more than was agreed to does nothing else than that.
type Looking interface{ LooksOnly() }

// agreed says that the present plan does what the saved one says, to what was seen then. It may prove more, or of others, and wait for
// longer: who happens to be connected at a look is no part of what somebody agrees to.
func (s *Saved) agreed(now *Plan) bool {
	matter := now.touched()
	maps.Copy(matter, s.touched)
	return s.Spec == now.Spec && s.Deployment == now.Deployment &&
		len(Differences(of(matter, s.Seen), of(matter, now.Seen))) == 0 && len(s.otherSteps(now)) == 0
}

// otherSteps says which steps bind the saved plan and are not alike in the present one.
func (s *Saved) otherSteps(now *Plan) (all []string) {
	var then []Round
	if err := json.Unmarshal(s.rounds, &then); err != nil {
		return []string{err.Error()}
	}
	fresh := now.Steps()
	loose := map[string]bool{}
	for _, step := range fresh {
		loose[step.ID] = step.loose()
	}
	old := map[string][]byte{}
	for _, r := range then {
		for _, step := range r.Steps {
			old[step.ID] = step.binding(loose[step.ID])
		}
	}
	for _, step := range fresh {
		was, known := old[step.ID]
		delete(old, step.ID)
		switch {
		case !known && !loose[step.ID]:
			all = append(all, fmt.Sprintf("%s: %q is to be done now (%s)", step.Op.Target(), step.Op.Key(), step.Phase))
		case known && !bytes.Equal(was, step.binding(loose[step.ID])):
			all = append(all, fmt.Sprintf("%s: %q is to be done in another way, or in another place (%s)", step.Op.Target(), step.Op.Key(), step.Phase))
		}
	}
	for _, r := range then {
		for _, step := range r.Steps {
			if _, gone := old[step.ID]; gone {
				all = append(all, fmt.Sprintf("%s: %q was to be done, and is not any more (%s)", step.Op.Target(), step.Op.Key(), step.Phase))
			}
		}
	}
	return all
}

// loose says of a step that it changes nothing, and that what it is about may be otherwise at each look: which of several hosts it proves.
func (s Step) loose() bool {
	_, looks := s.Op.(Looking)
	_, several := s.Op.(Narrower)
	return looks || several && s.Phase == Verify
}

// binding is a step as far as it binds: without what it proves on the way back, and of a loose one without its arguments.
func (s Step) binding(loose bool) []byte {
	if s.Phase == Verify && s.Back.kind == way {
		s.Back = Nothing()
	}
	if loose {
		s.Op = savedOp{OpData{Kind: s.Op.Kind(), Target: s.Op.Target()}, s.Op.Key()}
	}
	text, err := json.Marshal(s)
	if err != nil {
		return nil // of what was written it cannot
	}
	return text
}
