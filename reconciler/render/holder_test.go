package render

import (
	"strings"
	"testing"

	"meshrotate/state"
)

// Who only is silent has perhaps not ended: the words do not say so.
func TestAHolderThatIsSilent(t *testing.T) {
	if got := holderLine(state.Holder{Ended: true}); !strings.Contains(got, ". It has ended: the next apply") {
		t.Error(got)
	}
	if got := holderLine(state.Holder{Ended: true, Silent: true}); strings.Contains(got, ". It has ended:") || !strings.Contains(got, "suspended") {
		t.Error(got)
	}
}
