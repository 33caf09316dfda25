package appsettings

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode"

	"meshrotate/providers/dotnettest"
)

type question struct {
	Op    string            `json:"op"`
	Files [][]byte          `json:"files"`
	Env   map[string]string `json:"env,omitempty"`
	Keys  []string          `json:"keys,omitempty"`
}

type reply struct {
	OK     bool
	Values map[string]*string
	From   map[string]int
}

// ask asks Microsoft.Extensions.Configuration 10, and collects the answers.
func ask(t *testing.T, questions []question) []reply {
	t.Helper()
	replies := make([]reply, len(questions))
	dotnettest.Ask(t, len(questions), func(i int) any {
		q := questions[i]
		q.Op = "config"
		return q
	}, func(i int, answer reply) { replies[i] = answer })
	return replies
}

// TestDotnetAgrees asks .NET about generated files, before and after an edit.
func TestDotnetAgrees(t *testing.T) {
	random := rand.New(rand.NewPCG(4, 64))
	var files [][]byte
	for _, c := range dotnetCases(t) {
		for _, l := range c.layers() {
			if l.Data != nil && len(l.Data) < 1<<20 {
				files = append(files, l.Data)
			}
		}
	}
	for range 10000 {
		files = append(files, generate(random))
	}

	var before, after []question
	var edited []int
	for i, file := range files {
		before = append(before, question{Files: [][]byte{file}})
		if Settable(file, "relay:APIKEY") == nil {
			edited = append(edited, i)
			after = append(after, question{Files: [][]byte{checkSet(t, "generated", file, "relay:APIKEY", newValue)}})
		}
	}
	was := ask(t, before)
	is := ask(t, after)

	read := 0
	for i, file := range files {
		if was[i].OK {
			read++
		}
		compareReply(t, file, was[i])
	}
	for j, i := range edited {
		compareEdited(t, after[j].Files[0], was[i].Values, is[j])
	}
	t.Logf("%d files, %d read, %d edited", len(files), read, len(edited))
	if read < len(files)/3 || read > len(files)*9/10 || len(edited) < len(files)/5 {
		t.Error("the files are not a good mixture")
	}
}

const newValue = `n+/= "\é🔑` + "\u2028\x00"

func compareReply(t *testing.T, file []byte, dotnet reply) {
	t.Helper()
	d, err := read(file)
	if (err == nil) != dotnet.OK {
		t.Errorf("%q: %v, .NET says %v", file, err, dotnet.OK)
	}
	if err != nil || !dotnet.OK {
		return
	}
	if len(d.nodes)-1 != len(dotnet.Values) {
		t.Errorf("%q: %d keys, .NET has %d", file, len(d.nodes)-1, len(dotnet.Values))
	}
	for key, want := range dotnet.Values {
		if _, ok := d.find(key); !ok {
			t.Errorf("%q: %q not found", file, key)
		}
		s := d.setting(key)
		if found := dotnet.From[key] == 0; s.Found != found || s.Value.IsZero() != (want == nil) || want != nil && string(s.Value.Expose()) != *want {
			t.Errorf("%q: %q is %q, .NET reads otherwise", file, key, s.Value.Expose())
		}
	}
}

func compareEdited(t *testing.T, file []byte, was map[string]*string, is reply) {
	t.Helper()
	if !is.OK || len(was) != len(is.Values) {
		t.Fatalf("%q: after the edit .NET reads %v, %d keys of %d", file, is.OK, len(is.Values), len(was))
	}
	for key, now := range is.Values {
		want := was[key]
		if fold(key) == fold("Relay:ApiKey") {
			s := newValue
			want = &s
		}
		if (now == nil) != (want == nil) || now != nil && *now != *want {
			t.Errorf("%q: after the edit .NET reads another %q", file, key)
		}
	}
}

// TestDotnetFolds asks about every character whose case Go would change, and its relatives.
func TestDotnetFolds(t *testing.T) {
	var questions []question
	for r := rune(1); r <= unicode.MaxRune; r++ {
		for _, other := range []rune{unicode.ToUpper(r), unicode.ToLower(r), unicode.SimpleFold(r)} {
			if other != r {
				file, _ := json.Marshal(map[string]int{string(r): 1, string(other): 2})
				questions = append(questions, question{Files: [][]byte{file}, Keys: []string{"x"}})
			}
		}
	}
	for i, answer := range ask(t, questions) {
		file := questions[i].Files[0]
		if _, err := read(file); (err == nil) != answer.OK {
			t.Errorf("%s: %v, .NET says %v", file, err, answer.OK)
		}
	}
	t.Logf("%d pairs", len(questions))
}

// TestDotnetLayers asks which layer wins, among two files and an environment, with the variables that Azure names.
func TestDotnetLayers(t *testing.T) {
	files := []string{`{}`, `{"Relay":{"ApiKey":"a"}}`, `{"relay:apikey":null}`, `{"Relay":{"APIKEY":{}}}`, `{"Relay":{"ApiKey":[]}}`, `{"Relay":null}`, `{"ConnectionStrings":{"M":"m"}}`, `{"Relay":{"ApiKey":["x"]}}`, `{`}
	envs := []map[string]string{nil, {"RELAY__apikey": "e"}, {"relay:ApiKey": ""}, {"Relay_ApiKey": "e"}, {"Relay": "e"}, {"ConnectionStrings__M": "e"}, {"CONNECTIONSTRINGS:M_PROVIDERNAME": "e"}, {"RELAYCONNSTR_M": "e"}}
	for _, c := range connectionStrings {
		envs = append(envs, map[string]string{c.prefix + "M": "e"}, map[string]string{strings.ToLower(c.prefix) + "m": "e"})
	}
	keys := []string{"Relay:ApiKey", "Relay", "ConnectionStrings:M", "ConnectionStrings:M_ProviderName", "Relay:ApiKey:0"}
	var questions []question
	for _, one := range files {
		for _, two := range files {
			for _, env := range envs {
				questions = append(questions, question{Files: [][]byte{[]byte(one), []byte(two)}, Env: env, Keys: keys})
			}
		}
	}
	for i, answer := range ask(t, questions) {
		q := questions[i]
		layers := []Layer{{Name: "one", Data: q.Files[0]}, {Name: "two", Data: q.Files[1]}, {Name: "env", Env: q.Env}}
		if q.Env == nil {
			layers = layers[:2]
		}
		for _, key := range keys {
			s, at, err := Effective(layers, key)
			if (err == nil) != answer.OK {
				t.Errorf("%s %v: %v, .NET says %v", q.Files, q.Env, err, answer.OK)
			}
			if want := answer.Values[key]; err == nil && (at != answer.From[key] || s.Value.IsZero() != (want == nil) || want != nil && string(s.Value.Expose()) != *want) {
				t.Errorf("%s %v: %s is %q from %d, .NET says from %d", q.Files, q.Env, key, s.Value.Expose(), at, answer.From[key])
			}
		}
	}
}
