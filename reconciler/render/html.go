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
	Phases      []htmlPhase
	Hosts       []htmlHost
	Legend      []htmlHost
}

// htmlPhase is a bar of the timeline: how many targets work in a phase, and what they do.
type htmlPhase struct {
	Name    string
	Targets int
	Does    []string
}

// htmlHost is a cell of the fleet.
type htmlHost struct{ Mark, Class, Name, Title string }

// writeHTML writes one page without scripts and without anything from elsewhere. A plan has its timeline and its fleet;
// every report has its text.
func writeHTML(w io.Writer, r Report) error {
	var b bytes.Buffer
	r.text(&page{w: &b, width: 100})
	h := htmlPage{Title: "meshrotate", Text: b.String()}
	if p, ok := r.(Plan); ok {
		h.Title = Safe(p.Deployment)
		h.Phases, h.Hosts, h.Legend = phases(p.Steps), cells(p.Plan), legend()
	}
	t, err := template.New("page").Parse(pageHTML)
	if err != nil {
		return err
	}
	return t.Execute(w, h)
}

// maxDoes is how many kinds of work a phase of the timeline lists.
const maxDoes = 8

// phases is the timeline. The three phases of the switch are three bars.
func phases(steps []reconciler.Step) []htmlPhase {
	var all []htmlPhase
	targets := map[reconciler.Target]bool{}
	var last reconciler.Phase = -1
	for _, s := range steps {
		if s.Phase != last {
			last = s.Phase
			clear(targets)
			name := s.Phase.String()
			if extra := map[reconciler.Phase]string{reconciler.Stop: "stop", reconciler.Edit: "replace", reconciler.Start: "start"}[s.Phase]; extra != "" {
				name += ": " + extra
			}
			all = append(all, htmlPhase{Name: name})
		}
		p := &all[len(all)-1]
		targets[s.Op.Target()] = true
		p.Targets = len(targets)
		if key := Safe(s.Op.Key()); len(p.Does) < maxDoes && !slices.Contains(p.Does, key) {
			p.Does = append(p.Does, key)
		}
	}
	return all
}

// cells is the fleet, one cell for each host in the plan's order.
func cells(p *reconciler.Plan) []htmlHost {
	does := map[string][]string{}
	for _, s := range p.Steps {
		t := s.Op.Target()
		does[t.Name] = append(does[t.Name], s.Phase.String()+": "+Safe(s.Op.Key()))
	}
	var all []htmlHost
	for _, h := range p.Seen {
		if h.Target.Kind != reconciler.HostTarget {
			continue
		}
		c := htmlHost{Mark: "=", Class: "same", Name: Safe(h.Target.Name)}
		title := []string{c.Name + ": " + string(h.Reach)}
		switch steps := does[h.Target.Name]; {
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
		{Mark: "?", Class: "lost", Name: "not looked at"}}
}
