package live

import (
	"slices"
	"strings"
	"testing"

	"meshrotate/providers/dotnettest"
	"meshrotate/providers/site"
)

// Microsoft's T-SQL parser finds three queries in the batch, and the names that were meant, whatever is in them.
func TestMicrosoftReadsTheQueryOfStoredSecrets(t *testing.T) {
	nasty := []string{"IM_Secrets", "a]b", "]", "]; DROP TABLE x; --", "'", `"`, "--", "/*", "a\nGO\nb", "日本語", "@p1", "$(x)", " ", "NULL", "[a]"}
	type answer struct {
		OK                      bool
		Statements, Identifiers []string
		Errors                  []struct{ Message string }
	}
	versions := []int{130, 140, 150, 160, 170}
	at := func(i int) (string, site.Tables, int) {
		n := i / len(versions)
		name := func(k int) string { return nasty[(n+k)%len(nasty)] }
		return name(0), site.Tables{Secrets: name(1) + "." + name(2), Ref: name(3), Updated: name(4), Owners: name(5), ID: name(6), Name: name(7)}, versions[i%len(versions)]
	}
	dotnettest.Ask(t, len(nasty)*len(versions), func(i int) any {
		database, tables, version := at(i)
		return map[string]any{"op": "tsql", "text": storedBatch(database, tables), "version": version}
	}, func(i int, a answer) {
		database, tables, _ := at(i)
		if !a.OK || !slices.Equal(a.Statements, []string{"SelectStatement", "SelectStatement", "SelectStatement"}) {
			t.Errorf("%s: %+v", storedBatch(database, tables), a)
		}
		for _, name := range append(strings.Split(tables.Secrets, "."), database, tables.Ref, tables.Updated, tables.Owners, tables.ID, tables.Name) {
			if !slices.Contains(a.Identifiers, name) {
				t.Errorf("%s: %q is not read: %q", storedBatch(database, tables), name, a.Identifiers)
			}
		}
	})
}
