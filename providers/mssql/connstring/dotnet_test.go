package connstring

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/dotnettest"
	"meshrotate/reconciler/secret"
)

var seed = flag.Uint64("seed", 4, "where the generated strings start")

type reply struct {
	OK  bool
	Map map[string]string
}

// sample is a text to ask about. If it is the outcome of an edit, want is what must be in force.
type sample struct {
	text string
	want map[string]string
}

// samples are generated texts, and after each that can be edited the edited one.
func samples(g *generator, n int) []sample {
	var all []sample
	for len(all) < n {
		text := g.text()
		all = append(all, sample{text: text})
		before, err := parse(text)
		if err != nil {
			continue
		}
		want := g.edit()
		after, err := before.Set(list(want)...)
		if err != nil {
			continue
		}
		for name, value := range before.reveal().set {
			if _, changed := want[name]; !changed {
				want[name] = value
			}
		}
		all = append(all, sample{string(after.Text().Expose()), want})
	}
	return all
}

// TestDotnetAgrees asks .NET about generated strings, as they are and after an edit: the same ones always, and others every day.
func TestDotnetAgrees(t *testing.T) {
	count := 5000
	if os.Getenv("CI") == "true" {
		count = 100000
	}
	for _, from := range []struct {
		seed  uint64
		count int
	}{{*seed, count}, {uint64(time.Now().Unix() / 86400), count / 5}} {
		t.Run(fmt.Sprintf("-seed %d", from.seed), func(t *testing.T) { dotnetAgrees(t, from.seed, from.count) })
	}
}

func dotnetAgrees(t *testing.T, seed uint64, count int) {
	all := samples(&generator{r: rand.New(rand.NewPCG(seed, 64))}, count)
	taken, edited := 0, 0
	dotnettest.Ask(t, len(all), func(i int) any {
		return map[string]string{"op": "connstring", "text": all[i].text}
	}, func(i int, answer reply) {
		s := all[i]
		c, err := read(s.text)
		if (err == nil) != answer.OK {
			t.Errorf("%q: %v, .NET says %v", s.text, err, answer.OK)
		}
		if err != nil || !answer.OK {
			return
		}
		taken++
		compare(t, s.text, c.set, answer.Map)
		if s.want != nil {
			edited++
			compare(t, s.text, s.want, answer.Map)
		}
	})
	t.Logf("%d strings, %d of them edited, %d taken by .NET", len(all), edited, taken)
	if taken < len(all)/2 || len(all)-taken < len(all)/10 || edited < len(all)/5 {
		t.Error("the strings are not a good mixture")
	}
}

func list(want map[string]string) []Edit {
	var edits []Edit
	for name, value := range want {
		edits = append(edits, Edit{name, secret.NewString(value)})
	}
	return edits
}

func compare(t *testing.T, text string, ours, theirs map[string]string) {
	t.Helper()
	for name, value := range ours {
		if got, ok := theirs[name]; (!ok || got != value) && name != ContextConnection { // which is never listed
			t.Errorf("%q: %s is %q, .NET has %q", text, name, value, got)
		}
	}
	for name := range theirs {
		if _, ok := ours[name]; !ok {
			t.Errorf("%q: %s is not set, .NET has it", text, name)
		}
	}
}

// generator makes connection strings of the kind that people and tools leave behind: mostly readable, often odd,
// sometimes broken.
type generator struct {
	strings.Builder
	r *rand.Rand
}

func (g *generator) one(in int) bool          { return g.r.IntN(in) == 0 }
func (g *generator) pick(of ...string) string { return of[g.r.IntN(len(of))] }
func (g *generator) blank() {
	for g.one(6) {
		g.WriteString(g.pick(" ", " ", "\t", "\n", "\r\n", "\u00a0", "\u2003", "\u0085", "\u3000"))
	}
}

func (g *generator) text() string {
	g.Reset()
	for i, n := 0, g.r.IntN(7); i <= n; i++ {
		g.blank()
		k := g.keyword()
		g.blank()
		g.WriteByte('=')
		g.blank()
		g.value(k)
		g.blank()
		if i < n || g.one(3) {
			g.WriteString(g.pick(";", ";", ";", ";;", "; ;"))
		}
	}
	if g.one(10) {
		g.WriteString(g.pick("\x00", "\x00\x00", "\x00 \x00", "\x00;", " \x00\n"))
	}
	text := g.String()
	if g.one(6) {
		text = g.damage(text)
	}
	return text
}

// keyword is mostly one that there is, in some case.
func (g *generator) keyword() keyword {
	k := keywords[g.r.IntN(len(keywords))]
	if g.one(2) {
		k = *bySpelling[g.pick("server", "database", "uid", "pwd", "password", "encrypt", "trusted_connection")]
	}
	name := k.name
	if n := len(k.synonyms); n > 0 && g.one(2) {
		name = k.synonyms[g.r.IntN(n)]
	}
	switch g.r.IntN(6) {
	case 0:
		name = strings.ToUpper(name)
	case 1:
		name = strings.ToLower(name)
	}
	if g.one(60) {
		name = g.pick("Foo", "a==b", "==", "User  ID", "UserID", "Pass\u200bword", "\u212b", "wor\u212astation id", "Da\u017fta Source", "İ", "Network Library", "Connection Reset",
			"{Password}", "'Password'", "", "Asynchronous Processing", "Data\u00a0Source", "é", "Server\x00", "Password\u0085")
	}
	g.WriteString(name)
	return k
}

// value is mostly one that the keyword bears.
func (g *generator) value(k keyword) {
	value := g.anything()
	for range 40 {
		if pairs, _, err := scan("k=" + value); err != nil || len(pairs) == 0 || pairs[0].absent {
			break
		} else if _, ok := k.read(pairs[0].value); ok || g.one(200) {
			break
		}
		value = g.anything()
	}
	g.WriteString(value)
	if g.one(100) {
		g.WriteString(g.pick(`"`, `'`, "x", "\x01", "\x7f", "=", " x"))
	}
}

func (g *generator) anything() string {
	switch g.r.IntN(8) {
	case 0:
		return g.pick("", "", "''", "sql01")
	case 1:
		return g.pick("true", "False", "YES", "no", "sspi", "'true '", "\" no\"", "Strict", "optional", "MANDATORY", "1", "on", "' strict'", "truE\u00a0")
	case 2:
		return g.pick("0", "1", "15", "+7", "-1", "007", "61", "255", "256", "512", "32768", "32769", "2147483647", "2147483648", "' 15 '", "\"\t9\"", "1.5", "0x10", "'15\u00a0'", "١٥", "-0", "+-1", "1_0", "--1", "")
	case 3:
		return g.pick("ReadOnly", "readwrite", "Auto", "NeverBlock", "Enabled", "disabled", "HGS", "none", "IPv6First", "UsePlatformDefault", "Sql Password", "SQLPASSWORD", "Active Directory Default",
			"ActiveDirectory MSI", "'Active Directory Interactive '", "Latest", "Implicit Unbind", "sql01,1433", `.\X`, "tcp:s")
	case 4:
		quote := g.pick(`"`, `'`)
		return quote + strings.ReplaceAll(g.word(), quote, quote+quote) + quote
	}
	return quote(g.word())
}

// word is what a password may be.
func (g *generator) word() string {
	var w strings.Builder
	for !g.one(5) {
		w.WriteString(g.pick("a", "Pa55", "x", " ", ";", "=", "==", `"`, `'`, `""`, "''", "{", "}", `\`, ",", "\t", "\n", "\r\n", "\u00a0", "\u2028", "\u200b", "\ufeff", "é", "🔑", "\u0001", "\u007f", "\u0085",
			"%", "$", "&", "|", "(", ")", "--", "#", "@", "e\u0301", "\U0010ffff", "\ufffd", "\u180e"))
	}
	return w.String()
}

func (g *generator) edit() map[string]string {
	want := map[string]string{Password: g.word()}
	if g.one(2) {
		want[UserID] = g.word()
	}
	if g.one(5) {
		want[InitialCatalog] = g.word()
	}
	return want
}

// damage does what a bad copy or a hasty edit does.
func (g *generator) damage(text string) string {
	runes := []rune(text)
	at := g.r.IntN(len(runes) + 1)
	end := min(len(runes), at+1+g.r.IntN(3))
	switch g.r.IntN(4) {
	case 0:
		return string(runes[:at])
	case 1:
		return string(runes[:at]) + string(runes[end:])
	case 2:
		return string(runes[:end]) + string(runes[at:])
	}
	return string(runes[:at]) + g.pick(";", "=", `"`, `'`, "\x00", "\x01", " ", "\n", "x", "{") + string(runes[at:])
}
