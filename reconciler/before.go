package reconciler

// before knows what the steps of a round wait for. It is asked about each of ten thousand hosts, so it never goes through all steps
// for one of them.
type before struct {
	steps   []Step
	index   map[string]int // by id
	prior   [][]int        // what a step waits for itself
	met     []int          // by step: the question in which it was met last
	asked   int
	wasDown map[string]bool // ids of starts of services that a stop of this round found down
	vital   bool            // one of the steps is
}

func newBefore(steps []Step, prefix string) *before {
	b := &before{steps: steps, wasDown: map[string]bool{}}
	for _, s := range steps {
		b.vital = b.vital || s.Vital
		if s.WasDown && s.Back.Op != nil {
			b.wasDown[prefix+StepID(s.Phase, s.Back.Op)] = true
		}
	}
	return b
}

// learn makes what the questions need; most runs ask none.
func (b *before) learn() {
	if b.index != nil {
		return
	}
	b.index, b.met = make(map[string]int, len(b.steps)), make([]int, len(b.steps))
	for i, s := range b.steps {
		b.index[s.ID] = i
	}
	_, b.prior = neighbours(len(b.steps), links(b.steps))
}

// any says whether this is so of a step that the given one waits for, directly or not.
func (b *before) any(s Step, is func(Step) bool) bool {
	b.learn()
	first, known := b.index[s.ID]
	if !known {
		return false
	}
	b.asked++
	b.met[first] = b.asked
	for next := []int{first}; len(next) > 0; {
		last := next[len(next)-1]
		next = next[:len(next)-1]
		for _, i := range b.prior[last] {
			if b.met[i] == b.asked {
				continue
			}
			if is(b.steps[i]) {
				return true
			}
			b.met[i] = b.asked
			next = append(next, i)
		}
	}
	return false
}

// waitFor are the steps that wait for one of these themselves.
func (b *before) waitFor(ids []string) map[string]bool {
	waits := map[string]bool{}
	if len(ids) == 0 {
		return waits
	}
	b.learn()
	of := map[int]bool{}
	for _, id := range ids {
		if i, known := b.index[id]; known {
			of[i] = true
		}
	}
	for i, prior := range b.prior {
		for _, j := range prior {
			waits[b.steps[i].ID] = waits[b.steps[i].ID] || of[j]
		}
	}
	return waits
}
