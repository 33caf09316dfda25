package render

import (
	"bytes"
	_ "embed"
	"html/template"
	"io"
	"slices"
	"strings"

	"meshrotate/reconciler"
)

//go:embed page.html
var pageHTML string

// htmlPage is what page.html shows.
type htmlPage struct {
	Title, Text string
	// Summary is what happens, About what it was made of.
	Summary, About string
	Secrets        []htmlSecret
	Why            string // what that column of the secrets tells
	Phases         []htmlPhase
	Hosts          []htmlHost
	Legend         []htmlHost
	Overlaps       []htmlOverlap
}

// htmlSecret is a row of the table of secrets.
type htmlSecret struct{ Mark, Class, Title, Version, Why, Outage string }

// htmlPhase is a bar of the timeline: how many targets work in a phase, and what they do.
type htmlPhase struct {
	Name    string
	Targets int
	Does    []htmlWork
}

// htmlWork is what a phase does, and on how many targets.
type htmlWork struct {
	What  string
	Times int
}

// htmlHost is a cell of the fleet.
type htmlHost struct{ Mark, Class, Name, Title string }

// writeHTML writes one page without scripts and without anything from elsewhere. A plan has its timeline and its fleet;
// an outcome its endings; a status its overlaps;
// every report has its text.
func writeHTML(w io.Writer, r Report) error {
	var b bytes.Buffer
	r.text(&page{w: &b, width: 100})
	h := htmlPage{Title: "meshrotate", Text: b.String()}
	switch r := r.(type) {
	case Plan:
		h.Title, h.Why = Safe(r.Deployment), "why"
		h.Summary, h.About, h.Secrets = Safe(r.summary()), Safe(r.origin()), r.secrets()
		h.Phases, h.Hosts, h.Legend = phases(r.Rounds), cells(r.Plan), legend()
	case Status:
		h.Title, h.Overlaps = Safe(r.Deployment), r.bars()
	case Outcome:
		h.Title, h.Why = Safe(r.Deployment), "how it ended"
		h.Summary, h.About, h.Secrets = Safe(r.Verdict()), Safe(r.origin()), r.secrets()
	}
	t, err := template.New("page").Parse(pageHTML)
	if err != nil {
		return err
	}
	return t.Execute(w, h)
}

// maxDoes is how many kinds of work a phase of the timeline lists.
const maxDoes = 8

// phases is the timeline, round by round.
func phases(rounds []reconciler.Round) []htmlPhase {
	var all []htmlPhase
	for i, r := range rounds {
		targets := map[reconciler.Target]bool{}
		var last reconciler.Phase = -1
		for _, s := range r.Steps {
			if s.Phase != last {
				last = s.Phase
				clear(targets)
				all = append(all, htmlPhase{Name: reconciler.PhaseName(rounds, i, s.Phase)})
			}
			p := &all[len(all)-1]
			targets[s.Op.Target()] = true
			p.Targets = len(targets)
			p.add(Safe(short(s.Op.Key())))
		}
	}
	return all
}

// add counts a work, as far as there is room for its kind.
func (p *htmlPhase) add(what string) {
	i := slices.IndexFunc(p.Does, func(w htmlWork) bool { return w.What == what })
	if i < 0 && len(p.Does) < maxDoes {
		i = len(p.Does)
		p.Does = append(p.Does, htmlWork{What: what})
	}
	if i >= 0 {
		p.Does[i].Times++
	}
}

// short is what an op does, with the last two parts of its path: the product has several files of one name.
func short(key string) string {
	words := strings.Split(key, `\`)
	if len(words) < 3 {
		return key
	}
	first, _, _ := strings.Cut(words[0], "%") // a path begins with the name of a folder, or with a drive
	if i := strings.LastIndexByte(first, ' '); i >= 0 {
		first = first[:i]
	}
	return first + " " + strings.Join(words[len(words)-2:], `\`)
}

// origin is which plan this is.
func (r Plan) origin() string {
	s := "plan " + digest(r.Digest)
	if r.Commit != "" {
		s += " at " + commit(r.Commit)
	}
	return s + " · looked at " + looked(r.Seen) + took(r.Took) + " · good until " + moment(r.GoodUntil)
}

// secrets are the rows of the table.
func (r Plan) secrets() []htmlSecret {
	var all []htmlSecret
	class := map[reconciler.Status]string{reconciler.Rotate: "change", reconciler.AsDeclared: "same"}
	for _, c := range together(r.Changes) {
		row := htmlSecret{Mark: marks[c.Status][0], Class: class[c.Status], Title: Safe(c.Title),
			Version: Safe(versions(c.Before, c.Secret.Version)), Why: Safe(verdict(c, r.Made)), Outage: Safe(predicted(c.Outages))}
		if row.Class == "" {
			row.Class = "lost"
		}
		all = append(all, row)
	}
	return all
}

// cells is the fleet, one cell for each host in the plan's order.
func cells(p *reconciler.Plan) []htmlHost {
	does := map[reconciler.Target][]string{}
	for i, r := range p.Rounds {
		for _, s := range r.Steps {
			t := s.Op.Target()
			does[t] = append(does[t], reconciler.PhaseName(p.Rounds, i, s.Phase)+": "+Safe(s.Op.Key()))
		}
	}
	var all []htmlHost
	for _, h := range p.Seen {
		if h.Target.Kind != reconciler.HostTarget {
			continue
		}
		c := htmlHost{Mark: "=", Class: "same", Name: Safe(h.Target.Name)}
		title := []string{c.Name + ": " + string(h.Reach)}
		switch steps := does[h.Target]; {
		case h.Reach != reconciler.Reached:
			c.Mark, c.Class = "?", "lost"
		case len(steps) > 0:
			c.Mark, c.Class = "~", "change"
			title = append(title, steps...)
		}
		c.Title = strings.Join(title, "\n")
		all = append(all, c)
	}
	return all
}

func legend() []htmlHost {
	return []htmlHost{{Mark: "=", Class: "same", Name: "nothing to do"}, {Mark: "~", Class: "change", Name: "work"},
		{Mark: "?", Class: "lost", Name: "could not be looked at"}}
}
