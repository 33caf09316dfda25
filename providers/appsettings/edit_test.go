package appsettings

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf16"

	"meshrotate/reconciler/secret"
)

func TestSet(t *testing.T) {
	for _, c := range []struct{ reason, file, key, value, want string }{
		{"only the value's bytes", "{\r\n\t\"Relay\": { // \"ApiKey\": \"x\",\r\n\t\t\"ApiKey\" :\t\"old\" , }, }\r\n", "Relay:ApiKey", "new", "{\r\n\t\"Relay\": { // \"ApiKey\": \"x\",\r\n\t\t\"ApiKey\" :\t\"new\" , }, }\r\n"},
		{"a byte order mark stays", "\xef\xbb\xbf{\"a\":\"\"}", "A", "new", "\xef\xbb\xbf{\"a\":\"new\"}"},
		{"invalid UTF-8 elsewhere stays", "{\"b\xe9\":\"\xe9\",\"a\":\"\xf0\x9f\"}", "a", "new", "{\"b\xe9\":\"\xe9\",\"a\":\"new\"}"},
		{"a number becomes text", `{"a":123}`, "a", "0", `{"a":"0"}`},
		{"null becomes text, even empty text", `{"a":null}`, "a", "", `{"a":""}`},
		{"what already reads so keeps its spelling", `{"a":"\u0041\/"}`, "a", "A/", `{"a":"\u0041\/"}`},
		{"a number that reads so as well", `{"a":12}`, "a", "12", `{"a":12}`},
		{"Base64 is written bare", `{"a":""}`, "a", "+/8=", `{"a":"+/8="}`},
		{"all else is escaped, so that no encoding matters", `{"a":""}`, "a", "\"\\\x00\n\x7fé\u2028🔑", `{"a":"\"\\\u0000\u000a\u007f\u00e9\u2028\ud83d\udd11"}`},
		{"a leaf beside a section of its name", `{"a":{"b":1},"a":"x"}`, "a", "y", `{"a":{"b":1},"a":"y"}`},
		{"half flat, half nested", `{"A:b":{"C":"x"}}`, "a:B:c", "y", `{"A:b":{"C":"y"}}`},
		{"an element of an array", `{"a":["x",["y"]]}`, "a:1:0", "z", `{"a":["x",["z"]]}`},
	} {
		after, err := Set([]byte(c.file), c.key, secret.NewString(c.value))
		if err != nil || string(after) != c.want {
			t.Errorf("%s: %q, %v", c.reason, after, err)
		}
	}
}

func TestSetAll(t *testing.T) {
	file := []byte(`{"IdentityMesh":{"SqlConnectionString":"s"},"Relay":{"ApiKey":"k"},"x":1}`)
	after, err := SetAll(file, []Edit{
		{"Relay:ApiKey", secret.NewString("a longer key")},
		{"IdentityMesh:SqlConnectionString", secret.NewString("Server=t")},
	})
	if want := `{"IdentityMesh":{"SqlConnectionString":"Server=t"},"Relay":{"ApiKey":"a longer key"},"x":1}`; err != nil || string(after) != want {
		t.Errorf("%s, %v", after, err)
	}
	if after, err := SetAll(file, nil); err != nil || !bytes.Equal(after, file) {
		t.Errorf("no edits: %s, %v", after, err)
	}
}

func TestSetRefuses(t *testing.T) {
	v := secret.NewString("new")
	for _, c := range []struct {
		reason, file string
		edits        []Edit
		want         string
	}{
		{"no such key", `{"b":1}`, []Edit{{"a:b", v}}, `"a:b": not in the file, and no section of it`},
		{"no such key in its section", "{\n  \"A\": {\"c\":1}}", []Edit{{"a:b", v}}, `"a:b": not in the file; its place would be in "A", which starts at line 2, column 3`},
		{"a section", `{"a":{"b":1}}`, []Edit{{"a", v}}, `"a": holds an object or an array, not a value, at line 1, column 2`},
		{"an empty array, which .NET reads as an empty text", `{"a":[]}`, []Edit{{"a", v}}, `holds an object or an array`},
		{"a value that a later empty object hides", `{"a":"x","a":{}}`, []Edit{{"a", v}}, `holds an object or an array`},
		{"two edits of one key", `{"a":1}`, []Edit{{"a", v}, {"A", v}}, `"A": two edits of one key`},
		{"no value", `{"a":1}`, []Edit{{"a", secret.Value{}}}, `"a": no value given`},
		{"not text", `{"a":1}`, []Edit{{"a", secret.NewString("\xff")}}, `"a": the new value is not UTF-8 text`},
		{"a duplicate elsewhere", "{\"a\":1,\n \"b\":{\"c\":1},\"B:C\":2}", []Edit{{"a", v}}, `line 2, column 14: duplicate key "b:c", its other value is at line 2, column 11`},
		{"one of two keys is not there", `{"a":1}`, []Edit{{"a", v}, {"b", v}}, `"b": not in the file`},
	} {
		after, err := SetAll([]byte(c.file), c.edits)
		if err == nil || !strings.Contains(err.Error(), c.want) || after != nil {
			t.Errorf("%s: %v, want %s", c.reason, err, c.want)
		}
	}
}

func TestPositions(t *testing.T) {
	s, err := Get([]byte("\xef\xbb\xbf{\r\n  \"é\": /* 🔑 */ null }"), "É")
	if err != nil || !s.Found || !s.Null || s.Line != 2 || s.Column != 16 {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := Get([]byte("{\n \"a\": é }"), "a"); err == nil || err.Error() != "line 2, column 7: a value is expected" {
		t.Error(err)
	}
}

func TestEffectiveRefuses(t *testing.T) {
	file := Layer{Name: "appsettings.json", Data: []byte(`{"a":"x"}`)}
	for _, c := range []struct {
		reason string
		layer  Layer
		want   string
	}{
		{"nothing is known of it", Layer{Name: "env"}, "env: neither a file's content nor an environment nor arguments are known"},
		{"an empty file", Layer{Name: "p.json", Data: []byte{}}, "p.json: line 1, column 1: the file must hold one object, and nothing but comments before it; the file ends here"},
		{"a required file", Layer{Name: "p.json", Missing: true, Required: true}, "p.json: the file is required and not there"},
		{"two variables", Layer{Name: "env", Env: map[string]string{"A__b": "1", "a:B": "2"}}, `env: the variables "A__b" and "a:B" both set "a:b", to different values`},
	} {
		if _, at, err := Effective([]Layer{file, c.layer}, "a:b"); err == nil || at != -1 || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.reason, err, c.want)
		}
	}
	same := Layer{Name: "env", Env: map[string]string{"A__b": "1", "a:B": "1"}}
	if s, at, err := Effective([]Layer{file, same}, "a:b"); err != nil || at != 1 || !s.Value.Equal(secret.NewString("1")) {
		t.Errorf("two variables that agree: %d, %v", at, err)
	}
}

// TestErrorsHoldNoValue breaks a file in every place and looks for its values in what is said about it.
func TestErrorsHoldNoValue(t *testing.T) {
	const canary = "CANARY"
	file := []byte(`{ "Relay": { "ApiKey": "CANARY\u0041", "Url": nullCANARY }, "A": ["CANARY"], "Port": 1 }`)
	good := bytes.Replace(file, []byte("nullCANARY"), []byte(`"CANARY"`), 1)
	check := func(file []byte) {
		for _, key := range []string{"Relay:ApiKey", "Relay", "A", "None"} {
			s, err := Get(file, key)
			after, errSet := Set(file, key, secret.NewString(canary+"\xff"))
			if said := fmt.Sprintf("%v %+v %#v %v", err, s, s, errSet); strings.Contains(said, canary) || after != nil {
				t.Fatalf("%s: %s", file, said)
			}
		}
	}
	for _, f := range [][]byte{file, good} {
		for i := range f {
			check(f[:i])
			check(append(f[:i:i], f[i+1:]...))
			check(append(append(f[:i:i], '"'), f[i:]...))
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		check(bytes.ReplaceAll(generate(random), []byte("AAECAwQ+/w=="), []byte(canary)))
	}
}

// TestLarge reads and edits files of 10 MB, made to be slow for a reader whose work is not in proportion to the size.
func TestLarge(t *testing.T) {
	const size = 10 << 20
	name := strings.Repeat("n", size/64)
	for _, c := range []struct{ reason, before, repeat, after string }{
		{"white space", `{"k":1,`, " ", `}`},
		{"line comments", "{\"k\":1,", "//\n", "}"},
		{"block comments", "{\"k\":1,", "/**/", "}"},
		{"a long text", `{"k":1,"a":"`, "x", `"}`},
		{"escapes", `{"k":1,"a":"`, `\ud83d\udd11`, `"}`},
		{"broken UTF-8", `{"k":1,"a":"`, "\xf0\x9f", `"}`},
		{"an array", `{"k":1,"a":[`, `"an element of some length",`, `]}`},
		{"empty sections", `{"k":1,`, `"a":{},`, `}`},
		{"a flat key of many segments", `{"k":1,"`, "a segment of some length:", `":1}`},
		{"long names above many", `{"k":1,` + strings.Repeat(`"`+name+`":{`, 60) + `"a":[`, `"some text",`, "]}" + strings.Repeat("}", 60)},
	} {
		t.Run(c.reason, func(t *testing.T) {
			room := size - len(c.before) - len(c.after)
			file := c.before + strings.Repeat(c.repeat, room/len(c.repeat)) + c.after
			after, err := Set([]byte(file), "k", secret.NewString("new"))
			if err != nil || string(after) != strings.Replace(file, `"k":1`, `"k":"new"`, 1) {
				t.Errorf("%d bytes, %v", len(after), err)
			}
		})
	}
	t.Run("duplicates far down", func(t *testing.T) {
		file := `{"k":1,` + strings.Repeat(" \n", size/2) + `"K":2}`
		var refused *RefusedError
		if _, err := Get([]byte(file), "k"); !errors.As(err, &refused) || refused.Line != size/2+1 {
			t.Error(err)
		}
	})
}

// FuzzSet: whatever the bytes, nothing panics; a file that can be set reads the new value, and no other byte changes.
func FuzzSet(f *testing.F) {
	for _, c := range dotnetCases(f) {
		for _, l := range c.layers() {
			if len(l.Data) > 0 && len(l.Data) < 10000 {
				f.Add(l.Data, "Relay:ApiKey", "new")
			}
		}
	}
	random := rand.New(rand.NewPCG(7, 7))
	for range 200 {
		f.Add(generate(random), "relay:apikey", "é\x00")
	}
	wide := []byte{0xff, 0xfe}
	for _, u := range utf16.Encode([]rune(`{"a:b":"🔑"}`)) {
		wide = append(wide, byte(u), byte(u>>8))
	}
	f.Add(wide, "a:B", "")
	f.Fuzz(func(t *testing.T, file []byte, key, value string) {
		v := secret.NewString(value)
		s, err := Get(file, key)
		if fits := Settable(file, key) == nil; fits && (err != nil || !s.Found) {
			t.Fatalf("settable, but not read: %v", err)
		} else if after, err := Set(file, key, v); err == nil {
			if !fits {
				t.Fatal("set, but not settable")
			}
			checkSet(t, "fuzz", file, key, value)
			if again, err := Set(after, key, v); err != nil || !bytes.Equal(again, after) {
				t.Fatalf("set again: %v", err)
			}
		} else if fits && strings.ToValidUTF8(value, "") == value {
			t.Fatalf("settable, but not set: %v", err)
		}
	})
}

func BenchmarkSet(b *testing.B) {
	file := dotnetCases(b)[454].layers()[0].Data // a relay agent's settings
	v := secret.NewString("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
	b.SetBytes(int64(len(file)))
	for b.Loop() {
		if _, err := Set(file, "Relay:ApiKey", v); err != nil {
			b.Fatal(err)
		}
	}
}
