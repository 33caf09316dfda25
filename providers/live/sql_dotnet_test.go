package live

import (
	"testing"

	"meshrotate/providers/dotnettest"
)

// TestMicrosoftReadsWhatIsAsked gives every batch to the T-SQL parser of SQL Server 2016 to 2025.
func TestMicrosoftReadsWhatIsAsked(t *testing.T) {
	batches := []string{catalogueBatch, catalogueBatch + loginsBatch + "@p2, @p3)", usersBatch + "@p1, @p2)", whereBatch}
	versions := []int{130, 140, 150, 160, 170}
	type answer struct {
		OK     bool
		Errors []struct{ Message string }
	}
	dotnettest.Ask(t, len(batches)*len(versions), func(i int) any {
		return map[string]any{"op": "tsql", "text": batches[i/len(versions)], "version": versions[i%len(versions)]}
	}, func(i int, a answer) {
		if !a.OK {
			t.Errorf("version %d, %s: %+v", versions[i%len(versions)], batches[i/len(versions)], a.Errors)
		}
	})
}
