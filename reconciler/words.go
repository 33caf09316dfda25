package reconciler

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// tell writes every change's lines from the steps that are really there, after the merge. It passes the steps once, for all
// secrets together.
func (p *Plan) tell() {
	index := map[string]*Change{}
	for i := range p.Changes {
		if c := &p.Changes[i]; c.Status == Rotate {
			index[c.Secret.Name] = c
		}
	}
	shows := map[string][]*Step{}
	for i, r := range p.Rounds {
		for phase := Prepare; phase <= Retire; phase++ {
			steps := r.of(phase)
			blocks, _ := arrange(steps, links(steps))
			name := PhaseName(p.Rounds, i, phase)
			order, own := bySecret(blocks)
			for _, secret := range order {
				if text := sentence(own[secret], phase == Switch); text != "" && index[secret] != nil {
					index[secret].Lines = append(index[secret].Lines, Line{Phase: name, Text: text})
				}
			}
		}
		for j, s := range r.Steps {
			for _, ref := range s.Secrets {
				shows[ref.Name] = append(shows[ref.Name], &r.Steps[j])
			}
		}
	}
	for name, c := range index {
		if c.Proof == "" {
			c.Proof = proofOf(shows[name])
		}
		c.Undo = undoOf(shows[name], c.Undo)
	}
}

// bySecret is for each secret the blocks with the steps that it needs.
func bySecret(blocks []block) (order []string, own map[string][]block) {
	own = map[string][]block{}
	for i, b := range blocks {
		at := map[string]int{} // by secret: the place of this block among its own
		for _, s := range b.steps {
			for _, ref := range s.Secrets {
				j, ok := at[ref.Name]
				if !ok {
					if own[ref.Name] == nil {
						order = append(order, ref.Name)
					}
					j = len(own[ref.Name])
					at[ref.Name] = j
					own[ref.Name] = append(own[ref.Name], block{target: b.target, level: blocks[i].level, steps: make([]Step, 0, len(b.steps))})
				}
				own[ref.Name][j].steps = append(own[ref.Name][j].steps, s)
			}
		}
	}
	return order, own
}

func proofOf(steps []*Step) string {
	var proofs []Step
	for _, s := range steps {
		if s.Proof {
			proofs = append(proofs, *s)
		}
	}
	return sentence([]block{{steps: proofs}}, false)
}

func appendNew(all []string, s string) []string {
	if slices.Contains(all, s) {
		return all
	}
	return append(all, s)
}

// told is one thing that is said of the same people, or the same thing said of all of them.
type told struct {
	level int
	do    []string
	who   crowd
}

// sentence tells the steps of a phase that a secret needs. In the switch the order for each one counts, so it tells by
// whom; elsewhere what is done counts, so it tells by that.
func sentence(blocks []block, byWhom bool) string {
	var all []told
	if byWhom {
		all = byPerson(blocks)
	} else {
		all = byDeed(blocks)
	}
	var b strings.Builder
	for i, t := range all {
		switch {
		case i > 0 && byWhom && t.level > all[i-1].level:
			b.WriteString("; then ")
		case i > 0:
			b.WriteString("; ")
		}
		who, do := t.who.String(), strings.Join(t.do, ", ")
		switch {
		case who == "":
			b.WriteString(do)
		case byWhom:
			b.WriteString(who + t.who.each() + ": " + do)
		default:
			b.WriteString(do + " " + who)
		}
	}
	return b.String()
}

// byDeed gathers all to whom the same is done.
func byDeed(blocks []block) []told {
	index := map[string]int{}
	var all []told
	for _, b := range blocks {
		for _, s := range b.steps {
			w := s.Op.Says()
			if w.Do == "" {
				continue
			}
			i, ok := index[w.Do]
			if !ok {
				i = len(all)
				index[w.Do] = i
				all = append(all, told{do: []string{w.Do}})
			}
			all[i].who.add(w)
		}
	}
	return all
}

// byPerson gathers all who go through the same, at the same time. What one does alone goes on in one sentence.
func byPerson(blocks []block) []told {
	var all []told
	var last []*person
	for level, rest := 0, blocks; len(rest) > 0; level++ {
		n := 0
		for n < len(rest) && rest[n].level == level {
			n++
		}
		now := peopleOf(rest[:n], level)
		rest = rest[n:]
		if len(now) == 1 && len(last) == 1 && now[0].phrase.Who == last[0].phrase.Who {
			last[0].do = append(last[0].do, now[0].do...)
			all[len(all)-1].do = last[0].do
			continue
		}
		if len(now) == 0 {
			continue
		}
		last = now
		index := map[string]int{}
		for _, p := range now {
			key := fmt.Sprint(p.phrase.Noun, p.do)
			i, ok := index[key]
			if !ok {
				i = len(all)
				index[key] = i
				all = append(all, told{level: p.level, do: p.do})
			}
			all[i].who.add(p.phrase)
		}
	}
	return all
}

// person is somebody at one level, and all that is done to it there.
type person struct {
	phrase Phrase
	level  int
	do     []string
}

func peopleOf(blocks []block, level int) []*person {
	var order []*person
	known := map[string]*person{}
	for _, b := range blocks {
		for _, s := range b.steps {
			w := s.Op.Says()
			if w.Do == "" {
				continue
			}
			p := known[w.Who]
			if p == nil {
				p = &person{phrase: w, level: level}
				known[w.Who] = p
				order = append(order, p)
			}
			p.do = append(p.do, cmp.Or(w.Apart, w.Do))
		}
	}
	return order
}

// crowd is whom something is about. Those with a noun are counted, those with a name of their own are named.
type crowd struct {
	named []string
	nouns []string
	count map[string]int
	one   map[string]string
	seen  map[Phrase]bool
}

func (c *crowd) add(w Phrase) {
	switch {
	case w.Who == "":
	case w.Noun == "":
		c.named = appendNew(c.named, w.Who)
	case !c.seen[w]:
		if c.count == nil {
			c.count, c.one, c.seen = map[string]int{}, map[string]string{}, map[Phrase]bool{}
		}
		c.seen[w] = true
		if c.count[w.Noun] == 0 {
			c.nouns = append(c.nouns, w.Noun)
		}
		c.count[w.Noun]++
		c.one[w.Noun] = w.Who
	}
}

// each is said where several do something, each for itself.
func (c *crowd) each() string {
	for _, n := range c.count {
		if n > 1 {
			return ", each"
		}
	}
	return ""
}

func (c *crowd) String() string {
	all := slices.Clone(c.named)
	for _, noun := range c.nouns {
		if n := c.count[noun]; n == 1 {
			all = append(all, c.one[noun])
		} else {
			all = append(all, fmt.Sprintf("%d %ss", n, noun))
		}
	}
	switch len(all) {
	case 0:
		return ""
	case 1:
		return all[0]
	}
	return strings.Join(all[:len(all)-1], ", ") + " and " + all[len(all)-1]
}

// PhaseName is a phase of a round as the lines of a plan call it: "switch", and in the second round "switch 2". A round with nothing
// to do does not count.
func PhaseName(rounds []Round, i int, phase Phase) string {
	n := 1
	for _, r := range rounds[:i] {
		if len(r.Steps) > 0 {
			n++
		}
	}
	if n == 1 {
		return phase.String()
	}
	return fmt.Sprintf("%s %d", phase, n)
}
