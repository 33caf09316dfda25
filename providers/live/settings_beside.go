package live

import (
	"bytes"
	"context"
	"strings"

	"meshrotate/providers/appsettings"
	"meshrotate/providers/site"
	"meshrotate/reconciler/secret"
)

// besideStrings are the connection strings with a password that the file, and the others that the service reads, and its command line have
// under other keys than the one that is asked for. What is no such string, or is in a file that .NET refuses, is none; what is in a
// variable stays on the host.
func (q *questions) besideStrings(ctx context.Context, r site.Setting, content, asked secret.Value) (all []site.BesideSeen, err error) {
	form := connectionString{}
	password, _, err := form.read(asked, q.host.name)
	if err != nil {
		return nil, nil
	}
	files := []settingsFile{{r.Path, content.Expose()}}
	var given []givenText
	env, err := q.result(envKey(r))
	if err != nil {
		return nil, err
	}
	if j := q.judged[env.Environment]; j != nil {
		given = givenTo(string(j.env.CommandLine.Expose()))
		for _, path := range j.paths {
			if path != j.script {
				files = append(files, settingsFile{path, contentOf(j.files[strings.ToLower(path)])})
			}
		}
	}
	add := func(where, key string, text secret.Value) error {
		if strings.EqualFold(key, r.Setting) || !bytes.ContainsRune(text.Expose(), '=') {
			return nil
		}
		part, says, err := form.read(text, q.host.name)
		c, ok := says.(site.Connection)
		if err != nil || !ok || c.User == "" || c.Server == "" || part.Len() == 0 {
			return nil
		}
		version, err := q.host.site.values.match(ctx, r.Secret, part)
		if err == nil {
			all = append(all, site.BesideSeen{Key: cutKey(key), Path: where, Connection: c, Version: version, Alike: part.Equal(password)})
		}
		return err
	}
	for _, f := range files {
		texts, err := appsettings.Texts(f.content)
		if err != nil {
			continue
		}
		for _, t := range texts {
			if err := add(f.path, t.Key, t.Value); err != nil {
				return nil, err
			}
		}
	}
	for _, t := range given {
		if err := add("the command line of service "+r.Service, t.key, t.value); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// givenText is a value on a command line, under the key that stands before it.
type givenText struct {
	key   string
	value secret.Value
}

// givenTo are those of a command line, in either way in which .NET takes them: in one word with the key, or in the next.
func givenTo(line string) (all []givenText) {
	_, words := appsettings.Program(line)
	for i, w := range words {
		key, value, joined := strings.Cut(w, "=")
		if i > 0 && !strings.HasPrefix(w, "-") && !strings.HasPrefix(w, "/") && (strings.HasPrefix(words[i-1], "-") || strings.HasPrefix(words[i-1], "/")) {
			all = append(all, givenText{strings.TrimLeft(words[i-1], "-/"), secret.NewString(w)})
		}
		if joined {
			all = append(all, givenText{strings.TrimLeft(key, "-/"), secret.NewString(value)})
		}
	}
	return all
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
