package render

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"meshrotate/reconciler"
	"meshrotate/state"
)

// maxWhich is how many secrets of a group are named, maxUnlike how many when they are unlike most of it.
const maxWhich, maxUnlike = 6, 12

// together folds secrets of one group that stand alike into one row: there may be a thousand. A secret of a group that stands
// alone keeps its title, and says which it is.
func together(changes []reconciler.Change) []reconciler.Change {
	return rowsOf(changes, func(c reconciler.Change) (string, reconciler.Status) { return c.Group, c.Status }, one)
}

// one is what is said of all of them.
func one(row []reconciler.Change) reconciler.Change {
	c := row[0]
	if c.Group == "" {
		return c
	}
	c.Lines = nil
	if c.Status != reconciler.AsDeclared {
		c.Lines = []reconciler.Line{{Phase: "which", Text: which(row)}}
	}
	if len(row) == 1 {
		c.Lines = append(c.Lines, row[0].Lines...)
		return c
	}
	c.Title = fmt.Sprintf("%d %s", len(row), c.Group)
	c.Findings, c.Outages, c.Left, c.Down = nil, nil, nil, nil
	said := map[reconciler.Line]int{}
	for _, o := range row {
		for _, l := range o.Lines {
			said[l]++
		}
	}
	var undo []string
	for _, o := range row {
		if o.Before != c.Before {
			c.Before = "various"
		}
		if o.Secret.Version != c.Secret.Version {
			c.Secret.Version = "various"
		}
		for _, l := range o.Lines {
			n := said[l]
			if n == 0 {
				continue // it was told
			}
			said[l] = 0
			if n < len(row) {
				l.Text = fmt.Sprintf("%d: %s", n, l.Text)
			}
			c.Lines = append(c.Lines, l)
		}
		c.Findings = appendFindings(c.Findings, o.Findings)
		if o.Undo != "" && !slices.Contains(undo, o.Undo) {
			undo = append(undo, o.Undo)
		}
		if c.Due.IsZero() || !o.Due.IsZero() && o.Due.Before(c.Due) {
			c.Due = o.Due
		}
		c.Outages, c.Left, c.Down = append(c.Outages, o.Outages...), append(c.Left, o.Left...), append(c.Down, o.Down...)
	}
	slices.SortStableFunc(c.Lines, func(a, b reconciler.Line) int { return cmp.Compare(phaseOrder(a.Phase), phaseOrder(b.Phase)) })
	c.Reason, c.Undo = tallied(row, func(o reconciler.Change) string { return o.Reason }), strings.Join(undo, "; or ")
	return c
}

// phaseOrder puts the lines of several secrets into the order of one's: "which", then by round and phase.
func phaseOrder(name string) int {
	var phase reconciler.Phase
	word, round, _ := strings.Cut(name, " ")
	if phase.UnmarshalText([]byte(word)) != nil {
		return -1
	}
	return 10*len(round) + int(phase)
}

// which names secrets of a group, with what differs: first those that have the fewest like them.
func which(row []reconciler.Change) string {
	if len(row) == 1 {
		return own(row[0])
	}
	all := make([]member, len(row))
	for i, c := range row {
		all[i] = member{Change: c, says: [...]string{versions(c.Before, c.Secret.Version), c.Reason, fmt.Sprint(c.Lines)}}
	}
	most := liken(all)
	slices.SortStableFunc(all, func(a, b member) int { return slices.Compare(a.like[:], b.like[:]) })
	var names []string
	for n, m := range all {
		version, reason := m.like[0] < most[0], m.like[1] < most[1]
		if n >= maxWhich && !(n < maxUnlike && (version || reason)) {
			break
		}
		name := own(m.Change) + " " + m.says[0]
		if reason && !version {
			name += " (" + m.Reason + ")"
		}
		names = append(names, name)
	}
	text, rest := strings.Join(names, ", "), all[len(names):]
	if len(rest) == 0 {
		return text
	}
	text += fmt.Sprintf(" and %d more", len(rest))
	unlike := 0
	for _, m := range rest {
		if m.like[0] < most[0] || m.like[1] < most[1] {
			unlike++
		}
	}
	if unlike > 0 {
		text += fmt.Sprintf(", %d of them unlike most", unlike)
	}
	return text + ": -o json has all"
}

func own(c reconciler.Change) string {
	_, name, _ := strings.Cut(c.Secret.Name, ":")
	return name
}

// member is a secret of a group: what is said of it, its versions, its reason and what is done; and of how many the same is said.
type member struct {
	reconciler.Change
	says [3]string
	like [3]int
}

// liken counts them. Most is how many are alike at the most.
func liken(all []member) (most [3]int) {
	for i := range most {
		count := map[string]int{}
		for _, m := range all {
			count[m.says[i]]++
		}
		for j, m := range all {
			all[j].like[i] = count[m.says[i]]
			most[i] = max(most[i], all[j].like[i])
		}
	}
	return most
}

// tallied is what all say, or how many say what.
func tallied[T any](row []T, say func(T) string) string {
	var order []string
	count := map[string]int{}
	for _, o := range row {
		text := say(o)
		if count[text] == 0 {
			order = append(order, text)
		}
		count[text]++
	}
	if len(order) == 1 {
		return order[0]
	}
	slices.SortStableFunc(order, func(a, b string) int { return count[b] - count[a] })
	var parts []string
	for _, text := range order[:min(len(order), 3)] {
		parts = append(parts, fmt.Sprintf("%d: %s", count[text], text))
	}
	if more := len(order) - 3; more > 0 {
		parts = append(parts, "…")
	}
	return strings.Join(parts, "; ")
}

// statuses folds the rows of a table of where secrets stand.
func statuses(all []SecretStatus) []SecretStatus {
	return rowsOf(all, func(c SecretStatus) (string, reconciler.Status) { return c.Group, c.Status }, func(row []SecretStatus) SecretStatus {
		c := row[0]
		if len(row) == 1 {
			return c
		}
		c.Title, c.Findings, c.Left = fmt.Sprintf("%d %s", len(row), c.Group), nil, nil
		c.Reason = tallied(row, func(o SecretStatus) string { return o.Reason })
		for _, o := range row {
			if o.Live != c.Live {
				c.Live = "various"
			}
			if o.Declared != c.Declared {
				c.Declared = "various"
			}
			if c.LastRotated.IsZero() || !o.LastRotated.IsZero() && o.LastRotated.Before(c.LastRotated) {
				c.LastRotated = o.LastRotated
			}
			if c.Due.IsZero() || !o.Due.IsZero() && o.Due.Before(c.Due) {
				c.Due = o.Due
			}
			c.Overdue = c.Overdue || o.Overdue
			c.Left = append(c.Left, o.Left...)
			c.Findings = appendFindings(c.Findings, o.Findings)
		}
		slices.Sort(c.Left)
		c.Left = slices.Compact(c.Left)
		return c
	})
}

// endingRows folds the rows of a table of how secrets ended. What one has proven, another has not.
func endingRows(all []Rotated) []Rotated {
	type end struct {
		ending       state.Outcome
		waits, proof string
	}
	return rowsOf(all, func(s Rotated) (string, end) { return s.Group, end{s.Ending, s.Waits, s.Proof} }, func(row []Rotated) Rotated {
		s := row[0]
		if len(row) == 1 {
			return s
		}
		s.Title, s.Outages = fmt.Sprintf("%d %s", len(row), s.Group), nil
		s.Why = tallied(row, func(o Rotated) string { return o.Why })
		for _, o := range row {
			if o.Before != s.Before {
				s.Before = "various"
			}
			if o.After != s.After {
				s.After = "various"
			}
			s.short = s.short || o.short
			s.Outages = append(s.Outages, o.Outages...)
		}
		return s
	})
}

// appendFindings adds those that were not said yet.
func appendFindings(all, more []reconciler.Finding) []reconciler.Finding {
	for _, f := range more {
		same := func(o reconciler.Finding) bool {
			return o.Severity == f.Severity && o.Code == f.Code && o.Text == f.Text && o.Hint == f.Hint && slices.Equal(o.Hosts, f.Hosts)
		}
		if !slices.ContainsFunc(all, same) {
			all = append(all, f)
		}
	}
	return all
}

// rowsOf are the rows of a table of secrets, those of one group that stand alike as one.
func rowsOf[T any, K comparable](all []T, key func(T) (group string, alike K), fold func([]T) T) []T {
	type id struct {
		group string
		alike K
	}
	index := map[id]int{}
	var rows [][]T
	for _, x := range all {
		group, alike := key(x)
		i, known := index[id{group, alike}]
		if group == "" || !known {
			index[id{group, alike}] = len(rows)
			rows = append(rows, []T{x})
			continue
		}
		rows[i] = append(rows[i], x)
	}
	folded := make([]T, len(rows))
	for i, row := range rows {
		folded[i] = fold(row)
	}
	return folded
}
