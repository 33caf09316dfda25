package labcli_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"meshrotate/providers/lab"
	"meshrotate/providers/values"
	"meshrotate/reconciler/secret"
)

// searchSecrets searches everything that was said, and every file of the folder that is not meant to hold a value.
func (w *world) searchSecrets() {
	ctx := context.Background()
	lookup := func(name string) (string, bool) {
		for _, e := range w.env {
			if n, v, _ := strings.Cut(e, "="); n == name {
				return v, true
			}
		}
		return "", false
	}
	seal, err := values.SealFrom(nil, values.Config{LookupEnv: lookup, Deployment: lab.Name})
	must(w.t, err)
	keep := values.NewKeep(w.store(), seal)
	canaries := map[string]string{}
	for _, name := range []string{"IM_LAB_PASSWORD", values.DefaultIdentity} {
		canaries[name], _ = lookup(name)
	}
	if password, ok := lookup("IM_LAB_PFX_PASSWORD"); ok {
		canaries["the password of the PFX"] = password
	}
	canaries["Admin's connection string"] = "User ID=im_app"
	for _, name := range []string{"relaykey", "license"} {
		versions, err := keep.Versions(ctx, name)
		must(w.t, err)
		for _, v := range versions {
			value, err := keep.Get(ctx, secret.Ref{Name: name, Version: v})
			must(w.t, err)
			for i, line := range strings.Fields(string(value.Expose())) {
				if len(line) > 30 {
					canaries[fmt.Sprint(name, " ", v, ", line ", i)] = line
				}
			}
		}
	}
	if len(canaries) < 6 {
		w.t.Errorf("%d secrets to search for: too few to mean anything", len(canaries))
	}
	texts := map[string]string{"the output": w.said.String()}
	must(w.t, filepath.WalkDir(w.dir, func(path string, d fs.DirEntry, err error) error {
		if d != nil && d.Name() == "licenses" {
			return fs.SkipDir
		}
		if err != nil || d.IsDir() || d.Name() == "env" {
			return err
		}
		text, err := os.ReadFile(path)
		texts[d.Name()] = string(text)
		return err
	}))
	for what, value := range canaries {
		for where, text := range texts {
			for _, form := range []string{value, base64.StdEncoding.EncodeToString([]byte(value))} {
				if value == "" || strings.Contains(text, form) {
					w.t.Errorf("%s is in %s", what, where)
				}
			}
		}
	}
}
