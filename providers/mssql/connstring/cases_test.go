package connstring

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode"

	"meshrotate/reconciler/secret"
)

// testdata holds connection strings, edits and appended pairs, and what Microsoft.Data.SqlClient 7.1.0 made of them: its
// builder, its connection (never opened), and the plain DbConnectionStringBuilder of .NET 10. old_connection is
// System.Data.SqlClient 4.9.1. A text may be an object that says how to repeat its parts.
type stringCase struct {
	ID      string
	Lone    bool `json:"lone_surrogate"`
	Input   repeated
	Builder struct {
		OK    bool
		Set   [][2]repeated
		Text  repeated
		Typed map[string]any
	}
	Connection, Old struct {
		OK         bool
		UserID     *repeated `json:"user_id"`
		Password   *repeated
		DataSource repeated `json:"data_source"`
		Database   repeated
		Integrated bool
	}
	Generic struct {
		OK  bool
		Set [][2]repeated
	}
}

type repeated string

func (r *repeated) UnmarshalJSON(b []byte) error {
	if b[0] != '{' {
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

// lines reads a file of JSON lines.
func lines[T any](t testing.TB, name string) []T {
	t.Helper()
	f, err := os.Open("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var cases []T
	in := bufio.NewScanner(z)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		var c T
		if err := json.Unmarshal(in.Bytes(), &c); err != nil {
			t.Fatalf("%s, line %d: %v", name, len(cases)+1, err)
		}
		cases = append(cases, c)
	}
	if in.Err() != nil || len(cases) < 300 {
		t.Fatalf("%s: %d cases, %v", name, len(cases), in.Err())
	}
	return cases
}

func parse(text string) (String, error) { return Parse(secret.NewString(text)) }

func TestEveryString(t *testing.T) {
	var opened, lenient, refused int
	var lone []string
	for _, c := range lines[stringCase](t, "strings.jsonl.gz") {
		text := string(c.Input)
		if c.Lone {
			checkLone(t, c)
			lone = append(lone, c.ID)
			continue
		}
		checkGeneric(t, c)
		d, err := read(text)
		if (err == nil) != c.Builder.OK {
			t.Errorf("%s %.80q: the builder says %v: %v", c.ID, text, c.Builder.OK, err)
			continue
		}
		if c.Builder.OK {
			checkBuilder(t, c, d)
		}
		s, err := parse(text)
		if !c.Builder.OK && c.Connection.OK {
			lenient++ // refused here, for the builder refuses it
		}
		if (err == nil) != (c.Builder.OK && c.Connection.OK) {
			t.Errorf("%s %.80q: the connection says %v: %v", c.ID, text, c.Connection.OK, err)
		}
		if err != nil {
			refused++
			continue
		}
		opened++
		checkOpened(t, c, s)
	}
	t.Logf("%d strings that open; %d that do not, of which %d only a connection takes; %q have half a character and are refused", opened, refused, lenient, lone)
	if opened != 2426 || lenient != 49 || opened+refused+len(lone) != 4662 || len(lone) != 2 {
		t.Error("not as many as there were")
	}
}

// checkLone: half of a UTF-16 pair, which .NET takes and no UTF-8 text can hold, is refused however it may come here. As a
// replacement character, which is what most readers make of it, it would be another password.
func checkLone(t *testing.T, c stringCase) {
	t.Helper()
	text := strings.ReplaceAll(string(c.Input), "\ufffd", "\xed\xa0\x80") // its code, spelled as UTF-8 spells others
	if _, err := parse(text); text == string(c.Input) || !c.Connection.OK || err == nil || !strings.Contains(err.Error(), "not UTF-8") {
		t.Errorf("%s: %v", c.ID, err)
	}
	if s, err := parse("Password=old;Server=s"); err == nil {
		_, err = s.Set(Edit{Password, secret.NewString("\xed\xa0\x80")})
		if err == nil {
			t.Errorf("%s: it is written", c.ID)
		}
	}
}

// checkGeneric compares the grammar alone.
func checkGeneric(t *testing.T, c stringCase) {
	t.Helper()
	pairs, _, err := scan(string(c.Input))
	for _, p := range pairs { // the plain builder's own rule for keys, on top of the grammar
		if !p.absent && strings.ContainsFunc(p.name, unicode.IsControl) {
			err = errors.New("a control character in a keyword")
		}
	}
	if (err == nil) != c.Generic.OK {
		t.Errorf("%s %.80q: .NET says %v: %v", c.ID, c.Input, c.Generic.OK, err)
		return
	}
	set := map[string]string{}
	for _, p := range pairs {
		if set[p.name] = p.value; p.absent {
			delete(set, p.name)
		}
	}
	if len(set) != len(c.Generic.Set) && err == nil {
		t.Errorf("%s %.80q: %d keywords, .NET has %d", c.ID, c.Input, len(set), len(c.Generic.Set))
	}
	for _, want := range c.Generic.Set {
		if got, ok := set[string(want[0])]; !ok || got != string(want[1]) {
			t.Errorf("%s %.80q: %q is %.80q, .NET has %.80q", c.ID, c.Input, want[0], got, want[1])
		}
	}
}

func checkBuilder(t *testing.T, c stringCase, d *content) {
	t.Helper()
	checkSet(t, c.ID, String{reveal: func() *content { return d }}, c.Builder.Set)
	var written strings.Builder
	flawed := false
	for _, kv := range c.Builder.Set {
		flawed = flawed || kv[1] == "" || strings.HasSuffix(string(kv[1]), "\n")
		add(&written, string(kv[0]), string(kv[1]))
	}
	if !flawed && written.String() != string(c.Builder.Text) {
		t.Errorf("%s: written %.200q, .NET writes %.200q", c.ID, written.String(), c.Builder.Text)
	}
}

func checkSet(t *testing.T, id string, s String, want [][2]repeated) {
	t.Helper()
	names := slices.DeleteFunc(s.Keywords(), func(name string) bool { return name == ContextConnection }) // never listed
	if len(names) != len(want) {
		t.Errorf("%s: %q are set, .NET has %q", id, names, want)
		return
	}
	for i, kv := range want {
		if value, _ := s.get(string(kv[0])); names[i] != string(kv[0]) || value != string(kv[1]) {
			t.Errorf("%s: %s is %.80q, .NET has %.80q", id, names[i], value, kv)
		}
	}
}

func checkOpened(t *testing.T, c stringCase, s String) {
	t.Helper()
	for _, by := range []struct {
		who string
		it  struct {
			OK         bool
			UserID     *repeated `json:"user_id"`
			Password   *repeated
			DataSource repeated `json:"data_source"`
			Database   repeated
			Integrated bool
		}
	}{{"Microsoft.Data.SqlClient", c.Connection}, {"System.Data.SqlClient", c.Old}} {
		if !by.it.OK || by.it.UserID == nil {
			continue
		}
		if string(s.Get("uid").Expose()) != string(*by.it.UserID) || string(s.Get("pwd").Expose()) != string(*by.it.Password) ||
			s.Shown("Server") != string(by.it.DataSource) || s.Shown("database") != string(by.it.Database) || s.Integrated() != by.it.Integrated {
			t.Errorf("%s %.80q: %s reads another user, password, server, database or sign-in", c.ID, c.Input, by.who)
		}
	}
}

// library is what the builder says when nothing is set: its keywords in order, and its properties.
type library struct {
	Keys  [][2]string
	Typed map[string]any
}

func readLibrary(t *testing.T) (l library) {
	t.Helper()
	data, err := os.ReadFile("testdata/defaults.json")
	if err == nil {
		err = json.Unmarshal(data, &l)
	}
	if err != nil || len(l.Keys) != len(keywords) || len(l.Typed) < 20 {
		t.Fatalf("%d keywords and %d properties, %v", len(l.Keys), len(l.Typed), err)
	}
	return l
}

// TestEveryProperty compares the builder's typed properties, the defaults among them.
func TestEveryProperty(t *testing.T) {
	l := readLibrary(t)
	compared := 0
	for _, c := range lines[stringCase](t, "strings.jsonl.gz") {
		d, err := read(string(c.Input))
		if err != nil || c.Lone {
			continue // TestEveryString has it
		}
		for i, k := range keywords {
			property := ""
			for name := range l.Typed {
				if strings.EqualFold(name, strings.ReplaceAll(k.name, " ", "")) {
					property = name
				}
			}
			want, differs := c.Builder.Typed[property]
			if !differs {
				want = l.Typed[property]
			}
			switch v := want.(type) {
			case nil, map[string]any: // no such property, or a text of thousands of characters
				continue
			case float64:
				want = int64(v)
			}
			compared++
			if got := d.or(k.name, l.Keys[i][1]); !strings.EqualFold(got, fmt.Sprint(want)) {
				t.Errorf("%s: %s is %.80q, .NET has %.80v", c.ID, property, got, want)
			}
		}
	}
	t.Logf("%d properties", compared)
}

func TestEveryKeywordIsTheLibrarys(t *testing.T) {
	for i, k := range readLibrary(t).Keys {
		if keywords[i].name != k[0] {
			t.Errorf("%s, the library has %s", keywords[i].name, k[0])
		}
	}
	for spelling := range bySpelling {
		if spelling != lower(spelling) {
			t.Errorf("%q is not in lower case", spelling)
		}
	}
}
