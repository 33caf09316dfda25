package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"meshrotate/reconciler/secret"
)

// Entry is what is at a path, in one of its versions.
type Entry struct {
	// Version is the store's number of it, 0 where it has none.
	Version int
	Created time.Time
	fields  map[string]json.RawMessage
	what    string
	store   string
}

// ErrMissing says that there is nothing at a path, or not in that version.
var ErrMissing = errors.New("nothing is there")

// ErrFaster says that somebody has written since the entry was read.
var ErrFaster = errors.New("somebody has written there meanwhile")

// Missing is an ErrMissing.
type Missing struct {
	*RefusedError
	// Latest is the number of the latest version, of one that was deleted: 0 where there never was one.
	Latest int
}

func (m *Missing) Is(target error) bool { return target == ErrMissing }

// Get reads what is at a path: in that version, or the latest for 0.
func (c *Client) Get(ctx context.Context, path string, version int) (*Entry, error) {
	what := c.c.Mount + "/" + path
	if version > 0 {
		what += ", version " + strconv.Itoa(version)
	}
	e := &Entry{what: what, store: c.c.Name}
	if c.c.KV == 1 {
		a, err := c.ask(ctx, http.MethodGet, what, nil, nil, c.c.Mount, path)
		if err == nil {
			err = c.readable(what, a, c.c.Mount+"/"+path)
		}
		if err == nil && json.Unmarshal(a.Data, &e.fields) != nil {
			err = c.misread(what)
		}
		return e, err
	}
	query := url.Values{}
	if version > 0 {
		query.Set("version", strconv.Itoa(version))
	}
	a, err := c.ask(ctx, http.MethodGet, what, query, nil, c.c.Mount, "data", path)
	if err != nil {
		return nil, err
	}
	var kv struct {
		Data     map[string]json.RawMessage `json:"data"`
		Metadata struct {
			Version   int       `json:"version"`
			Created   time.Time `json:"created_time"`
			Deleted   string    `json:"deletion_time"`
			Destroyed bool      `json:"destroyed"`
		} `json:"metadata"`
	}
	if len(a.Data) > 0 && json.Unmarshal(a.Data, &kv) != nil {
		return nil, c.misread(what)
	}
	if err := c.readable(what, a, c.c.Mount+"/data/"+path); err != nil {
		var m *Missing
		if errors.As(err, &m) && kv.Metadata.Version > 0 {
			m.Latest, m.Why = kv.Metadata.Version, "it was deleted on "+kv.Metadata.Deleted
			if m.Advice = "undelete it, or name another version"; kv.Metadata.Destroyed {
				m.Why, m.Advice = "it was destroyed", "name another version"
			}
		}
		return nil, err
	}
	if kv.Data == nil || kv.Metadata.Version == 0 {
		return nil, c.misread(what)
	}
	if version > 0 && kv.Metadata.Version != version {
		return nil, &RefusedError{Store: c.c.Name, What: what, Why: fmt.Sprintf("its answer is version %d", kv.Metadata.Version), Advice: "see what stands between, a proxy or an agent with a cache"}
	}
	e.Version, e.Created, e.fields = kv.Metadata.Version, kv.Metadata.Created, kv.Data
	return e, nil
}

func (c *Client) misread(what string) error {
	return &RefusedError{Store: c.c.Name, What: what, Why: fmt.Sprintf("its answer is not that of version %d of the KV engine", c.c.KV), Advice: "see what is mounted at " + c.c.Mount + ", and declare kv: 1 or kv: 2"}
}

// readable says why an answer holds nothing to read.
func (c *Client) readable(what string, a answer, policy string) error {
	switch a.status {
	case http.StatusOK:
		return nil
	case http.StatusNotFound:
		return &Missing{RefusedError: &RefusedError{Store: c.c.Name, What: what, Status: a.status, Why: "nothing is there", Advice: "look at the path, the mount and the engine's version (kv: 1 or 2)"}}
	case http.StatusForbidden:
		return &RefusedError{Store: c.c.Name, What: what, Status: a.status, Why: "it is not allowed (403)",
			Advice: fmt.Sprintf("see that the credential is valid still, and that its policy has: path %q { capabilities = [\"read\"] }", policy)}
	}
	return c.refused(what, a, "look at the path, the mount and the engine's version (kv: 1 or 2)")
}

// Field is one text among those of an entry; ok is false where there is none of that name.
func (e *Entry) Field(key string) (v secret.Value, ok bool, err error) {
	raw, ok := e.fields[key]
	if !ok {
		return v, false, nil
	}
	var text *string
	if json.Unmarshal(raw, &text) != nil || text == nil {
		return v, true, &RefusedError{Store: e.store, What: e.what, Why: fmt.Sprintf("%q is not a text", key), Advice: "store it as a text"}
	}
	return secret.NewString(*text), true, nil
}

// Value is one text of an entry, which must be there.
func (e *Entry) Value(key string) (secret.Value, error) {
	v, ok, err := e.Field(key)
	if err == nil && !ok {
		// The names that it has are not shown: where somebody has mixed them up, one is the value.
		err = &RefusedError{Store: e.store, What: e.what, Why: fmt.Sprintf("it has no %q", key), Advice: fmt.Sprintf("name the key that has the value: it is one of %d there, which `vault kv get` shows", len(e.fields))}
	}
	return v, err
}

// About is what the store says of an entry, for people.
func (e *Entry) About() string {
	if e.Version == 0 {
		return ""
	}
	return fmt.Sprintf("version %d of %s", e.Version, e.Created.UTC().Format("2006-01-02 15:04 MST"))
}

// Put writes a new version on top of what was read, nil for nothing: what else is at the path stays. It fails with ErrFaster where
// somebody has written since, and returns the number of the new version. Latest is that of the latest one, also of one that was deleted.
func (c *Client) Put(ctx context.Context, path string, on *Entry, latest int, set map[string]secret.Value) (int, error) {
	what, fields := "write "+c.c.Mount+"/"+path, map[string]json.RawMessage{}
	if on != nil {
		for name, raw := range on.fields {
			fields[name] = raw
		}
	}
	for name, v := range set {
		text, err := json.Marshal(string(v.Expose()))
		if err != nil {
			return 0, errors.New("the value cannot be written as JSON")
		}
		fields[name] = text
	}
	body := map[string]any{"options": map[string]int{"cas": latest}, "data": fields}
	a, err := c.ask(ctx, http.MethodPost, what, nil, body, c.c.Mount, "data", path)
	if err != nil {
		return 0, err
	}
	var made struct {
		Version int `json:"version"`
	}
	switch {
	case a.status == http.StatusBadRequest && slices.ContainsFunc(a.Errors, func(e string) bool { return strings.Contains(e, "check-and-set parameter did not match") }):
		return 0, ErrFaster
	case a.status == http.StatusForbidden:
		return 0, &RefusedError{Store: c.c.Name, What: what, Status: a.status, Why: "it is not allowed (403)",
			Advice: fmt.Sprintf("the policy needs: path %q { capabilities = [\"create\", \"read\", \"update\"] }", c.c.Mount+"/data/"+path)}
	case a.status != http.StatusOK || json.Unmarshal(a.Data, &made) != nil || made.Version == 0:
		return 0, c.refused(what, a, "look at the path, and that the engine is version 2 of KV")
	}
	return made.Version, nil
}
