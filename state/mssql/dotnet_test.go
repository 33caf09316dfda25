package mssql_test

import (
	"testing"

	"meshrotate/providers/dotnettest"
	"meshrotate/state/mssql"
)

// TestMicrosoftReadsWhatWeSend gives every statement to the T-SQL parser of SQL Server 2016 to 2025.
func TestMicrosoftReadsWhatWeSend(t *testing.T) {
	var all []string
	for _, schema := range []string{mssql.DefaultSchema, "a]b'c"} {
		all = append(all, mssql.Statements(schema)...)
	}
	versions := []int{130, 140, 150, 160, 170}
	type answer struct {
		OK     bool
		Errors []struct{ Message string }
	}
	dotnettest.Ask(t, len(all)*len(versions), func(i int) any {
		return map[string]any{"op": "tsql", "text": all[i/len(versions)], "version": versions[i%len(versions)]}
	}, func(i int, a answer) {
		if !a.OK {
			t.Errorf("version %d, %s: %+v", versions[i%len(versions)], all[i/len(versions)], a.Errors)
		}
	})
}
