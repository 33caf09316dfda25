package site

import (
	"slices"
	"testing"

	"meshrotate/reconciler"
)

// Access rules that nobody could read are told: what is not seen is not fine.
func TestAccessThatCouldNotBeSeen(t *testing.T) {
	read := Exposure{Host: "h", Service: "S", Path: `C:\f`}
	seen := reconciler.Seen{Host("h"): {Reach: reconciler.Reached, Results: map[string]reconciler.Result{read.Key(): &ExposedSeen{Exposure: read, Unknown: []string{`C:\f`}}}}}
	all := Exposed(seen, []reconciler.Read{read})
	if len(all) != 1 || all[0].Code != "access-unknown" || all[0].Severity != reconciler.Note || !slices.Equal(all[0].Hosts, []string{"h"}) {
		t.Errorf("%+v", all)
	}
}
