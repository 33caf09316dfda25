package cli

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"meshrotate/reconciler/render"
)

// development is the version of a build that has none.
const development = "development"

// version is the JSON of `version`.
type version struct {
	Version string `json:"version"`
	// Commit is the one that the program was built from, "" when the build does not say.
	Commit string `json:"commit,omitempty"`
	Go     string `json:"go"`
	OS     string `json:"os"`
	Arch   string `json:"arch"`
}

func (p *program) version() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the program's version",
		Example: "  meshrotate version\n  meshrotate version -o json",
		Args:    noArgs,
		RunE: func(*cobra.Command, []string) error {
			v := version{Version: cmp.Or(p.app.Version, development), Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
			if info, ok := debug.ReadBuildInfo(); ok {
				for _, s := range info.Settings {
					if s.Key == "vcs.revision" {
						v.Commit = s.Value
					}
				}
			}
			return p.write(render.Note{Text: fmt.Sprintf("meshrotate %s (%s, %s/%s)", v.Version, v.Go, v.OS, v.Arch), Value: v})
		},
	}
}
