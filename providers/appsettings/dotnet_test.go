package appsettings

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"meshrotate/reconciler/secret"
)

// testdata/dotnet.jsonl holds inputs and what Microsoft.Extensions.Configuration 10.0.14 made of them. A layer is a file,
// as text or Base64, or an environment; a string may be an object that says how to repeat its parts. "flat" is every key
// that .NET lists, sections among them with null.
type dotnetCase struct {
	ID, Name string
	Layers   []struct {
		Text              *repeated
		Base64            []byte
		Missing, Required bool
		Env               [][2]string
		Prefix            string
	}
	Want struct {
		Refused             bool
		Line                *int
		Flat                [][2]*repeated
		RelayAPIKey         *answer `json:"relay_api_key"`
		SQLConnectionString *answer `json:"sql_connection_string"`
	}
}

type answer struct {
	Value *repeated
	Layer int
}

type repeated string

func (r *repeated) UnmarshalJSON(b []byte) error {
	if b[0] == '"' {
		return json.Unmarshal(b, (*string)(r))
	}
	var long struct{ Parts []json.RawMessage }
	if err := json.Unmarshal(b, &long); err != nil {
		return err
	}
	for _, part := range long.Parts {
		var s string
		if json.Unmarshal(part, &s) == nil {
			*r += repeated(s)
			continue
		}
		var times struct{ Repeat [2]json.RawMessage }
		var n int
		if err := errors.Join(json.Unmarshal(part, &times), json.Unmarshal(times.Repeat[0], &s), json.Unmarshal(times.Repeat[1], &n)); err != nil {
			return err
		}
		*r += repeated(strings.Repeat(s, n))
	}
	return nil
}

func (c *dotnetCase) layers() []Layer {
	var layers []Layer
	process := map[string]string{} // one environment, however many providers read it
	for _, in := range c.Layers {
		l := Layer{Name: "layer", Missing: in.Missing, Required: in.Required, Prefix: in.Prefix}
		switch {
		case in.Env != nil:
			l.Env = process
			for _, v := range in.Env {
				process[v[0]] = v[1]
			}
		case in.Text != nil:
			l.Data = []byte(*in.Text)
		case !in.Missing:
			l.Data = append([]byte{}, in.Base64...)
		}
		layers = append(layers, l)
	}
	return layers
}

func dotnetCases(t testing.TB) []dotnetCase {
	t.Helper()
	f, err := os.Open("testdata/dotnet.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var cases []dotnetCase
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var c dotnetCase
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatalf("line %d: %v", len(cases)+1, err)
		}
		cases = append(cases, c)
	}
	if lines.Err() != nil || len(cases) != 520 {
		t.Fatalf("%d cases, want 520: %v", len(cases), lines.Err())
	}
	return cases
}

func TestReadsAsDotnet(t *testing.T) {
	for _, c := range dotnetCases(t) {
		t.Run(c.ID+"-"+c.Name, func(t *testing.T) {
			layers := c.layers()
			_, _, err := Effective(layers, "Relay:ApiKey")
			if c.Want.Refused {
				var refused *RefusedError
				if err == nil {
					t.Fatal("read, but .NET refuses it")
				}
				if c.Want.Line != nil && (!errors.As(err, &refused) || refused.Line != *c.Want.Line+1) {
					t.Errorf("%v, but .NET says line %d", err, *c.Want.Line+1)
				}
				return
			}
			if err != nil {
				t.Fatalf("refused, but .NET reads it: %v", err)
			}
			compareAnswer(t, layers, "Relay:ApiKey", c.Want.RelayAPIKey)
			compareAnswer(t, layers, "IdentityMesh:SqlConnectionString", c.Want.SQLConnectionString)
			compareFlat(t, layers, c.Want.Flat)
		})
	}
}

func compareAnswer(t *testing.T, layers []Layer, key string, want *answer) {
	t.Helper()
	s, at, err := Effective(layers, key)
	switch {
	case err != nil:
		t.Errorf("%s: %v", key, err)
	case want == nil:
		if s.Found || at != -1 {
			t.Errorf("%s: found in layer %d, .NET does not find it", key, at)
		}
	case !s.Found || at != want.Layer || s.Null != (want.Value == nil):
		t.Errorf("%s: %+v in layer %d, .NET finds it in %d", key, s, at, want.Layer)
	case want.Value != nil && string(s.Value.Expose()) != string(*want.Value):
		t.Errorf("%s: %q, .NET reads %q", key, s.Value.Expose(), *want.Value)
	}
}

// compareFlat compares all keys of all layers.
func compareFlat(t *testing.T, layers []Layer, want [][2]*repeated) {
	t.Helper()
	keys := map[string]bool{}
	for _, l := range layers {
		for key := range keysOf(t, l) {
			keys[key] = true
		}
	}
	for _, pair := range want {
		key := string(*pair[0])
		if !keys[fold(key)] {
			t.Errorf(".NET lists %q, we do not", key)
		}
		delete(keys, fold(key))
		s, _, err := Effective(layers, key)
		if err != nil {
			t.Fatal(err)
		}
		if has := s.Found && !s.Null; has != (pair[1] != nil) || has && string(s.Value.Expose()) != string(*pair[1]) {
			t.Errorf("%q: %q, unlike .NET", key, s.Value.Expose())
		}
	}
	for key := range keys {
		t.Errorf("we list %q, .NET does not", key)
	}
}

// keysOf is every key and section of a layer, folded.
func keysOf(t *testing.T, l Layer) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	for name, value := range l.Env {
		for _, m := range meanings(name, value) {
			key, ok := cutFolded(m.key, strings.ReplaceAll(l.Prefix, "__", ":"))
			for ok {
				all[fold(key)] = true
				i := strings.LastIndexByte(key, ':')
				key, ok = key[:max(i, 0)], i >= 0
			}
		}
	}
	if l.Data != nil {
		d, err := read(l.Data)
		if err != nil {
			t.Fatal(err)
		}
		for i := range d.nodes[1:] {
			all[fold(path(d, i+1))] = true
		}
	}
	return all
}

func path(d *document, i int) string {
	n := d.nodes[i]
	if n.parent == 0 {
		return n.name
	}
	return path(d, int(n.parent)) + ":" + n.name
}

// notSettable lists the files that .NET reads a value from, which Set refuses to replace nevertheless.
var notSettable = map[string]string{
	"as-015": "the key holds {}: .NET reads null, but someone meant a section",
	"as-016": "the key holds []: .NET reads an empty text, but someone meant a list",
	"as-327": "as-015, in the second file",
	"as-328": "as-016, in the second file",
}

func TestEditsAsDotnet(t *testing.T) {
	edited, refused := 0, map[string]bool{}
	for _, c := range dotnetCases(t) {
		for _, l := range c.layers() {
			for _, key := range []string{"Relay:ApiKey", "identitymesh:SQLCONNECTIONSTRING"} {
				if s, err := Get(l.Data, key); err != nil || !s.Found {
					if _, err := Set(l.Data, key, secret.NewString("new")); err == nil {
						t.Errorf("%s: set %s, which was not there to be read", c.ID, key)
					}
					continue
				}
				if _, why := notSettable[c.ID]; why && strings.HasPrefix(key, "Relay") {
					if Settable(l.Data, key) != nil {
						refused[c.ID] = true
						continue
					}
				}
				for _, value := range []string{"AAECAwQ+/w==", `a"b\c/d é🔑` + "\x00\t\u2028", ""} {
					checkSet(t, c.ID, l.Data, key, value)
					edited++
				}
			}
		}
	}
	if len(refused) != len(notSettable) || edited < 800 {
		t.Errorf("%d edits, refused %v, want %v", edited, refused, notSettable)
	}
}

// checkSet edits a file and reads it back: the new value, no other byte, no other key.
func checkSet(t testing.TB, name string, file []byte, key, value string) []byte {
	t.Helper()
	after, err := Set(file, key, secret.NewString(value))
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return nil
	}
	s, err := Get(after, key)
	if err != nil || string(s.Value.Expose()) != value {
		t.Errorf("%s: after the edit %q, %v", name, s.Value.Expose(), err)
	}
	before, _ := read(file)
	i, _ := before.find(key)
	n := before.nodes[i]
	head, tail := file[:before.offset(n.from)], file[before.offset(n.to):]
	if !bytes.HasPrefix(after, head) || !bytes.HasSuffix(after, tail) || len(after) < len(head)+len(tail) {
		t.Errorf("%s: other bytes than the value's changed", name)
	}
	return after
}
