package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"meshrotate/reconciler"
	"meshrotate/reconciler/render"
	"meshrotate/reconciler/session"
	"meshrotate/specs"
)

func (p *program) lesson() *cobra.Command {
	return &cobra.Command{
		Use:   "explain [FINDING]",
		Short: "Say what a finding means, and what to do",
		Long: `Say what a finding of a plan means, why it matters, and what to do about it. It
stands in brackets at the end of the line: [clock-skew]. Without one, list all.
Nothing is read or contacted.

A finding that is known and accepted is silenced in the document, with a reason
and a date after which it is back. One that refuses cannot be silenced:

  policy:
    silence:
      - {finding: clock-skew, host: relay-07.hq.contoso.example,
         why: NTP is being moved, until: "2026-12-31"}

Exit codes: 0 explained · 1 there is no such finding`,
		Example: `  meshrotate explain
  meshrotate explain clock-skew
  meshrotate explain -o markdown > findings.md`,
		Args: cobra.MaximumNArgs(1),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return findingNames(p.app.lessons()), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			all := p.app.lessons()
			if len(args) == 1 {
				name := strings.Trim(args[0], "[]")
				if all = slices.DeleteFunc(all, func(l reconciler.Lesson) bool { return !strings.EqualFold(string(l.ID), name) }); len(all) == 0 {
					return noFinding(name, findingNames(p.app.lessons()))
				}
			}
			return p.write(render.LessonsOf(all))
		},
	}
}

func noFinding(name string, names []string) error {
	hint := "`meshrotate explain` lists them"
	if near := specs.Nearest(name, names); near != "" {
		hint = "did you mean `meshrotate explain " + near + "`?"
	}
	return reconciler.Hinted(fmt.Errorf("there is no finding %q", name), hint)
}

// lessons are all that there are, by name.
func (a App) lessons() []reconciler.Lesson {
	all := slices.Concat(reconciler.Lessons(), session.Lessons(), a.Lessons)
	for _, k := range a.Kinds {
		all = append(all, k.Lessons...)
	}
	slices.SortFunc(all, func(a, b reconciler.Lesson) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return all
}

func findingNames(all []reconciler.Lesson) []string {
	var names []string
	for _, l := range all {
		names = append(names, string(l.ID))
	}
	return names
}
