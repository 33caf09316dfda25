package site

import (
	"fmt"
	"time"

	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
)

// BackFinding warns of going back to a version that another one has replaced: it may have been replaced because it leaked. Used
// says that the version is about to be put somewhere.
func BackFinding(in reconciler.Input, ref secret.Ref, used bool) (reconciler.Finding, bool) {
	last, replaced := in.History.Replaced(ref.Name, ref.Version)
	if !used || !replaced {
		return reconciler.Finding{}, false
	}
	return Warning("version-back", fmt.Sprintf("version %s was live before, and %s replaced it on %s: whoever has known it still does", ref.Version, last.Version, last.Time.UTC().Format(time.DateOnly)),
		fmt.Sprintf("if %s was replaced because it leaked, or is due, declare a new version instead", ref.Version)), true
}
