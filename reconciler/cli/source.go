package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
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
	only                  []string
	host                  string
	parallel              int
}

// documentFlags adds the flags that name the document.
func (p *program) documentFlags(cmd *cobra.Command) *source {
	s := &source{}
	f := cmd.Flags()
	f.StringVarP(&s.file, "file", "f", "", "the document (default "+defaultFile+" here)")
	f.StringVar(&s.repo, "repo", "", "a Git repository (a folder, https:// or ssh) to take the document from")
	f.StringVar(&s.ref, "ref", "", "the revision in --repo: a branch, a tag or a commit (default HEAD)")
	f.StringVar(&s.path, "path", "", "the document's path in --repo (default "+defaultFile+")")
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
	f.IntVar(&s.parallel, "parallel", 0, "how many hosts to speak to at once (default: the document's policy)")
	_ = cmd.RegisterFlagCompletionFunc("only", cobra.FixedCompletions(p.kindNames(), cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("host", func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		d, err := p.load(cmd.Context(), s)
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

// load reads the document. It contacts no host; only a remote repository is contacted.
func (p *program) load(ctx context.Context, s *source) (*specs.Deployment, error) {
	if s.repo == "" && (s.ref != "" || s.path != "") {
		return nil, reconciler.Hinted(errors.New("--ref and --path go with --repo"), "add --repo . for the repository here")
	}
	if s.repo != "" && s.file != "" {
		return nil, reconciler.Hinted(errors.New("-f and --repo exclude each other"), "inside a repository the document is named with --path")
	}
	l := specs.Loader{Schema: p.app.Schema}
	for _, k := range p.app.Kinds {
		l.Sections = append(l.Sections, k.Section)
	}
	if s.repo != "" {
		return p.loadRevision(ctx, l, s)
	}
	d, err := l.LoadFile(orDefault(s.file))
	if errors.Is(err, fs.ErrNotExist) && s.file == "" {
		return nil, reconciler.Hinted(fmt.Errorf("there is no %s here", defaultFile),
			"name the document with -f FILE, or take it from Git with --repo; `meshrotate lab` makes one to try")
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, reconciler.Hinted(err, "-f names the YAML document")
	}
	return d, err
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
	for _, f := range [][2]string{{"-f", s.file}, {"--repo", s.repo}, {"--ref", s.ref}, {"--path", s.path}} {
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
