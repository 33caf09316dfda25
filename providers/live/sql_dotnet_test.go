package live

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"meshrotate/providers/dotnettest"
)

// quotedText is a text in a batch.
var quotedText = regexp.MustCompile(`'([^']*)'`)

// TestMicrosoftReadsWhatIsAsked gives every batch to the T-SQL parser of SQL Server 2016 to 2025, that of the script on the hosts too. It
// must find as many queries as were written, nothing else, and the texts that were meant. Names that somebody chose are parameters.
func TestMicrosoftReadsWhatIsAsked(t *testing.T) {
	batches := []string{catalogueBatch, catalogueBatch + loginsBatch + "@p2, @p3)", usersBatch, whereBatch, powersBatch}
	script, err := os.ReadFile("../winhost/host.ps1")
	if err != nil {
		t.Fatal(err)
	}
	asked := regexp.MustCompile(`CommandText = '([^']*)'`).FindAllSubmatch(script, -1)
	if len(asked) != strings.Count(string(script), "CommandText") || len(asked) == 0 {
		t.Fatal("not every statement of the script was found")
	}
	for _, a := range asked {
		batches = append(batches, string(a[1]))
	}
	versions := []int{130, 140, 150, 160, 170}
	type answer struct {
		OK                  bool
		Statements, Strings []string
		Errors              []struct{ Message string }
	}
	dotnettest.Ask(t, len(batches)*len(versions), func(i int) any {
		return map[string]any{"op": "tsql", "text": batches[i/len(versions)], "version": versions[i%len(versions)]}
	}, func(i int, a answer) {
		batch := batches[i/len(versions)]
		var queries, texts []string
		for range strings.SplitSeq(batch, ";\n") {
			queries = append(queries, "SelectStatement")
		}
		for _, found := range quotedText.FindAllStringSubmatch(batch, -1) {
			texts = append(texts, found[1])
		}
		if !a.OK || !slices.Equal(a.Statements, queries) || !slices.Equal(a.Strings, texts) {
			t.Errorf("version %d, %s: %+v", versions[i%len(versions)], batch, a)
		}
	})
}
