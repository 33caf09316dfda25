package live

import (
	"bytes"
	"context"
	"strings"

	"meshrotate/providers/appsettings"
	"meshrotate/providers/site"
	"meshrotate/reconciler/secret"
)

// besideStrings are the connection strings with a password that the file, and the others that the service reads, have under other keys
// than the one that is asked for. What is no such string, or is in a file that .NET refuses, is none.
func (q *questions) besideStrings(ctx context.Context, r site.Setting, content, asked secret.Value) (all []site.BesideSeen, err error) {
	form := connectionString{}
	password, _, err := form.read(asked, q.host.name)
	if err != nil {
		return nil, nil
	}
	files := []settingsFile{{r.Path, content.Expose()}}
	env, err := q.result(envKey(r))
	if err != nil {
		return nil, err
	}
	if j := q.judged[env.Environment]; j != nil {
		for _, path := range j.paths {
			if path != j.script {
				files = append(files, settingsFile{path, contentOf(j.files[strings.ToLower(path)])})
			}
		}
	}
	for _, f := range files {
		texts, err := appsettings.Texts(f.content)
		if err != nil {
			continue
		}
		for _, t := range texts {
			if strings.EqualFold(t.Key, r.Setting) || !bytes.ContainsRune(t.Value.Expose(), '=') {
				continue
			}
			part, says, err := form.read(t.Value, q.host.name)
			c, ok := says.(site.Connection)
			if err != nil || !ok || c.User == "" || c.Server == "" || part.Len() == 0 {
				continue
			}
			version, err := q.host.site.values.match(ctx, r.Secret, part)
			if err != nil {
				return nil, err
			}
			all = append(all, site.BesideSeen{Key: cutKey(t.Key), Path: f.path, Connection: c, Version: version, Alike: part.Equal(password)})
		}
	}
	return all, nil
}

// cutKey is a key of a length that a person reads.
func cutKey(key string) string {
	const most = 200
	if len(key) > most {
		return strings.ToValidUTF8(key[:most], "") + "…"
	}
	return key
}

// settingsFile is a file that a service reads.
type settingsFile struct {
	path    string
	content []byte
}
