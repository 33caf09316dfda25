package cli

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"meshrotate/reconciler"
	"meshrotate/reconciler/render"
	"meshrotate/reconciler/session"
	"meshrotate/state/durable"
)

func (p *program) plan() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Look at the deployment and show what apply would do",
		Long: `Look at the hosts and at the Admin API, compare them with the document, and
show what apply would do, why, how long what would be down, and how to get
back. No host is changed, and no lock is taken.

A plan that is saved with --out is applied exactly, or not at all: apply looks
again and refuses when anything that the plan was made from has changed. The
first one that is saved makes the state's salt: on a branch it pushes that.
` + exitCodes,
		Example: `  meshrotate plan                        what would be done
  meshrotate plan --out plan.json        save it, to be reviewed and applied
  meshrotate plan -o markdown            for a pull request
  meshrotate plan --base origin/main     contacts and credentials of main
  meshrotate plan --repo . --ref main    as a Git revision has the document
  meshrotate plan --host relay-07        one host, and what was seen there`,
		Args: noArgs,
	}
	s := p.liveFlags(cmd)
	cmd.Flags().StringVar(&out, "out", "", "save the whole plan as JSON in this file, for apply")
	_ = cmd.MarkFlagFilename("out", "json")
	cmd.RunE = p.run(s, false, func(cmd *cobra.Command, _ []string) error {
		if out != "" {
			if err := checkOut(out); err != nil {
				return fmt.Errorf("%w; no host was contacted", err)
			}
		}
		v, _, err := p.survey(cmd.Context(), s, Need{Bound: out != ""})
		if err != nil {
			return err
		}
		if out != "" {
			if err := save(out, v.Plan); err != nil {
				return err
			}
		}
		r := render.Plan{Plan: v.Plan, Took: v.Took, SavedTo: out, Host: s.host}
		if session.Stuck(v.Plan) == nil {
			r.Next = s.apply(out)
		}
		if err := p.write(r); err != nil {
			return err
		}
		return p.pending(v)
	})
	return cmd
}

// apply is the command that applies a plan: the saved one, or what is planned again.
func (s *source) apply(saved string) string {
	c := "meshrotate apply" + s.flags()
	if saved != "" {
		return c + " " + quoted(saved)
	}
	for _, kind := range s.only {
		c += " --only " + quoted(kind)
	}
	return c
}

// checkOut says why a plan cannot be saved under this name, or nil. A device or a pipe is not replaced by a file; who wants
// the plan there has -o json.
func checkOut(path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(path); err == nil {
			return fmt.Errorf("save the plan: %s is a link to nothing", path)
		}
		if dir, err := os.Stat(filepath.Dir(path)); err != nil || !dir.IsDir() {
			return fmt.Errorf("save the plan: there is no folder %s", filepath.Dir(path))
		}
		return takesFiles(filepath.Dir(path))
	}
	switch {
	case err != nil:
		return fmt.Errorf("save the plan: %w", err)
	case info.IsDir():
		return fmt.Errorf("save the plan: %s is a folder", path)
	case !info.Mode().IsRegular():
		return reconciler.Hinted(fmt.Errorf("save the plan: %s is not a regular file", path),
			"name a file; `meshrotate plan -o json` writes the plan to standard output")
	case info.Size() > 0 && !holdsPlan(path):
		return reconciler.Hinted(fmt.Errorf("save the plan: %s is there, and is no saved plan: it is not overwritten", path),
			"name another file, or remove this one")
	}
	return takesFiles(filepath.Dir(followed(path)))
}

// takesFiles says why the plan cannot be written in a folder: the file is made there beside the one that it replaces.
func takesFiles(dir string) error {
	f, err := os.CreateTemp(dir, ".meshrotate-*")
	if err != nil {
		return reconciler.Hinted(fmt.Errorf("save the plan: %s takes no file: %w", dir, err), "name a file in a folder where you may write")
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// followed is where a link leads: it stays one. /dev/stdout is such, and who has one wants the plan where it leads.
func followed(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	return path
}

// holdsPlan says that a file begins as a saved plan does. Nothing else is overwritten by one, the document least of all.
func holdsPlan(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	head := make([]byte, 256)
	n, _ := io.ReadFull(f, head) // a short file is a short file
	return bytes.Contains(head[:n], []byte(`"meshrotate.plan/`))
}

// save writes the plan as JSON, for the owner alone: it holds no value, but it is a map of the deployment.
func save(path string, plan *reconciler.Plan) error {
	data, err := render.Marshal(render.Plan{Plan: plan})
	if err == nil {
		err = checkOut(path) // it may have changed meanwhile
	}
	if err != nil {
		return err
	}
	if err := durable.Replace(followed(path), data); err != nil {
		return fmt.Errorf("save the plan: %w", err)
	}
	return nil
}

// pending is the end of a verb that only looks.
func (p *program) pending(v *session.View) error {
	err := p.stuck(v.Plan)
	if err == nil && v.Refused == nil && !v.Plan.Empty() {
		return &Exit{Code: ExitPending}
	}
	return idle(v, err)
}

// idle is the end where nothing can be done: what is down stays so, and apply would end as with this.
func idle(v *session.View, err error) error {
	down := v.Plan.AllDown()
	if v.Refused != nil {
		down, err = v.Plan.Untouched(), cmp.Or(err, v.Refused)
	}
	if len(down) > 0 && err == nil {
		err = reconciler.Hinted(errors.New("nothing is to be done about what is down"), "the report says what brings it back")
	}
	return stillDown(down, err)
}
