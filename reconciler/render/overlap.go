package render

import (
	"strings"
	"time"

	"meshrotate/reconciler"
)

// overlap is an old value that is accepted beside the new one, of one secret.
type overlap struct {
	title string
	reconciler.Overlap
}

// overlaps are those of all secrets.
func (s Status) overlaps() []overlap {
	var all []overlap
	for _, c := range s.Secrets {
		for _, o := range c.Overlaps {
			all = append(all, overlap{c.Title, o})
		}
	}
	return all
}

// passed is how much of it is over at a time, of a hundred; 100 from the day on that it may end.
func (o overlap) passed(now time.Time) int {
	whole := o.Ends.Unix() - o.Began.Unix() // a time.Duration ends after 292 years
	if !now.Before(o.Ends) || whole <= 0 {
		return 100
	}
	return max(0, int(100*(now.Unix()-o.Began.Unix())/whole))
}

// says is when it began, when it may end, and what keeps it.
func (o overlap) says(now time.Time) string {
	text := o.Old + " beside what replaces it"
	if !o.Began.IsZero() {
		text += ", since " + date(o.Began)
	}
	if now.Before(o.Ends) {
		text += "; may end on " + date(o.Ends) + ", " + days(o.Ends, now)
	} else {
		text += "; may end since " + date(o.Ends)
	}
	return text + suffix("; ", o.Held)
}

// bar draws how much is over. Of one whose beginning is not known nothing is drawn.
func (o overlap) bar(now time.Time) string {
	if o.Began.IsZero() {
		return ""
	}
	n := o.passed(now) * narrowBar / 100
	return strings.Repeat("█", n) + strings.Repeat("░", narrowBar-n) + "  "
}

func (s Status) writeOverlaps(p *page) {
	all := s.overlaps()
	for i, o := range all {
		label, style := "", plain
		if i == 0 {
			p.blank()
			label = "overlap"
		}
		if !s.Made.Before(o.Ends) {
			style = yellow
		}
		p.hang(style, label, 9, o.bar(s.Made)+o.title+": "+o.says(s.Made))
	}
}

// htmlOverlap is a bar of the overlaps.
type htmlOverlap struct {
	Title, Says string
	Passed      int // of a hundred; meaningless where the beginning is not Known
	Known       bool
}

func (s Status) bars() []htmlOverlap {
	var all []htmlOverlap
	for _, o := range s.overlaps() {
		all = append(all, htmlOverlap{Title: Safe(o.title), Says: Safe(o.says(s.Made)), Passed: o.passed(s.Made), Known: !o.Began.IsZero()})
	}
	return all
}
