package tsql

import (
	"flag"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"meshrotate/providers/dotnettest"
	"meshrotate/reconciler/secret"
)

var seed = flag.Uint64("seed", 7, "where the generated names and passwords start")

// nasty are names and passwords that break a statement which is not quoted well.
var nasty = []string{
	"mesh_a", "a]b", "]", "]]", "]]]", "[", "[a]", `"`, `"a"`, "'", "''", "a'b", "'; DROP LOGIN sa; --", "]; DROP LOGIN sa; --", "x] WITH PASSWORD = N'y'; --",
	"--", "/*", "*/", "/* a */", "a -- b", "GO", "a\nGO\nb", "\nGO\n", "\r\nGO\r\n", "a\nb", "a\r\nb", "\n", "\t", " ", "  a  ", "trailing ", " leading", "a\u00a0", "\u3000",
	"é", "ÅÄÖ", "Ω", "日本語", "🔑", "e\u0301", "\u200b", "\u200e", "\ufeff", "\u2028", "\u2019", "\u02bc", "\uff07", "\uff3d", "\u0085", "\u001f", "\u007f", "\ufffd", "\U0010ffff",
	"{0}", "%s", "$(x)", "$(SQLCMD)", ":r x", "!!ls", "@p1", "#t", "\\", `dom\user`, "a\\b", "NULL", "PASSWORD", "MUST_CHANGE", "0x01", "N'x'", "CHECK_POLICY = OFF", ";", ",", "=",
	strings.Repeat("x", 128), strings.Repeat("]", 128), strings.Repeat("'", 128), strings.Repeat("🔑", 64), strings.Repeat(" ", 128),
}

// wanted is a statement and what Microsoft's parser is to find in it.
type wanted struct {
	statement Statement
	kind      string // of the syntax tree
	name      string
	texts     []string
}

func statements(t *testing.T, name, password, old string) []wanted {
	t.Helper()
	p, o := secret.NewString(password), secret.NewString(old)
	var all []wanted
	add := func(s Statement, err error, kind string, texts ...string) {
		if err != nil {
			t.Fatalf("%q %q: %v", name, password, err)
		}
		all = append(all, wanted{s, kind, name, texts})
	}
	s, err := SetPassword(name, p)
	add(s, err, "AlterLoginOptionsStatement", password)
	s, err = ResetPassword(name, p)
	add(s, err, "AlterLoginOptionsStatement", password)
	s, err = ChangePassword(name, p, o)
	add(s, err, "AlterLoginOptionsStatement", password, old)
	s, err = SetUserPassword(name, p)
	add(s, err, "AlterUserStatement", password)
	s, err = ChangeUserPassword(name, p, o)
	add(s, err, "AlterUserStatement", password, old)
	s, err = Disable(name)
	add(s, err, "AlterLoginEnableDisableStatement")
	s, err = Enable(name)
	add(s, err, "AlterLoginEnableDisableStatement")
	return all
}

// TestMicrosoftReadsWhatWeMean gives every statement to the T-SQL parser of SQL Server 2016 to 2025: it must find one
// statement, the name and the values.
func TestMicrosoftReadsWhatWeMean(t *testing.T) {
	var all []wanted
	for i, name := range nasty {
		for _, password := range nasty {
			all = append(all, statements(t, name, password, nasty[(i+1)%len(nasty)])...)
		}
	}
	if os.Getenv("CI") != "true" {
		random := rand.New(rand.NewPCG(1, 1))
		random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		all = all[:2000]
	}
	t.Logf("-seed %d", *seed)
	random := rand.New(rand.NewPCG(*seed, 64))
	for range 500 {
		all = append(all, statements(t, generate(random), generate(random), generate(random))...)
	}
	versions := []int{130, 140, 150, 160, 170}
	dotnettest.Ask(t, len(all)*len(versions), func(i int) any {
		return map[string]any{"op": "tsql", "text": string(all[i/len(versions)].statement.Text().Expose()), "version": versions[i%len(versions)]}
	}, func(i int, a answer) {
		w := all[i/len(versions)]
		if !a.OK || !slices.Equal(a.Statements, []string{w.kind}) || !slices.Contains(a.Identifiers, w.name) || len(a.Identifiers) > 1 || !slices.Equal(a.Strings, w.texts) {
			t.Errorf("version %d, %q: %+v", versions[i%len(versions)], w.statement.Text().Expose(), a)
		}
	})
	t.Logf("%d statements, each in %d versions", len(all), len(versions))
}

// generate makes a name or password of awkward pieces.
func generate(r *rand.Rand) string {
	for {
		var b strings.Builder
		for range 1 + r.IntN(8) {
			piece := nasty[r.IntN(len(nasty))]
			if r.IntN(3) == 0 {
				piece = string(rune(1 + r.IntN(0xd7fe)))
			}
			b.WriteString(piece)
		}
		if unfit(b.String()) == "" {
			return b.String()
		}
	}
}

type answer struct {
	OK                               bool
	Statements, Identifiers, Strings []string
	Errors                           []struct{ Message string }
}
