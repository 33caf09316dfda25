package connstring

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"meshrotate/reconciler/secret"
)

func TestSet(t *testing.T) {
	for _, c := range []struct{ why, before, user, password, after string }{
		{"the two tokens and nothing else", " Server = sql01 ;\tUID= svc ; PWD =old;; encrypt=True ", "svc2", "new", " Server = sql01 ;\tUID= svc2 ; PWD =new;; encrypt=True "},
		{"quotes go with the token", `Password="o;""ld" ;User=svc`, "svc", "new", `Password=new ;User=svc`},
		{"a value that needs quotes gets them", "user id=a;password=b", "dom ain", `"; --`, `user id="dom ain";password='"; --'`},
		{"both quotes", "user id=a;password=b", "a", `"'`, `user id=a;password="""'"`},
		{"no old value stays behind in a duplicate", "pwd=a;uid=u;Password=b", "u", "c", "pwd=c;uid=u;Password=c"},
		{"a keyword that stands empty", "Password= ;User ID=;", "u", "p", "Password=p ;User ID=u;"},
		{"what is not there comes last", "Server=s", "u", "p", "Server=s;User ID=u;Password=p"},
		{"after a semicolon", "Server=s; ", "u", "p", "Server=s; ;User ID=u;Password=p"},
		{"before the NUL that ends the text", "Server=s\x00\x00", "u", "p", "Server=s;User ID=u;Password=p\x00\x00"},
		{"into nothing", "", "u", "p", "User ID=u;Password=p"},
		{"empty is a value", "User ID=u;Password=p", "u", "", `User ID=u;Password=""`},
		{"a last newline is kept", "User ID=u;Password=p", "u", "p\n", "User ID=u;Password=\"p\n\""},
		{"the same again", "User ID=u;Password='p'", "u", "p", "User ID=u;Password=p"},
	} {
		before, err := parse(c.before)
		if err != nil {
			t.Errorf("%s: %v", c.why, err)
			continue
		}
		after, err := before.Set(Edit{"User ID", secret.NewString(c.user)}, Edit{"pwd", secret.NewString(c.password)})
		if err != nil || string(after.Text().Expose()) != c.after {
			t.Errorf("%s: %q, %v", c.why, after.Text().Expose(), err)
		}
		if string(before.Text().Expose()) != c.before {
			t.Errorf("%s: the old string changed", c.why)
		}
	}
}

func TestSetRefuses(t *testing.T) {
	s, err := parse("Server=s;User ID=u;Password=p")
	if err != nil {
		t.Fatal(err)
	}
	value := secret.NewString
	for why, edits := range map[string][]Edit{
		"no value":               {{Password, secret.Value{}}},
		"NUL":                    {{Password, value("CANARY\x00")}},
		"not UTF-8":              {{Password, value("CANARY\xff")}},
		"129 characters":         {{Password, value("CANARY" + strings.Repeat("x", 123))}},
		"129 UTF-16 units":       {{Password, value("CANARY" + strings.Repeat("🔑", 62))}},
		"one keyword twice":      {{Password, value("CANARY1")}, {"PWD", value("CANARY2")}},
		"not a keyword":          {{"CANARY", value("CANARY1")}},
		"not a value of the key": {{Encrypt, value("CANARY")}},
		"does not go together":   {{Authentication, value("Active Directory Default")}},
	} {
		after, err := s.Set(edits...)
		if err == nil || after.reveal != nil {
			t.Errorf("%s: not refused", why)
		} else if strings.Contains(err.Error(), "CANARY") {
			t.Errorf("%s: the error shows the value: %v", why, err)
		}
	}
	if _, err := (String{}).Set(Edit{Password, value("x")}); err == nil {
		t.Error("nothing was edited")
	}
}

func TestNoErrorShowsTheText(t *testing.T) {
	for text, where := range map[string]Error{
		"Server=s;Password=a;CANARY=x": {Position: 21},
		"Server=s;Password=a;CANARY":   {Position: 21},
		"Password=é;CANARY":            {Position: 12},
		`Password="CANARY`:             {Position: 10, Keyword: Password},
		`Password="CANARY"x`:           {Position: 18, Keyword: Password},
		`pwd=CANARY"`:                  {Position: 11, Keyword: Password},
		"Encrypt=CANARY":               {Position: 1, Keyword: Encrypt},
		"Connect Timeout=CANARY":       {Position: 1, Keyword: ConnectTimeout},
		"Server=s;\x01CANARY=":         {Position: 10},
		"CANARY=;Server=s":             {Position: 1},
		"=CANARY":                      {Position: 1},
		"Server=s;Pwd=CANARY;Authentication=ActiveDirectoryDefault": {Keyword: Authentication},
		"Server=s;Password=CANARY" + strings.Repeat("x", 128):       {Position: 10, Keyword: Password},
		"Server=s;Password=CANARY\xff":                              {},
	} {
		s, err := parse(text)
		var refused *Error
		if !errors.As(err, &refused) || refused.Position != where.Position || refused.Keyword != where.Keyword || s.reveal != nil {
			t.Errorf("%q: %v", text, err)
		}
		if strings.Contains(fmt.Sprintf("%v %+v %#v %+v", err, err, err, s), "CANARY") {
			t.Errorf("%q: the error shows the text", text)
		}
	}
}

func TestNoPrinterShowsAString(t *testing.T) {
	s, err := parse("Server=CANARY1;User ID=CANARY2;Password=CANARY3")
	if err != nil {
		t.Fatal(err)
	}
	type holder struct{ s String }
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		fmt.Fprintf(&out, verb+verb+verb+verb, s, &s, holder{s}, []any{s, &holder{s}})
	}
	_ = json.NewEncoder(&out).Encode(map[string]any{"a": s, "b": &s})
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "s", s, "h", holder{s})
	fmt.Fprint(&out, s.Get("pwd"), s.Text(), s.Shown("PWD"))
	if strings.Contains(out.String(), "CANARY") || strings.Contains(out.String(), "43414e415259") {
		t.Fatalf("a printer showed it: %s", out.String())
	}
}

func FuzzParse(f *testing.F) {
	for _, c := range lines[stringCase](f, "strings.jsonl.gz") {
		if len(c.Input) < 200 {
			f.Add(string(c.Input))
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parse(text)
		if err != nil {
			return
		}
		// What is written anew from what was read says the same.
		var written strings.Builder
		for _, name := range s.Keywords() {
			value, _ := s.get(name)
			add(&written, name, value)
		}
		again, err := parse(written.String())
		if err != nil || len(again.Keywords()) != len(s.Keywords()) {
			t.Fatalf("%q became %q: %v", text, written.String(), err)
		}
		for _, name := range s.Keywords() {
			if was, is := s.Get(name), again.Get(name); !was.Equal(is) {
				t.Fatalf("%q became %q: another %s", text, written.String(), name)
			}
		}
	})
}

func FuzzEdit(f *testing.F) {
	for i, c := range lines[stringCase](f, "strings.jsonl.gz") {
		if len(c.Input) < 200 {
			f.Add(string(c.Input), []string{"", "p", `"; `, "'", "a\n", "é=🔑"}[i%6])
		}
	}
	f.Fuzz(func(t *testing.T, text, value string) {
		s, err := parse(text)
		if err != nil {
			return
		}
		after, err := s.Set(Edit{Password, secret.NewString(value)})
		if err != nil {
			return
		}
		if got := after.Get(Password); string(got.Expose()) != value {
			t.Fatalf("%q: %q was set, %q is read", text, value, got.Expose())
		}
		// With the tokens of the password cut out, the two texts are the same, but for a pair at the end.
		was, added := without(s.reveal())
		is, _ := without(after.reveal())
		if end := s.reveal().end; added {
			is = is[:end] + strings.Replace(strings.TrimPrefix(is[end:], ";"), "Password=", "", 1)
		}
		if is != was {
			t.Fatalf("%q: became %q", text, after.Text().Expose())
		}
	})
}

// without is a text without the tokens of its password; it also says when there is none.
func without(c *content) (rest string, none bool) {
	done := 0
	none = true
	for _, p := range c.pairs {
		if known(p.name) == Password {
			rest += c.text[done:p.from]
			done, none = p.to, false
		}
	}
	return rest + c.text[done:], none
}
