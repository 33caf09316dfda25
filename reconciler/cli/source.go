package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"meshrotate/reconciler"
	"meshrotate/specs"
)

// defaultFile is what a verb without -f reads.
const defaultFile = "meshrotate.yaml"

// source is where a verb takes its document from, and how much of it.
type source struct {
	file, repo, ref, path string
	base, operator        string // the trusted side
	assumed               bool   // the base is the clone's own
	only                  []string
	host                  string
	parallel              int
	text                  []byte // instead of what the file has; nil is the file
	// remembers is the document that says where what is remembered is, however the verb ends; nil where nobody knows, or nobody has
	// agreed to it.
	remembers func() *specs.Deployment
}

// documentFlags adds the flags that name the document.
func (p *program) documentFlags(cmd *cobra.Command) *source {
	s := &source{}
	f := cmd.Flags()
	f.StringVarP(&s.file, "file", "f", "", "the document (default "+defaultFile+" here)")
	f.StringVar(&s.repo, "repo", "", "a Git repository (a folder, https:// or ssh) to take the document from")
	f.StringVar(&s.ref, "ref", "", "the revision in --repo: a branch, a tag or a commit (default HEAD)")
	f.StringVar(&s.path, "path", "", "the document's path in --repo (default "+defaultFile+")")
	f.StringVar(&s.base, "base", "", "the revision whose contacts, credentials, programs and state are agreed to: the target branch")
	f.StringVar(&s.operator, "operator", "", "a file outside the repository that says what is allowed (default "+operatorFile+")")
	_ = cmd.MarkFlagFilename("operator", "yaml", "yml")
	_ = cmd.MarkFlagFilename("file", "yaml", "yml")
	_ = cmd.MarkFlagDirname("repo")
	return s
}

// liveFlags adds the flags of verbs that look at hosts.
func (p *program) liveFlags(cmd *cobra.Command) *source {
	s := p.documentFlags(cmd)
	f := cmd.Flags()
	f.StringSliceVar(&s.only, "only", nil, "only these kinds of secret: "+strings.Join(p.kindNames(), ", "))
	f.StringVar(&s.host, "host", "", "show only what concerns this host, and what was seen there")
	f.IntVar(&s.parallel, "parallel", 0, "the most hosts to speak to at once, but for the switch, where it is all (default: the document's policy)")
	_ = cmd.RegisterFlagCompletionFunc("only", cobra.FixedCompletions(p.kindNames(), cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("host", func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		d, err := p.written(cmd.Context(), p.loader(), s)
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		return d.AllHosts(), cobra.ShellCompDirectiveNoFileComp
	})
	return s
}

func (p *program) kindNames() []string {
	var names []string
	for _, k := range p.app.Kinds {
		names = append(names, k.Name)
	}
	return names
}

// oneKind is a kind for an example.
func (p *program) oneKind() string {
	if names := p.kindNames(); len(names) > 0 {
		return names[0]
	}
	return "KIND"
}

func pad(s string, n int) string { return s + strings.Repeat(" ", max(2, n-len(s))) }

// load reads the document, for verbs that need no plan to say what was not agreed to.
func (p *program) load(ctx context.Context, s *source) (*specs.Deployment, error) {
	d, err := p.inForce(ctx, s)
	if err == nil && d.Origin.Unagreed {
		return nil, reconciler.Hinted(fmt.Errorf("%s: %s; nothing was contacted", d.Origin.File, d.Origin.Doubts[0].Text), d.Origin.Doubts[0].Hint)
	}
	return d, err
}

// written reads the document as it is written. It contacts no host; only a remote repository is contacted.
func (p *program) written(ctx context.Context, l specs.Loader, s *source) (*specs.Deployment, error) {
	if s.repo == "" && (s.ref != "" || s.path != "") {
		return nil, reconciler.Hinted(errors.New("--ref and --path go with --repo"), "add --repo . for the repository here")
	}
	if s.repo != "" && s.file != "" {
		return nil, reconciler.Hinted(errors.New("-f and --repo exclude each other"), "inside a repository the document is named with --path")
	}
	if s.repo != "" {
		d, err := p.loadRevision(ctx, l, p.revision(s, s.ref))
		if err != nil {
			return nil, err
		}
		return d, p.silences(d)
	}
	var d *specs.Deployment
	var err error
	if s.text != nil {
		d, err = l.LoadAs(orDefault(s.file), s.text)
	} else {
		d, err = l.LoadFile(orDefault(s.file))
	}
	if errors.Is(err, fs.ErrNotExist) && s.file == "" {
		return nil, reconciler.Hinted(fmt.Errorf("there is no %s here", defaultFile),
			"name the document with -f FILE, or take it from Git with --repo; `meshrotate lab` makes one to try")
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, reconciler.Hinted(err, "-f names the YAML document")
	}
	if err != nil {
		return nil, err
	}
	return d, p.silences(d)
}

// silences refuses a silence of what there is not: a name that is misspelt would silence nothing.
func (p *program) silences(d *specs.Deployment) error {
	names := findingNames(p.app.lessons())
	for _, s := range d.Policy.Silence {
		if !slices.Contains(names, s.Finding) {
			err := noFinding(s.Finding, names)
			return reconciler.Hinted(fmt.Errorf("%s: policy.silence: %w", d.Origin.File, err), reconciler.HintOf(err))
		}
	}
	return nil
}

func (p *program) loader() specs.Loader {
	l := specs.Loader{Schema: p.app.Schema}
	for _, k := range p.app.Kinds {
		l.Sections = append(l.Sections, k.Section)
	}
	return l
}

func orDefault(path string) string {
	if path == "" {
		return defaultFile
	}
	return path
}

// flags are the flags that name the same document again, with a space in front.
func (s *source) flags() string {
	var b strings.Builder
	for _, f := range [][2]string{{"-f", s.file}, {"--repo", s.repo}, {"--ref", s.ref}, {"--path", s.path}, {"--base", s.base}, {"--operator", s.operator}} {
		if f[1] != "" {
			b.WriteString(" " + f[0] + " " + quoted(f[1]))
		}
	}
	return b.String()
}

// quoted is an argument as a shell takes it.
func quoted(s string) string {
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !strings.ContainsRune("-_./:@%+=,", r) && !isAlnum(r) }) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

func isAlnum(r rune) bool {
	return r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
}
