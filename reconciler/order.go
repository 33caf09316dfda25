package reconciler

import (
	"cmp"
	"container/heap"
	"slices"
)

// block is a target's consecutive steps: they travel as one batch.
type block struct {
	target Target
	level  int
	steps  []Step
	deps   []int // blocks that must have ended before
}

// link says that one step comes before another; both are places in a list of steps.
type link struct{ before, after int }

// links are what the steps' After and Before say, among these steps.
func links(steps []Step) []link {
	index := make(map[string]int, len(steps))
	for i, s := range steps {
		index[s.ID] = i
	}
	var all []link
	for i, s := range steps {
		for _, id := range s.After {
			if j, ok := index[id]; ok && j != i {
				all = append(all, link{j, i})
			}
		}
		for _, id := range s.Before {
			if j, ok := index[id]; ok && j != i {
				all = append(all, link{i, j})
			}
		}
	}
	return all
}

// arrange cuts steps of one phase into blocks, so that every link holds and nothing else is waited for but a target's own
// work. Where the links leave it open, steps keep the order in which they are given. The blocks come in an order in which
// they could be run one by one. When the links contradict each other it returns a circle of them.
func arrange(steps []Step, links []link) (blocks []block, circle []link) {
	next, prior := neighbours(len(steps), links)
	order := sorted(next, prior)
	if len(order) < len(steps) {
		return nil, findCircle(len(steps), order, prior)
	}
	level := levels(steps, order, next, prior)
	type place struct {
		t     Target
		level int
	}
	at := map[place]int{}
	of := make([]int, len(steps))
	var many []int // steps by block
	for _, i := range order {
		p := place{steps[i].Op.Target(), level[i]}
		b, ok := at[p]
		if !ok {
			b = len(blocks)
			at[p] = b
			blocks, many = append(blocks, block{target: p.t, level: p.level}), append(many, 0)
		}
		of[i] = b
		many[b]++
	}
	for i := 0; i < len(order); {
		b, first, n := of[order[i]], order[i], 0
		for ; i < len(order) && order[i] == first+n && of[order[i]] == b; i++ {
			n++
		}
		if n == many[b] { // as they stand in a plan: ten thousand hosts' are not copied
			blocks[b].steps = steps[first : first+n : first+n]
			continue
		}
		blocks[b].steps = slices.Grow(blocks[b].steps, many[b]-len(blocks[b].steps))
		blocks[b].steps = append(blocks[b].steps, steps[first:first+n]...)
	}
	connect(blocks, of, links)
	return inOrder(blocks), nil
}

// circleIn is a circle in the links of n steps, nil when these can be arranged.
func circleIn(n int, links []link) []link {
	next, prior := neighbours(n, links)
	if order := sorted(next, prior); len(order) < n {
		return findCircle(n, order, prior)
	}
	return nil
}

func neighbours(n int, links []link) (next, prior [][]int) {
	next = lists(n, links, func(l link) (int, int) { return l.before, l.after })
	return next, lists(n, links, func(l link) (int, int) { return l.after, l.before })
}

// lists gives each of n the others that its links name, in their order. All share one room.
func lists(n int, links []link, ends func(link) (of, other int)) [][]int {
	many := make([]int, n)
	for _, l := range links {
		of, _ := ends(l)
		many[of]++
	}
	all, room := make([][]int, n), make([]int, len(links))
	for i, m := range many {
		all[i], room = room[:0:m], room[m:]
	}
	for _, l := range links {
		of, other := ends(l)
		all[of] = append(all[of], other)
	}
	return all
}

// sorted is a topological order that prefers the given one. It is short where there is a circle.
func sorted(next, prior [][]int) []int {
	waits := make([]int, len(prior))
	ready := &places{}
	for i, p := range prior {
		if waits[i] = len(p); waits[i] == 0 {
			*ready = append(*ready, i) // ascending: a heap already
		}
	}
	order := make([]int, 0, len(prior))
	for ready.Len() > 0 {
		i := heap.Pop(ready).(int)
		order = append(order, i)
		for _, j := range next[i] {
			if waits[j]--; waits[j] == 0 {
				heap.Push(ready, j)
			}
		}
	}
	return order
}

// places is a heap of the places of steps.
type places []int

func (p places) Len() int           { return len(p) }
func (p places) Less(i, j int) bool { return p[i] < p[j] }
func (p places) Swap(i, j int)      { p[i], p[j] = p[j], p[i] }
func (p *places) Push(x any)        { *p = append(*p, x.(int)) }
func (p *places) Pop() any {
	old := *p
	last := old[len(old)-1]
	*p = old[:len(old)-1]
	return last
}

// levels count the times that the work must wait for another target: first as early as can be, then as late as can be
// without making anything later, so that nothing is stopped long before it must.
func levels(steps []Step, order []int, next, prior [][]int) []int {
	level := make([]int, len(steps))
	far := func(i, j int) int {
		if steps[i].Op.Target() == steps[j].Op.Target() {
			return 0
		}
		return 1
	}
	for _, i := range order {
		for _, j := range prior[i] {
			level[i] = max(level[i], level[j]+far(i, j))
		}
	}
	for _, i := range slices.Backward(order) {
		if len(next[i]) == 0 {
			continue
		}
		latest := level[next[i][0]] - far(i, next[i][0])
		for _, j := range next[i] {
			latest = min(latest, level[j]-far(i, j))
		}
		level[i] = max(level[i], latest)
	}
	return level
}

// connect notes which blocks wait for which: by a link, and because they are the same target's.
func connect(blocks []block, of []int, links []link) {
	type pair struct{ from, to int }
	known := map[pair]bool{}
	add := func(from, to int) {
		if from != to && !known[pair{from, to}] {
			known[pair{from, to}] = true
			blocks[to].deps = append(blocks[to].deps, from)
		}
	}
	for _, l := range links {
		add(of[l.before], of[l.after])
	}
	last := map[Target]int{}
	for _, b := range byLevel(blocks) {
		if prev, ok := last[blocks[b].target]; ok {
			add(prev, b)
		}
		last[blocks[b].target] = b
	}
}

func byLevel(blocks []block) []int {
	all := make([]int, len(blocks))
	for i := range all {
		all[i] = i
	}
	slices.SortStableFunc(all, func(a, b int) int {
		at, bt := blocks[a].target, blocks[b].target
		return cmp.Or(cmp.Compare(blocks[a].level, blocks[b].level), cmp.Compare(at.Kind, bt.Kind), cmp.Compare(at.Name, bt.Name))
	})
	return all
}

// inOrder sorts blocks by level and target: the same plan has the same bytes.
func inOrder(blocks []block) []block {
	order := byLevel(blocks)
	place := make([]int, len(blocks))
	for to, from := range order {
		place[from] = to
	}
	done := make([]block, len(blocks))
	for to, from := range order {
		b := blocks[from]
		for i, d := range b.deps {
			b.deps[i] = place[d]
		}
		slices.Sort(b.deps)
		done[to] = b
	}
	return done
}

// findCircle walks back from a step that could not be sorted until it meets itself.
func findCircle(n int, order []int, prior [][]int) []link {
	done := make([]bool, n)
	for _, i := range order {
		done[i] = true
	}
	seen := map[int]int{}
	var path []int
	for i := slices.Index(done, false); ; {
		if from, met := seen[i]; met {
			path = append(path[from:], i)
			break
		}
		seen[i] = len(path)
		path = append(path, i)
		for _, j := range prior[i] {
			if !done[j] {
				i = j
				break
			}
		}
	}
	var circle []link
	for k := len(path) - 1; k > 0; k-- {
		circle = append(circle, link{path[k], path[k-1]})
	}
	return circle
}
