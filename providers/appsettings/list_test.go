package appsettings

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func TestGetList(t *testing.T) {
	for _, c := range []struct {
		reason, file string
		want         List
	}{
		{"an array", `{"Relay":{"Accepted":["A","B"]}}`, List{Found: true, Members: []string{"A", "B"}}},
		{"an object with number keys, by number", `{"relay":{"ACCEPTED":{"10":"C","2":"B","0":"A"}}}`, List{Found: true, Members: []string{"A", "B", "C"}}},
		{"numbers before names", `{"Relay:Accepted":{"old":"B","1":"A"}}`, List{Found: true, Members: []string{"A", "B"}}},
		{"spelled flat", `{"Relay:Accepted:0":"A","Relay":{"Accepted:1":"B"}}`, List{Found: true, Members: []string{"A", "B"}}},
		{"one text", `{"Relay":{"Accepted":"A"}}`, List{Found: true, Members: []string{"A"}, Text: true}},
		{"one text with several", `{"Relay":{"Accepted":"A; B,C"}}`, List{Found: true, Members: []string{"A", "B", "C"}, Text: true}},
		{"an empty text", `{"Relay":{"Accepted":" "}}`, List{Found: true, Text: true}},
		{"an empty array", `{"Relay":{"Accepted":[]}}`, List{Found: true}},
		{"an empty object", `{"Relay":{"Accepted":{}}}`, List{Found: true}},
		{"null", `{"Relay":{"Accepted":null}}`, List{Found: true}},
		{"not there", `{"Relay":{}}`, List{}},
	} {
		got, err := GetList([]byte(c.file), "Relay:Accepted")
		if err != nil || got.Found != c.want.Found || got.Text != c.want.Text || !slices.Equal(got.Members, c.want.Members) {
			t.Errorf("%s: %+v, %v", c.reason, got, err)
		}
	}
	for reason, file := range map[string]string{
		"a member that is a section": `{"Relay":{"Accepted":["A",{"b":"B"}]}}`,
		"a member that is null":      `{"Relay":{"Accepted":["A",null]}}`,
		"a text and a list":          `{"Relay":{"Accepted":"A","Accepted:0":"B"}}`,
		"not JSON":                   `{`,
	} {
		if got, err := GetList([]byte(file), "Relay:Accepted"); err == nil {
			t.Errorf("%s: %+v", reason, got)
		}
	}
}

func TestSetList(t *testing.T) {
	of := func(s string) []string { return strings.Fields(s) }
	for _, c := range []struct{ reason, file, members, want string }{
		{"nothing to do", `{"a":[ "A" , "B" ]}`, "B A", `{"a":[ "A" , "B" ]}`},
		{"one more", `{"a":["A"]}`, "A B", `{"a":["A","B"]}`},
		{"two more", `{"a": ["A", "B"]}`, "A B C D", `{"a": ["A", "B", "C", "D"]}`},
		{"the first", `{"a":[ ]}`, "A", `{"a":["A" ]}`},
		{"on lines of their own", "{\r\n\t\"a\": [\r\n\t\t\"A\", // of 2024\r\n\t\t\"B\" // of 2025\r\n\t]\r\n}", "A B C", "{\r\n\t\"a\": [\r\n\t\t\"A\", // of 2024\r\n\t\t\"B\", // of 2025\r\n\t\t\"C\"\r\n\t]\r\n}"},
		{"a remark on the last, on its line", "{\"a\":[\"A\" // until 2027\n]}", "A B", "{\"a\":[\"A\", // until 2027\n\"B\"\n]}"},
		{"a remark behind a comma that ends the list", "{\"a\":[\n \"A\", /* 1 */ // 2\n]}", "A B", "{\"a\":[\n \"A\", /* 1 */ // 2\n \"B\",\n]}"},
		{"without one that is remarked on", "{\"a\":[\n \"A\", // of A\n \"B\" // of B\n]}", "B", "{\"a\":[\n  // of A\n \"B\" // of B\n]}"},
		{"without the last, remarked on", "{\"a\":[\n \"A\",\n \"B\" // of B\n]}", "A", "{\"a\":[\n \"A\"\n  // of B\n]}"},
		{"without the last of a line", "{\"a\":[\"A\", \"B\" // of B\n]}", "A", "{\"a\":[\"A\" \n // of B\n]}"},
		{"exchanged, with a remark", "{\"a\":[\n \"A\" // of A\n]}", "B", "{\"a\":[\n  // of A\n \"B\"\n]}"},
		{"a comma after the last", `{"a":["A",],}`, "A B", `{"a":["A","B",],}`},
		{"without the first", `{"a":["A", "B"]}`, "B", `{"a":[ "B"]}`},
		{"without the last", `{"a":["A", "B"]}`, "A", `{"a":["A"]}`},
		{"without the last, before a comma", `{"a":["A", "B",]}`, "A", `{"a":["A",]}`},
		{"without the one in the middle", `{"a":["A", "B", "C"]}`, "A C", `{"a":["A", "C"]}`},
		{"a comment that holds a comma", `{"a":["A" /* , "x" */, "B"]}`, "B", `{"a":[ /* , "x" */ "B"]}`},
		{"a comment before the comma that goes", "{\"a\":[\"A\" // ,\n, \"B\"]}", "A", "{\"a\":[\"A\" // ,\n]}"},
		{"with all of them gone", `{"a":["A","B"]}`, "", `{"a":[]}`},
		{"exchanged", `{"a":["A"],"b":1}`, "B", `{"a":["B"],"b":1}`},
		{"one that is there twice", `{"a":["A","A"]}`, "A", `{"a":["A"]}`},
		{"an object", `{"a":{"0":"A","7" : "B"}}`, "B C", `{"a":{"7" : "B","1" : "C"}}`},
		{"an object with a gap", `{"a":{"0":"A","5":"x"}}`, "A B", `{"a":{"0":"A","1":"B"}}`},
		{"an object with a great number", `{"a":{"9999999999":"A"}}`, "A B", `{"a":{"9999999999":"A","0":"B"}}`},
		{"an empty object", `{"a":{}}`, "A B", `{"a":{"0": "A","1": "B"}}`},
		{"flat", `{"x":1, "R:a:0": "A", "y":2}`, "A B", `{"x":1, "R:a:0": "A", "R:a:1": "B", "y":2}`},
		{"flat, without the first", `{"R:a:0": "A", "R:a:1": "B", "y":{"z":2}}`, "B", `{ "R:a:1": "B", "y":{"z":2}}`},
		{"flat, without the last behind a section", `{"y":{"z":2}, "R:a:0": "A"}`, "", `{"y":{"z":2}}`},
		{"one text", `{"a":"A"}`, "A B", `{"a":"A,B"}`},
		{"one text with its own separator", `{"a":"A; B"}`, "A C", `{"a":"A; C"}`},
		{"UTF-16", "\xff\xfe" + wide(`{"a":["A"]}`), "A B", "\xff\xfe" + wide(`{"a":["A","B"]}`)},
		{"invalid UTF-8 beside it", "{\"b\":\"\xff\",\"a\":[\"A\"]}", "A B", "{\"b\":\"\xff\",\"a\":[\"A\",\"B\"]}"},
	} {
		key := "a"
		if strings.Contains(c.file, "R:a") {
			key = "r:A"
		}
		if c.reason == "nothing to do" || c.reason == "one text with its own separator" {
			c.members = strings.Join(of(c.members), " ")
		}
		after, err := SetList([]byte(c.file), key, of(c.members))
		if err != nil || string(after) != c.want {
			t.Errorf("%s: %q, %v", c.reason, after, err)
		}
	}
	for reason, file := range map[string]string{"not there": `{"b":1}`, "null": `{"a":null}`, "names": `{"a":{"x":"A"}}`, "a number that no count comes to": `{"a":{"-1":"A"}}`, "a number with another in front": `{"a":{"00":"A"}}`, "a section": `{"a":{"x":{}}}`} {
		if after, err := SetList([]byte(file), "a", of("A B")); err == nil {
			t.Errorf("%s: %s", reason, after)
		}
	}
}

func wide(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		b.WriteByte(c)
		b.WriteByte(0)
	}
	return b.String()
}

// aList spells a list of some of A to E as people and programs do, with comments and keys around it.
func aList(r *rand.Rand) (file string, members []string) {
	gap := func() string { return []string{"", "", " ", "\n\t", " /* \"A\", */ ", " // ,\n"}[r.IntN(6)] }
	members = strings.Split("ABCDE", "")[:r.IntN(5)]
	r.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
	var items []string
	shape := r.IntN(3)
	for i, m := range members {
		item := `"` + m + `"`
		switch shape {
		case 1:
			item = fmt.Sprintf(`"%d":%s%s`, 2*i, gap(), item)
		case 2:
			item = fmt.Sprintf(`"Relay:Accepted:%d":%s`, i, item)
		}
		items = append(items, gap()+item+gap())
	}
	inner := strings.Join(items, ",")
	if len(items) > 0 && r.IntN(4) == 0 {
		inner += ","
	}
	switch {
	case shape == 0 || len(members) == 0:
		inner = `"Relay":{"Accepted":` + gap() + "[" + inner + "]" + `, "x": 1}`
	case shape == 1:
		inner = `"Relay:accepted":{` + inner + "}"
	default:
		inner = strings.TrimSuffix(inner, ",")
	}
	return `{"before": [1, "A"],` + gap() + inner + gap() + `, "after": {"Accepted": ["A"]}}`, members
}

// TestDotnetReadsLists asks .NET about lists before and after an edit: the members that were asked for, and all else as it was.
func TestDotnetReadsLists(t *testing.T) {
	const key = "Relay:Accepted"
	r := rand.New(rand.NewPCG(11, 7))
	var files [][]byte
	var wanted [][]string
	for range 4000 {
		text, members := aList(r)
		got, err := GetList([]byte(text), key)
		slices.Sort(members)
		if read := slices.Sorted(slices.Values(got.Members)); err != nil || !slices.Equal(read, members) {
			t.Fatalf("%s: %v, %v", text, got.Members, err)
		}
		want := slices.DeleteFunc(strings.Split("ABCDEFG", ""), func(string) bool { return r.IntN(2) == 0 })
		after, err := SetList([]byte(text), key, want)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		files, wanted = append(files, []byte(text), after), append(wanted, members, want)
	}
	questions := make([]question, len(files))
	for i, f := range files {
		questions[i].Files = [][]byte{f}
	}
	others := map[string]string{}
	for i, a := range ask(t, questions) {
		if !a.OK {
			t.Fatalf(".NET refuses %s", files[i])
		}
		var has []string
		now := map[string]string{}
		for name, value := range a.Values {
			if rest, ok := cutFolded(name, key+":"); ok && !strings.Contains(rest, ":") && value != nil {
				has = append(has, *value)
			} else if value != nil && !strings.EqualFold(name, key) {
				now[name] = *value
			}
		}
		if slices.Sort(has); !slices.Equal(has, wanted[i]) {
			t.Errorf("%s: .NET reads %v, and not %v", files[i], has, wanted[i])
		}
		if i%2 == 0 {
			others = now
		} else if fmt.Sprint(now) != fmt.Sprint(others) {
			t.Errorf("%s became %s: another key has changed", files[i-1], files[i])
		}
	}
}

// FuzzSetList edits lists in whatever files there are: an edit that is made reads back.
func FuzzSetList(f *testing.F) {
	r := rand.New(rand.NewPCG(3, 3))
	for range 50 {
		text, _ := aList(r)
		f.Add([]byte(text), "A", "F")
	}
	f.Add([]byte(`{"Relay:Accepted":"A; B"}`), "B", "C")
	f.Fuzz(func(t *testing.T, file []byte, one, two string) {
		after, err := SetList(file, "Relay:Accepted", []string{one, two})
		if err != nil {
			return
		}
		l, err := GetList(after, "Relay:Accepted")
		if err != nil || !l.Text && (!slices.Contains(l.Members, one) || !slices.Contains(l.Members, two) || len(l.Members) > 2) {
			t.Errorf("%q with %q and %q became %q: %+v, %v", file, one, two, after, l, err)
		}
	})
}
