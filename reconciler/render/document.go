package render

import (
	"fmt"
	"strings"

	"meshrotate/reconciler"
	"meshrotate/specs"
)

// Document is what a valid document declares, format "meshrotate.document/v1".
type Document struct {
	Format     string `json:"format"`
	Deployment string `json:"deployment"`
	Source     string `json:"source"`
	Commit     string `json:"commit,omitempty"`
	Valid      bool   `json:"valid"`
	Admin      string `json:"admin"`
	Engine     string `json:"engine"`
	Build      string `json:"build,omitempty"`
	Relays     int    `json:"relays"`
	// Secrets are the names and declared versions.
	Secrets []Declared `json:"secrets"`
	// Fleet are what nobody who may has agreed to, and who must: none of it is in force.
	Fleet []reconciler.Finding `json:"fleet,omitempty"`

	relays []string
}

// Declared is one secret of a Document.
type Declared struct {
	Secret  string `json:"secret"`
	Kind    string `json:"kind"`
	Version string `json:"version"`
}

// DocumentOf tells what a document declares.
func DocumentOf(d *specs.Deployment, secrets []Declared, untrusted []reconciler.Finding) Document {
	relays := d.Relays()
	return Document{Format: "meshrotate.document/v1", Deployment: d.Name, Source: d.Origin.File, Commit: d.Origin.Commit, Valid: true,
		Admin: d.Hosts.Admin, Engine: d.EngineHost(), Build: d.Hosts.Build, Relays: len(relays), Secrets: secrets, Fleet: untrusted, relays: relays}
}

func (d Document) value() any { return d }

func (d Document) text(p *page) {
	p.hang(green, "", 4, d.Source+" is valid; nothing was contacted")
	p.blank()
	p.hang(plain, p.title(d.Deployment, d.Commit, ""), 12, "")
	row := func(label, text string) {
		if text != "" {
			p.hang(plain, "  "+label, 12, text)
		}
	}
	row("Admin", d.Admin)
	engine := d.Engine
	if engine == d.Admin {
		engine = "on the Admin host"
	}
	row("Engine", engine)
	row("build", d.Build)
	relays := "none"
	if d.Relays > 0 {
		relays = count(d.Relays, "relay") + ": " + hostList(d.relays)
	}
	row("relays", relays)
	var names []string
	for _, s := range d.Secrets[:min(len(d.Secrets), maxAsDeclared)] {
		names = append(names, s.Secret+" "+s.Version)
	}
	if more := len(d.Secrets) - maxAsDeclared; more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	row("secrets", strings.Join(names, ", "))
	if len(d.Fleet) > 0 {
		p.blank()
		p.line("not in force")
		p.findings(d.Fleet)
	}
}

func (d Document) markdown(m *mark) {
	m.add("**%s**: %s is valid\n\n", md(d.Deployment), code(d.Source))
	m.head("secret", "version")
	for _, s := range d.Secrets {
		if !m.row(md(clip(s.Secret, 80)), code(s.Version)) {
			return
		}
	}
	if len(d.Fleet) > 0 {
		m.fold("not in force", clip(inset(func(p *page) { p.findings(d.Fleet) }), 40_000))
	}
}
