package render

import "meshrotate/reconciler"

// Lessons are what kinds of finding mean: one in full, or all of them in a line each. Format "meshrotate.lessons/v1".
type Lessons struct {
	Format  string              `json:"format"`
	Lessons []reconciler.Lesson `json:"lessons"`
}

// LessonsOf tells of these.
func LessonsOf(all []reconciler.Lesson) Lessons {
	return Lessons{Format: "meshrotate.lessons/v1", Lessons: all}
}

func (l Lessons) value() any { return l }

func (l Lessons) text(p *page) {
	if len(l.Lessons) == 1 {
		one := l.Lessons[0]
		p.hang(bold, "", 4, string(one.ID))
		for _, part := range [][2]string{{"means", one.Means}, {"why", one.Matters}, {"do", one.Do}, {"example", one.Example + "  [" + string(one.ID) + "]"}} {
			p.hang(plain, "  "+part[0], 12, part[1])
		}
		return
	}
	rows := [][]string{{"finding", "means"}}
	for _, one := range l.Lessons {
		rows = append(rows, []string{string(one.ID), one.Means})
	}
	p.table(0, rows)
	p.blank()
	p.line("`meshrotate explain FINDING` says why it matters, and what to do.")
}

func (l Lessons) markdown(m *mark) {
	m.head("finding", "means", "why it matters", "what to do")
	for _, one := range l.Lessons {
		if !m.row(code(string(one.ID)), md(one.Means), md(one.Matters), md(one.Do)) {
			return
		}
	}
}
